"""Documents → objects of a base. Pure.

A document becomes `Content` in canonical names first; the table of the configuration turns it into properties.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from esb_adapters.onec.configurations import DocumentFacts, Section, composite
from esb_adapters.onec.protocol import local_date
from esb_schemas.orders import Delivery, OrderLine, OrderState
from esb_schemas.payments import PaymentState
from esb_schemas.values import VatRate

CENT = Decimal("0.01")
UNKNOWN_UNIT = "796"
"""A piece: also what sources say that know no units. Such a line is in the product's own unit."""


@dataclass(frozen=True, slots=True)
class Ref:
    """A reference to an object of the base."""

    entity_set: str
    ref: str


@dataclass(frozen=True, slots=True)
class Product:
    product: Ref
    unit: Ref


@dataclass(frozen=True, slots=True)
class Resolved:
    """What the natural keys of a document are in one base. None: the document has no such key."""

    organisation: Ref
    counterparty: Ref
    partner: Ref | None = None
    currency: Ref | None = None
    warehouse: Ref | None = None
    store: Ref | None = None
    agreement: Ref | None = None
    bank_account: Ref | None = None
    contract: Ref | None = None
    basis: Ref | None = None
    products: Mapping[str, Product] = field(default_factory=dict)
    vat_rates: Mapping[VatRate, Ref | str] = field(default_factory=dict)
    accounts: Mapping[str, Ref] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Content:
    """What a document shall contain, by canonical names. A value of None is not written."""

    date: str
    header: Mapping[str, Any]
    lines: Sequence[Mapping[str, Any]]
    is_cancelled: bool = False
    note: str = ""


def order_content(
    order: OrderState, facts: DocumentFacts, known: Resolved, zone: str, *, is_cancelled: bool = False
) -> Content:
    """Content of a customer order or an invoice."""
    date = local_date(order.placed_at, zone)
    day = f"{date[:10]}T00:00:00"
    header: dict[str, Any] = {
        **_parties(known),
        "total": order.total,
        "includes_vat": True,
        "counts_vat": True,
        "taxation": _taxation(order, facts),
        "external_number": order.number,
        "external_date": date,
        "delivery_address": (order.delivery and order.delivery.address) or "",
        "ship_date": day,
        "agreement": known.agreement,
        "warehouse": known.warehouse,
        "store": known.store,
        "basis": known.basis,
        "payee": known.organisation,
    }
    if "delivery_amount" in facts.fields:
        header |= _delivery_in_header(order.delivery, known)
    rows = list(_rows(order, facts, known, is_cancelled=is_cancelled))
    for row in rows:
        row |= {"ship_date": day, "warehouse": known.warehouse}
    return Content(date, header | {"last_line": len(rows)}, rows, is_cancelled, order.comment)


def invoice_stage(content: Content) -> Content:
    """Content of an invoice that has no goods: one payment stage of all the money."""
    stage = {"pay_date": content.header["ship_date"], "percent": 100, "amount": content.header["total"]}
    return Content(content.date, content.header, [stage], content.is_cancelled, content.note)


def payment_content(payment: PaymentState, known: Resolved, zone: str) -> Content:
    """Content of an incoming payment with one line, all the money for one order."""
    date = local_date(payment.paid_at, zone)
    header: dict[str, Any] = {
        **_parties(known),
        **known.accounts,
        "total": payment.amount,
        "bank_number": payment.bank_number or payment.document.number,
        "bank_date": f"{date[:10]}T00:00:00",
        "paid_date": date,
        "purpose": payment.purpose,
    }
    row = {
        **known.accounts,
        "partner": known.partner,
        "contract": known.contract,
        "currency": known.currency,
        "amount": payment.amount,
        "settlement_amount": payment.amount,
        "order": known.basis,
        "invoice": known.basis,
    }
    return Content(date, header, [row], payment.is_cancelled)


def _parties(known: Resolved) -> dict[str, Any]:
    return {
        "organisation": known.organisation,
        "counterparty": known.counterparty,
        "partner": known.partner,
        "currency": known.currency,
        "bank_account": known.bank_account,
        "contract": known.contract,
    }


