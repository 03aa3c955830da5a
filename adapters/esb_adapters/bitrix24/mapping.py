"""A deal with its rows, buyer and products → the events of an order. Pure.

What counts as an order, decided from the deal alone so that every reader and every repeat decides alike:

| deal | events |
| --- | --- |
| made by a shop (`shops`) | none: the shop owns its order |
| a template of recurring deals | none: the deals made from it are orders |
| stage not among `stages`, or no rows while `stages` is empty | none, not an order yet |
| lost, 1C number not filled | none; accepted later, it gets its number, and that change brings it back here |
| lost, 1C number filled | `order.cancelled` |
| otherwise, 1C number not filled | `order.placed`, with `invoice.requested` for organisations |
| otherwise, 1C number filled | `order.changed`, likewise |
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal, DecimalException

from pydantic import ValidationError

from esb_adapters.bitrix24.events import order_key
from esb_adapters.bitrix24.shapes import Company, Contact, Deal, Requisite, Row
from esb_bus.errors import InvalidData, PermanentError
from esb_bus.landscape import BITRIX24_FIELDS, Bitrix24Portal
from esb_schemas.envelope import new_event
from esb_schemas.orders import OrderCancelled, OrderChanged, OrderLine, OrderPlaced, OrderState
from esb_schemas.parties import ORGANISATION_INN_LENGTH, Party, PartyKind
from esb_schemas.payments import InvoiceRequested
from esb_schemas.registry import AnyEnvelope
from esb_schemas.values import VatRate

CENT = Decimal("0.01")
MICRO = Decimal("0.000001")
COMPANY_TYPE_ID = 4
PIECE = "796"
MAX_COMMENT = 4000
MAX_NAME = 1000
_BB_CODE = re.compile(r"\[/?[a-zA-Z*][^\]\[]{0,200}\]")


class SellerUnknown(PermanentError):
    """The deal does not say which of our legal entities sells."""

    code = "unknown_seller"


class EntityChanged(PermanentError):
    """The deal has another seller than the one it was first published for."""

    code = "entity_changed"


class BuyerUnknown(PermanentError):
    """Nobody can be billed: no company with an ИНН, no contact."""

    code = "unknown_buyer"


class UnmappedVatRate(PermanentError):
    """A row has a tax rate that no canonical rate stands for."""

    code = "unmapped_vat_rate"


class ArticleMissing(PermanentError):
    """A row has no product, or its product has no article."""

    code = "missing_article"


class TotalDiffers(PermanentError):
    """The sum of the deal was set by hand and is not the sum of its rows."""

    code = "total_differs"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything about one deal, read together.

    Attributes:
        articles: article by product id, for the products that have one.
        chosen_requisite: id of the requisite that the deal's documents print, 0 when nobody chose.
    """

    deal: Deal
    rows: Sequence[Row] = ()
    company: Company | None = None
    contact: Contact | None = None
    requisites: Sequence[Requisite] = ()
    articles: Mapping[int, str] = field(default_factory=dict)
    chosen_requisite: int = 0


def field_name(portal: Bitrix24Portal, purpose: str) -> str:
    """Return the deal field the bus writes for `purpose` ("number", "status", …)."""
    names: dict[str, str] = {**BITRIX24_FIELDS, **dict(portal.fields.items())}
    return names[purpose]


def is_shops_order(deal: Deal, portal: Bitrix24Portal) -> bool:
    return deal.originator_id in portal.shops


def is_order(deal: Deal, rows: Sequence[Row], portal: Bitrix24Portal) -> bool:
    """Tell whether a deal stands for an order that 1C shall know of, or has to forget."""
    if is_shops_order(deal, portal) or deal.is_recurring == "Y":
        return False
    if deal.is_lost:
        return bool(deal.field(field_name(portal, "number")))
    return deal.stage_id in portal.stages if portal.stages else bool(rows)


def seller(deal: Deal, endpoint: str, portal: Bitrix24Portal) -> str:
    """Return the legal entity that sells.

    Raises:
        SellerUnknown: the field is empty, or holds an item nobody mapped.
    """
    item = deal.field(portal.seller_field)
    if item in portal.sellers:
        return portal.sellers[item]
    known = ", ".join(f"{number} = {code}" for number, code in portal.sellers.items())
    what = f"{item!r} is none of the known items ({known})" if item not in {"", "0"} else "it is empty"
    raise SellerUnknown(
        f"deal {deal.id}: the seller field {portal.seller_field}: {what}. Choose the seller in the deal, "
        f"or add the item under sellers of [{endpoint}] in the landscape"
    )


