"""The judge is judged: a clean run is clean, and every kind of fault is found where it was planted."""

from dataclasses import replace
from decimal import Decimal

import pytest

from esb_cli.demo.facts import DeadLetter, Evidence, Outage, Placement, Row, SentOrder, SentPayment, invoice_key
from esb_cli.demo.reconcile import percentile, reconcile

PLACEMENT = Placement({"retail-firm": "onec.retail", "trade-firm": "onec.trade"}, "onec.buh")
ORDER = SentOrder("order/website.shop/1", "trade-firm", Decimal("100.00"), wants_invoice=True, accepted_at=10.0)
INVOICE = invoice_key(ORDER.key)
PAYMENT = SentPayment("payment/onec.trade/aa", ORDER.key)


def row(base, sequence, key, version=5, *, ref=None, posted=True, deleted=False, entity="trade-firm", time=None):
    return Row(
        base=base,
        sequence=sequence,
        time=10.0 + sequence if time is None else time,
        set="documents",
        ref=ref or f"ref of {key}",
        number=f"N{sequence}",
        key=key,
        version=version,
        legal_entity=entity,
        is_deleted=deleted,
        is_posted=posted,
    )


ORDER_ROWS = (row("onec.trade", 1, ORDER.key, posted=False), row("onec.trade", 2, ORDER.key))
INVOICE_ROW = row("onec.buh", 1, INVOICE)
PAYMENT_ROW = row("onec.buh", 2, PAYMENT.key)


def evidence(*rows, orders=(ORDER,), payments=(PAYMENT,), letters=(), total="100.00", outages=()):
    totals = {(row.base, row.ref): Decimal(total) for row in rows}
    return Evidence(tuple(orders), tuple(payments), tuple(rows), totals, tuple(letters), tuple(outages))


def judged(*rows, **given):
    return reconcile(evidence(*rows, **given), PLACEMENT)


def letter(key, queue="out.onec.trade", thread=ORDER.key):
    return DeadLetter("1", queue, "unknown_product", "no such product", thread, key)


def test_a_run_in_which_everything_arrived_is_clean():
    report = judged(*ORDER_ROWS, INVOICE_ROW, PAYMENT_ROW)

    assert report.is_clean
    assert (report.orders_sent, report.documents, report.invoices, report.payments) == (1, 1, 1, 1)


@pytest.mark.parametrize(
    ("rows", "key"),
    [
        ((INVOICE_ROW, PAYMENT_ROW), ORDER.key),
        ((*ORDER_ROWS, PAYMENT_ROW), INVOICE),
        ((*ORDER_ROWS, INVOICE_ROW), PAYMENT.key),
    ],
    ids=["order", "invoice", "payment"],
)
def test_what_has_neither_document_nor_letter_is_missing(rows, key):
    (finding,) = judged(*rows).missing

    assert finding.startswith(key)


def test_what_has_a_letter_is_not_missing():
    report = judged(INVOICE_ROW, PAYMENT_ROW, letters=[letter(ORDER.key)])

    assert report.missing == ()
    assert (report.documents, len(report.letters)) == (0, 1)


def test_the_letter_of_an_order_does_not_excuse_its_invoice():
    report = judged(letters=[letter(ORDER.key)], payments=())

    assert [finding.split(":")[0] for finding in report.missing] == [INVOICE]


@pytest.mark.parametrize("queue", ["in.website.shop", "transform.onec"])
def test_a_letter_at_the_source_excuses_everything_that_was_to_follow(queue):
    report = judged(letters=[letter("", queue)], payments=())

    assert report.missing == ()


def test_a_document_marked_for_deletion_does_not_count():
    report = judged(*ORDER_ROWS, row("onec.trade", 3, ORDER.key, deleted=True), INVOICE_ROW, PAYMENT_ROW)

    assert report.documents == 0
    assert report.missing[0].startswith(ORDER.key)


def test_an_older_state_in_the_document_is_missing_the_newest_one():
    report = judged(*ORDER_ROWS, INVOICE_ROW, PAYMENT_ROW, total="90.00")

    assert "newest state" in report.missing[0]


def test_a_cancelled_order_needs_no_document():
    report = judged(orders=[replace(ORDER, is_cancelled=True)], payments=())

    assert report.is_clean


