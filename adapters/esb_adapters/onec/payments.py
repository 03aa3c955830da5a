"""Payment documents of a base → canonical payments. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from esb_adapters.onec.configurations import CounterpartyFacts, IncomingFacts, composite
from esb_adapters.onec.protocol import ZERO_REF, Object, cast, guid, moment
from esb_bus.errors import InvalidData
from esb_schemas.envelope import content_hash
from esb_schemas.orders import DocumentRef
from esb_schemas.parties import Party, PartyKind
from esb_schemas.payments import PaymentReceived

COUNTERPARTIES = "Catalog_Контрагенты"
NEVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Paid:
    """The order or invoice of the base that a payment is for, and all the money that came for it."""

    order_key: str | None
    total: Decimal
    paid_total: Decimal


def set_of(payment: Object) -> str:
    """Entity set of an object the exchange plan handed out."""
    return str(payment.get("odata.type", "")).rsplit(".", 1)[-1]


def is_from_customer(payment: Object, facts: IncomingFacts) -> bool:
    return payment.get(facts.operation) in facts.received


def paid_reference(payment: Object, facts: IncomingFacts) -> str | None:
    """Reference of the one order or invoice a payment is for; None when it is for none or for several."""
    refs = {ref for ref, _ in _shares(payment, facts)}
    return refs.pop() if len(refs) == 1 else None


def paid_share(payment: Object, facts: IncomingFacts, ref: str) -> Decimal:
    """How much of a payment is for the order or invoice `ref`."""
    return sum((amount for paid, amount in _shares(payment, facts) if paid == ref), Decimal(0))


def _shares(payment: Object, facts: IncomingFacts) -> Iterator[tuple[str, Decimal]]:
    header_only = not facts.section
    rows = [{**payment, facts.row_amount: payment[facts.amount]}] if header_only else payment.get(facts.section, [])
    for row in rows:
        ref = row.get(facts.order_reference) or ZERO_REF
        is_order = not facts.order_is_composite or row.get(f"{facts.order_reference}_Type") == composite(
            facts.order_set
        )
        if ref != ZERO_REF and is_order:
            yield str(ref), Decimal(str(row[facts.row_amount]))


def payments_for(facts: IncomingFacts, ref: str) -> str:
    """`$filter` for every posted payment of the order or invoice `ref`."""
    literal = cast(ref, facts.order_set) if facts.order_is_composite else guid(ref)
    alive = "Posted eq true and DeletionMark eq false"
    if not facts.section:
        return f"{facts.order_reference} eq {literal} and {alive}"
    return f"{facts.section}/any(d: d/{facts.order_reference} eq {literal}) and {alive}"


def payer_reference(payment: Object) -> str | None:
    if payment.get("Контрагент_Type", composite(COUNTERPARTIES)) != composite(COUNTERPARTIES):
        return None
    ref = payment.get("Контрагент_Key") or payment.get("Контрагент") or ZERO_REF
    return None if ref == ZERO_REF else str(ref)


def payer(counterparty: Object, facts: CounterpartyFacts) -> Party:
    """A counterparty of the base. A number with wrong check digits, which 1C keeps, is left out."""
    name = str(counterparty.get("НаименованиеПолное") or counterparty["Description"]).strip()
    inn = str(counterparty.get("ИНН") or "").strip() or None
    kpp = str(counterparty.get("КПП") or "").strip() or None
    try:
        return Party(kind=_kind(counterparty, facts, inn), name=name, inn=inn, kpp=kpp)
    except ValidationError:
        return Party(kind=PartyKind.PERSON, name=name)


def _kind(counterparty: Object, facts: CounterpartyFacts, inn: str | None) -> PartyKind:
    if inn is None:
        return PartyKind.PERSON
    order = (PartyKind.ORGANISATION, PartyKind.SOLE_PROPRIETOR, PartyKind.PERSON)
    for kind in order:
        if all(counterparty.get(name) == value for name, value in facts.kinds[kind].items()):
            return kind
    return PartyKind.ORGANISATION if len(inn) == 10 else PartyKind.SOLE_PROPRIETOR  # noqa: PLR2004  digits of an INN


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a payment only points at, read from the base."""

    endpoint: str
    zone: str
    legal_entity: str
    currency: str
    payer: Party | None
    paid: Paid | None
    as_of: datetime


def payment_received(payment: Object, facts: IncomingFacts, around: Surroundings) -> PaymentReceived:
    """The canonical payment.

    Raises:
        InvalidData: the document breaks a rule of the canonical schema, such as an amount of 0.
    """
    key = payment_key(around.endpoint, payment)
    try:
        return PaymentReceived(
            legal_entity=around.legal_entity,
            payment_key=key,
            order_key=around.paid.order_key if around.paid else None,
            amount=_money(payment[facts.amount]),
            currency=around.currency,
            paid_at=_paid_at(payment, facts, around.zone),
            payer=around.payer,
            payer_inn=around.payer.inn if around.payer else None,
            purpose=str(payment.get(facts.purpose or "") or "")[:1000],
            bank_number=str(payment.get(facts.bank_number or "") or "").strip()[:50],
            document=_reference(payment, facts, around),
            is_cancelled=not payment["Posted"] or bool(payment["DeletionMark"]),
            order_total=around.paid.total if around.paid else None,
            order_paid_total=around.paid.paid_total if around.paid else None,
            as_of=around.as_of,
        )
    except ValidationError as error:
        raise InvalidData.of(f"{facts.entity_set} №{payment.get('Number')} of {around.endpoint}", error) from error


def payment_key(endpoint: str, payment: Object) -> str:
    return f"payment/{endpoint}/{payment['Ref_Key']}"


def _money(value: Any) -> Decimal:
    return Decimal(str(value or 0)).quantize(Decimal("0.01"))


def _paid_at(payment: Object, facts: IncomingFacts, zone: str) -> datetime:
    """When the bank booked it where the base knows, else the date of the document."""
    booked = moment(str(payment.get(facts.paid_at or "") or ""), zone)
    return booked or moment(str(payment["Date"]), zone) or NEVER


def _reference(payment: Object, facts: IncomingFacts, around: Surroundings) -> DocumentRef:
    return DocumentRef(
        endpoint=around.endpoint,
        kind=facts.entity_set.removeprefix("Document_"),
        ref=str(payment["Ref_Key"]),
        number=str(payment["Number"]).strip(),
        date=moment(str(payment["Date"]), around.zone),
        is_posted=bool(payment["Posted"]),
    )


def meaning(payment: PaymentReceived) -> str:
    """Hash of what a payment says, whenever that was read: a write without a change must not become an event."""
    return content_hash(payment.model_copy(update={"as_of": NEVER}))


def by_set(facts: tuple[IncomingFacts, ...]) -> Mapping[str, IncomingFacts]:
    return {item.entity_set: item for item in facts}
