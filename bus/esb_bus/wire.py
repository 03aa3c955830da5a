"""The only module that speaks AMQP on the hot path: one connection, channels that publish, channels that consume.

Everything above sees the small classes of this module and none of `amqp`, so the protocol can be replaced alone.

Rules, each measured on RabbitMQ 3.10.8 and 4.0.5:

* No automatic reconnection: it runs a message twice in parallel. On loss the owner cancels its work and opens anew.
* Never `basic.cancel` with unacknowledged messages, never nack or reject with requeue: the order would be lost.
  Closing the channel returns them in order and ahead of newer ones.
* An acknowledgement after the channel closed would kill the connection, hence `ConsumeChannel.ack` looks first.
* `message-id` is unique per publish: a returned message is recognised by nothing else.
"""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar, cast

from pamqp.base import Frame
from pamqp.commands import Basic, Confirm, Queue
from yarl import URL

from esb_bus.addresses import addresses_of, first_open
from esb_bus.amqp import NOT_FOUND, AmqpChannel, AmqpClosed, AmqpConnection, AmqpUnwritable
from esb_bus.confirms import AmqpRefused, AmqpReturned
from esb_bus.errors import BrokerUnavailable, MessageTooLarge, NoRoute, PermanentError
from esb_bus.guard import KeyedLocks
from esb_bus.properties import Properties
from esb_bus.topology import MAX_BODY_BYTES

SILENT_HEARTBEATS = 1.5
"""After so many heartbeats without a frame somebody else may hold our queues: no write starts any more."""

PERSISTENT = 2
MAX_SHORT = 255
CONNECT_TIMEOUT_S = 10
Headers = dict[str, Any]
FrameT = TypeVar("FrameT", bound=Frame)


class ChannelLost(Exception):
    """A channel or its connection is gone; everything unacknowledged is back in its queue."""


class QueueMissing(ChannelLost):
    """The channel was closed because there is no such queue: somebody deleted it."""


class Refused(BrokerUnavailable):
    """The broker could not store a message (basic.nack)."""


