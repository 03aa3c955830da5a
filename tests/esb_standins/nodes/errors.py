"""What can go wrong while private servers are provided."""


class NodeError(Exception):
    """A private server cannot be provided; the text is meant for the person at the keyboard."""


class NodesUnavailable(NodeError):
    """This machine has no such server and no means of getting one."""


class NodeFailed(NodeError):
    """The server was started and did not come up, or went away."""
