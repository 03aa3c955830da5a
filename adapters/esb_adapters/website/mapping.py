"""WooCommerce order → canonical events. Pure: no clock, no cache, no HTTP.

Rules, all decided from the order alone, so that webhook, repeated webhook and poll give the same event:

- The version is `date_modified_gmt` in milliseconds. The shop writes whole seconds; the rest stays free.
- A state saved within `PLACING_S` of the order's creation is `order.placed`, a later one `order.changed`: a checkout
  saves an order several times. Receivers create what they miss, so both bring an order in.
- Sums come from the order and are never computed anew. A rounding difference goes into the largest line.
- What the order leaves open (no article, a fee, a tax rate nobody mapped) goes to a person; nothing is guessed.
"""

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from esb_adapters.website.protocol import milliseconds, order_key
from esb_adapters.website.shapes import Address, LineItem, WooOrder
from esb_bus.errors import InvalidData, PermanentError
from esb_bus.landscape import UnknownLegalEntity, Website
from esb_schemas.envelope import new_event
from esb_schemas.identifiers import LegalEntityCode
from esb_schemas.orders import Delivery, OrderCancelled, OrderChanged, OrderLine, OrderPlaced, OrderState
from esb_schemas.parties import ORGANISATION_INN_LENGTH, Party, PartyKind
from esb_schemas.payments import InvoiceRequested
from esb_schemas.registry import AnyEnvelope
from esb_schemas.values import VatRate

PLACING_S = 60
CENT = Decimal("0.01")
SMALLEST_QUANTITY = Decimal("0.001")
PRICE_STEP = Decimal("0.000001")
MAX_COMMENT = 4000
_UNTAXED = frozenset({VatRate.NONE, VatRate.VAT_0})

ModelT = TypeVar("ModelT", bound=BaseModel)


class MissingArticle(PermanentError):
    """A line of an order names no article, so no base can know the product."""

    code = "missing_article"


class UnmappedVat(PermanentError):
    """The tax of a line and the VAT rate of its tax class do not go together."""

    code = "unmapped_vat"


class UnmappedFee(PermanentError):
    """A fee is no product and no delivery: no document line can carry it."""

    code = "unmapped_fee"


@dataclass(frozen=True, slots=True)
class Shop:
    """What the mapping knows about the site an order comes from."""

    endpoint: str
    site: Website
    rounding: Decimal = CENT
    """Largest difference per line between the sum of the lines and the total that is taken as rounding."""

    def setting(self, name: str) -> str:
        return f"[{self.endpoint}] {name}"


def order_events(order: WooOrder, shop: Shop) -> Sequence[AnyEnvelope]:
    """Return what an order tells: its state, and that an invoice is wanted.

    Raises:
        PermanentError: with the field, its value and where to fix it.
    """
    if order.status in shop.site.ignored_statuses:
        return ()
    state = _state(order, shop)
    kind = _kind(order, shop.site)
    envelopes = [state_event(read_as(kind, f"order {order.number}", state), shop, order.id, order.date_modified_gmt)]
    if _wants_invoice(order, shop.site):
        envelopes.append(invoice_event(state, shop, order.id, order.date_modified_gmt))
    return envelopes


def state_event(
    state: OrderState, shop: Shop, native_id: int | str, changed_at: datetime, version: int | None = None
) -> AnyEnvelope:
    """Wrap the state of an order."""
    return _envelope(state, shop, order_key(shop.endpoint, native_id), state.order_key, changed_at, version)


def invoice_event(
    state: dict[str, Any], shop: Shop, native_id: int | str, changed_at: datetime, version: int | None = None
) -> AnyEnvelope:
    """Wrap the wish for an invoice: the same state, in the thread of the order."""
    key = f"invoice/{shop.endpoint}/{native_id}"
    wish = read_as(InvoiceRequested, f"invoice {native_id}", {**state, "invoice_key": key})
    return _envelope(wish, shop, key, wish.order_key, changed_at, version)


def _envelope(
    data: OrderState, shop: Shop, key: str, thread: str, changed_at: datetime, version: int | None
) -> AnyEnvelope:
    dataversion = milliseconds(changed_at) if version is None else version
    try:
        return new_event(
            data, endpoint=shop.endpoint, objectkey=key, dataversion=dataversion, thread=thread, time=changed_at
        )
    except ValidationError as error:
        raise InvalidData.of(key, error) from error


def _kind(order: WooOrder, site: Website) -> type[OrderState]:
    if order.status in site.cancelled_statuses:
        return OrderCancelled
    age = order.date_modified_gmt - order.date_created_gmt
    return OrderPlaced if age <= timedelta(seconds=PLACING_S) else OrderChanged


