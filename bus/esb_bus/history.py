"""Reading the streams `esb.log.*` from their beginning: what happened, for explaining and for late subscribers."""

import asyncio
from collections.abc import AsyncIterator

from esb_bus.wire import ChannelLost, Delivery, Link

PREFETCH = 500
IDLE_S = 0.5
"""A stream that is silent for so long after all that was counted has been read to its end."""
NEARLY_ALL = 10
NEAR_END_S = 1.5
"""The count of a stream is by offsets, some of which are no messages (2 of 100,055 on 4.0.5): not all may come."""
BUSY_S = 10.0
"""Patience in the middle: a loaded broker took more than half a second to begin."""


async def read_stream(link: Link, stream: str) -> AsyncIterator[Delivery]:
    """Yield every message of a stream, oldest first, up to its present end.

    Raises:
        ChannelLost: there is no such stream, or the connection is gone.
    """
    expected, seen = await link.ready_count(stream), 0
    channel = await link.consume_channel(PREFETCH)
    inbox: asyncio.Queue[Delivery] = asyncio.Queue()
    try:
        await channel.consume(stream, inbox.put_nowait, {"x-stream-offset": "first"})
        while True:
            try:
                async with asyncio.timeout(_patience(seen, expected)):
                    delivery = await inbox.get()
            except TimeoutError:
                if not channel.is_open:
                    raise ChannelLost(f"the connection was lost while {stream} was read") from None
                return
            await channel.ack(delivery.tag)
            seen += 1
            yield delivery
    finally:
        await channel.close()


def _patience(seen: int, expected: int) -> float:
    """Seconds of silence after which the end is believed."""
    if seen >= expected:
        return IDLE_S
    return NEAR_END_S if seen and expected - seen <= NEARLY_ALL else BUSY_S
