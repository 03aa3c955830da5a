"""Private RabbitMQ and Redis servers for tests, the demo and the bench."""

from esb_standins.nodes.errors import NodeError, NodeFailed, NodesUnavailable
from esb_standins.nodes.server import PrivateServer, Server
from esb_standins.nodes.session import Nodes, blocking_nodes, nodes

__all__ = ["NodeError", "NodeFailed", "Nodes", "NodesUnavailable", "PrivateServer", "Server", "blocking_nodes", "nodes"]