@pytest.mark.parametrize("base", ["onec.trade", "onec.retail"])
def test_two_documents_of_one_key_are_doubled(base):
    report = judged(*ORDER_ROWS, row(base, 9, ORDER.key, ref="another"), INVOICE_ROW, PAYMENT_ROW)

    assert len(report.doubled) == 1


def test_two_states_of_one_document_are_not_doubled():
    report = judged(*ORDER_ROWS, row("onec.trade", 3, ORDER.key, version=6), INVOICE_ROW, PAYMENT_ROW)

    assert report.is_clean


@pytest.mark.parametrize(
    "stray",
    [
        row("onec.retail", 1, ORDER.key),
        row("onec.trade", 1, ORDER.key, entity="retail-firm"),
        row("onec.trade", 1, ORDER.key, entity=None),
    ],
    ids=["base", "organisation", "no organisation"],
)
def test_a_document_of_another_base_or_organisation_is_in_a_wrong_base(stray):
    report = judged(stray, INVOICE_ROW, PAYMENT_ROW)

    assert len(report.wrong_base) == 1


def test_a_document_nobody_sent_is_in_a_wrong_base():
    report = judged(*ORDER_ROWS, INVOICE_ROW, PAYMENT_ROW, row("onec.buh", 7, "invoice/website.shop/404"))

    assert "nobody sent it" in report.wrong_base[0]


def test_a_lower_version_after_a_higher_one_is_out_of_order():
    rows = (row("onec.trade", 1, ORDER.key, version=7), row("onec.trade", 2, ORDER.key, version=6))

    report = judged(*rows, INVOICE_ROW, PAYMENT_ROW)

    assert len(report.out_of_order) == 1


@pytest.mark.parametrize("invoice", [(), (row("onec.buh", 3, INVOICE),)], ids=["never", "later"])
def test_a_payment_before_its_invoice_is_out_of_order(invoice):
    report = judged(*ORDER_ROWS, PAYMENT_ROW, *invoice)

    assert "before" in report.out_of_order[0]


def test_a_payment_of_an_order_without_invoice_waits_for_nothing():
    order = replace(ORDER, wants_invoice=False)

    report = judged(*ORDER_ROWS, PAYMENT_ROW, orders=[order])

    assert report.is_clean


def test_latency_runs_from_the_accepted_webhook_to_the_first_posting():
    later = row("onec.trade", 3, ORDER.key, version=6, time=99.0)

    spread = judged(*ORDER_ROWS, later, INVOICE_ROW, PAYMENT_ROW).latency.by_source["website.shop"]

    assert (spread.p50, spread.count) == (2000.0, 1)


def test_an_order_that_only_a_poll_brought_has_no_latency():
    order = replace(ORDER, accepted_at=None)

    assert judged(*ORDER_ROWS, INVOICE_ROW, PAYMENT_ROW, orders=[order]).latency.by_source == {}


def test_orders_that_waited_for_a_base_are_told_apart_with_those_in_the_queue_behind_them():
    behind = replace(ORDER, key="order/website.shop/2", wants_invoice=False, accepted_at=11.5)
    rows = (*ORDER_ROWS, row("onec.trade", 3, behind.key, time=11.9))

    latency = judged(*rows, orders=[ORDER, behind], payments=(), outages=[Outage("onec.trade", 9.0, 11.0)]).latency

    assert latency.by_source == {}
    assert latency.longest_wait == 2000.0


def test_another_base_does_not_wait():
    latency = judged(*ORDER_ROWS, outages=[Outage("onec.retail", 9.0, 11.0)]).latency

    assert latency.longest_wait is None


@pytest.mark.parametrize(("percent", "value"), [(50, 2), (99, 4), (100, 4), (25, 1)])
def test_a_percentile_is_a_measured_value(percent, value):
    assert percentile([4, 2, 1, 3], percent) == value


def test_the_json_has_the_figures_of_one_source():
    figures = judged(*ORDER_ROWS, INVOICE_ROW, PAYMENT_ROW).as_json(12.34, "website.shop")

    assert figures == {
        "orders_sent": 1,
        "documents": 1,
        "missing": 0,
        "doubled": 0,
        "wrong_base": 0,
        "out_of_order": 0,
        "dead_letters": 0,
        "p50_ms": 2000.0,
        "p99_ms": 2000.0,
        "seconds": 12.3,
    }
