"""Puts the parts for one base together."""

import httpx

from esb_adapters.onec.client import ODataClient
from esb_adapters.onec.contents import Contents
from esb_adapters.onec.counterparties import Counterparties
from esb_adapters.onec.lookup import Documents
from esb_adapters.onec.memory import Memory
from esb_adapters.onec.protocol import authorisation
from esb_adapters.onec.resolve import Directory
from esb_adapters.onec.sender import OneCSender
from esb_adapters.onec.tables import configuration
from esb_bus.landscape import OneCBase
from esb_bus.ports import Cache

KEEPALIVE_S = 5.0
"""Shorter than a web server's own limit, so that no write goes into a connection that is just being closed."""
CONNECT_S = 10.0


def http_client(base: OneCBase, secret: str) -> httpx.AsyncClient:
    """Connections to one base. `secret` is `user:password`; the caller closes the client."""
    return httpx.AsyncClient(
        headers={"Authorization": authorisation(secret)},
        timeout=httpx.Timeout(base.timeout_s, connect=min(CONNECT_S, base.timeout_s)),
        limits=httpx.Limits(max_connections=base.max_parallel * 2 + 2, keepalive_expiry=KEEPALIVE_S),
        trust_env=False,
    )


def sender(name: str, base: OneCBase, http: httpx.AsyncClient, cache: Cache) -> OneCSender:
    """Make the sender of the base `name` (`onec.trade`)."""
    facts = configuration(base.configuration)
    client = ODataClient(http, str(base.url))
    directory = Directory(name, base, facts, client, Memory(name, cache))
    documents = Documents(name, base, client)
    contents = Contents(base, facts, directory, Counterparties(directory), documents)
    return OneCSender(name, base, client, documents, contents)
