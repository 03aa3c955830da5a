from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from esb_adapters.bitrix24.outcome import change_of, comment_text, is_same, marker, read_entries
from esb_adapters.bitrix24.shapes import read_deal
from factories import NOON, deal_outcome_document, deal_payment_document

VERSIONS = "UF_CRM_ESB_VERSIONS"


@pytest.fixture
def deal(wire):
    return lambda **fields: read_deal({**wire["deal"], **fields})


def changed(document, deal, portal):
    return change_of(document, document.content, deal, portal)


def test_only_what_differs_is_written(deal, portal):
    document = deal_outcome_document()
    first = changed(document, deal(), portal())

    again = changed(document, deal(**{**first.fields, "UF_CRM_ESB_NUMBER": "другой"}), portal())

    assert set(again.fields) == {"UF_CRM_ESB_NUMBER", VERSIONS}


def test_repeat_of_the_same_document_is_recognised(deal, portal):
    document = deal_outcome_document()
    first = changed(document, deal(), portal())

    again = changed(document, deal(**first.fields), portal())

    assert (first.is_repeat, again.is_repeat, again.fields) == (False, True, {})


def test_stamp_of_each_subject_survives_the_others(deal, portal):
    first = changed(deal_outcome_document(), deal(), portal())
    second = changed(deal_payment_document(), deal(**first.fields), portal())

    assert set(read_entries(second.fields[VERSIONS])) == {"order", "paid"}


def test_debt_without_a_known_order_total_is_measured_by_the_deal(deal, portal):
    document = deal_payment_document(order_total=None, paid_total=Decimal("1500.00"))

    change = changed(document, deal(OPPORTUNITY="1400.00"), portal())

    assert change.fields["UF_CRM_ESB_DEBT"] == "-100.00|RUB"


def test_same_money_read_again_does_not_move_the_date(deal, portal):
    first = changed(deal_payment_document(), deal(), portal())

    again = changed(
        deal_payment_document(version=9, paid_at=NOON.replace(day=3), as_of=NOON.replace(hour=12)),
        deal(**first.fields),
        portal(),
    )

    assert again.fields == {}


def payment(minute):
    """What had been paid at a minute of the hour: more than a minute before."""
    return deal_payment_document(
        version=minute,
        as_of=NOON + timedelta(minutes=minute),
        paid_total=Decimal(100 * minute),
        order_total=Decimal(6000),
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(minutes=st.lists(st.integers(1, 59), min_size=1, max_size=8))
def test_payments_in_any_order_and_number_end_at_the_newest_sum(deal, portal, minutes):
    fields, writes = {}, []
    for minute in [*minutes, *minutes]:
        change = changed(payment(minute), deal(**fields), portal())
        writes.append(bool(change and change.fields))
        fields |= change.fields if change else {}

    assert fields["UF_CRM_ESB_PAID"] == f"{100 * max(minutes)}.00|RUB"
    assert not any(writes[len(minutes) :])


@pytest.mark.parametrize(
    ("current", "wanted", "same"),
    [
        ("1500.5|RUB", "1500.50|RUB", True),
        ("1500.50|USD", "1500.50|RUB", False),
        ("", "0.00|RUB", False),
        ("a\r\n b", "a b", True),
        ("a|b", "a|b", True),
    ],
)
def test_money_is_compared_by_amount_and_text_without_blanks(current, wanted, same):
    assert is_same(current, wanted) is same


@pytest.mark.parametrize("text", ["", "not json", "[]", '{"order":1}', '{"other":{"v":1,"by":"x","text":"y"}}'])
def test_stamp_a_person_has_edited_counts_as_empty(text):
    assert read_entries(text) == {}


def test_comment_can_be_found_again_by_its_event(deal, portal):
    document = deal_outcome_document()
    change = changed(document, deal(), portal())

    text = comment_text(change, document.event_id)

    assert text.splitlines() == [change.comment, marker(document.event_id)]


def test_refusal_without_reason_still_says_something(deal, portal):
    document = deal_outcome_document(status="refused", reason="")

    assert "причина не указана" in changed(document, deal(), portal()).comment
