"""Publishing that outlives the connection: every publish has a deadline, every event reaches all its queues."""

import asyncio
import uuid
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Protocol

import orjson
import structlog

from esb_bus.addresses import addresses_of, with_last
from esb_bus.errors import BrokerUnavailable, NoRoute
from esb_bus.ports import NativeMessage
from esb_bus.topology import (
    EVENTS_EXCHANGE,
    H_CAUSATION,
    H_CORRELATION,
    H_ENDPOINT,
    H_LEGAL_ENTITY,
    H_NATIVE_HEADERS,
    H_NATIVE_KIND,
    H_OBJECT,
    H_RECEIVED,
    H_THREAD,
    H_VERSION,
    in_queue,
    kind_of,
    out_queue,
    transform_queue,
)
from esb_bus.wire import ChannelLost, Headers, Link, Outgoing, PublishChannel, Refused
from esb_schemas.documents import Document, write_document
from esb_schemas.envelope import CONTENT_TYPE
from esb_schemas.registry import AnyEnvelope, write

RECONNECT_DELAY_S = 0.5
STREAM_DELAY_S = 0.1
"""A broker that has just started serves its queues some seconds before its streams: until then an event finds nobody.
Every legal entity has its stream, so this is never the event's fault. Seen on 3.10.8 after a restart."""

TURN_AWAY_S = 2.0
"""A node that confirms nothing for so long may be parted from its cluster and not know it yet: another one is tried."""

log = structlog.get_logger()


