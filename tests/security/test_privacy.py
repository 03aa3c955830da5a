"""Finding and erasing a person."""

import json
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from tests.integration.bus.conftest import Bench, Recorder, until

from esb_bus.broker import Declarer
from esb_bus.errors import PermanentError
from esb_bus.landscape import parse_landscape
from esb_bus.privacy import Person, forgetting
from esb_bus.settings import Settings
from esb_bus.topology import (
    EVENTS_EXCHANGE,
    H_ERROR,
    H_OBJECT,
    H_THREAD,
    SEGMENT_BYTES,
    dead_queue,
    parked_queue,
    plan,
)
from esb_bus.wire import Outgoing
from esb_cli.privacy import erase, find

NATIVE = {
    "id": 10015,
    "billing": {
        "first_name": "Пётр",
        "last_name": "Тестов-Образцов",
        "email": "Petr.Testov@Example.test",
        "phone": "+7 (905) 555-77-31",
    },
    "meta_data": [{"key": "_billing_inn", "value": "771234567859"}],
}
BODIES = {
    "utf-8": json.dumps(NATIVE, ensure_ascii=False).encode(),
    "escaped": json.dumps(NATIVE).encode(),
    "cut-off": json.dumps(NATIVE, ensure_ascii=False).encode()[:-2],
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize(
    "typed",
    [
        "petr.testov@example.test",
        "+7 905 555-77-31",
        "89055557731",
        "9055557731",
        "771234567859",
        "Петр Тестов-Образцов",
        "тестов-образцов пётр",
    ],
)
def test_a_person_is_found_by_whatever_is_known(typed, body):
    assert Person.of(typed).is_in(body, {})


@pytest.mark.parametrize(
    "typed",
    [
        "testov@example.test",
        "petr.testov@example.tes",
        "+7 905 555-77-32",
        "77123456785",
        "Пётр Тестов",
        "1234567859",
        "order/website.shop/1001",
    ],
)
def test_somebody_else_is_not(typed):
    assert not Person.of(typed).is_in(BODIES["utf-8"], {H_THREAD: "order/website.shop/10015"})


def test_a_value_quoted_in_an_error_counts():
    assert Person.of("petr.testov@example.test").is_in(b"{}", {H_ERROR: "email: 'petr.testov@example.test' is wrong"})


def test_an_order_is_found_by_its_key():
    assert Person.of("order/website.shop/10015").is_in(b"", {H_OBJECT: "order:order/website.shop/10015"})


def test_the_history_names_when_its_last_segment_expires():
    newest = datetime(2026, 1, 10, tzinfo=UTC)

    told = forgetting("esb.log.a", 3, newest, 30, SEGMENT_BYTES * 2, timedelta(days=10))

    assert (told.earliest, told.latest) == (newest + timedelta(days=30), newest + timedelta(days=40))


def test_a_quiet_history_says_that_it_never_forgets_by_itself():
    told = forgetting("esb.log.a", 1, datetime(2026, 1, 10, tzinfo=UTC), 30, 2000, timedelta(days=10))

    assert told.latest is None


PERSON = "tainova@example.test"


@pytest.fixture
async def at_rest(servers, unique):
    """One shop whose queue can have letters and waiting threads."""
    site = {"protocol": "standard", "webhook_secret": "hook", "legal_entity": unique}
    entities = {unique: {"name": "ООО «Ромашка»", "inn": "7701234560"}}
    landscape = parse_landscape({"legal_entities": entities, "website": {unique: site}})
    await Declarer(servers.amqp_url, plan(landscape)).declare_all()
    bench = Bench(servers, f"in.website.{unique}")
    try:
        yield bench, landscape, Settings(amqp_url=servers.amqp_url)
    finally:
        await bench.links.close()
        await bench.publisher.close()


async def holds(bench, dead, parked):
    counts = await bench.count(dead_queue(bench.queue)), await bench.count(parked_queue(bench.queue))
    return counts == (dead, parked)


async def test_erasing_takes_out_one_person_and_nobody_else(at_rest, unique):
    bench, landscape, settings = at_rest
    texts = (f"{PERSON} dead", f"{PERSON} waits behind it", "other@example.test dead", "other@example.test waits")
    handler = Recorder(failing={text: PermanentError("no") for text in texts if text.endswith("dead")})
    for text in texts:
        await bench.publish(text, text.split()[0])
    event = {"time": datetime.now(UTC).isoformat(), "data": {"email": PERSON}}
    await bench.publisher.publish(
        Outgoing(json.dumps(event).encode(), f"order.placed.{unique}", str(uuid.uuid4()), exchange=EVENTS_EXCHANGE)
    )

    async with bench.consumer(handler):
        await until(lambda: holds(bench, 2, 2))
        found = await find(settings, landscape, Person.of(PERSON))
        results = await erase(settings, found)
        left = await find(settings, landscape, Person.of(PERSON))
        others = await find(settings, landscape, Person.of("other@example.test"))
        handler.failing.clear()
        await bench.publish(f"{PERSON} orders again", PERSON)
        await until(lambda: f"{PERSON} orders again" in handler.done)

    assert (len(found.dead), len(found.parked)) == (1, 1)
    assert all(result.finished for result in results)
    assert (left.dead, left.parked) == ([], [])
    assert (len(others.dead), len(others.parked)) == (1, 1)
    (history,) = left.history
    assert (history.stream, history.messages) == (f"esb.log.{unique}", 1)
    assert history.earliest.date() == (datetime.now(UTC) + timedelta(days=30)).date()
    assert f"{PERSON} waits behind it" not in handler.done
