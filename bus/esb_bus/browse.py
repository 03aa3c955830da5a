"""Reading `.dead` and `.parked`: one reader at a time, nothing taken out unless it is acknowledged.

Consuming without acknowledgement and then closing the channel returns everything in order (10,000 messages in
0.8 s on 3.10.8); `basic.get` is slow and scrambles. Two readers at once would each see only a part, and a consumer
that takes over would miss letters; hence the lock, an exclusive queue that the broker drops with its owner.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager

from esb_bus.topology import browse_lock
from esb_bus.wire import ChannelLost, ConsumeChannel, Delivery, Link, QueueLock

LOCK_PATIENCE_S = 30
LOCK_RETRY_S = 0.1
YOUNG_S = 0.6
ASK_AGAIN_S = 0.1
IDLE_S = 2.0
"""A queue that promised messages and is silent for so long keeps some from us."""
UNACKED_PER_CONSUMER = 60_000
"""A quorum queue takes prefetch 0 for 2,000 (3.10.8), and a prefetch has 16 bits: hence several consumers."""


Keep = Callable[[Delivery], bool]


def nothing(_: Delivery) -> bool:
    return False


class Browser:
    """All messages of one queue, unacknowledged, in order.

    Bodies are dropped on arrival unless `keep` wants them, so that any number of letters fits into memory.
    """

    def __init__(self, channel: ConsumeChannel, keep: Keep) -> None:
        self._channel = channel
        self._keep = keep
        self._inbox: asyncio.Queue[Delivery] = asyncio.Queue()
        self._expected = 0

    async def start(self, queue: str, expected: int) -> None:
        """Begin to read; `expected` messages are waiting. In the order of the queue up to 60,000."""
        self._expected = expected
        for _ in range(0, expected, UNACKED_PER_CONSUMER):
            await self._channel.consume(queue, self._arrived)

    def _arrived(self, delivery: Delivery) -> None:
        if not self._keep(delivery):
            delivery.body = b""
        self._inbox.put_nowait(delivery)

    async def messages(self) -> AsyncIterator[Delivery]:
        """Yield what was there when the reading began, and what came since, until the queue is drained.

        Raises:
            ChannelLost: the connection went away in the middle, or somebody holds messages back from us.
        """
        seen = 0
        while seen < self._expected or not self._inbox.empty():
            try:
                async with asyncio.timeout(IDLE_S):
                    delivery = await self._inbox.get()
            except TimeoutError:
                raise ChannelLost(f"only {seen} of {self._expected} messages could be read") from None
            seen += 1
            yield delivery

    async def ack(self, delivery: Delivery) -> None:
        await self._channel.ack(delivery.tag)

    async def aclose(self) -> None:
        await self._channel.close()


@asynccontextmanager
async def browse(link: Link, queue: str, keep: Keep = nothing) -> AsyncIterator[Browser]:
    """Read a queue while no other reader of ours does.

    Raises:
        ChannelLost: somebody else kept the lock for half a minute, or the connection is gone.
    """
    async with link.readers.hold(queue), browse_held(link, queue, keep) as browser:
        yield browser


@asynccontextmanager
async def browse_held(link: Link, queue: str, keep: Keep = nothing) -> AsyncIterator[Browser]:
    """As `browse`, for a caller that holds `link.readers` for the queue already."""
    lock = await _lock(link, queue)
    try:
        async with aclosing(Browser(await link.consume_channel(UNACKED_PER_CONSUMER), keep)) as browser:
            await browser.start(queue, await _count(link, queue))
            yield browser
    finally:
        await lock.release()


async def _count(link: Link, queue: str) -> int:
    """How much there is to read.

    A quorum queue that has no leader yet says that it holds nothing (3.10.8, for a quarter of a second after a restart
    of the broker), so an answer of zero is believed only when the connection is older than that. Consuming to find
    out is no way: without a leader it may never be answered.
    """
    count = await link.ready_count(queue)
    while not count and link.age_s < YOUNG_S:
        await asyncio.sleep(ASK_AGAIN_S)
        count = await link.ready_count(queue)
    return count


async def _lock(link: Link, queue: str) -> QueueLock:
    deadline = asyncio.get_running_loop().time() + LOCK_PATIENCE_S
    while True:
        try:
            return await link.lock(browse_lock(queue))
        except ChannelLost:
            if not link.is_open or asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(LOCK_RETRY_S)
