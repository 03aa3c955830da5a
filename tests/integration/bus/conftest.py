"""A queue of one's own with a consumer whose handler does what the test says."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from esb_bus.broker import Declarer
from esb_bus.browse import browse
from esb_bus.commands import Command, command_message
from esb_bus.consumer import LinkSource, QueueConsumer
from esb_bus.deadletter import Failure, Letter, read_letter
from esb_bus.ports import WriteGuard
from esb_bus.publisher import Publisher
from esb_bus.session import Options
from esb_bus.topology import H_OBJECT, H_THREAD, H_VERSION, dead_queue, parked_queue, store_queue, work_queue
from esb_bus.verdict import RetryPolicy
from esb_bus.wire import Delivery, Outgoing
from esb_standins.nodes import Nodes

FAST = RetryPolicy(delays=(0.05, 0.1), hold_s=0.5, settle_s=0.4, give_up_s=3600)


async def until(condition: Callable[[], Any], seconds: float = 15) -> None:
    """Wait for a condition (a function, plain or async) with a deadline."""
    async with asyncio.timeout(seconds):
        while True:
            result = condition()
            if isinstance(result, Awaitable):
                result = await result
            if result:
                return
            await asyncio.sleep(0.02)


@dataclass
class Recorder:
    """A handler with state: remembers what was done, in order, and fails as told."""

    done: list[str] = field(default_factory=list)
    tried: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    failing: dict[str, Exception] = field(default_factory=dict)
    down: Exception | None = None
    gate: asyncio.Event | None = None
    doubts: list[float] = field(default_factory=list)

    async def handle(self, delivery: Delivery, guard: WriteGuard) -> str:
        text = delivery.body.decode()
        self.tried.append(text)
        if self.down is not None:
            raise self.down
        if text in self.failing:
            raise self.failing[text]
        guard.before_write()
        if self.gate is not None:
            await self.gate.wait()
        self.done.append(text)
        return "sent"

    async def buried(self, delivery: Delivery, failure: Failure) -> None:
        self.told.append(f"{delivery.body.decode()}:{failure.code}")

    async def probe(self) -> None:
        if self.down is not None:
            raise self.down


class Bench:
    """One work queue with its `.parked` and `.dead`."""

    def __init__(self, servers: Nodes, queue: str) -> None:
        self.servers = servers
        self.queue = queue
        self.links = LinkSource(servers.amqp_url, f"test {queue}")
        self.publisher = Publisher(servers.amqp_url, f"test {queue}", deadline_s=5)
        self.declarer = Declarer(
            servers.amqp_url,
            [work_queue(queue, ""), store_queue(parked_queue(queue), ""), store_queue(dead_queue(queue), "")],
        )

    async def publish(
        self,
        text: str,
        thread: str | None,
        *,
        version: int = 1,
        object: str | None = None,  # noqa: A002  as the header is called
        message_id: str = "",
    ) -> None:
        headers: dict[str, Any] = {H_VERSION: version}
        if thread is not None:
            headers |= {H_THREAD: thread, H_OBJECT: object or thread}
        await self.publisher.publish(
            Outgoing(text.encode(), self.queue, message_id or str(uuid.uuid4()), headers=headers)
        )

    async def command(self, name: str, *letters: str) -> None:
        await self.publisher.publish(command_message(self.queue, Command(name, letters)))  # type: ignore[arg-type]

    async def letters(self) -> list[Letter]:
        async with browse(await self.links.link(), dead_queue(self.queue)) as browser:
            return [read_letter(delivery, self.queue) async for delivery in browser.messages()]

    async def count(self, queue: str) -> int:
        return await (await self.links.link()).ready_count(queue)

    @asynccontextmanager
    async def consumer(
        self, handler: Recorder, links: LinkSource | None = None, **options: Any
    ) -> AsyncIterator[QueueConsumer]:
        """Run a consumer with connections of its own."""
        links = links or LinkSource(self.servers.amqp_url, f"consumer {self.queue}")
        settings = {"policy": FAST, "park_retry_s": 0.3, "tick_s": 0.3, "grace_s": 5, **options}
        consumer = QueueConsumer(Options(self.queue, **settings), handler, links, self.publisher, self.declarer)
        stop = asyncio.Event()
        task = asyncio.create_task(consumer.run(stop))
        try:
            yield consumer
        finally:
            stop.set()
            await asyncio.wait((task,), timeout=15)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await links.close()


@pytest.fixture
async def bench(servers: Nodes, unique: str) -> AsyncIterator[Bench]:
    bench = Bench(servers, f"out.{unique}")
    await bench.declarer.declare_all()
    try:
        yield bench
    finally:
        await bench.links.close()
        await bench.publisher.close()
