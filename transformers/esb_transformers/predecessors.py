"""What must be in a base before something else may follow, told from the routes alone.

A transform cannot ask a base what it holds, and need not: the routes say what every base is going to get.
"""

from esb_bus.landscape import Landscape, Unrouted
from esb_schemas.parties import Party, PartyKind
from esb_schemas.payments import PaymentState


def gets_orders(landscape: Landscape, endpoint: str, legal_entity: str) -> bool:
    """Whether the routes bring the orders of a legal entity to this base."""
    return _gets(landscape, "order.placed", endpoint, legal_entity)


def gets_invoice_of(landscape: Landscape, endpoint: str, payment: PaymentState) -> bool:
    """Whether the routes bring invoices to this base, and the source of the order asks for one for such a payer."""
    if payment.order_key is None or not _gets(landscape, "invoice.requested", endpoint, payment.legal_entity):
        return False
    return _asks_for_invoices(landscape, payment.order_key, payment.payer)


def _gets(landscape: Landscape, event_type: str, endpoint: str, legal_entity: str) -> bool:
    try:
        return endpoint in landscape.route(event_type, legal_entity)
    except Unrouted:
        return False


def _asks_for_invoices(landscape: Landscape, order_key: str, payer: Party | None) -> bool:
    kind, _, name = order_key.split("/")[1].partition(".")
    if kind == "website" and name in landscape.website:
        return bool(landscape.website[name].invoice_methods)
    if kind == "bitrix24" and name in landscape.bitrix24:
        is_organisation = payer is None or payer.kind is PartyKind.ORGANISATION
        return landscape.bitrix24[name].invoice and is_organisation
    return False
