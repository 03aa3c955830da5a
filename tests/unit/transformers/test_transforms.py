from decimal import Decimal
from typing import Any

import pytest

import factories
from esb_schemas.documents import (
    Content,
    CustomerInvoice,
    CustomerOrder,
    DealOutcome,
    DealPayment,
    IncomingPayment,
    read_document,
    write_document,
)
from esb_schemas.orders import OrderState
from esb_schemas.registry import AnyEnvelope
from esb_transformers.routing import NoTransform, documents, transform_for

DEAL = factories.Where(endpoint=factories.PORTAL, native_id="410")
COMPANY = factories.landscape()


def only(event: AnyEnvelope, kind: str, **landscape: Any) -> Content:
    """The content of the one document an event becomes."""
    (document,) = documents(event, kind, COMPANY.model_copy(update=landscape))
    return document.content


def portal(**changes: Any) -> dict[str, Any]:
    return {"bitrix24": {"portal": COMPANY.bitrix24["portal"].model_copy(update=changes)}}


def shop(**changes: Any) -> dict[str, Any]:
    return {"website": {"shop": COMPANY.website["shop"].model_copy(update=changes)}}


def test_order_becomes_an_order_document_with_everything_in_it() -> None:
    event = factories.order_placed(3)

    content = only(event, "onec")

    assert isinstance(content, CustomerOrder)
    assert content.order == factories.order_state(3)
    assert not content.is_cancelled


def test_change_becomes_the_same_document_as_a_new_order() -> None:
    assert only(factories.order_changed(), "onec") == only(factories.order_placed(), "onec")


def test_cancelled_order_keeps_its_content_and_is_marked() -> None:
    content = only(factories.order_cancelled(reason="передумал"), "onec")

    assert content == CustomerOrder(order=factories.order_state(), is_cancelled=True)


def test_document_carries_identity_version_and_thread_of_its_event() -> None:
    event = factories.order_placed(where=factories.Where(version=17))

    (document,) = documents(event, "onec", COMPANY)

    assert (document.event_id, document.key, document.version, document.thread) == (
        event.id,
        "order/website.shop/10015",
        17,
        "order/website.shop/10015",
    )
    assert (document.legalentity, document.correlationid) == (event.legalentity, event.correlationid)


@pytest.mark.parametrize(
    "event",
    [
        factories.order_placed(),
        factories.order_cancelled(),
        factories.invoice_requested(),
        factories.payment_received(),
        factories.payment_refunded(),
        factories.order_accepted(),
        factories.order_refused(),
        factories.invoice_issued(),
    ],
    ids=lambda event: event.type,
)
def test_document_reads_back_equal_and_a_repeat_gives_the_same_bytes(event: AnyEnvelope) -> None:
    made = [document for kind in ("onec", "bitrix24") for document in documents(event, kind, COMPANY)]
    again = [document for kind in ("onec", "bitrix24") for document in documents(event, kind, COMPANY)]

    assert made
    assert [read_document(write_document(document)) for document in made] == made
    assert [write_document(document) for document in again] == [write_document(document) for document in made]


def test_invoice_stands_alone_in_a_base_that_gets_no_orders() -> None:
    content = only(factories.invoice_requested(), "onec")

    assert isinstance(content, CustomerInvoice)
    assert (content.invoice_key, content.needs_order) == ("invoice/website.shop/10015", False)


def test_invoice_in_the_base_of_its_order_needs_the_order_first() -> None:
    content = only(factories.invoice_requested(), "onec", routes=_invoices_to("onec.retail"))

    assert isinstance(content, CustomerInvoice)
    assert content.needs_order


def _invoices_to(endpoint: str) -> Any:
    return tuple(
        route.model_copy(update={"to": (endpoint,)}) if "invoice.requested" in route.event else route
        for route in COMPANY.routes
    )


def _payments_to(endpoint: str) -> Any:
    return tuple(
        route.model_copy(update={"to": (endpoint,)}) if "payment.received" in route.event else route
        for route in COMPANY.routes
    )