def check_entity(deal: Deal, legal_entity: str, portal: Bitrix24Portal) -> None:
    """Refuse a seller other than the pinned one.

    Raises:
        EntityChanged: the order may already be in a base of the pinned legal entity.
    """
    name = field_name(portal, "entity")
    pinned = deal.field(name)
    if pinned not in {"", legal_entity}:
        raise EntityChanged(
            f"deal {deal.id}: it was published for {pinned!r} (field {name}), but the seller field "
            f"{portal.seller_field} now says {legal_entity!r}. Choose the first seller again and make a new deal "
            f"for the other one; if no base has the order of {pinned!r}, empty the field {name}"
        )


def order_events(snapshot: Snapshot, endpoint: str, portal: Bitrix24Portal) -> list[AnyEnvelope]:
    """Return the events a deal stands for; the caller has asked `is_order`.

    Raises:
        PermanentError: the deal cannot be an order before a person corrects it.
    """
    deal = snapshot.deal
    try:
        return _order_events(snapshot, endpoint, portal)
    except ValidationError as error:
        raise InvalidData.of(f"deal {deal.id}", error) from error
    except DecimalException as error:
        raise InvalidData(f"deal {deal.id}: a price or quantity is too large") from error


def _order_events(snapshot: Snapshot, endpoint: str, portal: Bitrix24Portal) -> list[AnyEnvelope]:
    deal = snapshot.deal
    legal_entity = seller(deal, endpoint, portal)
    check_entity(deal, legal_entity, portal)
    key = order_key(endpoint, str(deal.id))
    lines = tuple(_line(row, place, snapshot) for place, row in enumerate(snapshot.rows, start=1))
    _check_total(deal, lines)
    state = OrderState(
        legal_entity=legal_entity,
        order_key=key,
        number=str(deal.id),
        placed_at=deal.date_create,
        buyer=_buyer(snapshot),
        lines=lines,
        total=deal.opportunity.quantize(CENT, ROUND_HALF_UP),
        currency=deal.currency_id or "RUB",
        comment=_without_bb_codes(deal.comments)[:MAX_COMMENT],
    )
    order = _with_type(state, deal, portal)
    events = [new_event(order, endpoint=endpoint, objectkey=key, dataversion=deal.version, time=deal.date_modify)]
    if portal.invoice and not deal.is_lost and state.buyer.kind is PartyKind.ORGANISATION:
        events.append(_invoice(state, deal, endpoint))
    return events


def _with_type(state: OrderState, deal: Deal, portal: Bitrix24Portal) -> OrderPlaced | OrderChanged | OrderCancelled:
    content = dict(state)
    if deal.is_lost:
        return OrderCancelled(**content, reason=f"deal stage {deal.stage_id}")
    return (OrderChanged if deal.field(field_name(portal, "number")) else OrderPlaced)(**content)


def _invoice(state: OrderState, deal: Deal, endpoint: str) -> AnyEnvelope:
    key = state.order_key.replace("order/", "invoice/", 1)
    return new_event(
        InvoiceRequested(**dict(state), invoice_key=key),
        endpoint=endpoint,
        objectkey=key,
        dataversion=deal.version,
        thread=state.order_key,
        time=deal.date_modify,
    )


def _line(row: Row, place: int, snapshot: Snapshot) -> OrderLine:
    amount = (row.price * row.quantity).quantize(CENT, ROUND_HALF_UP)
    rate = _vat_rate(row, place, snapshot.deal)
    return OrderLine(
        article=_article(row, place, snapshot),
        name=row.product_name[:MAX_NAME],
        quantity=_shortened(row.quantity),
        unit=_unit(row.measure_code),
        # REST numbers are binary floats on the portal's side: 649.9 may arrive as 649.89999999999998.
        price=row.price.quantize(MICRO, ROUND_HALF_UP),
        amount=amount,
        vat_rate=rate,
        vat_amount=_vat_within(amount, rate),
    )


def _shortened(quantity: Decimal) -> Decimal:
    """Drop float noise, but nothing that a person may have meant: 1.0005 is left for the schema to refuse."""
    return quantity.quantize(MICRO, ROUND_HALF_UP).normalize() + 0


