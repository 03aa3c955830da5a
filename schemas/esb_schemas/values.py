"""Money, quantities, VAT and versions: decimals written as JSON strings, never binary floats."""

import re
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

MAX_VERSION = 10**18

_PLAIN_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_CENTS = Decimal("0.00")


def _exact_decimal(value: Any) -> Any:
    if isinstance(value, int | float):
        raise ValueError('write the amount as a string, for example "1500.00"')  # noqa: TRY004  pydantic wants ValueError
    if not isinstance(value, str):
        return value
    # Decimal() would also take "1e3", "1_000", " 5 " and digits of other scripts: other readers would not.
    if not _PLAIN_DECIMAL.fullmatch(value):
        raise ValueError('not a plain decimal number; write for example "1500.00"')
    return Decimal(value)


# One number, one text: the content hash of an event is taken over its JSON.
def _with_cents(value: Decimal) -> Decimal:
    return value.quantize(_CENTS) + _CENTS  # the sum makes 0.00 of -0.00


def _without_trailing_zeros(value: Decimal) -> Decimal:
    if not value:
        return Decimal(0)
    short = value.normalize()
    return short if short.as_tuple().exponent <= 0 else short.quantize(Decimal(1))  # type: ignore[operator]  # finite


def _version_from_text(value: Any) -> Any:
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        return int(value)
    return value


# Stands behind Field(): constraints next to the type are checked in compiled code, behind a function in Python.
_exact = BeforeValidator(_exact_decimal)

_shortest = AfterValidator(_without_trailing_zeros)


def _as_text(pattern: str, description: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, "description": description})


Money = Annotated[
    Decimal,
    Field(max_digits=15, decimal_places=2),
    _exact,
    AfterValidator(_with_cents),
    _as_text(r"^-?[0-9]{1,13}(\.[0-9]{1,2})?$", "Roubles, or the currency beside it."),
]
"""Roubles (or the currency beside it), two decimals."""

Price = Annotated[
    Decimal,
    Field(ge=0, max_digits=18, decimal_places=6),
    _exact,
    _shortest,
    _as_text(r"^[0-9]{1,12}(\.[0-9]{1,6})?$", "Price of one unit, VAT included, after discounts."),
]
"""Price of one unit, VAT included, after discounts. Bitrix24 keeps up to six decimals."""

Quantity = Annotated[
    Decimal,
    Field(gt=0, max_digits=15, decimal_places=3),
    _exact,
    _shortest,
    _as_text(r"^[0-9]{1,12}(\.[0-9]{1,3})?$", "Amount of goods in the unit beside it, more than 0."),
]
"""Amount of goods in the unit beside it, three decimals as in 1C."""

StockLevel = Annotated[
    Decimal,
    Field(max_digits=15, decimal_places=3),
    _exact,
    _shortest,
    _as_text(r"^-?[0-9]{1,12}(\.[0-9]{1,3})?$", "Goods on hand; may be negative."),
]
"""Goods on hand; may be negative where a base allows it."""

Okei = Annotated[str, Field(pattern=r"^[0-9]{3,4}$")]
"""ОКЕИ code of a unit of measure: "796" is a piece."""

DataVersion = Annotated[
    int,
    BeforeValidator(_version_from_text),
    PlainSerializer(str, return_type=str, when_used="json"),
    Field(ge=0, le=MAX_VERSION),
    _as_text(r"^[0-9]{1,19}$", "Version in the system that owns the object; only versions of one system compare."),
]
"""Version of an object in the system that owns it, growing; only versions of one system are comparable.

A decimal string on the wire, because a CloudEvents integer has 32 bits.
"""


class VatRate(StrEnum):
    """VAT rate in percent. "none" is «Без НДС» and not the same as 0 %."""

    NONE = "none"
    VAT_0 = "0"
    VAT_5 = "5"
    VAT_7 = "7"
    VAT_10 = "10"
    VAT_18 = "18"
    VAT_20 = "20"
    VAT_22 = "22"


class Value(BaseModel):
    """A frozen part of an event. Unknown fields are ignored, so a writer may add optional ones."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")
