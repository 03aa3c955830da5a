"""The WooCommerce order as its REST API and webhooks write it, reduced to what the bus reads.

Money is text, except where it is a number; empty is `""`, null or missing; unknown members are ignored.
Source: WooCommerce REST API v3, "Order properties".
"""

import json
import re
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from esb_adapters.website.protocol import utc
from esb_bus.errors import InvalidData, PoisonMessageError

# Decimal() would also take "1_000", " 5 " and digits of other scripts.
_PLAIN = re.compile(r"-?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]{1,3})?")
_LARGEST = Decimal(10) ** 13
_FINEST_EXPONENT = -12


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise ValueError("not a number")  # noqa: TRY004  pydantic wants ValueError
    if isinstance(value, str) and not _PLAIN.fullmatch(value):
        raise ValueError("not a number")
    try:
        number = Decimal(value)
    except InvalidOperation as error:
        raise ValueError("not a number") from error
    if not number.is_finite() or abs(number) >= _LARGEST:
        raise ValueError("not a number of up to 13 digits")
    if number != number.quantize(Decimal(1).scaleb(_FINEST_EXPONENT)):
        raise ValueError("more than 12 decimals")
    return number


def _text(value: Any) -> Any:
    return "" if value is None else value


def _moment(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError("not a date")  # noqa: TRY004  pydantic wants ValueError
    return utc(value)


Number = Annotated[Decimal, BeforeValidator(_number)]
Text = Annotated[str, BeforeValidator(_text)]
Moment = Annotated[datetime, BeforeValidator(_moment)]


class Native(BaseModel):
    """A part of an order. Lists and not tuples, because it is read from parsed JSON in strict mode."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class Meta(Native):
    key: Text = ""
    value: Any = None


class Address(Native):
    first_name: Text = ""
    last_name: Text = ""
    company: Text = ""
    address_1: Text = ""
    address_2: Text = ""
    city: Text = ""
    state: Text = ""
    postcode: Text = ""
    country: Text = ""
    email: Text = ""
    phone: Text = ""


class LineItem(Native):
    """`total` is after coupons and always without tax; `total_tax` stands beside it."""

    name: Text = ""
    product_id: int = 0
    variation_id: int = 0
    quantity: Number
    tax_class: Text = ""
    total: Number
    total_tax: Number = Decimal(0)
    sku: Text = ""


class FeeLine(Native):
    name: Text = ""
    total: Number = Decimal(0)
    total_tax: Number = Decimal(0)


class ShippingLine(Native):
    method_title: Text = ""


class WooOrder(Native):
    id: int = Field(ge=1, lt=10**18)
    number: Text = ""
    status: str
    currency: str = "RUB"
    date_created_gmt: Moment
    date_modified_gmt: Moment
    total: Number
    shipping_total: Number = Decimal(0)
    shipping_tax: Number = Decimal(0)
    billing: Address = Address()
    shipping: Address = Address()
    payment_method: Text = ""
    payment_method_title: Text = ""
    customer_note: Text = ""
    meta_data: list[Meta] = []
    line_items: list[LineItem]
    fee_lines: list[FeeLine] = []
    shipping_lines: list[ShippingLine] = []
    tax_lines: list[Any] = []

    def meta(self, key: str) -> str:
        """Return a meta value as text without surrounding blanks; "" when there is none or it is no plain value."""
        found = next((entry.value for entry in self.meta_data if entry.key == key), None)
        return str(found).strip() if isinstance(found, str | int) and not isinstance(found, bool) else ""


def read_json(body: bytes) -> dict[str, Any]:
    """Parse a native body with exact decimals.

    Raises:
        PoisonMessageError: the bytes are not one JSON object.
    """
    try:
        wire = json.loads(body, parse_float=Decimal, parse_constant=_no_constant)
    except (ValueError, RecursionError, ArithmeticError) as error:
        raise PoisonMessageError(f"the body is not JSON: {str(error)[:200]}") from error
    if not isinstance(wire, dict):
        raise PoisonMessageError(f"the body is JSON, but {type(wire).__name__} and not an object")
    return wire


def read_order(wire: dict[str, Any]) -> WooOrder:
    """Read one order.

    Raises:
        InvalidData: naming each field that is not what WooCommerce writes.
    """
    try:
        return WooOrder.model_validate(wire)
    except ValidationError as error:
        raise InvalidData.of(f"WooCommerce order {wire.get('id')!r:.30}", error) from error


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
