"""A poll runs in one process at a time and never loses its place."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aio_pika
import pytest
from tests.integration.bus.conftest import until
from tests.proxy import proxy_to

from esb_bus.broker import Declarer
from esb_bus.consumer import LinkSource
from esb_bus.errors import EndpointDown
from esb_bus.lease import LeasedPoll, Token, read_token, write_token
from esb_bus.ports import Polled, RawSink
from esb_bus.publisher import Publisher, QueueSink
from esb_bus.topology import work_queue
from esb_standins.nodes import Nodes


class Source:
    """A source whose cursor is a number; remembers from where it was read, and by how many at once."""

    def __init__(self) -> None:
        self.read_from: list[int | None] = []
        self.at_once = 0
        self.most_at_once = 0
        self.error: Exception | None = None
        self.gate: asyncio.Event | None = None

    async def poll(self, cursor: str | None, sink: RawSink) -> Polled:
        del sink
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            self.read_from.append(None if cursor is None else int(cursor))
            await asyncio.sleep(0.01)
            if self.gate is not None:
                await self.gate.wait()
            if self.error is not None:
                raise self.error
            return Polled(str(int(cursor or 0) + 1))
        finally:
            self.at_once -= 1


class Polls:
    def __init__(self, servers: Nodes, queue: str, source: Source) -> None:
        self.servers, self.queue, self.source = servers, queue, source
        self.publisher = Publisher(servers.amqp_url, queue, deadline_s=5)
        self.declarer = Declarer(servers.amqp_url, [work_queue(queue, "")])

    @asynccontextmanager
    async def process(self, url: str | None = None, heartbeat_s: int = 4) -> AsyncIterator[LeasedPoll]:
        links = LinkSource(url or self.servers.amqp_url, self.queue, heartbeat_s)
        sink = QueueSink(self.publisher, self.declarer)
        poll = LeasedPoll(self.queue, self.source, links, self.publisher, sink, 0.02, self.declarer)
        stop = asyncio.Event()
        task = asyncio.create_task(poll.run(stop))
        try:
            yield poll
        finally:
            stop.set()
            await asyncio.wait((task,), timeout=10)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await links.close()

    async def in_broker(self, *, delete: bool) -> None:
        connection = await aio_pika.connect(self.servers.amqp_url)
        async with connection:
            channel = await connection.channel()
            if delete:
                await channel.queue_delete(self.queue)
            else:
                await (await channel.get_queue(self.queue)).purge()


@pytest.fixture
async def polls(servers: Nodes, unique: str) -> AsyncIterator[Polls]:
    polls = Polls(servers, f"lease.{unique}", Source())
    await polls.declarer.declare_all()
    yield polls
    await polls.publisher.close()


def places(source: Source) -> list[int]:
    return [place or 0 for place in source.read_from]


async def test_rounds_go_on_from_the_last_cursor(polls: Polls):
    async with polls.process():
        await until(lambda: len(polls.source.read_from) >= 5)

    assert polls.source.read_from[:5] == [None, 1, 2, 3, 4]


async def test_of_two_processes_one_polls_and_the_other_goes_on_from_its_place(polls: Polls):
    async with polls.process(), polls.process():
        await until(lambda: len(polls.source.read_from) >= 10)
    reached = max(places(polls.source))
    async with polls.process():
        await until(lambda: max(places(polls.source)) > reached + 3)

    assert polls.source.most_at_once == 1
    assert places(polls.source) == sorted(places(polls.source))
    assert polls.source.read_from.count(None) == 1


async def test_a_process_lost_in_the_middle_of_a_round_repeats_that_round_only(polls: Polls):
    async with proxy_to(polls.servers.amqp_url) as (proxy, url), polls.process(url, heartbeat_s=1):
        await until(lambda: len(polls.source.read_from) >= 5)
        polls.source.gate = asyncio.Event()
        waiting = len(polls.source.read_from)
        await until(lambda: len(polls.source.read_from) > waiting or polls.source.at_once)
        proxy.cut()
        polls.source.gate.set()
        polls.source.gate = None
        reached = max(places(polls.source))
        await until(lambda: max(places(polls.source)) > reached + 3)

    assert places(polls.source) == sorted(places(polls.source))
    assert len(places(polls.source)) - len(set(places(polls.source))) <= 2


async def test_an_endpoint_that_is_down_keeps_the_place(polls: Polls):
    async with polls.process():
        await until(lambda: len(polls.source.read_from) >= 3)
        polls.source.error = EndpointDown("gone")
        place = len(polls.source.read_from)
        await until(lambda: len(polls.source.read_from) > place + 3)
        polls.source.error = None
        await until(lambda: len(set(polls.source.read_from)) > 5)

    assert places(polls.source) == sorted(places(polls.source))


@pytest.mark.parametrize("delete", [True, False], ids=["deleted", "purged"])
async def test_a_token_taken_away_by_a_person_does_not_stop_the_poll(polls: Polls, delete: bool):
    async with polls.process():
        await until(lambda: len(polls.source.read_from) >= 3)
        await polls.in_broker(delete=delete)
        reached = max(places(polls.source))
        await until(lambda: max(places(polls.source)) > reached + 3)

    assert polls.source.read_from.count(None) == 1


@pytest.mark.parametrize(
    ("body", "token"),
    [
        (write_token("q", Token(5, "abc")).body, Token(5, "abc")),
        (b'{"epoch": 3, "cursor": null}', Token(3)),
        (b"", Token(-1)),
        (b"[]", Token(-1)),
        (b'{"epoch": "many", "cursor": 1}', Token(-1)),
        (b'{"epoch": 1e999, "cursor": 1}', Token(-1)),
    ],
)
def test_a_token_is_read_and_an_unreadable_one_counts_as_the_beginning(body: bytes, token: Token):
    assert read_token(body) == token
