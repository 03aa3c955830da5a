"""What must be in a base before something else may follow, told from the routes alone.

A transform cannot ask a base what it holds, and need not: the routes say what every base is going to get.
"""

from enum import Enum

from esb_bus.landscape import BITRIX24_KIND, WEBSITE_KIND, Landscape, Unrouted, Website
from esb_schemas.parties import Party, PartyKind
from esb_schemas.payments import PaymentState


class Asked(Enum):
    """How sure it is that somebody asked for an invoice."""

    ALWAYS = "always"
    PERHAPS = "perhaps"
    NEVER = "never"


def gets_orders(landscape: Landscape, endpoint: str, legal_entity: str) -> bool:
    """Whether the routes bring the orders of a legal entity to this base."""
    return _gets(landscape, "order.placed", endpoint, legal_entity)


def gets_invoice_of(landscape: Landscape, endpoint: str, payment: PaymentState) -> Asked:
    """Whether this base has got, or will get, the invoice that a payment may answer."""
    if payment.order_key is None or not _gets(landscape, "invoice.requested", endpoint, payment.legal_entity):
        return Asked.NEVER
    return _asks_for_invoice(landscape, payment.order_key, payment.payer)


def _gets(landscape: Landscape, event_type: str, endpoint: str, legal_entity: str) -> bool:
    try:
        return endpoint in landscape.route(event_type, legal_entity)
    except Unrouted:
        return False


def _asks_for_invoice(landscape: Landscape, order_key: str, payer: Party | None) -> Asked:
    kind, _, name = order_key.split("/")[1].partition(".")
    if kind == WEBSITE_KIND and name in landscape.website:
        return Asked.PERHAPS if _may_ask(landscape.website[name]) else Asked.NEVER
    if kind == BITRIX24_KIND and name in landscape.bitrix24:
        is_organisation = payer is None or payer.kind is PartyKind.ORGANISATION
        return Asked.ALWAYS if landscape.bitrix24[name].invoice and is_organisation else Asked.NEVER
    return Asked.NEVER


def _may_ask(site: Website) -> bool:
    """A WooCommerce shop asks by payment method, which a payment does not tell; other sites say it in each order."""
    return bool(site.invoice_methods) or site.protocol == "standard"
