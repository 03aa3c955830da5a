"""Requests for an invoice → «Счет на оплату» of a 1C base."""

from collections.abc import Sequence

from esb_bus.landscape import Landscape
from esb_schemas.documents import CustomerInvoice, Document
from esb_schemas.orders import OrderState
from esb_schemas.registry import AnyEnvelope
from esb_transformers.addressed import addressed, state_of
from esb_transformers.predecessors import gets_orders


def customer_invoice(event: AnyEnvelope, endpoint: str, landscape: Landscape) -> Sequence[Document]:
    """Build the invoice for one base; based on the order document where that base gets the order, too."""
    content = CustomerInvoice(
        invoice_key=event.data.invoice_key,
        order=state_of(event.data, OrderState),
        needs_order=gets_orders(landscape, endpoint, event.legalentity),
    )
    return [addressed(event, endpoint, content)]
