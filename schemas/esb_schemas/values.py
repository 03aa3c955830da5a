"""Money, quantities, VAT and versions: decimals written as JSON strings, never binary floats."""

from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

MAX_VERSION = 10**18


def _exact_decimal(value: Any) -> Any:
    if isinstance(value, int | float):
        raise ValueError('write the amount as a string, for example "1500.00"')  # noqa: TRY004  pydantic wants ValueError
    if not isinstance(value, str):
        return value
    try:
        return Decimal(value)
    except InvalidOperation as error:
        raise ValueError("not a decimal number") from error


def _version_from_text(value: Any) -> Any:
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    return value


_exact = BeforeValidator(_exact_decimal)

Money = Annotated[Decimal, _exact, Field(max_digits=15, decimal_places=2)]
"""Roubles (or the currency beside it), two decimals."""

Price = Annotated[Decimal, _exact, Field(ge=0, max_digits=18, decimal_places=6)]
"""Price of one unit, VAT included, after discounts. Bitrix24 keeps up to six decimals."""

Quantity = Annotated[Decimal, _exact, Field(gt=0, max_digits=15, decimal_places=3)]
"""Amount of goods in the unit beside it, three decimals as in 1C."""

StockLevel = Annotated[Decimal, _exact, Field(max_digits=15, decimal_places=3)]
"""Goods on hand; may be negative where a base allows it."""

Okei = Annotated[str, Field(pattern=r"^\d{3,4}$")]
"""ОКЕИ code of a unit of measure: "796" is a piece."""

DataVersion = Annotated[
    int,
    BeforeValidator(_version_from_text),
    PlainSerializer(str, return_type=str, when_used="json"),
    Field(ge=0, le=MAX_VERSION),
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
