from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

import factories
from esb_schemas.envelope import content_hash, new_event
from esb_schemas.orders import OrderPlaced
from esb_schemas.parties import PartyKind
from esb_schemas.registry import Registry, write
from esb_schemas.values import VatRate


def placed_at_another_moment() -> Any:
    data = factories.order_placed().data
    return new_event(
        data,
        endpoint=factories.SHOP,
        objectkey=data.order_key,
        dataversion=factories.VERSION,
        time=factories.NOON + timedelta(hours=5),
        correlationid="another",
    )


def test_same_fact_seen_twice_is_the_same_event() -> None:
    assert factories.order_placed().id == placed_at_another_moment().id


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(factories.order_placed(comment="иначе"), id="content"),
        pytest.param(factories.order_placed(where=factories.Where(version=factories.VERSION + 1)), id="version"),
        pytest.param(factories.order_placed(where=factories.Where(native_id="10016")), id="object"),
        pytest.param(factories.order_placed(where=factories.Where(endpoint="website.outlet")), id="source"),
        pytest.param(factories.order_changed(), id="type"),
    ],
)
def test_another_fact_is_another_event(other: Any) -> None:
    assert other.id != factories.order_placed().id


def test_payment_read_a_second_time_is_the_same_event() -> None:
    first = factories.payment_received()
    second = factories.payment_received(as_of=factories.NOON + timedelta(minutes=7))

    assert first.id == second.id


def test_content_hash_ignores_how_a_number_was_written() -> None:
    line = factories.order_line(quantity=Decimal("1.000"), price=Decimal(649))
    same = factories.order_line(quantity=Decimal(1), price=Decimal("649.00"))

    hashes = {content_hash(factories.order_state((each,))) for each in (line, same)}

    assert len(hashes) == 1


def test_optional_field_at_its_default_does_not_change_the_content_hash() -> None:
    class OrderOfNextRelease(OrderPlaced):
        gift_wrap: bool = False

    data = factories.order_placed().data
    later = OrderOfNextRelease(**dict(data))

    assert content_hash(later) == content_hash(data)


def test_envelope_and_content_of_different_legal_entities_are_refused() -> None:
    wire = write(factories.order_placed()).replace(b'"legalentity":"romashka-retail"', b'"legalentity":"romashka-opt"')

    with pytest.raises(ValueError, match="legalentity is 'romashka-opt'"):
        Registry().read(wire)


def test_routing_key_names_type_and_legal_entity() -> None:
    assert factories.order_placed().routing_key == "order.placed.romashka-retail"


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"lines": ()}, id="empty order"),
        pytest.param({"total": Decimal("1.00")}, id="total is not the sum"),
        pytest.param({"currency": "руб"}, id="currency"),
        pytest.param({"placed_at": factories.NOON.replace(tzinfo=None)}, id="time without zone"),
        pytest.param({"number": ""}, id="no number"),
    ],
)
def test_order_that_makes_no_sense_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        factories.order_placed(**changes)


def test_vat_amount_without_a_rate_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"VAT amount of 10\.00 at the rate 'none'"):
        factories.order_line(vat_rate=VatRate.NONE, vat_amount=Decimal(10))


@pytest.mark.parametrize(
    ("kind", "inn"),
    [
        ("organisation", None),
        ("organisation", "771234567859"),
        ("sole_proprietor", "7812345675"),
        ("sole_proprietor", None),
        ("person", "7812345675"),
    ],
)
def test_inn_that_does_not_fit_the_kind_of_party_is_refused(kind: str, inn: str | None) -> None:
    with pytest.raises(ValidationError):
        factories.buyer(kind=PartyKind(kind), inn=inn)


@given(st.text(min_size=1, max_size=1000))
def test_names_of_any_script_survive_the_wire(name: str) -> None:
    event = factories.order_placed(buyer=factories.person(name=name))

    assert Registry().read(write(event)).data.buyer.name == name


@pytest.mark.parametrize("name", ["🌼🌼 Ромашка 👩‍🌾", "Я" * 1000, 'ООО «Кавычки "внутри"»'])
def test_unusual_names_are_accepted(name: str) -> None:
    event = factories.order_placed(buyer=factories.buyer(name=name))

    assert Registry().read(write(event)) == event
