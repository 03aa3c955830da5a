"""What is done with one message of each kind of queue: map, transform, deliver. The loops are in `session`."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
import structlog

from esb_bus.deadletter import Failure
from esb_bus.errors import PoisonMessageError
from esb_bus.outcomes import refusal_of_document, refusal_of_event, refusal_of_native
from esb_bus.ports import Mapper, NativeMessage, Sender, WriteGuard
from esb_bus.publisher import EventPublisher
from esb_bus.topology import (
    H_CORRELATION,
    H_ENDPOINT,
    H_NATIVE_HEADERS,
    H_NATIVE_KIND,
    H_RECEIVED,
    H_THREAD,
    H_VERSION,
)
from esb_bus.wire import Delivery
from esb_schemas.documents import Document, read_document
from esb_schemas.registry import AnyEnvelope, MalformedEvent, Registry

DocumentsOf = Callable[[AnyEnvelope], Sequence[Document]]
"""An event → documents for the endpoints of one kind. Pure."""

log = structlog.get_logger()


def native_of(delivery: Delivery, endpoint: str) -> NativeMessage:
    """Read a message of `in.<endpoint>` back.

    Raises:
        PoisonMessageError: the headers are not those of a native message.
    """
    headers: Mapping[str, Any] = delivery.headers
    try:
        received = datetime.fromisoformat(headers[H_RECEIVED])
        native = orjson.loads(headers.get(H_NATIVE_HEADERS, "{}"))
        kind = str(headers[H_NATIVE_KIND])
    except (KeyError, TypeError, ValueError) as error:
        raise PoisonMessageError(f"not a native message: {error!r}") from error
    return NativeMessage(
        endpoint=str(headers.get(H_ENDPOINT, endpoint)),
        kind=kind,
        body=delivery.body,
        thread=headers.get(H_THREAD),
        version=headers.get(H_VERSION),
        received_at=received,
        correlation_id=headers.get(H_CORRELATION),
        headers=native,
    )


class InboundWorker:
    """`in.<endpoint>`: native message → canonical events, published and confirmed before the acknowledgement."""

    def __init__(self, endpoint: str, mapper: Mapper, events: EventPublisher, probe: Sender | None = None) -> None:
        self._endpoint = endpoint
        self._mapper = mapper
        self._events = events
        self._probe = probe

    async def handle(self, delivery: Delivery, guard: WriteGuard) -> str:
        del guard  # nothing is written but events, and their ids make a repeat harmless
        events = await self._mapper.events(native_of(delivery, self._endpoint))
        await self._events.publish_events(events)
        await self._mapper.published(events)
        return "published" if events else "unchanged"

    async def buried(self, delivery: Delivery, failure: Failure) -> None:
        await self._events.publish_events(refusal_of_native(delivery, self._endpoint, failure))

    async def probe(self) -> None:
        if self._probe is not None:
            await self._probe.probe()


class TransformWorker:
    """`transform.<kind>`: event → documents, published and confirmed before the acknowledgement."""

    def __init__(self, queue: str, registry: Registry, documents_of: DocumentsOf, events: EventPublisher) -> None:
        self._queue = queue
        self._registry = registry
        self._documents_of = documents_of
        self._events = events

    async def handle(self, delivery: Delivery, guard: WriteGuard) -> str:
        del guard
        documents = self._documents_of(self._registry.read(delivery.body))
        await self._events.publish_documents(documents)
        return "sent" if documents else "ignored"

    async def buried(self, delivery: Delivery, failure: Failure) -> None:
        try:
            event = self._registry.read(delivery.body)
        except (MalformedEvent, ValueError):
            log.warning("refusal.not_told", queue=self._queue, message_id=delivery.message_id)
            return
        await self._events.publish_events(refusal_of_event(event, self._queue, failure))

    async def probe(self) -> None:
        """Nothing stands behind this queue but the broker."""


class OutboundWorker:
    """`out.<endpoint>`: document → the endpoint; its outcome is published before the acknowledgement."""

    def __init__(self, endpoint: str, queue: str, sender: Sender, events: EventPublisher) -> None:
        self._endpoint = endpoint
        self._queue = queue
        self._sender = sender
        self._events = events

    async def handle(self, delivery: Delivery, guard: WriteGuard) -> str:
        delivered = await self._sender.deliver(read_document(delivery.body), guard)
        await self._events.publish_events(delivered.events)
        return delivered.outcome

    async def buried(self, delivery: Delivery, failure: Failure) -> None:
        try:
            document = read_document(delivery.body)
        except MalformedEvent:
            log.warning("refusal.not_told", queue=self._queue, message_id=delivery.message_id)
            return
        await self._events.publish_events(refusal_of_document(document, self._queue, failure))

    async def probe(self) -> None:
        await self._sender.probe()