class Publisher:
    """One publishing connection, opened anew when it is lost.

    Separate from the consuming one: under a memory or disk alarm the broker stops reading from publishers,
    and acknowledgements on the same connection would stop with them.
    """

    def __init__(self, url: str, name: str, *, heartbeat_s: int = 4, deadline_s: float = 10) -> None:
        self._url = url
        self._name = name
        self._heartbeat_s = heartbeat_s
        self._deadline_s = deadline_s
        self._link: Link | None = None
        self._channel: PublishChannel | None = None
        self._opening = asyncio.Lock()

    async def publish(self, message: Outgoing, deadline_s: float | None = None, *, mandatory: bool = True) -> None:
        """Return when the broker has stored the message.

        Raises:
            BrokerUnavailable: not within the deadline. It may be stored nevertheless: repeat it under the same id.
            NoRoute: there is no such queue; never stored.
            MessageTooLarge: never stored.
        """
        budget = self._deadline_s if deadline_s is None else deadline_s
        started = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(budget):
                channel = await self._open_channel()
        except TimeoutError as error:
            raise BrokerUnavailable(f"no connection within {budget} s") from error
        left = budget - (asyncio.get_running_loop().time() - started)
        try:
            await channel.publish(message, max(left, 0.05), mandatory=mandatory)
        except Refused:
            # A channel that has once looked for the leader of a queue on a node that is gone refuses for ever
            # (seen on 3.10.8); a new one looks anew.
            if channel is self._channel:
                self._channel = None
                await channel.close()
            raise
        except BrokerUnavailable:
            if asyncio.get_running_loop().time() - started > TURN_AWAY_S:
                self._turn_away(channel)
            raise
        except NoRoute as error:
            if message.exchange != EVENTS_EXCHANGE:
                raise
            if left <= STREAM_DELAY_S:
                raise BrokerUnavailable(f"the history of {message.routing_key} is not there: {error}") from error
            await asyncio.sleep(STREAM_DELAY_S)
            await self.publish(message, left - STREAM_DELAY_S, mandatory=mandatory)

    async def publish_all(self, messages: Iterable[Outgoing]) -> None:
        """Store several messages at once; returns when all are confirmed. In doubt as a whole when it raises."""
        batch = list(messages)
        if len(batch) == 1:
            await self.publish(batch[0])
            return
        results = await asyncio.gather(*(self.publish(message) for message in batch), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    def _turn_away(self, channel: PublishChannel) -> None:
        """Leave the node that disappointed, if the cluster has others."""
        link = self._link
        if channel is not self._channel or link is None or not link.is_open or len(addresses_of(self._url)) == 1:
            return
        self._url = with_last(self._url, link.address)
        link.drop()
        log.warning("publisher.turned_away", reason=f"nothing was confirmed for {TURN_AWAY_S:.0f} s")

    @property
    def is_connected(self) -> bool:
        return self._channel is not None and self._channel.is_open

    async def close(self) -> None:
        if self._link is not None:
            await self._link.close()

    async def _open_channel(self) -> PublishChannel:
        if self._channel is not None and self._channel.is_open:
            return self._channel
        async with self._opening:
            while self._channel is None or not self._channel.is_open:
                await self._reopen()
        return self._channel

    async def _reopen(self) -> None:
        try:
            if self._link is None or not self._link.is_open:
                self._link = await Link.open(self._url, self._name, self._heartbeat_s)
            self._channel = await self._link.publish_channel()
        except (BrokerUnavailable, ChannelLost) as error:
            log.warning("publisher.connection_failed", reason=str(error))
            await asyncio.sleep(RECONNECT_DELAY_S)


class Restorer(Protocol):
    async def restore(self, queue: str) -> None:
        """Declare a queue again that somebody deleted."""


Targets = Callable[[str, str, str], Sequence[str]]
"""(event type, legal entity, object key) → endpoints, as `Landscape.targets`."""


class EventPublisher:
    """Publishes canonical events and documents to every queue the landscape demands."""

    def __init__(self, publisher: Publisher, targets: Targets) -> None:
        self._publisher = publisher
        self._targets = targets

    async def publish_events(self, events: Sequence[AnyEnvelope]) -> None:
        """Return when every event is stored in all its `transform.*` queues and in the history of its legal entity.

        Every route is resolved before the first message goes out, so an unrouted event leaves nothing behind.

        Raises:
            UnknownLegalEntity, Unrouted: from the landscape.
            BrokerUnavailable: some may be stored; publishing the same events again is harmless.
        """
        messages = [message for event in events for message in event_messages(event, self._targets)]
        if messages:
            await self._publisher.publish_all(messages)

    async def publish_documents(self, documents: Sequence[Document]) -> None:
        if documents:
            await self._publisher.publish_all(document_message(document) for document in documents)


def event_messages(event: AnyEnvelope, targets: Targets) -> list[Outgoing]:
    """One message for subscribers and one for each kind of receiver, in the order of the event."""
    body = write(event)
    kinds = sorted({kind_of(name) for name in targets(event.type, event.legalentity, event.objectkey)})
    queues = [("", transform_queue(kind)) for kind in kinds]
    return [
        _event_message(event, body, exchange, key) for exchange, key in (*queues, (EVENTS_EXCHANGE, event.routing_key))
    ]


def _event_message(event: AnyEnvelope, body: bytes, exchange: str, key: str) -> Outgoing:
    return Outgoing(
        body=body,
        exchange=exchange,
        routing_key=key,
        message_id=f"{event.id}/{exchange or key}",
        type=event.type,
        content_type=CONTENT_TYPE,
        correlation_id=event.correlationid,
        headers=_headers(event.thread, event.objectkey, event.dataversion, event.legalentity, event.causationid),
    )


def document_message(document: Document) -> Outgoing:
    return Outgoing(
        body=write_document(document),
        routing_key=out_queue(document.endpoint),
        message_id=document.id,
        type=document.event_type,
        content_type="application/json",
        correlation_id=document.correlationid,
        headers=_headers(
            document.thread,
            f"{document.content.kind}:{document.key}",
            document.version,
            document.legalentity,
            document.event_id,
        ),
    )


def _headers(thread: str, objectkey: str, version: int, legal_entity: str, causation: str | None) -> Headers:
    headers: Headers = {
        H_THREAD: thread,
        H_OBJECT: objectkey,
        H_VERSION: version,
        H_LEGAL_ENTITY: legal_entity,
    }
    if causation is not None:
        headers[H_CAUSATION] = causation
    return headers


def native_message(message: NativeMessage) -> Outgoing:
    """A native message on its way into `in.<endpoint>`. Its id is new: two deliveries of one fact are two messages."""
    headers: Headers = {
        H_ENDPOINT: message.endpoint,
        H_NATIVE_KIND: message.kind,
        H_RECEIVED: (message.received_at or datetime.now(UTC)).isoformat(),
    }
    if message.thread is not None:
        headers[H_THREAD] = headers[H_OBJECT] = message.thread
    if message.version is not None:
        headers[H_VERSION] = message.version
    if message.headers:
        headers[H_NATIVE_HEADERS] = orjson.dumps(dict(message.headers)).decode()
    correlation = message.correlation_id or message.thread
    if correlation is not None:
        headers[H_CORRELATION] = correlation
    return Outgoing(
        body=message.body,
        routing_key=in_queue(message.endpoint),
        message_id=str(uuid.uuid4()),
        type=message.kind,
        correlation_id=correlation,
        headers=headers,
    )


class QueueSink:
    """Stores native messages; the `RawSink` of webhooks and pollers."""

    def __init__(self, publisher: Publisher, restorer: Restorer) -> None:
        self._publisher = publisher
        self._restorer = restorer

    async def store(self, message: NativeMessage, deadline_s: float | None = None) -> None:
        try:
            await self._publisher.publish(native_message(message), deadline_s)
        except NoRoute as error:
            # Somebody deleted the queue. The sender is told to come again; by then it is there.
            await self._restorer.restore(in_queue(message.endpoint))
            raise BrokerUnavailable(f"{in_queue(message.endpoint)} was missing and has been declared again") from error
