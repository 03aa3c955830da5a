"""The servers that a test run, the demo or the bench works on: given by the environment, or private ones."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from esb_standins.nodes.claim import claim_near
from esb_standins.nodes.external import GivenBroker, own_prefix, own_vhost
from esb_standins.nodes.private import Servers, plan_servers
from esb_standins.nodes.rabbitmq import RabbitAddress
from esb_standins.nodes.redis import RedisAddress
from esb_standins.nodes.server import Server

PRIVATE_PREFIX = "esb:"


@dataclass(frozen=True, slots=True)
class Nodes:
    """Where to connect.

    Args:
        amqp_url: names user, password and virtual host.
        management_url: with user and password; None when a given broker has no management plugin that we reach.
        redis_url: names password and database.
        redis_prefix: what every key has to begin with.
        is_own_vhost: False when a virtual host that others use had to be taken; leave it as you found it.
        rabbitmq: the private node, to kill, restart or pause; None when the broker was given.
        redis: likewise.
    """

    amqp_url: str
    management_url: str | None
    redis_url: str
    redis_prefix: str
    is_own_vhost: bool
    rabbitmq: Server[RabbitAddress] | None
    redis: Server[RedisAddress] | None

    def environment(self) -> dict[str, str]:
        """Return the settings that point a process of the product at these servers."""
        settings = {
            "ESB_AMQP_URL": self.amqp_url,
            "ESB_REDIS_URL": self.redis_url,
            "ESB_REDIS_PREFIX": self.redis_prefix,
        }
        if self.management_url is not None:
            settings["ESB_AMQP_MANAGEMENT_URL"] = self.management_url
        return settings


@asynccontextmanager
async def nodes(run_dir: Path, environ: Mapping[str, str] = os.environ) -> AsyncIterator[Nodes]:
    """Provide RabbitMQ and Redis for the time of the block.

    ESB_AMQP_URL and ESB_REDIS_URL in `environ` name servers that run already: they get a virtual host and a key prefix
    of our own. What is not named is started privately under `run_dir`, or under a folder beside it when another process
    works there, and is gone afterwards with its data, also when this process is killed.

    Raises:
        NodesUnavailable: neither given nor to be had on this machine.
        NodeFailed: did not come up.
    """
    amqp_url, redis_url = environ.get("ESB_AMQP_URL"), environ.get("ESB_REDIS_URL")
    async with AsyncExitStack() as stack:
        servers = await stack.enter_async_context(
            _private(run_dir, rabbitmq=amqp_url is None, redis=redis_url is None),
        )
        broker = await stack.enter_async_context(_broker(servers, amqp_url, environ.get("ESB_AMQP_MANAGEMENT_URL")))
        redis, prefix = await stack.enter_async_context(_redis(servers, redis_url))
        yield Nodes(
            amqp_url=broker.amqp_url,
            management_url=broker.management_url,
            redis_url=redis,
            redis_prefix=prefix,
            is_own_vhost=broker.is_own_vhost,
            rabbitmq=servers.rabbitmq,
            redis=servers.redis,
        )


@contextmanager
def blocking_nodes(run_dir: Path, environ: Mapping[str, str] = os.environ) -> Iterator[Nodes]:
    """Provide the same to code that is not asynchronous, such as a fixture of the whole test session."""
    with asyncio.Runner() as runner:
        context = nodes(run_dir, environ)
        provided = runner.run(context.__aenter__())
        try:
            yield provided
        finally:
            runner.run(context.__aexit__(None, None, None))


@asynccontextmanager
async def _private(run_dir: Path, *, rabbitmq: bool, redis: bool) -> AsyncIterator[Servers]:
    if not rabbitmq and not redis:
        yield Servers(None, None)
        return
    with claim_near(run_dir) as claimed:
        servers = await asyncio.to_thread(
            plan_servers, claimed.directory, lock=claimed.descriptor, rabbitmq=rabbitmq, redis=redis
        )
        await servers.start()
        try:
            yield servers
        finally:
            await servers.discard()


@asynccontextmanager
async def _broker(servers: Servers, url: str | None, management_url: str | None) -> AsyncIterator[GivenBroker]:
    if servers.rabbitmq is not None:
        address = servers.rabbitmq.address
        yield GivenBroker(address.amqp_url, address.management_url, is_own_vhost=True)
        return
    assert url is not None
    async with own_vhost(url, management_url) as broker:
        yield broker


@asynccontextmanager
async def _redis(servers: Servers, url: str | None) -> AsyncIterator[tuple[str, str]]:
    if servers.redis is not None:
        yield servers.redis.address.url, PRIVATE_PREFIX
        return
    assert url is not None
    async with own_prefix(url) as prefix:
        yield url, prefix