@pytest.mark.parametrize(
    ("landscape", "changes", "expected"),
    [
        pytest.param({}, {}, "invoice_if_any", id="the base gets the invoices a shop asks for"),
        pytest.param(shop(protocol="standard", invoice_methods=()), {}, "invoice_if_any", id="any site may ask"),
        pytest.param(
            {"routes": _payments_to("onec.retail")}, {"base": "onec.buh"}, "order", id="the base gets the order"
        ),
        pytest.param({}, {"order_key": None}, None, id="payment without order"),
        pytest.param({"routes": COMPANY.routes[3:]}, {}, None, id="nothing else is routed"),
        pytest.param(shop(invoice_methods=()), {}, None, id="the shop asks for no invoices"),
        pytest.param(portal(invoice=False), {"where": DEAL}, None, id="the portal asks for no invoices"),
        pytest.param(portal(invoice=True), {"where": DEAL}, "invoice", id="the portal asks for invoices"),
        pytest.param({}, {"where": DEAL, "payer": factories.person()}, None, id="persons get no invoice for a deal"),
        pytest.param({"bitrix24": {}}, {"where": DEAL}, None, id="nobody asks for invoices any more"),
    ],
)
def test_payment_waits_for_what_the_routes_bring_to_its_base(
    landscape: dict[str, Any], changes: dict[str, Any], expected: str | None
) -> None:
    content = only(factories.payment_received(**changes), "onec", **landscape)

    assert isinstance(content, IncomingPayment)
    assert content.waits_for == expected


def test_payment_never_returns_to_the_base_it_comes_from() -> None:
    assert documents(factories.payment_received(base="onec.buh"), "onec", COMPANY) == []


def test_refund_is_never_written_to_1c_as_income() -> None:
    with pytest.raises(NoTransform, match=r"payment\.refunded cannot be written to onec"):
        transform_for("payment.refunded", "onec")


@pytest.mark.parametrize(
    ("event", "amount", "paid_total"),
    [
        pytest.param(factories.payment_received(order_paid_total=Decimal(1500)), "1000", "1500", id="second payment"),
        pytest.param(factories.payment_refunded(order_paid_total=Decimal(500)), "-1000", "500", id="refund"),
        pytest.param(
            factories.payment_received(is_cancelled=True, order_paid_total=Decimal(0)), "0", "0", id="cancelled"
        ),
        pytest.param(factories.payment_received(order_paid_total=None), "1000", "1000", id="base that cannot add up"),
    ],
)
def test_deal_learns_the_amount_and_the_paid_total(event: AnyEnvelope, amount: str, paid_total: str) -> None:
    content = only(event, "bitrix24")

    assert isinstance(content, DealPayment)
    assert (content.amount, content.paid_total) == (Decimal(amount), Decimal(paid_total))


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"order_key": None}, id="no order"),
        pytest.param({"where": factories.Where(endpoint="website.outlet")}, id="shop without deals"),
        pytest.param({"where": factories.Where(endpoint="bitrix24.other")}, id="deal of another portal"),
    ],
)
def test_payment_no_deal_can_be_about_becomes_nothing_for_the_portal(changes: dict[str, Any]) -> None:
    assert documents(factories.payment_received(**changes), "bitrix24", COMPANY) == []


def test_accepted_order_tells_number_and_total() -> None:
    content = only(factories.order_accepted(), "bitrix24")

    assert content == DealOutcome(
        order_key="order/website.shop/10015",
        status="accepted",
        document=factories.document_ref(),
        total=Decimal("3719.00"),
    )


def test_refused_order_tells_the_reason_in_plain_words() -> None:
    event = factories.order_refused(reason="line 2: unknown article")

    content = only(event, "bitrix24")

    assert content == DealOutcome(
        order_key="order/website.shop/10015", status="refused", reason="line 2: unknown article"
    )


def test_issued_invoice_is_filed_under_the_order_of_the_deal() -> None:
    (document,) = documents(factories.invoice_issued(where=DEAL), "bitrix24", COMPANY)

    assert isinstance(document.content, DealOutcome)
    assert (document.key, document.content.order_key, document.content.status) == (
        "invoice/bitrix24.portal/410",
        "order/bitrix24.portal/410",
        "invoiced",
    )


def test_state_in_a_document_is_the_plain_state_whatever_the_event_was() -> None:
    content = only(factories.order_cancelled(), "onec")

    assert isinstance(content, CustomerOrder)
    assert type(content.order) is OrderState
