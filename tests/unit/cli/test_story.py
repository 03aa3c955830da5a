"""What is told about one order, from events, letters and routes."""

from typing import Any

import orjson
import pytest

import factories
from esb_bus.deadletter import read_letter
from esb_bus.topology import H_CORRELATION, H_LAST_FAILURE, H_OBJECT, H_REASON, H_THREAD
from esb_bus.wire import Delivery
from esb_cli.pauses import Pauses
from esb_cli.story import (
    DEAD_LETTER,
    NOW,
    Search,
    Step,
    in_order,
    open_questions,
    speaks_of,
    step_of_event,
    step_of_letter,
    without_repeats,
)

COMPANY = factories.landscape()
ORDER = "order/website.shop/10015"


def event(kind: str = "order.placed", **changes: Any) -> dict[str, Any]:
    made = {
        "id": kind,
        "type": kind,
        "time": "2026-01-05T09:00:00Z",
        "source": "/website/shop",
        "thread": ORDER,
        "objectkey": ORDER,
        "dataversion": "1",
        "legalentity": factories.RETAIL,
        "data": {"order_key": ORDER, "number": "10015"},
    }
    return made | changes


def accepted(cause: str = "order.placed", endpoint: str = "onec.retail", **changes: Any) -> dict[str, Any]:
    document = {"endpoint": endpoint, "kind": "Заказ покупателя", "number": "ИМ000010015", "ref": "r"}
    data = {"order_key": ORDER, "document": document}
    return event("order.accepted", **{"causationid": cause, "data": data, **changes})


def delivery(wire: dict[str, Any] | bytes, **headers: Any) -> Delivery:
    body = wire if isinstance(wire, bytes) else orjson.dumps(wire)
    thread = {} if isinstance(wire, bytes) else {H_THREAD: wire["thread"]}
    kind = None if isinstance(wire, bytes) else wire["type"]
    return Delivery(body=body, headers={**thread, **headers}, message_id="m", tag=1, redelivered=False, type=kind)


def found(number: str, *wires: dict[str, Any] | bytes) -> Search:
    search = Search(number)
    for wire in wires:
        search.take(delivery(wire))
    return search


@pytest.mark.parametrize(
    "number", ["10015", "website.shop", ORDER, "order.placed"], ids=["number", "part", "key", "event id"]
)
def test_event_is_found_by_everything_it_goes_by(number: str) -> None:
    assert list(found(number, event()).events) == ["order.placed"]


def test_part_of_a_number_finds_nothing() -> None:
    assert not found("1001", event()).events


def test_all_of_a_thread_is_told_though_only_one_event_names_the_number() -> None:
    search = found(ORDER, event(), accepted(objectkey="x", data={}))

    assert list(search.events) == ["order.placed", "order.accepted"]
    assert search.is_incomplete is False


def test_number_of_1c_asks_for_a_second_reading_because_the_order_was_placed_before_it_was_known() -> None:
    search = found("ИМ000010015", event(), accepted())

    first = list(search.events)
    search.take(delivery(event()))

    assert (first, search.is_incomplete) == (["order.accepted"], True)
    assert set(search.events) == {"order.accepted", "order.placed"}


def test_same_event_published_twice_is_told_once() -> None:
    assert len(found("10015", event(), event()).events) == 1


@pytest.mark.parametrize("body", [b"10015", b'"10015"', b'{"id": "10015"}', b"\xff10015"])
def test_bytes_that_are_no_event_are_passed_over(body: bytes) -> None:
    assert not found("10015", body).events


def test_event_of_a_newer_release_is_told_as_far_as_it_is_understood() -> None:
    newer = event(dataschema="urn:onec-esb:order.placed:9")

    step = step_of_event(found("10015", newer).events["order.placed"])

    assert (step.what, step.where) == ("order.placed", "website.shop")


def test_times_of_several_zones_are_told_in_one() -> None:
    assert step_of_event(event(time="2026-01-05T12:00:00+03:00")).at == "2026-01-05T09:00:00.000+00:00"


