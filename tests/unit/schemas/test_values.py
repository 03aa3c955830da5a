import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from esb_schemas.values import MAX_VERSION, DataVersion, Money, Price, Quantity, StockLevel

MONEY, PRICE, QUANTITY, STOCK = (TypeAdapter[Decimal](kind) for kind in (Money, Price, Quantity, StockLevel))
VERSION = TypeAdapter[int](DataVersion)


def accepts(kind: TypeAdapter[Any], value: Any) -> bool:
    try:
        kind.validate_json(json.dumps(value))
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(1500, id="JSON integer"),
        pytest.param(1500.5, id="JSON float"),
        pytest.param(True, id="boolean"),
        pytest.param(None, id="null"),
        pytest.param("1500.005", id="three decimals"),
        pytest.param("1e3", id="exponent"),
        pytest.param("NaN", id="not a number"),
        pytest.param("Infinity", id="infinity"),
        pytest.param("-Infinity", id="negative infinity"),
        pytest.param("1_000", id="underscore"),
        pytest.param(" 5", id="blank"),
        pytest.param("5,00", id="comma"),
        pytest.param("٥", id="digit of another script"),
        pytest.param("1500 руб.", id="unit"),
        pytest.param("", id="empty"),
        pytest.param("99999999999999.00", id="too many digits"),
    ],
)
def test_what_is_not_an_exact_amount_is_refused(value: Any) -> None:
    assert not accepts(MONEY, value)


def test_price_keeps_six_decimals_and_refuses_the_seventh() -> None:
    assert accepts(PRICE, "0.123456")
    assert not accepts(PRICE, "0.1234567")


@pytest.mark.parametrize("value", ["0", "-1", "0.0004"])
def test_quantity_that_is_no_quantity_is_refused(value: str) -> None:
    assert not accepts(QUANTITY, value)


def test_stock_may_be_negative() -> None:
    assert STOCK.validate_json('"-2.5"') == Decimal("-2.5")


@given(st.decimals(min_value=-(10**12), max_value=10**12, places=2))
def test_money_comes_back_as_it_went(amount: Decimal) -> None:
    wire = MONEY.dump_json(MONEY.validate_python(amount))

    assert MONEY.validate_json(wire) == amount


@given(st.decimals(min_value=0, max_value=10**9, places=3), st.integers(0, 3))
def test_equal_numbers_have_one_text(amount: Decimal, more_zeros: int) -> None:
    padded = f"{amount:f}" + "0" * more_zeros

    texts = {PRICE.dump_json(PRICE.validate_python(value)) for value in (f"{amount:f}", padded)}

    assert len(texts) == 1
    assert b"E" not in texts.pop()


@pytest.mark.parametrize("value", [Decimal("1E+3"), Decimal(1000), Decimal("1000.000")])
def test_number_from_arithmetic_is_written_plainly(value: Decimal) -> None:
    assert (MONEY.dump_json(MONEY.validate_python(value)), QUANTITY.dump_json(QUANTITY.validate_python(value))) == (
        b'"1000.00"',
        b'"1000"',
    )


def test_negative_zero_is_zero() -> None:
    assert MONEY.dump_json(MONEY.validate_python("-0.00")) == b'"0.00"'


@given(st.integers(0, MAX_VERSION))
def test_version_travels_as_text_because_a_cloudevents_integer_has_32_bits(version: int) -> None:
    wire = VERSION.dump_json(version)

    assert wire == f'"{version}"'.encode()
    assert VERSION.validate_json(wire) == version


@pytest.mark.parametrize("value", [-1, "-1", "1.5", "", "٣", MAX_VERSION + 1])
def test_what_is_not_a_version_is_refused(value: Any) -> None:
    assert not accepts(VERSION, value)
