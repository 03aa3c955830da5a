from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esb_adapters.bitrix24.mapper import Bitrix24Mapper, Reads, pointed_at, settling_s
from esb_adapters.bitrix24.poller import page_query, read_cursor, read_page
from esb_adapters.bitrix24.protocol import Answer, read_answer, read_batch
from esb_adapters.bitrix24.reader import article_names, article_of, product_commands, product_of, seconds_left
from esb_adapters.bitrix24.shapes import read_deal
from esb_bus.errors import EsbError, InvalidData, PoisonMessageError
from esb_bus.ports import Mapper, NativeMessage

MODIFIED = datetime(2026, 1, 5, 10, 58, 20, tzinfo=UTC)


def native(kind, body):
    return NativeMessage(endpoint="bitrix24.portal", kind=kind, body=body)


def test_articles_are_read_from_the_property_with_the_right_code(sample):
    answer = read_batch(read_answer("batch", 200, sample("product_batch.json"), repeatable=True), repeatable=True)

    names = article_names(answer, "CML2_ARTICLE")

    assert [article_of(product_of(answer, number), names) for number in (1001, 1021, 7)] == ["RM-0001", "RM-0201", ""]
    assert article_names(answer, "OTHER_CODE") == []
    assert article_names(answer, "xmlId") == ["xmlId"]


def test_variations_and_services_are_asked_for_by_their_own_methods():
    commands = product_commands({1: 1, 4: 4, 7: 7}, "xmlId")

    assert {name: text.partition("?")[0] for name, text in commands.items()} == {
        "product1": "catalog.product.get",
        "product4": "catalog.product.offer.get",
        "product7": "catalog.product.service.get",
    }


@pytest.mark.parametrize(
    ("now", "left"),
    [
        (MODIFIED, 1.0),
        (MODIFIED.replace(microsecond=750_000), 0.25),
        (MODIFIED.replace(second=21), 0.0),
        (MODIFIED.replace(second=0), 1.0),
        (None, 0.0),
    ],
)
def test_version_is_final_when_its_second_is_over(wire, now, left):
    assert seconds_left(read_deal(wire["deal"]), now) == left


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("bitrix24.event", b"event=ONCRMDEALUPDATE"),
        ("bitrix24.event", b"\xff\xfe"),
        ("bitrix24.deal", b"{"),
        ("bitrix24.deal", b"[]"),
        ("bitrix24.deal", b'{"id":"x"}'),
        ("onec.payment", b"{}"),
    ],
)
def test_message_that_names_no_deal_is_poison(kind, body):
    with pytest.raises(PoisonMessageError):
        pointed_at(native(kind, body))


def test_messages_point_at_deals():
    assert pointed_at(native("bitrix24.deal", b'{"id":731,"modified":5}')) == ("731", 5, False)
    assert pointed_at(native("bitrix24.event", b"event=ONCRMDEALDELETE&data[FIELDS][ID]=731")) == ("731", None, True)


@given(st.sampled_from(["bitrix24.deal", "bitrix24.event"]), st.binary(max_size=100))
def test_no_message_raises_anything_the_bus_does_not_know(kind, body):
    try:
        pointed_at(native(kind, body))
    except EsbError:
        return


def test_read_answers_what_was_received_before_it_began_once_it_is_confirmed():
    reads = Reads()
    reads.begin("order/bitrix24.portal/731", MODIFIED)
    earlier, later = MODIFIED - timedelta(seconds=1), MODIFIED + timedelta(seconds=1)

    unconfirmed = reads.covers("order/bitrix24.portal/731", earlier)
    reads.finish("order/bitrix24.portal/731")

    assert not unconfirmed
    assert reads.covers("order/bitrix24.portal/731", earlier)
    assert not reads.covers("order/bitrix24.portal/731", later)
    assert not reads.covers("order/bitrix24.portal/732", earlier)
    assert not reads.covers("order/bitrix24.portal/731", None)


@pytest.mark.parametrize(("age", "wait"), [(0.0, 1.0), (0.25, 0.75), (5.0, 0.0), (-9.0, 1.0)])
def test_fresh_event_waits_until_its_second_is_over(age, wait):
    assert settling_s(MODIFIED, MODIFIED + timedelta(seconds=age)) == wait


def test_page_is_asked_for_without_counting_and_after_the_last_id():
    query = page_query(MODIFIED, 17)

    assert query["filter"] == {">=DATE_MODIFY": "2026-01-05T10:58:20+00:00", ">ID": 17}
    assert (query["order"], query["start"]) == ({"ID": "ASC"}, -1)


def test_page_out_of_order_stops_the_poll_instead_of_skipping(wire):
    rows = [{**wire["deal"], "ID": "20"}, {**wire["deal"], "ID": "19"}]

    with pytest.raises(InvalidData, match="not ascending"):
        read_page(Answer(rows), MODIFIED, 0)
    with pytest.raises(InvalidData, match="not ascending"):
        read_page(Answer(rows[:1]), MODIFIED, 20)


def test_cursor_that_is_no_time_is_named():
    with pytest.raises(InvalidData, match="yesterday"):
        read_cursor("yesterday")


def test_mapper_is_what_the_bus_asks_for(portal):
    mapper: Mapper = Bitrix24Mapper("bitrix24.portal", portal(), None, None, None)

    assert mapper
