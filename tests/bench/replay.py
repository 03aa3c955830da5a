"""Replay of 10,000 dead letters back to their queue and through it, in order per document."""

import asyncio
import time
import uuid
from collections import defaultdict

from esb_bus.broker import Declarer
from esb_bus.commands import Command, command_message
from esb_bus.consumer import LinkSource, QueueConsumer
from esb_bus.publisher import Publisher
from esb_bus.session import Options
from esb_bus.topology import (
    H_ERROR,
    H_LAST_FAILURE,
    H_LETTER,
    H_OBJECT,
    H_QUEUE,
    H_REASON,
    H_SEQUENCE,
    H_THREAD,
    H_VERSION,
    dead_queue,
    parked_queue,
    store_queue,
    work_queue,
)
from esb_bus.wire import Outgoing

QUEUE = "out.bench"
LETTERS_PER_DOCUMENT = 5


class _Recorder:
    def __init__(self, count: int) -> None:
        self.seen: dict[str, list[int]] = defaultdict(list)
        self.left = count
        self.done = asyncio.Event()

    async def handle(self, delivery, _guard) -> str:
        self.seen[delivery.headers[H_THREAD]].append(delivery.headers[H_VERSION])
        self.left -= 1
        if not self.left:
            self.done.set()
        return "sent"

    async def buried(self, _delivery, failure) -> None:
        raise AssertionError(f"a replayed letter failed: {failure}")

    async def probe(self) -> None:
        return


async def measure(url: str, count: int = 10_000) -> float:
    """Return seconds from the command until the last letter was worked on."""
    declarer = Declarer(
        url, [work_queue(QUEUE, ""), store_queue(dead_queue(QUEUE), ""), store_queue(parked_queue(QUEUE), "")]
    )
    await declarer.declare_all()
    publisher, links = Publisher(url, "bench replay"), LinkSource(url, "bench replay")
    letters = [_letter(number) for number in range(count)]
    for start in range(0, count, 500):
        await publisher.publish_all(letters[start : start + 500])
    recorder, stop = _Recorder(count), asyncio.Event()
    consumer = QueueConsumer(Options(QUEUE, prefetch=128, max_parallel=16), recorder, links, publisher, declarer)
    task = asyncio.create_task(consumer.run(stop))
    try:
        started = time.perf_counter()
        ids = tuple(str(letter.headers[H_LETTER]) for letter in letters)
        await publisher.publish(command_message(QUEUE, Command("replay", ids, "bench")))
        await asyncio.wait_for(recorder.done.wait(), 120)
        seconds = time.perf_counter() - started
    finally:
        stop.set()
        await task
        await links.close()
        await publisher.close()
    assert all(versions == sorted(versions) for versions in recorder.seen.values()), "out of order"
    assert sum(map(len, recorder.seen.values())) == count
    return seconds


def _letter(number: int) -> Outgoing:
    document, version = divmod(number, LETTERS_PER_DOCUMENT)
    thread, message_id = f"order/website.shop/{document}", str(uuid.uuid4())
    headers = {
        H_THREAD: thread,
        H_OBJECT: thread,
        H_VERSION: version,
        H_LETTER: message_id,
        H_SEQUENCE: number + 1,
        H_QUEUE: QUEUE,
        H_REASON: "unknown_product",
        H_ERROR: "lines[1].article: no product has the article A-17",
        H_LAST_FAILURE: "2026-03-02T09:10:00+00:00",
    }
    return Outgoing(b"x" * 600, dead_queue(QUEUE), message_id, headers)
