"""A consumer of one queue, to be killed: every effect is one line in a file, which stands for a base.

    python -m tests.integration.bus.crash_program <amqp url> <queue> <file>

A message whose line is there already is recognised by its key, as a base recognises a document. Some messages fail
the first time they are seen, so that threads are held, parked and buried while the process dies.
"""

import asyncio
import os
import sys
from pathlib import Path

from esb_bus.broker import Declarer
from esb_bus.consumer import LinkSource, QueueConsumer
from esb_bus.deadletter import Failure
from esb_bus.errors import PermanentError, RetryableError
from esb_bus.ports import WriteGuard
from esb_bus.publisher import Publisher
from esb_bus.session import Options
from esb_bus.topology import dead_queue, parked_queue, store_queue, work_queue
from esb_bus.verdict import RetryPolicy
from esb_bus.wire import Delivery

POLICY = RetryPolicy(delays=(0.05,), hold_s=0.2, settle_s=0, give_up_s=3600)
BUSY, BROKEN = 11, 17


class Base:
    """The ledger. Lines are `<key>` for an effect, `!<key>` for one that was there already."""

    def __init__(self, file: Path) -> None:
        self._file = file.open("a", encoding="utf-8")
        self._known = set(file.read_text(encoding="utf-8").split())
        self._file_of_repairs = file.with_suffix(".repaired")
        self._seen: set[str] = set()

    async def handle(self, delivery: Delivery, guard: WriteGuard) -> str:
        key = delivery.body.decode()
        number = int(key.split("-")[1])
        if number % BROKEN == 0 and not self._file_of_repairs.exists():
            raise PermanentError("broken until it is repaired")
        if number % BUSY == 0 and key not in self._seen and number % 2:
            self._seen.add(key)
            raise RetryableError("busy", retry_after=0.3)
        guard.before_write()
        await asyncio.sleep(0.002)
        self._write(f"!{key}" if key in self._known else key)
        self._known.add(key)
        return "created"

    def _write(self, line: str) -> None:
        self._file.write(line + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    async def buried(self, delivery: Delivery, failure: Failure) -> None:
        """Nobody to tell."""

    async def probe(self) -> None:
        """Always there."""


async def main(url: str, queue: str, file: Path) -> None:
    publisher = Publisher(url, f"crash {queue}")
    queues = [work_queue(queue, ""), store_queue(parked_queue(queue), ""), store_queue(dead_queue(queue), "")]
    options = Options(queue, policy=POLICY, park_retry_s=0.3, tick_s=0.3, prefetch=64)
    consumer = QueueConsumer(options, Base(file), LinkSource(url, f"crash {queue}"), publisher, Declarer(url, queues))
    await consumer.run(asyncio.Event())


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
