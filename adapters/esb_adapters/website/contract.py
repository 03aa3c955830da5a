"""The body any site sends by Standard Webhooks: our own small contract, published in docs/website-webhooks.md.

Strict on purpose: a misspelt member becomes a dead letter that names it and is not silently ignored.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal, Self

import orjson
from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from esb_adapters.website.mapping import (
    Shop,
    cents,
    invoice_event,
    party_kind,
    read_as,
    state_event,
    vat_within,
)
from esb_adapters.website.protocol import milliseconds, order_key
from esb_bus.errors import InvalidData, PermanentError, PoisonMessageError
from esb_bus.landscape import UnknownLegalEntity
from esb_schemas.identifiers import Inn, Kpp, LegalEntityCode, Ogrn
from esb_schemas.orders import Delivery, OrderCancelled, OrderChanged, OrderLine, OrderPlaced, OrderState
from esb_schemas.parties import Party
from esb_schemas.registry import AnyEnvelope
from esb_schemas.values import MAX_VERSION, Money, Okei, Price, Quantity, VatRate

TYPES: Final[Mapping[str, type[OrderState]]] = {
    "order.placed": OrderPlaced,
    "order.changed": OrderChanged,
    "order.cancelled": OrderCancelled,
}


class UnknownSiteEvent(PermanentError):
    """The contract has no such type."""

    code = "unknown_site_event"


def _id_text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


SiteOrderId = Annotated[str, BeforeValidator(_id_text), StringConstraints(pattern=r"^[^/\s\p{C}]{1,100}$")]


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class SiteBuyer(Part):
    """With an INN of 10 digits an organisation, with 12 a sole proprietor, without one a person."""

    name: str
    inn: Inn | None = None
    kpp: Kpp | None = None
    ogrn: Ogrn | None = None
    email: str | None = None
    phone: str | None = None
    address: str | None = None


class SiteLine(Part):
    """`price` has VAT inside and is after discounts; `amount` is `price` × `quantity` unless given."""

    article: str
    name: str
    quantity: Quantity
    unit: Okei = "796"
    price: Price
    amount: Money | None = None
    vat_rate: VatRate
    vat_amount: Money | None = None


class SiteDelivery(Part):
    method: str
    address: str | None = None
    amount: Money
    vat_rate: VatRate = VatRate.NONE


class SiteOrder(Part):
    """The whole order as it is now, never a difference."""

    id: SiteOrderId
    number: str | None = None
    version: int | None = Field(default=None, ge=0, le=MAX_VERSION)
    occurred_at: AwareDatetime | None = None
    placed_at: AwareDatetime
    seller: str | None = None
    buyer: SiteBuyer
    lines: tuple[SiteLine, ...]
    delivery: SiteDelivery | None = None
    total: Money
    currency: str = "RUB"
    payment_method: str = ""
    invoice: bool = False
    comment: str = ""
    reason: str = ""

    @model_validator(mode="after")
    def _is_versioned(self) -> Self:
        if self.version is None and self.occurred_at is None:
            raise ValueError("give version (a number that grows with each change) or occurred_at")
        return self

    @property
    def dataversion(self) -> int:
        if self.version is not None:
            return self.version
        return milliseconds(self.occurred_at or self.placed_at)


class SiteEvent(Part):
    type: Literal["order.placed", "order.changed", "order.cancelled"]
    timestamp: AwareDatetime
    data: SiteOrder


def read_site_event(body: bytes) -> SiteEvent:
    """Read the body of a delivery.

    Raises:
        PoisonMessageError: not a JSON object.
        UnknownSiteEvent: a type the contract does not have.
        InvalidData: naming each member that breaks the contract.
    """
    claimed = _claimed_type(body)
    if claimed not in TYPES:
        raise UnknownSiteEvent(f"type: {claimed!r:.60} is none of {', '.join(TYPES)}")
    try:
        return SiteEvent.model_validate_json(body)
    except ValidationError as error:
        raise InvalidData.of(f"the site's {claimed}", error) from error


def site_events(event: SiteEvent, shop: Shop) -> Sequence[AnyEnvelope]:
    """Return what a delivery tells: the state of the order, and that an invoice is wanted.

    Raises:
        PermanentError: with the member, its value and where to fix it.
    """
    order = event.data
    changed_at = order.occurred_at or event.timestamp
    state = _state(order, shop)
    kind = TYPES[event.type]
    reason = {"reason": order.reason} if kind is OrderCancelled else {}
    order_state = read_as(kind, f"order {order.id}", {**state, **reason})
    envelopes = [state_event(order_state, shop, order.id, changed_at, order.dataversion)]
    if order.invoice and order.total > 0 and kind is not OrderCancelled:
        envelopes.append(invoice_event(state, shop, order.id, changed_at, order.dataversion))
    return envelopes


def _claimed_type(body: bytes) -> str:
    try:
        wire = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise PoisonMessageError(f"the body is not JSON: {str(error)[:200]}") from error
    if not isinstance(wire, dict):
        raise PoisonMessageError(f"the body is JSON, but {type(wire).__name__} and not an object")
    return str(wire.get("type"))


def _state(order: SiteOrder, shop: Shop) -> dict[str, Any]:
    return {
        "legal_entity": _legal_entity(order, shop),
        "order_key": order_key(shop.endpoint, order.id),
        "number": order.number or order.id,
        "placed_at": order.placed_at,
        "buyer": read_as(Party, f"order {order.id}, buyer", _buyer(order.buyer)),
        "lines": tuple(_line(order, index) for index in range(len(order.lines))),
        "delivery": _delivery(order),
        "total": order.total,
        "currency": order.currency,
        "payment_method": order.payment_method,
        "comment": order.comment,
    }


def _legal_entity(order: SiteOrder, shop: Shop) -> LegalEntityCode:
    """`seller` decides where the landscape says so (`seller_meta`), else the site has one legal entity."""
    if shop.site.seller_meta is None:
        return shop.site.legal_entity or ""
    if order.seller not in shop.site.sellers:
        raise UnknownLegalEntity(
            f"data.seller: order {order.id} names the seller {order.seller!r:.60}; known are "
            f"{', '.join(sorted(shop.site.sellers))}. Correct it in the site, or add it to {shop.setting('sellers')}"
        )
    return shop.site.sellers[order.seller]


def _buyer(buyer: SiteBuyer) -> dict[str, Any]:
    return {**dict(buyer), "kind": party_kind(buyer.inn or "")}


def _line(order: SiteOrder, index: int) -> OrderLine:
    line = order.lines[index]
    amount = cents(line.price * line.quantity) if line.amount is None else line.amount
    fields = {
        **dict(line),
        "amount": amount,
        "vat_amount": vat_within(amount, line.vat_rate) if line.vat_amount is None else line.vat_amount,
    }
    return read_as(OrderLine, f"order {order.id}, lines.{index}", fields)


def _delivery(order: SiteOrder) -> Delivery | None:
    if order.delivery is None:
        return None
    return read_as(Delivery, f"order {order.id}, delivery", dict(order.delivery))
