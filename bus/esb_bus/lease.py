"""One token message is both the lease and the cursor of a poll.

The queue has a single active consumer, so one process at a time has the token in its hands. It polls, publishes what
it found, publishes the next token, confirmed, and acknowledges the old one. A crash between any two of these steps
repeats a round, which is harmless, or leaves two tokens, of which the greater wins.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

import orjson
import structlog

from esb_bus.consumer import LinkSource
from esb_bus.errors import BrokerUnavailable, EndpointDown, EsbError, NoRoute, RetryableError
from esb_bus.ports import Poller, RawSink
from esb_bus.publisher import Publisher, Restorer
from esb_bus.wire import ChannelLost, ConsumeChannel, Delivery, Outgoing, QueueMissing

REOPEN_DELAY_S = 1.0
TOKENS_AT_ONCE = 16
LOST_TOKEN_ROUNDS = 10
"""Without a token for so many intervals it is offered anew: somebody may have purged the queue."""
LOST_TOKEN_S = 60.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, order=True)
class Token:
    """Where a poll goes on. `epoch` grows with every round; a fresh process offers epoch 0."""

    epoch: int
    cursor: str | None = None


def write_token(queue: str, token: Token) -> Outgoing:
    body = orjson.dumps({"epoch": token.epoch, "cursor": token.cursor})
    return Outgoing(
        body=body, routing_key=queue, message_id=f"token/{queue}/{token.epoch}", content_type="application/json"
    )


def read_token(body: bytes) -> Token:
    """Read a token; an unreadable one counts as the beginning, so that a poll never stops for it."""
    try:
        wire: dict[str, Any] = orjson.loads(body)
        cursor = wire["cursor"]
        return Token(int(wire["epoch"]), None if cursor is None else str(cursor))
    except (ValueError, KeyError, TypeError, OverflowError):
        return Token(-1)


class LeasedPoll:
    """Runs a poller in whichever process holds the token."""

    def __init__(
        self,
        queue: str,
        poller: Poller,
        links: LinkSource,
        publisher: Publisher,
        sink: RawSink,
        interval_s: float,
        restorer: Restorer | None = None,
    ) -> None:
        self.queue = queue
        self._poller = poller
        self._links = links
        self._publisher = publisher
        self._sink = sink
        self._interval_s = interval_s
        self._restorer = restorer
        self._newest = Token(0)
        """The greatest token this process has seen. Offered on (re)opening: if others are gone, the cursor is not."""

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await self._hold_lease(stop)
            except (QueueMissing, NoRoute) as error:
                log.warning("poll.queue_missing", queue=self.queue, reason=str(error))
                await self._restore()
            except (ChannelLost, BrokerUnavailable) as error:
                log.warning("poll.reopening", queue=self.queue, reason=str(error))
            await _sleep(stop, REOPEN_DELAY_S)

    async def _restore(self) -> None:
        if self._restorer is None:
            return
        try:
            await self._restorer.restore(self.queue)
        except EsbError as error:
            log.warning("queue.not_restored", queue=self.queue, reason=str(error))

    async def _hold_lease(self, stop: asyncio.Event) -> None:
        link = await self._links.link()
        channel = await link.consume_channel(TOKENS_AT_ONCE)
        tokens: asyncio.Queue[Delivery] = asyncio.Queue()
        try:
            await channel.consume(self.queue, tokens.put_nowait)
            await self._offer()
            while not stop.is_set() and channel.is_open:
                held = await self._greatest(channel, tokens, stop)
                if held is not None:
                    more = await self._round(channel, held)
                    if not more:
                        await self._rest(channel, stop)
        finally:
            await channel.close()

    async def _offer(self) -> None:
        await self._publisher.publish(write_token(self.queue, self._newest))

    async def _greatest(
        self, channel: ConsumeChannel, tokens: "asyncio.Queue[Delivery]", stop: asyncio.Event
    ) -> Delivery | None:
        """Wait for the lease; of several tokens keep the greatest and acknowledge the rest."""
        best = await _next_of(tokens, channel, stop, max(LOST_TOKEN_S, LOST_TOKEN_ROUNDS * self._interval_s))
        if best is None and channel.is_open and not stop.is_set():
            await self._offer()
        while best is not None and not tokens.empty():
            other = tokens.get_nowait()
            less, best = sorted((best, other), key=lambda one: read_token(one.body).epoch)
            await channel.ack(less.tag)
        if best is not None and read_token(best.body).epoch < self._newest.epoch:
            await channel.ack(best.tag)  # an offer of a fresh process; a greater token is on its way to us
            return None
        return best

    async def _round(self, channel: ConsumeChannel, held: Delivery) -> bool:
        """Poll once and pass the token on. True when the source has more at once."""
        token = read_token(held.body)
        cursor, more = token.cursor, False
        try:
            polled = await self._poller.poll(cursor, self._sink)
            cursor, more = polled.cursor, polled.more
        except (EndpointDown, RetryableError) as error:
            log.warning("poll.failed", queue=self.queue, error_code=error.code)
        except EsbError as error:
            log.warning("poll.refused", queue=self.queue, error_code=error.code, reason=str(error))
        if not channel.is_open:
            raise ChannelLost("the lease was lost during a poll")
        self._newest = Token(token.epoch + 1, cursor)
        await self._offer()
        await channel.ack(held.tag)
        return more

    async def _rest(self, channel: ConsumeChannel, stop: asyncio.Event) -> None:
        stopped = asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait((stopped, channel.lost), timeout=self._interval_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()


async def _next_of(
    tokens: "asyncio.Queue[Delivery]", channel: ConsumeChannel, stop: asyncio.Event, patience_s: float
) -> Delivery | None:
    getting = asyncio.ensure_future(tokens.get())
    stopped = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait((getting, stopped, channel.lost), timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
        return getting.result() if getting.done() else None
    finally:
        getting.cancel()
        stopped.cancel()


async def _sleep(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
