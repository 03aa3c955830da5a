"""What the bus needs from adapters and transforms, and what it lends them: one to three methods each."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from esb_bus.landscape import Landscape
from esb_schemas.documents import Document
from esb_schemas.registry import AnyEnvelope


@dataclass(frozen=True, slots=True)
class NativeMessage:
    """What a system sent, byte for byte, before anything was decided about it.

    `thread` is the native object the message is about (`order/website.shop/10015`), as far as it can be told
    without understanding the message; None when it cannot. `kind` is the adapter's name for the shape of the body.
    `version` grows with the state of that object (the source's modification time in milliseconds, or the time of
    arrival when the message only says "look again"); None when it cannot be told: a newer one supersedes a dead letter.
    """

    endpoint: str
    kind: str
    body: bytes
    thread: str | None = None
    version: int | None = None
    received_at: datetime | None = None
    correlation_id: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Mapper(Protocol):
    """Their shape → canonical events. May ask the source for what the message only points at."""

    async def events(self, message: NativeMessage) -> Sequence[AnyEnvelope]:
        """Return the events a native message stands for; none when it says nothing new.

        Raises:
            PermanentError, PoisonMessageError: with a reason naming the field, its value and where to fix it.
            RetryableError, EndpointDown: the source could not be asked.
        """

    async def published(self, events: Sequence[AnyEnvelope]) -> None:
        """Take note that `events` are confirmed, so that the same content is not published again. May forget."""


class Transform(Protocol):
    """One event → documents for one endpoint. Pure: no clock, no broker, no HTTP, no logger."""

    def __call__(self, event: AnyEnvelope, endpoint: str, landscape: Landscape, /) -> Sequence[Document]: ...


class WriteGuard(Protocol):
    """Asked by a sender immediately before every write that is not harmless to repeat or to repeat late."""

    def before_write(self, *, fenced: bool = False, shared: bool = False) -> None:
        """Return when the write may start now.

        Args:
            fenced: the endpoint itself refuses a second one, whenever it arrives (a number unique in the base).
            shared: what is created belongs to many threads (a buyer). Another thread may have had its creation under
                way in the process before us.

        Raises:
            InDoubt: an earlier write of this thread may still commit; look again after `wait_s`.
            RetryableError: the broker has been silent, somebody else may hold this queue by now.
        """

    def lock(self, *keys: str) -> AbstractAsyncContextManager[None]:
        """Hold all `keys` (`counterparty/7701234567`) against other threads of the same endpoint."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """What a sender did with a document, and the outcome events to publish before it is acknowledged."""

    outcome: Literal["created", "updated", "unchanged", "stale", "ignored"]
    events: Sequence[AnyEnvelope] = ()


class Sender(Protocol):
    """Brings documents to one endpoint."""

    async def deliver(self, document: Document, guard: WriteGuard) -> Delivered:
        """Return when the endpoint verifiably holds the document at this version or a newer one.

        Looks up before it writes, writes only through `guard.before_write`, looks again after a create.

        Raises:
            EndpointDown: the endpoint as a whole; its queue pauses and no attempt is counted.
            RetryableError: this document only, nothing was written.
            InDoubt: a write was sent and its outcome is unknown.
            PermanentError: a person has to change something first.
        """

    async def probe(self) -> None:
        """Return when the endpoint can be worked with.

        Raises:
            EndpointDown: it still cannot.
        """


class RawSink(Protocol):
    """Where webhooks and pollers put native messages."""

    async def store(self, message: NativeMessage, deadline_s: float | None = None) -> None:
        """Return when the broker has stored the message in `in.<endpoint>`.

        Raises:
            BrokerUnavailable: not confirmed within the deadline.
            MessageTooLarge: more than the broker is asked to carry.
        """


@dataclass(frozen=True, slots=True)
class Polled:
    """One round of a poll: where to go on, and whether more is waiting at once."""

    cursor: str
    more: bool = False


class Poller(Protocol):
    """Reads what changed at a source. Runs only while it holds the lease, one round at a time."""

    async def poll(self, cursor: str | None, sink: RawSink) -> Polled:
        """Store everything since `cursor` (None: from now on, or from the beginning if that is cheap).

        May acknowledge at the source what it stored (1C `NotifyChangesReceived`), because it runs under the lease.

        Raises:
            EndpointDown, RetryableError: try again later from the same cursor.
        """


class Cache(Protocol):
    """Fast state that may vanish at any moment. A miss means "ask", never "unknown"."""

    async def get(self, key: str) -> str | None: ...

    async def put(self, key: str, value: str, ttl_s: float) -> None: ...

    async def drop(self, key: str) -> None: ...


class RateBudget(Protocol):
    """A leaky bucket shared by all processes that speak to one portal."""

    async def take(self, cost: float = 1) -> None:
        """Return when `cost` requests may be sent."""
