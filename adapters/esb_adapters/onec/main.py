"""Composition of the 1C adapter: what `esb run` and `esb check` take from it."""

import logging
from dataclasses import dataclass

import httpx
from pydantic import SecretStr

from esb_adapters.onec.check import assumptions, check_base
from esb_adapters.onec.client import ODataClient
from esb_adapters.onec.configurations import ConfigurationFacts
from esb_adapters.onec.contents import Contents
from esb_adapters.onec.counterparties import Counterparties
from esb_adapters.onec.lookup import Documents
from esb_adapters.onec.mapper import OneCMapper
from esb_adapters.onec.memory import Memory
from esb_adapters.onec.poller import PaymentPoller
from esb_adapters.onec.protocol import authorisation
from esb_adapters.onec.resolve import Directory
from esb_adapters.onec.sender import OneCSender
from esb_adapters.onec.tables import configuration
from esb_bus.cache import MemoryCache
from esb_bus.landscape import Landscape, OneCBase
from esb_bus.outgoing import open_http
from esb_bus.ports import Cache

KEEPALIVE_S = 5.0
"""Shorter than a web server's own limit, so that no write goes into a connection that is just being closed."""
CONNECT_S = 10.0


@dataclass(frozen=True, slots=True)
class BaseParts:
    """What runs for one base. They share a client; close it last. Without an exchange plan nothing is polled."""

    endpoint: str
    client: ODataClient
    mapper: OneCMapper
    poller: PaymentPoller | None
    sender: OneCSender


def open_client(base: OneCBase, secret: SecretStr) -> ODataClient:
    """Connections to one base. The secret is `user:password` of a 1C user."""
    # httpx logs the address of every request at INFO, and ours hold tax numbers and names.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    http = open_http(
        headers={"Authorization": authorisation(secret.get_secret_value())},
        timeout=httpx.Timeout(base.timeout_s, connect=min(CONNECT_S, base.timeout_s)),
        limits=httpx.Limits(max_connections=base.max_parallel * 2 + 2, keepalive_expiry=KEEPALIVE_S),
    )
    return ODataClient(http, str(base.url))


def parts(endpoint: str, base: OneCBase, landscape: Landscape, client: ODataClient, cache: Cache) -> BaseParts:
    """Compose everything that runs for the base `endpoint` (`onec.trade`)."""
    del landscape  # every adapter is offered it; a base needs its own part only
    return compose(endpoint, base, configuration(base.configuration), client, cache)


def compose(endpoint: str, base: OneCBase, facts: ConfigurationFacts, client: ODataClient, cache: Cache) -> BaseParts:
    """The same for a configuration that is described by other facts than our tables."""
    directory = Directory(endpoint, base, facts, client, Memory(endpoint, cache))
    documents = Documents(endpoint, base, client)
    contents = Contents(base, facts, directory, Counterparties(directory), documents)
    plan = base.exchange_plan
    return BaseParts(
        endpoint=endpoint,
        client=client,
        mapper=OneCMapper(directory, documents, client, cache),
        poller=None if plan is None else PaymentPoller(endpoint, plan, facts, client),
        sender=OneCSender(endpoint, base, client, documents, contents),
    )


async def check(endpoint: str, base: OneCBase, client: ODataClient) -> list[str]:
    """Return what is wrong with a base, one line each."""
    facts = configuration(base.configuration)
    directory = Directory(endpoint, base, facts, client, Memory(endpoint, MemoryCache()))
    return await check_base(directory, base, client)


def assumed(base: OneCBase) -> list[str]:
    """Return what cannot be checked from outside and is taken for granted, one line each."""
    return assumptions(base, configuration(base.configuration))
