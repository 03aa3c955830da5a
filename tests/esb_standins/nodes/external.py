"""A corner of servers that run already: a virtual host and a key prefix of our own, removed afterwards."""

import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import quote, urlsplit, urlunsplit

import httpx
from redis.asyncio import Redis

from esb_standins.nodes.errors import NodesUnavailable

_PLAIN_MANAGEMENT_PORT = 15672
_TLS_MANAGEMENT_PORT = 15671


@dataclass(frozen=True, slots=True)
class GivenBroker:
    """Where the corner is.

    Args:
        amqp_url: names the virtual host to use.
        management_url: with user and password; None when the broker has no management plugin that we reach.
        is_own_vhost: False when the virtual host of the URL had to be used as it is.
    """

    amqp_url: str
    management_url: str | None
    is_own_vhost: bool


def management_url_for(amqp_url: str) -> str:
    """Derive the usual management address of a broker, with the same account."""
    parts = urlsplit(amqp_url)
    account = f"{parts.username or 'guest'}:{parts.password or 'guest'}"
    scheme, port = ("https", _TLS_MANAGEMENT_PORT) if parts.scheme == "amqps" else ("http", _PLAIN_MANAGEMENT_PORT)
    return f"{scheme}://{account}@{parts.hostname or 'localhost'}:{port}"


def with_vhost(amqp_url: str, vhost: str) -> str:
    return urlunsplit(urlsplit(amqp_url)._replace(path=f"/{quote(vhost, safe='')}"))


def new_name() -> str:
    """Return a name that tells where it comes from, should it ever be left behind."""
    return f"esb-temporary-{os.getpid()}-{secrets.token_hex(4)}"


@asynccontextmanager
async def own_vhost(amqp_url: str, management_url: str | None) -> AsyncIterator[GivenBroker]:
    """Make a virtual host for the time of the block.

    Args:
        management_url: as the user gave it; None to try the usual place beside `amqp_url`.

    Raises:
        NodesUnavailable: the management address that was given does not answer, or refuses.
    """
    address = management_url or management_url_for(amqp_url)
    async with httpx.AsyncClient(base_url=address, timeout=10, trust_env=False) as client:
        try:
            whoami = await client.get("/api/whoami")
            whoami.raise_for_status()
        except httpx.HTTPError as error:
            if management_url is not None:
                raise NodesUnavailable(f"ESB_AMQP_MANAGEMENT_URL does not answer: {error}") from error
            yield GivenBroker(amqp_url, None, is_own_vhost=False)
            return
        name = new_name()
        await _make_vhost(client, name, str(whoami.json()["name"]))
        try:
            yield GivenBroker(with_vhost(amqp_url, name), address, is_own_vhost=True)
        finally:
            await client.delete(f"/api/vhosts/{name}")


async def _make_vhost(client: httpx.AsyncClient, name: str, user: str) -> None:
    rights = {"configure": ".*", "write": ".*", "read": ".*"}
    try:
        (await client.put(f"/api/vhosts/{name}", json={})).raise_for_status()
        answer = await client.put(f"/api/permissions/{name}/{quote(user, safe='')}", json=rights)
        answer.raise_for_status()
    except httpx.HTTPError as error:
        raise NodesUnavailable(f"the user of ESB_AMQP_URL may not make a virtual host of its own: {error}") from error


@asynccontextmanager
async def own_prefix(redis_url: str) -> AsyncIterator[str]:
    """Name a key prefix for the time of the block, and delete its keys afterwards."""
    prefix = f"{new_name()}:"
    yield prefix
    async with Redis.from_url(redis_url) as client:
        async for key in client.scan_iter(match=f"{prefix}*", count=1000):
            await client.unlink(key)
