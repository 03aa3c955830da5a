"""Reading the streams `esb.log.*` from their beginning: what happened, for explaining and for late subscribers."""

import asyncio
from collections.abc import AsyncIterator

from esb_bus.wire import ChannelLost, Delivery, Link

PREFETCH = 500
IDLE_S = 0.5
"""A stream that is silent for so long has been read to its end."""


async def read_stream(link: Link, stream: str) -> AsyncIterator[Delivery]:
    """Yield every message of a stream, oldest first, up to its present end.

    Raises:
        ChannelLost: there is no such stream, or the connection is gone.
    """
    channel = await link.consume_channel(PREFETCH)
    inbox: asyncio.Queue[Delivery] = asyncio.Queue()
    try:
        await channel.consume(stream, inbox.put_nowait, {"x-stream-offset": "first"})
        while True:
            try:
                async with asyncio.timeout(IDLE_S):
                    delivery = await inbox.get()
            except TimeoutError:
                if not channel.is_open:
                    raise ChannelLost(f"the connection was lost while {stream} was read") from None
                return
            await channel.ack(delivery.tag)
            yield delivery
    finally:
        await channel.close()