def _wants_invoice(order: WooOrder, site: Website) -> bool:
    """An order of nothing needs no invoice, a cancelled one none any more."""
    return (
        order.payment_method in site.invoice_methods and order.total > 0 and order.status not in site.cancelled_statuses
    )


def _state(order: WooOrder, shop: Shop) -> dict[str, Any]:
    _refuse_fees(order)
    lines = [_line(order, index, shop) for index in range(len(order.line_items))]
    delivery = _delivery(order, shop)
    return {
        "legal_entity": _legal_entity(order, shop),
        "order_key": order_key(shop.endpoint, order.id),
        "number": order.number or str(order.id),
        "placed_at": order.date_created_gmt,
        "buyer": _buyer(order, shop),
        "lines": tuple(_rounded(lines, order, delivery, shop)),
        "delivery": delivery,
        "total": order.total,
        "currency": order.currency,
        "payment_method": html.unescape(order.payment_method_title or order.payment_method)[:200],
        "comment": shortened(html.unescape(order.customer_note)),
    }


def _legal_entity(order: WooOrder, shop: Shop) -> LegalEntityCode:
    site = shop.site
    if site.seller_meta is None:
        return site.legal_entity or ""
    seller = order.meta(site.seller_meta)
    if seller not in site.sellers:
        raise UnknownLegalEntity(
            f"meta_data.{site.seller_meta}: order {order.number} names the seller {seller[:60]!r}; known are "
            f"{', '.join(sorted(site.sellers))}. Correct it in the shop, or add it to {shop.setting('sellers')}"
        )
    return site.sellers[seller]


def _refuse_fees(order: WooOrder) -> None:
    for index, fee in enumerate(order.fee_lines):
        if fee.total + fee.total_tax:
            raise UnmappedFee(
                f"fee_lines.{index}: order {order.number} has the fee {fee.name[:60]!r} of "
                f"{fee.total + fee.total_tax}; a fee has no article for 1C. Sell it as a product with an SKU, "
                "or give a discount as a coupon"
            )


def _line(order: WooOrder, index: int, shop: Shop) -> OrderLine:
    item = order.line_items[index]
    place = f"line_items.{index}"
    article = item.sku.strip()
    if not article:
        raise MissingArticle(
            f"{place}.sku: order {order.number}, line {item.name[:60]!r} (product {item.product_id}, variation "
            f"{item.variation_id}) has no SKU. Fill in the SKU of the product in the shop, then save the order there"
        )
    amount = cents(item.total + item.total_tax)
    rate = _rate(order, item, place, shop)
    fields = {
        "article": article,
        "name": html.unescape(item.name),
        "quantity": item.quantity,
        "unit": shop.site.unit,
        "price": unit_price(amount, item.quantity),
        "amount": amount,
        "vat_rate": rate,
        "vat_amount": cents(item.total_tax) if item.total_tax else vat_within(amount, rate),
    }
    return read_as(OrderLine, f"order {order.number}, {place}", fields)


def _rate(order: WooOrder, item: LineItem, place: str, shop: Shop) -> VatRate:
    classes = shop.site.tax_classes
    if item.tax_class not in classes:
        raise UnmappedVat(
            f"{place}.tax_class: order {order.number} has the tax class {item.tax_class[:60]!r}; mapped are "
            f"{', '.join(repr(name) for name in sorted(classes))}. Add it to {shop.setting('tax_classes')}"
        )
    rate = classes[item.tax_class]
    if _is_taxed(order) and not _tax_fits(item.total, item.total_tax, rate, item.quantity):
        raise UnmappedVat(
            f"{place}.total_tax: order {order.number} has the tax {item.total_tax} on {item.total}, but the tax class "
            f"{item.tax_class[:60]!r} stands for VAT {rate} in {shop.setting('tax_classes')}. Correct the rate in the "
            "shop or in the landscape"
        )
    return rate


def _is_taxed(order: WooOrder) -> bool:
    """Whether the shop computes taxes at all. Most Russian ones do not: their prices simply have VAT inside."""
    return bool(order.tax_lines) or any(item.total_tax for item in order.line_items) or bool(order.shipping_tax)


def _tax_fits(net: Decimal, tax: Decimal, rate: VatRate, quantity: Decimal) -> bool:
    """The shop may round the tax of each piece, so every piece may be off by a cent."""
    return abs(tax - net * percent(rate) / 100) <= CENT * (1 + abs(quantity))


def _delivery(order: WooOrder, shop: Shop) -> Delivery | None:
    amount = cents(order.shipping_total + order.shipping_tax)
    if not order.shipping_lines and not amount:
        return None
    titles = ", ".join(html.unescape(line.method_title) for line in order.shipping_lines if line.method_title)
    fields = {
        "method": titles[:200],
        "article": shop.site.delivery_articles.get(titles),
        "address": _postal(order.shipping) or _postal(order.billing),
        "amount": amount,
        "vat_rate": _delivery_rate(order, shop),
    }
    return read_as(Delivery, f"order {order.number}, shipping", fields)


