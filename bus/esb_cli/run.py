"""The process `esb run`: every role of the bus, composed from settings and landscape. Read it top to bottom."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

import redis.asyncio as redis
import structlog

from esb_adapters.bitrix24 import main as bitrix24
from esb_adapters.door import door
from esb_adapters.door_server import serve_door
from esb_adapters.onec import main as onec
from esb_adapters.receiving import Intake, Limits
from esb_adapters.website import main as website
from esb_bus.administration import Administration
from esb_bus.alarms import Backlogs, GatedSink, Measure, counted_by, measured_by, watch_backlogs
from esb_bus.broker import Declarer
from esb_bus.cache import MemoryCache, RedisCache, open_redis
from esb_bus.consumer import LinkSource, QueueConsumer
from esb_bus.landscape import BITRIX24_KIND, ONEC_KIND, WEBSITE_KIND, Landscape
from esb_bus.lease import LeasedPoll
from esb_bus.ports import Cache, Mapper, Poller, RawSink, Sender
from esb_bus.publisher import EventPublisher, Publisher, QueueSink
from esb_bus.session import Handler, Options
from esb_bus.settings import Secrets, Settings
from esb_bus.topology import (
    RECEIVER_KINDS,
    dead_queue,
    in_queue,
    lease_queue,
    out_queue,
    parked_queue,
    plan,
    transform_queue,
    worked_queues,
)
from esb_bus.verdict import Pause, RetryPolicy
from esb_bus.workers import InboundWorker, OutboundWorker, TransformWorker
from esb_schemas.endpoints import EndpointPaused, EndpointResumed
from esb_schemas.envelope import new_event
from esb_schemas.identifiers import SHARED
from esb_schemas.registry import Registry
from esb_transformers.routing import documents

RESTART_DELAY_S = 2.0
OUT_PREFETCH = 32

log = structlog.get_logger()

Role = Callable[[asyncio.Event], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What an adapter brings for one endpoint; a part it does not have is None."""

    name: str
    mapper: Mapper | None = None
    sender: Sender | None = None
    poller: Poller | None = None
    poll_kind: str = ""
    poll_s: float = 60
    settle_s: float = 0
    max_parallel: int = 16


async def run(settings: Settings, landscape: Landscape, secrets: Secrets, stop: asyncio.Event) -> None:
    """Work until `stop` is set.

    Raises:
        BrokerUnavailable, TopologyMismatch: the broker cannot be used; nothing was started.
        SecretMissing: a secret the landscape names does not exist.
    """
    async with AsyncExitStack() as stack:
        url = settings.amqp_url.get_secret_value()
        declarer = Declarer(url, plan(landscape))
        await declarer.declare_all()
        publisher = Publisher(
            url, "esb publisher", heartbeat_s=settings.heartbeat_s, deadline_s=settings.publish_deadline_s
        )
        stack.push_async_callback(publisher.close)
        links = LinkSource(url, "esb consumer", settings.heartbeat_s)
        stack.push_async_callback(links.close)
        connection = await stack.enter_async_context(_redis(settings))
        cache = MemoryCache() if connection is None else RedisCache(connection, settings.redis_prefix)
        backlogs = Backlogs(landscape)
        sink = GatedSink(QueueSink(publisher, declarer), backlogs.may_take)
        bus = Bus(settings, landscape, publisher, links, declarer, sink)
        endpoints = await _endpoints(stack, settings, landscape, secrets, cache, connection)
        intake = Intake(sink, Limits(store_s=settings.door_deadline_s))
        routes = [*website.routes(landscape, secrets, intake), *bitrix24.routes(landscape, secrets, intake)]
        listener = socket.create_server((settings.http_host, settings.http_port), backlog=256)
        stack.callback(listener.close)
        roles: list[tuple[str, Role]] = [
            ("door", partial(serve_door, door(routes, is_ready=lambda: publisher.is_connected), listener)),
            ("backlogs", partial(watch_backlogs, backlogs, await _measure(stack, settings, landscape, links))),
            *bus.transform_roles(),
            *(role for endpoint in endpoints for role in bus.roles_of(endpoint)),
        ]
        log.info("bus.started", endpoints=len(endpoints), roles=len(roles), http_port=listener.getsockname()[1])
        await asyncio.gather(*(_supervised(name, role, stop) for name, role in roles))
        log.info("bus.stopped")