def _taxation(order: OrderState, facts: DocumentFacts) -> str | None:
    if facts.taxation is None:
        return None
    with_vat, without_vat = facts.taxation
    return without_vat if all(line.vat_rate is VatRate.NONE for line in order.lines) else with_vat


def vat_within(amount: Decimal, rate: VatRate) -> Decimal:
    """VAT inside `amount`, rounded to kopecks as 1C rounds it."""
    if rate is VatRate.NONE:
        return Decimal(0)
    percent = Decimal(rate.value)
    return (amount * percent / (100 + percent)).quantize(CENT, ROUND_HALF_UP)


def _delivery_in_header(delivery: Delivery | None, known: Resolved) -> dict[str, Any]:
    if delivery is None or not delivery.amount:
        return {"delivery_amount": Decimal(0)}
    return {
        "delivery_amount": delivery.amount,
        "delivery_vat_rate": known.vat_rates[delivery.vat_rate],
        "delivery_vat_amount": vat_within(delivery.amount, delivery.vat_rate),
    }


def delivery_line(order: OrderState, facts: DocumentFacts) -> OrderLine | None:
    """Delivery as a line, where the document has no fields for it; the method's name stands for a missing article."""
    delivery = order.delivery
    if delivery is None or not delivery.amount or "delivery_amount" in facts.fields:
        return None
    return OrderLine(
        article=delivery.article or delivery.method[:50],
        name=delivery.method,
        quantity=Decimal(1),
        price=delivery.amount,
        amount=delivery.amount,
        vat_rate=delivery.vat_rate,
        vat_amount=vat_within(delivery.amount, delivery.vat_rate),
    )


def lines_of(order: OrderState, facts: DocumentFacts) -> Sequence[OrderLine]:
    """Every line the document will have, delivery last."""
    delivery = delivery_line(order, facts)
    return order.lines if delivery is None else (*order.lines, delivery)


def _rows(order: OrderState, facts: DocumentFacts, known: Resolved, *, is_cancelled: bool) -> Iterator[dict[str, Any]]:
    for line in lines_of(order, facts):
        product = known.products.get(line.article)
        yield {
            "product": product.product if product else None,
            "unit": product.unit if product else None,
            "content": line.name,
            "quantity": line.quantity,
            "packages": line.quantity,
            "price": line.price.quantize(CENT, ROUND_HALF_UP),
            "amount": line.amount,
            "amount_with_vat": line.amount,
            "vat_rate": known.vat_rates.get(line.vat_rate),
            "vat_amount": line.vat_amount,
            "is_cancelled": is_cancelled,
        }


def properties(places: Mapping[str, str], values: Mapping[str, Any], lengths: Mapping[str, int]) -> dict[str, Any]:
    """Canonical values as properties. A reference in a composite property names its type."""
    written: dict[str, Any] = {}
    for name, place in places.items():
        value = values.get(name)
        if isinstance(value, Ref):
            written[place] = value.ref
            if not place.endswith("_Key"):
                written[f"{place}_Type"] = composite(value.entity_set)
        elif isinstance(value, str):
            written[place] = value[: lengths.get(name, len(value))]
        elif value is not None:
            written[place] = value
    return written


def rows(section: Section, lines: Sequence[Mapping[str, Any]], lengths: Mapping[str, int]) -> list[dict[str, Any]]:
    """A section as 1C wants it: every row numbered from 1."""
    return [
        {
            "LineNumber": number,
            **section.constants,
            **dict.fromkeys(section.number_lines, number),
            **properties(section.fields, line, lengths),
        }
        for number, line in enumerate(lines, start=1)
    ]


def new_object(content: Content, facts: DocumentFacts) -> dict[str, Any]:
    """Every property of a new document but number and stamp."""
    made = {
        "Date": content.date,
        **facts.constants,
        **properties(facts.fields, content.header, facts.lengths),
        **(facts.cancelled if content.is_cancelled else {}),
    }
    if facts.section is not None:
        made[facts.section.name] = rows(facts.section, content.lines, facts.lengths)
    return made
