from typing import Any

import orjson
import pytest

import factories
from esb_schemas.envelope import Event, new_event
from esb_schemas.registry import MalformedEvent, NewerEventVersion, Registry, UnknownEventType, write


class ThingPosted(Event):
    """A toy at its third version: `title` was `name`, and `count` did not exist at first."""

    type = "thing.posted"
    version = 3

    title: str
    count: int


class OldThingPosted(Event):
    type = "thing.posted"
    version = 2

    name: str
    count: int


UPCASTERS = {
    ("thing.posted", 1): lambda data: {**data, "count": 1},
    ("thing.posted", 2): lambda data: {"title": data.pop("name"), **data},
}
TOYS = Registry([ThingPosted], UPCASTERS)


def toy(version: int, **data: Any) -> bytes:
    event = new_event(
        ThingPosted(legal_entity="shared", title="x", count=1),
        endpoint="onec.trade",
        objectkey="thing/a/1",
        dataversion=1,
    )
    wire = orjson.loads(write(event))
    wire["dataschema"] = f"urn:onec-esb:thing.posted:{version}"
    wire["data"] = {"legal_entity": "shared", **data}
    return orjson.dumps(wire)


def changed(**changes: Any) -> bytes:
    return orjson.dumps({**orjson.loads(write(factories.order_placed())), **changes})


def test_event_comes_back_as_it_was_written() -> None:
    event = factories.order_placed(3)

    assert Registry().read(write(event)) == event


def test_oldest_version_is_read_through_every_step() -> None:
    event = TOYS.read(toy(1, name="лейка"))

    assert event.data == ThingPosted(legal_entity="shared", title="лейка", count=1)
    assert event.dataschema == "urn:onec-esb:thing.posted:3"


def test_middle_version_takes_only_the_steps_it_needs() -> None:
    event = TOYS.read(toy(2, name="лейка", count=7))

    assert event.data == ThingPosted(legal_entity="shared", title="лейка", count=7)


def test_newer_version_is_readable_after_an_upgrade_and_no_poison() -> None:
    with pytest.raises(NewerEventVersion, match=r"thing\.posted version 4; this release reads up to 3"):
        TOYS.read(toy(4, anything=1))


def test_newer_event_is_understood_by_the_release_that_knows_it() -> None:
    older_release = Registry([OldThingPosted], {("thing.posted", 1): UPCASTERS["thing.posted", 1]})

    with pytest.raises(NewerEventVersion):
        older_release.read(toy(3, title="лейка", count=1))


def test_version_nobody_ever_wrote_is_malformed() -> None:
    registry = Registry([ThingPosted], {("thing.posted", 2): UPCASTERS["thing.posted", 2]})

    with pytest.raises(MalformedEvent, match="never had a version 1"):
        registry.read(toy(1, name="лейка"))


def test_unknown_fields_are_ignored() -> None:
    wire = orjson.loads(write(factories.order_placed()))
    wire["future"] = 1
    wire["data"]["gift_wrap"] = True

    assert Registry().read(orjson.dumps(wire)) == factories.order_placed()


def test_type_nobody_defined_is_told_from_a_newer_version() -> None:
    with pytest.raises(UnknownEventType, match=r"order\.plased"):
        Registry().read(changed(type="order.plased"))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff\xfe", id="not text"),
        pytest.param(b"{", id="broken JSON"),
        pytest.param(b"[1]", id="a list"),
        pytest.param(b"null", id="null"),
        pytest.param(b'{"type":{}}', id="type is an object"),
        pytest.param(changed(dataschema="1"), id="schema without name"),
        pytest.param(changed(dataschema="urn:onec-esb:order.changed:1"), id="schema of another type"),
        pytest.param(changed(dataschema="urn:onec-esb:order.placed:0"), id="version 0"),
        pytest.param(changed(dataschema="urn:onec-esb:order.placed:1_0"), id="version with underscore"),
        pytest.param(changed(specversion="0.3"), id="older CloudEvents"),
        pytest.param(changed(data=None), id="no data"),
        pytest.param(changed(source="shop"), id="source is no path"),
    ],
)
def test_bytes_that_are_no_event_are_malformed(body: bytes) -> None:
    with pytest.raises(MalformedEvent):
        Registry().read(body)


def test_fault_is_told_with_field_value_and_reason() -> None:
    wire = orjson.loads(write(factories.order_placed()))
    wire["data"]["lines"][0]["quantity"] = "-1"

    with pytest.raises(MalformedEvent, match=r"data\.lines\.0\.quantity: .*greater than 0.*'-1'"):
        Registry().read(orjson.dumps(wire))