def step(name: str, at: str, cause: str = "") -> Step:
    return Step(at, name, "", "", ORDER, event_id=name, causation_id=cause)


def test_cause_comes_before_its_effect_though_its_clock_is_late() -> None:
    late, early = "2026-01-05T09:00:05+00:00", "2026-01-05T09:00:01+00:00"

    ordered = in_order([step("effect", early, "cause"), step("cause", late), step("first", early)])

    assert [one.what for one in ordered] == ["first", "cause", "effect"]


def test_what_waits_now_is_told_last() -> None:
    ordered = in_order([step("waiting", NOW), step("later", "2030-01-01T00:00:00+00:00")])

    assert [one.what for one in ordered] == ["later", "waiting"]


def test_events_that_name_one_another_as_cause_are_told_nevertheless() -> None:
    at = "2026-01-05T09:00:00+00:00"

    assert len(in_order([step("a", at, "b"), step("b", at, "a")])) == 2


def test_order_without_outcome_is_open_at_the_base_of_its_legal_entity() -> None:
    (question,) = open_questions([event()], COMPANY)

    assert (question.endpoint, question.event_id) == ("onec.retail", "order.placed")


@pytest.mark.parametrize(
    "outcome",
    [
        pytest.param(accepted(), id="accepted by the base"),
        pytest.param(accepted(endpoint="website.shop"), id="refused on the way"),
        pytest.param(accepted(cause="order.changed"), id="a newer state was answered"),
    ],
)
def test_answered_order_is_not_open(outcome: dict[str, Any]) -> None:
    newer = event("order.changed", dataversion="2")

    told = list(open_questions([event(), newer, outcome], COMPANY))

    assert "order.placed" not in {question.event_id for question in told}


def test_older_answer_does_not_close_a_newer_state() -> None:
    newer = event("order.changed", dataversion="2")

    (question,) = open_questions([event(), accepted(), newer], COMPANY)

    assert question.event_id == "order.changed"


def test_order_without_a_way_is_not_said_to_wait() -> None:
    assert not list(open_questions([event(legalentity="nobody")], COMPANY))


def letter_of(**headers: Any) -> Any:
    known = {H_THREAD: ORDER, H_OBJECT: f"customer_order:{ORDER}", H_CORRELATION: ORDER}
    return read_letter(
        Delivery(b"", {**known, **headers}, "order.placed/onec.retail/customer_order", 1, redelivered=False),
        "out.onec.retail",
    )


@pytest.mark.parametrize(("number", "expected"), [("10015", True), (ORDER, True), ("1001", False)])
def test_letter_belongs_to_the_story_by_whole_parts_of_its_key(number: str, expected: bool) -> None:
    assert speaks_of(letter_of(), Search(number)) is expected


def test_reason_is_told_once_while_the_letter_is_there() -> None:
    dead = step_of_letter(
        letter_of(**{H_REASON: "unknown_product", H_LAST_FAILURE: "2026-01-05T09:00:01+00:00"}),
        "out.onec.retail.dead",
        DEAD_LETTER,
    )
    refused = step_of_event(event("order.refused", causationid="order.placed", data={"reason": "no product"}))

    told = without_repeats([dead, refused])

    assert [one.detail for one in told] == ["unknown_product: ", "told to the source of the order"]


def paused(endpoint: str, kind: str = "endpoint.paused") -> Delivery:
    since = "2026-01-05T09:00:00Z"
    data = {"endpoint": endpoint, "code": "base_down", "reason": "GET: refused", "since": since}
    return delivery(event(kind, thread=f"endpoint/{endpoint}", data=data))


def test_endpoint_is_paused_until_it_is_told_to_go_on() -> None:
    pauses = Pauses()

    for told in (paused("onec.trade"), paused("onec.buh"), paused("onec.buh", "endpoint.resumed")):
        pauses.take(told)

    assert [one.endpoint for one in pauses.all()] == ["onec.trade"]
    assert str(pauses.of("onec.trade")) == (
        "onec.trade is paused since 2026-01-05 09:00:00 UTC (base_down: GET: refused)"
    )