def _delivery_rate(order: WooOrder, shop: Shop) -> VatRate:
    rates = shop.site.tax_classes
    if not order.shipping_tax:
        return VatRate.NONE if _is_taxed(order) else rates.get("", VatRate.NONE)
    for rate in sorted(set(rates.values())):
        if rate not in _UNTAXED and _tax_fits(order.shipping_total, order.shipping_tax, rate, Decimal(1)):
            return rate
    raise UnmappedVat(
        f"shipping_tax: order {order.number} has the tax {order.shipping_tax} on the delivery of "
        f"{order.shipping_total}; no VAT rate of {shop.setting('tax_classes')} gives it"
    )


def _rounded(lines: list[OrderLine], order: WooOrder, delivery: Delivery | None, shop: Shop) -> Iterator[OrderLine]:
    """Put a rounding difference into the largest line.

    Raises:
        InvalidData: the difference is more than rounding.
    """
    shipped = delivery.amount if delivery else Decimal(0)
    rest = order.total - shipped - sum((line.amount for line in lines), Decimal(0))
    if abs(rest) > shop.rounding * (len(lines) + 1):
        raise InvalidData(
            f"total: order {order.number} is {order.total}, but its lines and delivery add up to "
            f"{order.total - rest}. Open the order in the shop, recalculate it and save it"
        )
    largest = max(range(len(lines)), key=lambda index: lines[index].amount, default=None)
    for index, line in enumerate(lines):
        yield line if index != largest or not rest else _with_amount(line, line.amount + rest)


def _with_amount(line: OrderLine, amount: Decimal) -> OrderLine:
    fields = {**dict(line), "amount": amount, "price": unit_price(amount, line.quantity)}
    return read_as(OrderLine, f"line {line.article}", fields)


def _buyer(order: WooOrder, shop: Shop) -> Party:
    site, billing = shop.site, order.billing
    inn, kpp = order.meta(site.inn_meta).replace(" ", ""), order.meta(site.kpp_meta).replace(" ", "")
    fields = {
        "kind": party_kind(inn),
        "name": _name(order),
        "inn": inn or None,
        "kpp": kpp or None if len(inn) == ORGANISATION_INN_LENGTH else None,
        "email": billing.email.strip() or None,
        "phone": billing.phone.strip() or None,
        "address": _postal(billing),
    }
    return read_as(Party, f"order {order.number}, buyer (INN from {site.inn_meta}, KPP from {site.kpp_meta})", fields)


def party_kind(inn: str) -> PartyKind:
    """Tell the legal form by the INN a buyer gave: shops ask firms and sole proprietors for it, persons give none."""
    if not inn:
        return PartyKind.PERSON
    return PartyKind.SOLE_PROPRIETOR if len(inn) > ORGANISATION_INN_LENGTH else PartyKind.ORGANISATION


def _name(order: WooOrder) -> str:
    """A guest may leave nothing but an address to write to."""
    billing = order.billing
    person = " ".join(part for part in (billing.last_name.strip(), billing.first_name.strip()) if part)
    found = billing.company.strip() or person or billing.email.strip() or billing.phone.strip()
    return html.unescape(found) or f"Покупатель заказа {order.number or order.id}"


def _postal(address: Address) -> str | None:
    parts = (
        address.postcode,
        address.state,
        address.city,
        address.address_1,
        address.address_2,
    )
    return ", ".join(html.unescape(part.strip()) for part in parts if part.strip())[:1000] or None


def cents(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_HALF_UP)


def percent(rate: VatRate) -> Decimal:
    return Decimal(0) if rate in _UNTAXED else Decimal(rate.value)


def vat_within(amount: Decimal, rate: VatRate) -> Decimal:
    """Return the VAT inside an amount."""
    return cents(amount * percent(rate) / (100 + percent(rate)))


def unit_price(amount: Decimal, quantity: Decimal) -> Decimal:
    """Return the price of one unit with VAT: 100 for 3 is 33.333333."""
    if quantity < SMALLEST_QUANTITY:
        return Decimal(0)  # the quantity itself is refused by the schema, with its own reason
    return (amount / quantity).quantize(PRICE_STEP, ROUND_HALF_UP)


def shortened(comment: str) -> str:
    """A comment is for people: cutting it harms nobody, refusing the order for it would."""
    return comment if len(comment) <= MAX_COMMENT else comment[: MAX_COMMENT - 1] + "…"


def read_as(model: type[ModelT], what: str, fields: dict[str, Any]) -> ModelT:
    try:
        return model(**fields)
    except ValidationError as error:
        raise InvalidData.of(what, error) from error