def _article(row: Row, place: int, snapshot: Snapshot) -> str:
    article = snapshot.articles.get(row.product_id, "")
    if not article:
        where = f"product {row.product_id}" if row.product_id else "a free text"
        raise ArticleMissing(
            f"deal {snapshot.deal.id}, row {place} «{row.product_name[:60]}»: {where} has no article. "
            "Fill the article in the product card, or choose a product of the catalogue"
        )
    return article


def _vat_rate(row: Row, place: int, deal: Deal) -> VatRate:
    if row.tax_rate is None:
        return VatRate.NONE
    try:
        return VatRate(f"{row.tax_rate.normalize():f}")
    except ValueError as error:
        raise UnmappedVatRate(
            f"deal {deal.id}, row {place} «{row.product_name[:60]}»: tax rate {row.tax_rate} % is not a Russian VAT "
            f"rate ({', '.join(rate.value for rate in VatRate)}). Correct the tax of the row in the deal"
        ) from error


def _vat_within(amount: Decimal, rate: VatRate) -> Decimal:
    if rate in {VatRate.NONE, VatRate.VAT_0}:
        return Decimal("0.00")
    percent = Decimal(rate.value)
    return (amount * percent / (100 + percent)).quantize(CENT, ROUND_HALF_UP)


def _unit(measure_code: str) -> str:
    """ОКЕИ codes are written with three digits; the portal keeps them as numbers (6 is a metre)."""
    return measure_code.zfill(3) if measure_code else PIECE


def _check_total(deal: Deal, lines: Sequence[OrderLine]) -> None:
    parts = sum((line.amount for line in lines), Decimal(0))
    if abs(parts - deal.opportunity) > CENT * len(lines):
        raise TotalDiffers(
            f"deal {deal.id}: the sum {deal.opportunity} (OPPORTUNITY) was set by hand, its {len(lines)} rows come to "
            f"{parts}. Let the portal calculate the sum from the products, or correct the rows"
        )


def _buyer(snapshot: Snapshot) -> Party:
    if snapshot.company is not None:
        return _company(snapshot, snapshot.company)
    if snapshot.contact is not None and snapshot.contact.full_name:
        contact = snapshot.contact
        return Party(
            kind=PartyKind.PERSON,
            name=contact.full_name[:MAX_NAME],
            email=contact.first_email(),
            phone=contact.first_phone(),
        )
    raise BuyerUnknown(f"deal {snapshot.deal.id}: it has neither a company nor a contact with a name. Add the buyer")


def _company(snapshot: Snapshot, company: Company) -> Party:
    requisite = _requisite(snapshot, company)
    is_organisation = len(requisite.rq_inn) == ORGANISATION_INN_LENGTH
    return Party(
        kind=PartyKind.ORGANISATION if is_organisation else PartyKind.SOLE_PROPRIETOR,
        name=(requisite.rq_company_name or company.title)[:MAX_NAME],
        inn=requisite.rq_inn,
        kpp=(requisite.rq_kpp or None) if is_organisation else None,
        ogrn=requisite.rq_ogrn or requisite.rq_ogrnip or None,
        email=company.first_email(),
        phone=company.first_phone(),
    )


def _requisite(snapshot: Snapshot, company: Company) -> Requisite:
    """Take the requisite chosen for the deal, else the only one there is."""
    found = own_requisites(snapshot.requisites, company.id)
    chosen = [one for one in found if one.id == snapshot.chosen_requisite] or found
    who = f"deal {snapshot.deal.id}: the company «{company.title[:60]}» ({company.id})"
    if not chosen:
        raise BuyerUnknown(f"{who} has no requisites with an ИНН. Fill them in the company card")
    if len({(one.rq_inn, one.rq_kpp) for one in chosen}) > 1:
        listed = ", ".join(f"{one.rq_inn}/{one.rq_kpp}" for one in chosen)
        raise BuyerUnknown(f"{who} has several requisites ({listed}). Choose the buyer's requisites in the deal")
    return chosen[0]


def own_requisites(requisites: Sequence[Requisite], company_id: int) -> list[Requisite]:
    """Keep what belongs to the company: a list method that ignored its filter answers with everybody's."""
    return [
        one
        for one in requisites
        if one.entity_type_id == COMPANY_TYPE_ID and one.entity_id == company_id and one.rq_inn
    ]


def _without_bb_codes(text: str) -> str:
    return _BB_CODE.sub("", text).strip()