class Unwritable(PermanentError):
    """A message that AMQP cannot carry: a header of a strange type, or too many headers."""

    code = "unwritable"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to be stored. Goes to the queue `routing_key` unless an exchange is named."""

    body: bytes
    routing_key: str
    message_id: str
    headers: Headers = field(default_factory=dict)
    exchange: str = ""
    type: str | None = None
    content_type: str | None = None
    correlation_id: str | None = None
    is_moved: bool = False
    """Came from the broker, so it fits into it, however large."""


@dataclass(slots=True)
class Delivery:
    """A message in our hands, unacknowledged until we say so."""

    body: bytes
    headers: Headers
    message_id: str
    tag: int
    redelivered: bool
    type: str | None = None
    content_type: str | None = None
    correlation_id: str | None = None
    exchange: str = ""
    routing_key: str = ""
    size_bytes: int = 0


class Link:
    """One connection to the broker."""

    def __init__(self, connection: AmqpConnection, address: str) -> None:
        self._connection = connection
        self.address = address
        """The one of several that was taken; holds a password."""
        self._opened_at = asyncio.get_running_loop().time()
        self.readers = KeyedLocks()
        """One reader of a queue at a time within this connection; `lock` keeps other connections out."""

    @classmethod
    async def open(cls, url: str, name: str, heartbeat_s: int = 4) -> "Link":
        """Connect.

        Args:
            url: `amqp://` or `amqps://` (verified by the system's authorities); several nodes of one cluster are
                separated by commas, and the first that answers is taken.
            name: shown in the management console.
            heartbeat_s: seconds; four or less, so that a dead peer is noticed within eight.

        Raises:
            BrokerUnavailable: refused, unreachable or unauthorised.
        """
        open_one = partial(cls._open_one, name=name, heartbeat_s=heartbeat_s)
        return await first_open(addresses_of(url), open_one, cls.close)

    @classmethod
    async def _open_one(cls, url: str, name: str, heartbeat_s: int) -> "Link":
        target = URL(url)
        context = ssl.create_default_context() if target.scheme == "amqps" else None
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                return cls(await AmqpConnection.open(target, name, heartbeat_s, context), url)
        except (OSError, AmqpClosed, TimeoutError) as error:
            raise BrokerUnavailable(f"cannot connect to the broker: {error!r}") from error

    @property
    def is_open(self) -> bool:
        return not self._connection.closed.done()

    @property
    def age_s(self) -> float:
        return asyncio.get_running_loop().time() - self._opened_at

    @property
    def silent_s(self) -> float:
        """Seconds since the last byte from the broker."""
        return asyncio.get_running_loop().time() - self._connection.heard_at

    @property
    def may_write(self) -> bool:
        """Whether the broker was heard of recently enough that our queues are still ours."""
        return self.is_open and self.silent_s <= SILENT_HEARTBEATS * self._connection.heartbeat_s

    async def publish_channel(self) -> "PublishChannel":
        channel = await self._channel()
        await _call(channel, Confirm.Select(), Confirm.SelectOk)
        return PublishChannel(channel)

    async def consume_channel(self, prefetch: int) -> "ConsumeChannel":
        """Open a channel; each consumer on it has at most `prefetch` (1 to 65,535) unacknowledged messages."""
        channel = await self._channel()
        await _call(channel, Basic.Qos(prefetch_count=prefetch), Basic.QosOk)
        return ConsumeChannel(channel)

    async def lock(self, name: str) -> "QueueLock":
        """Declare an exclusive queue as a lock that the broker releases when this connection ends.

        Raises:
            ChannelLost: another connection holds it.
        """
        channel = await self._channel()
        await _call(channel, Queue.Declare(queue=name, exclusive=True), Queue.DeclareOk)
        return QueueLock(channel, name)

    async def declare_private(self, name: str) -> None:
        """Declare a queue for answers that only this connection sees and that goes with it."""
        channel = await self._channel()
        await _call(channel, Queue.Declare(queue=name, exclusive=True), Queue.DeclareOk)
        await channel.close()

    async def ready_count(self, queue: str) -> int:
        """Messages that wait in a queue; those in anybody's hands are not counted.

        Raises:
            ChannelLost: the connection is gone, or there is no such queue.
        """
        channel = await self._channel()
        try:
            declared = await _call(channel, Queue.Declare(queue=queue, passive=True), Queue.DeclareOk)
            return int(declared.message_count or 0)
        finally:
            await channel.close()

    async def close(self) -> None:
        await self._connection.close()

    def drop(self) -> None:
        """End the connection without a goodbye that nobody would hear."""
        self._connection.abort("dropped")

    async def _channel(self) -> AmqpChannel:
        try:
            return await self._connection.channel()
        except AmqpClosed as error:
            raise _loss(error) from error


class QueueLock:
    """Held until released or until its connection ends."""

    def __init__(self, channel: AmqpChannel, name: str) -> None:
        self._channel = channel
        self._name = name

    async def release(self) -> None:
        if not self._channel.closed.done():
            await _call(self._channel, Queue.Delete(queue=self._name), Queue.DeleteOk)
            await self._channel.close()


class PublishChannel:
    """Publishes with confirms; returns when a quorum has the message on disk."""

    def __init__(self, channel: AmqpChannel) -> None:
        self._channel = channel

    @property
    def is_open(self) -> bool:
        return not self._channel.closed.done()

    async def publish(self, message: Outgoing, deadline_s: float, *, mandatory: bool = True) -> None:
        """Store one message.

        Raises:
            BrokerUnavailable: not confirmed within `deadline_s`, refused (`Refused`), or connection lost: in doubt.
            NoRoute: there is no such queue.
            MessageTooLarge: would make the broker close the channel with its neighbours.
        """
        if len(message.body) > MAX_BODY_BYTES and not message.is_moved:
            raise MessageTooLarge(f"{len(message.body)} bytes; at most {MAX_BODY_BYTES} are carried")
        properties = Properties(
            message.message_id, message.headers, message.type, message.content_type, _short(message.correlation_id)
        )
        try:
            await self._channel.publish(
                message.body, message.exchange, message.routing_key, properties, deadline_s, mandatory=mandatory
            )
        except AmqpReturned as error:
            raise NoRoute(f"no queue takes {message.exchange or 'queue'}/{message.routing_key}") from error
        except AmqpRefused as error:
            raise Refused(f"the broker refused a message for {message.routing_key}") from error
        except TimeoutError as error:
            raise BrokerUnavailable(f"not confirmed within {deadline_s:.1f} s") from error
        except AmqpUnwritable as error:
            raise Unwritable(str(error)) from error
        except AmqpClosed as error:
            raise BrokerUnavailable(f"connection lost while publishing: {error}") from error

    async def close(self) -> None:
        await self._channel.close()


class ConsumeChannel:
    """Hands deliveries to a plain function, in the order of the queue."""

    def __init__(self, channel: AmqpChannel) -> None:
        self._channel = channel
        self.lost = channel.closed
        """Done when the channel is gone, whoever closed it."""

    async def consume(
        self, queue: str, on_delivery: Callable[[Delivery], None], arguments: dict[str, Any] | None = None
    ) -> None:
        """Start consuming; `arguments` as a stream wants them (`x-stream-offset`)."""

        def hand_over(frame: Basic.Deliver, properties: Properties, body: bytes) -> None:
            on_delivery(_delivery(frame, properties, body))

        try:
            await self._channel.consume(queue, hand_over, arguments)
        except AmqpClosed as error:
            raise _loss(error) from error

    @property
    def is_open(self) -> bool:
        return not self.lost.done()

    async def ack(self, tag: int) -> None:
        """Give a message back as done. On a lost channel nothing happens: the broker delivers it again."""
        if self.is_open:
            self._channel.ack(tag)

    async def close(self) -> None:
        """Return everything unacknowledged to its queue, in order."""
        await self._channel.close()


def _delivery(frame: Basic.Deliver, properties: Properties, body: bytes) -> Delivery:
    return Delivery(
        body=body,
        headers=properties.headers,
        message_id=properties.message_id,
        tag=int(frame.delivery_tag or 0),
        redelivered=bool(frame.redelivered),
        type=properties.type,
        content_type=properties.content_type,
        correlation_id=properties.correlation_id,
        exchange=frame.exchange or "",
        routing_key=frame.routing_key or "",
        size_bytes=len(body),
    )


async def _call(channel: AmqpChannel, request: Frame, answer: type[FrameT]) -> FrameT:
    try:
        return cast("FrameT", await channel.rpc(request, answer))
    except AmqpClosed as error:
        raise _loss(error) from error


def _short(text: str | None) -> str | None:
    """Cut to the 255 bytes of a property; the header of the same meaning keeps the whole."""
    return text if text is None else text.encode(errors="replace")[:MAX_SHORT].decode(errors="ignore")


def _loss(error: AmqpClosed) -> ChannelLost:
    return QueueMissing(str(error)) if error.code == NOT_FOUND else ChannelLost(str(error))
