"""Events, documents and a landscape of the invented company, with defaults for everything a test does not care about.

`order_placed(lines=2)` gives a whole envelope; keyword arguments replace fields of the fact, amounts follow the lines.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from esb_bus.landscape import Landscape, load_landscape
from esb_schemas.documents import Content, CustomerInvoice, CustomerOrder, DealOutcome, DealPayment, Document
from esb_schemas.documents import IncomingPayment as IncomingPaymentDocument
from esb_schemas.envelope import Envelope, Event, new_event
from esb_schemas.identifiers import SHARED
from esb_schemas.orders import (
    Delivery,
    DocumentRef,
    OrderAccepted,
    OrderCancelled,
    OrderChanged,
    OrderLine,
    OrderPlaced,
    OrderRefused,
    OrderState,
)
from esb_schemas.parties import Party, PartyKind
from esb_schemas.payments import InvoiceIssued, InvoiceRequested, PaymentReceived, PaymentRefunded
from esb_schemas.registry import AnyEnvelope
from esb_schemas.values import VatRate

REPOSITORY = Path(__file__).resolve().parent.parent
EXAMPLE_LANDSCAPE = REPOSITORY / "deploy" / "landscape.example.toml"
SAMPLES = REPOSITORY / "tests" / "samples"

RETAIL = "romashka-retail"
OPT = "romashka-opt"
SERVICE = "romashka-service"

SHOP = "website.shop"
PORTAL = "bitrix24.portal"
RETAIL_BASE = "onec.retail"
TRADE_BASE = "onec.trade"
BUH_BASE = "onec.buh"

NOON = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
"""Noon in Moscow on a working day."""
VERSION = 1_767_603_600_000
"""Milliseconds of `NOON`: the version of an object the factories do not say otherwise about."""

ARTICLES = ("RM-0001", "RM-0003", "RM-0101", "RM-0201", "RM-0007")
PRICES = ("649.00", "1290.00", "529.00", "34.00", "94.70")
CENT = Decimal("0.01")

EventT = TypeVar("EventT", bound=Event)
Lines: TypeAlias = int | tuple[OrderLine, ...]
"""How many lines an order has, or which."""


def landscape() -> Landscape:
    """The company of `deploy/landscape.example.toml`."""
    return load_landscape(EXAMPLE_LANDSCAPE)


def buyer(**changes: Any) -> Party:
    """An organisation with INN and KPP."""
    fields: dict[str, Any] = {
        "kind": PartyKind.ORGANISATION,
        "name": "Зелёный Двор ООО",
        "inn": "7812345675",
        "kpp": "781201001",
        "email": "zakaz@zeldvor.example",
        "phone": "+7 812 555-01-10",
    }
    return Party(**{**fields, **changes})


def person(**changes: Any) -> Party:
    """A customer without any number."""
    return Party(**{"kind": PartyKind.PERSON, "name": "Образцов Иван", "email": "obraztsov@example.test", **changes})


def order_line(place: int = 0, **changes: Any) -> OrderLine:
    """Line number `place` of an order; amount and VAT follow from quantity, price and rate."""
    fields: dict[str, Any] = {
        "article": ARTICLES[place % len(ARTICLES)],
        "name": f"Товар {place + 1}",
        "quantity": Decimal(place + 1),
        "unit": "796",
        "price": Decimal(PRICES[place % len(PRICES)]),
        "vat_rate": VatRate.VAT_22,
        **changes,
    }
    fields.setdefault("amount", _cents(fields["quantity"] * fields["price"]))
    fields.setdefault("vat_amount", vat_within(fields["amount"], fields["vat_rate"]))
    return OrderLine(**fields)


def vat_within(amount: Decimal, rate: VatRate) -> Decimal:
    if rate is VatRate.NONE:
        return Decimal("0.00")
    percent = Decimal(rate.value)
    return _cents(amount * percent / (100 + percent))


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_HALF_UP)


@dataclass(frozen=True)
class Where:
    """Where an object was born, what it is called there and which version of it this is."""

    endpoint: str = SHOP
    native_id: str = "10015"
    version: int = VERSION

    @property
    def order_key(self) -> str:
        return f"order/{self.endpoint}/{self.native_id}"

    @property
    def invoice_key(self) -> str:
        return f"invoice/{self.endpoint}/{self.native_id}"


def order_fields(lines: Lines, where: Where, changes: dict[str, Any]) -> dict[str, Any]:
    """The fields of an `OrderState`. `total` is the sum unless `changes` says otherwise."""
    fields: dict[str, Any] = {
        "legal_entity": RETAIL,
        "order_key": where.order_key,
        "number": where.native_id,
        "placed_at": NOON,
        "buyer": buyer(),
        "lines": tuple(order_line(place) for place in range(lines)) if isinstance(lines, int) else lines,
        "delivery": Delivery(method="Курьер", address="Москва, Садовая 1", amount=Decimal("490.00")),
        "payment_method": "bacs",
        **changes,
    }
    delivered = fields["delivery"].amount if fields["delivery"] else Decimal(0)
    fields.setdefault("total", sum((line.amount for line in fields["lines"]), delivered))
    return fields


def order_state(lines: Lines = 2, *, where: Where | None = None, **changes: Any) -> OrderState:
    return OrderState(**order_fields(lines, where or Where(), changes))


def order_placed(lines: Lines = 2, *, where: Where | None = None, **changes: Any) -> Envelope[OrderPlaced]:
    where = where or Where()
    return _of_order(OrderPlaced(**order_fields(lines, where, changes)), where)


def order_changed(lines: Lines = 2, *, where: Where | None = None, **changes: Any) -> Envelope[OrderChanged]:
    where = where or Where()
    return _of_order(OrderChanged(**order_fields(lines, where, changes)), where)


def order_cancelled(lines: Lines = 2, *, where: Where | None = None, **changes: Any) -> Envelope[OrderCancelled]:
    where = where or Where()
    return _of_order(OrderCancelled(**order_fields(lines, where, changes)), where)


def invoice_requested(lines: Lines = 2, *, where: Where | None = None, **changes: Any) -> Envelope[InvoiceRequested]:
    where = where or Where()
    data = InvoiceRequested(**{"invoice_key": where.invoice_key, **order_fields(lines, where, changes)})
    return _of_order(data, where, objectkey=data.invoice_key)


def _of_order(data: EventT, where: Where, objectkey: str | None = None) -> Envelope[EventT]:
    return new_event(
        data,
        endpoint=where.endpoint,
        objectkey=objectkey or where.order_key,
        dataversion=where.version,
        thread=where.order_key,
        time=NOON,
    )


def document_ref(**changes: Any) -> DocumentRef:
    """The order document in the retail base."""
    fields: dict[str, Any] = {
        "endpoint": RETAIL_BASE,
        "kind": "ЗаказКлиента",
        "ref": "5b1f0a52-0d6c-4c0e-9a41-2f7d1c3e8b90",
        "number": "РР000010015",
        "date": NOON,
        "is_posted": True,
    }
    return DocumentRef(**{**fields, **changes})


def order_accepted(*, where: Where | None = None, **changes: Any) -> Envelope[OrderAccepted]:
    """Published by the base's sender; `where` is the order's birthplace."""
    where = where or Where()
    data = OrderAccepted(
        **{
            "legal_entity": RETAIL,
            "order_key": where.order_key,
            "document": document_ref(),
            "total": Decimal("3719.00"),
            **changes,
        }
    )
    return _outcome(data, where, data.document.endpoint, where.order_key)


def order_refused(*, where: Where | None = None, **changes: Any) -> Envelope[OrderRefused]:
    where = where or Where()
    data = OrderRefused(
        **{
            "legal_entity": RETAIL,
            "order_key": where.order_key,
            "endpoint": RETAIL_BASE,
            "queue": f"out.{RETAIL_BASE}",
            "code": "unknown_product",
            "reason": "line 1: there is no product with article 'RM-9999' in onec.retail",
            **changes,
        }
    )
    return _outcome(data, where, data.endpoint, where.order_key)


def invoice_issued(*, where: Where | None = None, **changes: Any) -> Envelope[InvoiceIssued]:
    where = where or Where()
    data = InvoiceIssued(
        **{
            "legal_entity": RETAIL,
            "invoice_key": where.invoice_key,
            "order_key": where.order_key,
            "document": document_ref(endpoint=BUH_BASE, kind="СчетНаОплатуПокупателю"),
            "total": Decimal("3719.00"),
            **changes,
        }
    )
    return _outcome(data, where, data.document.endpoint, where.invoice_key)


def _outcome(data: EventT, where: Where, endpoint: str, objectkey: str) -> Envelope[EventT]:
    return new_event(
        data,
        endpoint=endpoint,
        objectkey=objectkey,
        dataversion=where.version,
        thread=where.order_key,
        time=NOON,
        causationid="7e3a4f9e-9a0c-5a55-8f0e-0d4f3f0c9b11",
    )


def payment_received(
    *, base: str = RETAIL_BASE, where: Where | None = None, version: int = 7, **changes: Any
) -> Envelope[PaymentReceived]:
    """A payment seen in `base` for the order of `where`. `order_key=None` unties it."""
    return _of_payment(PaymentReceived(**_payment_fields(base, where or Where(), changes)), base, version)


def payment_refunded(
    *, base: str = RETAIL_BASE, where: Where | None = None, version: int = 7, **changes: Any
) -> Envelope[PaymentRefunded]:
    return _of_payment(PaymentRefunded(**_payment_fields(base, where or Where(), changes)), base, version)


def _payment_fields(base: str, where: Where, changes: dict[str, Any]) -> dict[str, Any]:
    ref = "9f0e6c1d-3b1a-4f43-8a57-60d2b5a0c1e4"
    return {
        "legal_entity": RETAIL,
        "payment_key": f"payment/{base}/{ref}",
        "order_key": where.order_key,
        "amount": Decimal("1000.00"),
        "paid_at": NOON,
        "payer": buyer(),
        "payer_inn": "7812345675",
        "purpose": "Оплата по заказу 10015",
        "bank_number": "118",
        "document": document_ref(
            endpoint=base, kind="ПоступлениеБезналичныхДенежныхСредств", ref=ref, number="РР000000118"
        ),
        "order_total": Decimal("3719.00"),
        "order_paid_total": Decimal("1000.00"),
        "as_of": NOON,
        **changes,
    }


def _of_payment(data: EventT, base: str, version: int) -> Envelope[EventT]:
    key, order = data.payment_key, data.order_key  # type: ignore[attr-defined]  # both payment events have them
    return new_event(data, endpoint=base, objectkey=key, dataversion=version, thread=order or key, time=NOON)


def shared_event(data: EventT, *, endpoint: str = RETAIL_BASE, objectkey: str) -> Envelope[EventT]:
    """Any fact of the company as a whole; `data.legal_entity` is expected to be "shared"."""
    assert data.legal_entity == SHARED
    return new_event(data, endpoint=endpoint, objectkey=objectkey, dataversion=1, time=NOON)


def document(content: Content | None = None, *, event: AnyEnvelope | None = None, **changes: Any) -> Document:
    """A document as the transform makes it from `event`, for `endpoint`; a customer order for retail by default."""
    event = event or order_placed()
    fields: dict[str, Any] = {
        "event_id": event.id,
        "event_type": event.type,
        "endpoint": RETAIL_BASE,
        "legalentity": event.legalentity,
        "key": event.objectkey,
        "version": event.dataversion,
        "thread": event.thread,
        "correlationid": event.correlationid,
        "content": content or CustomerOrder(order=OrderState(**dict(order_placed().data))),
    }
    return Document(**{**fields, **changes})


def order_document(lines: Lines = 2, *, where: Where | None = None, **changes: Any) -> Document:
    """«Заказ» for the retail base. `is_cancelled` goes to the document, everything else to the order."""
    is_cancelled = changes.pop("is_cancelled", False)
    endpoint = changes.pop("endpoint", RETAIL_BASE)
    event = order_placed(lines, where=where, **changes)
    content = CustomerOrder(order=OrderState(**dict(event.data)), is_cancelled=is_cancelled)
    return document(content, event=event, endpoint=endpoint)


def invoice_document(
    lines: Lines = 2, *, needs_order: bool = False, endpoint: str = BUH_BASE, where: Where | None = None, **changes: Any
) -> Document:
    event = invoice_requested(lines, where=where, **changes)
    state = {name: value for name, value in dict(event.data).items() if name in OrderState.model_fields}
    content = CustomerInvoice(invoice_key=event.data.invoice_key, order=OrderState(**state), needs_order=needs_order)
    return document(content, event=event, endpoint=endpoint)


def payment_document(*, endpoint: str = BUH_BASE, waits_for: Any = None, **changes: Any) -> Document:
    event = payment_received(**changes)
    content = IncomingPaymentDocument(payment=event.data, waits_for=waits_for)
    return document(content, event=event, endpoint=endpoint)


def deal_outcome_document(*, status: Any = "accepted", where: Where | None = None, **changes: Any) -> Document:
    event = order_accepted(where=where)
    fields = {
        "order_key": event.data.order_key,
        "status": status,
        "document": None if status == "refused" else event.data.document,
        "total": None if status == "refused" else event.data.total,
        **changes,
    }
    return document(DealOutcome(**fields), event=event, endpoint=PORTAL)


def deal_payment_document(*, where: Where | None = None, version: int = 7, **changes: Any) -> Document:
    event = payment_received(where=where, version=version)
    data = event.data
    fields = {
        "order_key": data.order_key,
        "payment_key": data.payment_key,
        "amount": data.amount,
        "paid_at": data.paid_at,
        "paid_total": data.order_paid_total,
        "order_total": data.order_total,
        "as_of": data.as_of,
        "document": data.document,
        **changes,
    }
    return document(DealPayment(**fields), event=event, endpoint=PORTAL)
