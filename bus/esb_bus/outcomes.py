"""Telling the source of an order why it did not get where it should."""

from collections.abc import Sequence

from esb_bus.deadletter import Failure
from esb_bus.topology import H_LEGAL_ENTITY, H_THREAD
from esb_bus.wire import Delivery
from esb_schemas.documents import CustomerInvoice, CustomerOrder, Document
from esb_schemas.envelope import new_event
from esb_schemas.identifiers import SHARED
from esb_schemas.orders import OrderRefused, OrderState
from esb_schemas.registry import AnyEnvelope

MAX_REASON = 1000


def refusal_of_document(document: Document, queue: str, failure: Failure) -> Sequence[AnyEnvelope]:
    """An order or invoice that a base refused. Other documents have nobody to tell but ops."""
    if not isinstance(document.content, CustomerOrder | CustomerInvoice):
        return ()
    order = document.content.order
    event = _refused(order.order_key, order.legal_entity, document.endpoint, queue, failure)
    return (_wrapped(event, document.endpoint, document.version, document.event_id),)


def refusal_of_event(event: AnyEnvelope, queue: str, failure: Failure) -> Sequence[AnyEnvelope]:
    """An order event no document could be made of."""
    if not isinstance(event.data, OrderState):
        return ()
    endpoint = event.source.strip("/").replace("/", ".", 1)
    refused = _refused(event.data.order_key, event.legalentity, endpoint, queue, failure)
    return (_wrapped(refused, endpoint, event.dataversion, event.id),)


def refusal_of_native(delivery: Delivery, endpoint: str, failure: Failure) -> Sequence[AnyEnvelope]:
    """A native message of a deal or order no event could be made of; nobody to tell when it names neither."""
    thread = str(delivery.headers.get(H_THREAD, ""))
    kind, _, rest = thread.partition("/")
    if kind not in {"order", "deal"} or not rest:
        return ()
    legal_entity = str(delivery.headers.get(H_LEGAL_ENTITY, SHARED))
    refused = _refused(f"order/{rest}", legal_entity, endpoint, f"in.{endpoint}", failure)
    return (_wrapped(refused, endpoint, round(failure.at.timestamp() * 1000), delivery.message_id),)


def _refused(order_key: str, legal_entity: str, endpoint: str, queue: str, failure: Failure) -> OrderRefused:
    return OrderRefused(
        legal_entity=legal_entity,
        order_key=order_key,
        endpoint=endpoint,
        queue=queue,
        code=failure.code,
        reason=str(failure.error)[:MAX_REASON],
    )


def _wrapped(event: OrderRefused, endpoint: str, version: int, causation: str) -> AnyEnvelope:
    return new_event(event, endpoint=endpoint, objectkey=event.order_key, dataversion=version, causationid=causation)