class Bus:
    """Makes the roles of a process: one consumer for each queue, one poll for each lease."""

    def __init__(
        self,
        settings: Settings,
        landscape: Landscape,
        publisher: Publisher,
        links: LinkSource,
        declarer: Declarer,
        sink: RawSink,
    ) -> None:
        self._settings = settings
        self._landscape = landscape
        self._publisher = publisher
        self._links = links
        self._declarer = declarer
        self._events = EventPublisher(publisher, landscape.targets)
        self._sink = sink

    def transform_roles(self) -> Iterator[tuple[str, Role]]:
        registry = Registry()
        for kind in RECEIVER_KINDS:
            queue = transform_queue(kind)
            documents_of = partial(documents, kind=kind, landscape=self._landscape)
            worker = TransformWorker(queue, registry, documents_of, self._events)
            yield self._consumer(queue, worker, settle_s=0, max_parallel=64, prefetch=self._settings.prefetch)

    def roles_of(self, endpoint: Endpoint) -> Iterator[tuple[str, Role]]:
        if endpoint.mapper is not None:
            worker = InboundWorker(endpoint.name, endpoint.mapper, self._events, endpoint.sender)
            queue = in_queue(endpoint.name)
            yield self._consumer(queue, worker, settle_s=0, max_parallel=16, prefetch=self._settings.prefetch)
        if endpoint.sender is not None:
            queue = out_queue(endpoint.name)
            sending = OutboundWorker(endpoint.name, queue, endpoint.sender, self._events)
            yield self._consumer(
                queue, sending, settle_s=endpoint.settle_s, max_parallel=endpoint.max_parallel, prefetch=OUT_PREFETCH
            )
        if endpoint.poller is not None:
            queue = lease_queue(endpoint.name, endpoint.poll_kind)
            poll = LeasedPoll(
                queue, endpoint.poller, self._links, self._publisher, self._sink, endpoint.poll_s, self._declarer
            )
            yield queue, poll.run

    def _consumer(
        self, queue: str, handler: Handler, *, settle_s: float, max_parallel: int, prefetch: int
    ) -> tuple[str, Role]:
        limits = self._landscape.limits
        options = Options(
            queue,
            prefetch=prefetch,
            max_parallel=max_parallel,
            policy=RetryPolicy(limits.retry_delays_s, limits.hold_s, settle_s, limits.give_up_s),
            park_retry_s=limits.park_retry_s,
        )
        consumer = QueueConsumer(
            options,
            handler,
            self._links,
            self._publisher,
            self._declarer,
            on_pause=self._tell_paused,
            on_resume=self._tell_resumed,
        )
        return queue, consumer.run

    async def _tell_paused(self, queue: str, pause: Pause) -> None:
        now = datetime.now(UTC)
        endpoint = queue.split(".", 1)[1]
        fact = EndpointPaused(legal_entity=SHARED, endpoint=endpoint, code=pause.code, reason=pause.reason, since=now)
        await self._tell(endpoint, fact, now)

    async def _tell_resumed(self, queue: str, seconds: float) -> None:
        endpoint = queue.split(".", 1)[1]
        fact = EndpointResumed(legal_entity=SHARED, endpoint=endpoint, paused_seconds=round(seconds))
        await self._tell(endpoint, fact, datetime.now(UTC))

    async def _tell(self, endpoint: str, fact: EndpointPaused | EndpointResumed, now: datetime) -> None:
        version = (now - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
        event = new_event(fact, endpoint=endpoint, objectkey=f"endpoint/{endpoint}", dataversion=version, time=now)
        await self._events.publish_events([event])


async def _endpoints(
    stack: AsyncExitStack,
    settings: Settings,
    landscape: Landscape,
    secrets: Secrets,
    cache: Cache,
    connection: redis.Redis | None,
) -> list[Endpoint]:
    return [
        *[await _website(stack, name, landscape, secrets, cache) for name in landscape.website],
        *[await _portal(stack, name, settings, landscape, secrets, cache, connection) for name in landscape.bitrix24],
        *[await _base(stack, name, landscape, secrets, cache) for name in landscape.onec],
    ]


async def _website(stack: AsyncExitStack, name: str, landscape: Landscape, secrets: Secrets, cache: Cache) -> Endpoint:
    endpoint = f"{WEBSITE_KIND}.{name}"
    shop = website.client(endpoint, landscape, secrets)
    if shop is not None:
        stack.push_async_callback(shop.close)
    return Endpoint(
        endpoint,
        mapper=website.mapper(endpoint, landscape, cache, shop),
        poller=None if shop is None else website.poller(endpoint, landscape, shop),
        poll_kind="orders",
        poll_s=landscape.website[name].poll_s,
    )


async def _portal(
    stack: AsyncExitStack,
    name: str,
    settings: Settings,
    landscape: Landscape,
    secrets: Secrets,
    cache: Cache,
    connection: redis.Redis | None,
) -> Endpoint:
    endpoint, portal = f"{BITRIX24_KIND}.{name}", landscape.bitrix24[name]
    budget = bitrix24.rate_budget(endpoint, portal, connection, settings.redis_prefix)
    client = bitrix24.open_client(portal, secrets.get(portal.secret), budget)
    stack.push_async_callback(client.close)
    parts = bitrix24.parts(endpoint, portal, client, cache, portal.article)
    return Endpoint(
        endpoint,
        mapper=parts.mapper,
        sender=parts.sender,
        poller=parts.poller,
        poll_kind="deals",
        poll_s=portal.poll_s,
        settle_s=portal.settle_s,
        max_parallel=portal.max_parallel,
    )


async def _base(stack: AsyncExitStack, name: str, landscape: Landscape, secrets: Secrets, cache: Cache) -> Endpoint:
    endpoint, base = f"{ONEC_KIND}.{name}", landscape.onec[name]
    client = onec.open_client(base, secrets.get(base.secret))
    stack.push_async_callback(client.close)
    parts = onec.parts(endpoint, base, landscape, client, cache)
    return Endpoint(
        endpoint,
        mapper=parts.mapper,
        sender=parts.sender,
        poller=parts.poller,
        poll_kind="payments",
        poll_s=base.poll_s,
        settle_s=base.settle_s,
        max_parallel=base.max_parallel,
    )


async def _measure(stack: AsyncExitStack, settings: Settings, landscape: Landscape, links: LinkSource) -> Measure:
    """By the management plugin where it is known, else by counting what waits."""
    if settings.management_url is None:
        queues = [queue.name for queue in worked_queues(landscape)]
        return counted_by(links, [name for queue in queues for name in (queue, parked_queue(queue), dead_queue(queue))])
    url = settings.management_url.get_secret_value()
    administration = Administration(url, settings.amqp_url.get_secret_value())
    return measured_by(await stack.enter_async_context(administration))


@asynccontextmanager
async def _redis(settings: Settings) -> AsyncIterator[redis.Redis | None]:
    if settings.redis_url is None:
        yield None
        return
    connection = open_redis(settings.redis_url.get_secret_value())
    try:
        yield connection
    finally:
        await connection.aclose()


async def _supervised(name: str, role: Role, stop: asyncio.Event) -> None:
    """Keep one role alive. The outermost loop: what escapes here is a bug, logged, and does not take others along."""
    while not stop.is_set():
        try:
            await role(stop)
        except Exception:
            log.exception("role.failed", role=name)
            await asyncio.sleep(RESTART_DELAY_S)


def run_process(settings: Settings, landscape: Landscape) -> None:
    """Run until SIGTERM or SIGINT."""
    import uvloop

    secrets = Secrets(settings.secrets_dir, dict(os.environ))

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await run(settings, landscape, secrets, stop)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
