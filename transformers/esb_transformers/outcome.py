"""What became of an order in 1C → the deal it came from, or the deal that carries its origin key."""

from collections.abc import Sequence

from esb_bus.landscape import Landscape
from esb_schemas.documents import DealOutcome, Document
from esb_schemas.orders import OrderAccepted, OrderRefused
from esb_schemas.payments import InvoiceIssued
from esb_schemas.registry import AnyEnvelope
from esb_transformers.addressed import addressed


def order_accepted(event: AnyEnvelope, endpoint: str, _landscape: Landscape) -> Sequence[Document]:
    """Build the good news: number and total as the base has them."""
    data: OrderAccepted = event.data
    content = DealOutcome(order_key=data.order_key, status="accepted", document=data.document, total=data.total)
    return [addressed(event, endpoint, content)]


def order_refused(event: AnyEnvelope, endpoint: str, _landscape: Landscape) -> Sequence[Document]:
    """Build the bad news: `reason` is for the manager, who has to act or call somebody who can."""
    data: OrderRefused = event.data
    return [addressed(event, endpoint, DealOutcome(order_key=data.order_key, status="refused", reason=data.reason))]


def invoice_issued(event: AnyEnvelope, endpoint: str, _landscape: Landscape) -> Sequence[Document]:
    """Build the note that an invoice exists, with its number."""
    data: InvoiceIssued = event.data
    content = DealOutcome(order_key=data.order_key, status="invoiced", document=data.document, total=data.total)
    return [addressed(event, endpoint, content)]
