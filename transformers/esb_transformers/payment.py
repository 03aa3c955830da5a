"""Payments → payment document of another 1C base, and the paid total in the deal."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Literal

from esb_bus.landscape import Landscape
from esb_schemas.documents import DealPayment, Document, IncomingPayment
from esb_schemas.payments import PaymentRefunded, PaymentState
from esb_schemas.registry import AnyEnvelope
from esb_transformers.addressed import addressed, source_endpoint, state_of
from esb_transformers.predecessors import Asked, gets_invoice_of, gets_orders

Predecessor = Literal["order", "invoice", "invoice_if_any"]

INVOICES: Mapping[Asked, Predecessor | None] = {
    Asked.ALWAYS: "invoice",
    Asked.PERHAPS: "invoice_if_any",
    Asked.NEVER: None,
}


def incoming_payment(event: AnyEnvelope, endpoint: str, landscape: Landscape) -> Sequence[Document]:
    """Build the payment document for one base; none for the base the payment comes from."""
    if endpoint == source_endpoint(event):
        return []
    content = IncomingPayment(
        payment=state_of(event.data, PaymentState),
        waits_for=_predecessor(event, endpoint, landscape),
    )
    return [addressed(event, endpoint, content)]


def _predecessor(event: AnyEnvelope, endpoint: str, landscape: Landscape) -> Predecessor | None:
    """What a payment in this base refers to. A payment that names no order waits for nothing."""
    if event.data.order_key is None:
        return None
    if gets_orders(landscape, endpoint, event.legalentity):
        return "order"
    return INVOICES[gets_invoice_of(landscape, endpoint, event.data)]


def deal_payment(event: AnyEnvelope, endpoint: str, landscape: Landscape) -> Sequence[Document]:
    """Build the deal's payment state for one portal.

    None when the payment is tied to no order, or to an order no deal of this portal can be about.
    """
    payment: PaymentState = event.data
    if payment.order_key is None or endpoint not in landscape.interested_portals(payment.order_key):
        return []
    amount = signed_amount(payment)
    content = DealPayment(
        order_key=payment.order_key,
        payment_key=payment.payment_key,
        amount=amount,
        paid_at=payment.paid_at,
        # A base that cannot add up names no total; then this payment is all we know of.
        paid_total=amount if payment.order_paid_total is None else payment.order_paid_total,
        order_total=payment.order_total,
        as_of=payment.as_of,
        document=payment.document,
    )
    return [addressed(event, endpoint, content)]


def signed_amount(payment: PaymentState) -> Decimal:
    """What the payment adds to the paid total: nothing when cancelled, less than nothing for a refund."""
    if payment.is_cancelled:
        return Decimal(0)
    return -payment.amount if isinstance(payment, PaymentRefunded) else payment.amount
