"""How a value sent by a client becomes a stored value: 1C cuts, pads and rounds without a word.

Measured on a live base: an over-long string is cut, garbage in an Edm.Int64 becomes 0, text in a Guid or
Boolean is refused with code 1, an array in a string property is an internal error. Unconfirmed: what an
unknown enumeration member or a composite type outside the attribute's list does (refused here, code 1).
"""

import re
import uuid
from collections.abc import Collection, Mapping
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any, Final

from esb_standins.onec.errors import cannot_parse, internal
from esb_standins.onec.profile import EMPTY_DATE, UNDEFINED, ZERO_GUID, Field

_DATE: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
Enums = Mapping[str, Collection[str]]


def stored(field: Field, value: Any, enums: Enums) -> Any:
    """Return what the base keeps of `value`. Raises ODataError.

    Composite attributes are handled by `stored_composite`, because they take two properties.
    """
    if isinstance(value, (list, dict)):
        raise internal()
    if value is None:
        return field.empty
    match field.edm:
        case "Edm.String" if field.kind == "enum":
            return _member(field, str(value), enums)
        case "Edm.String" | "Edm.Binary":
            return _text(field, value)
        case "Edm.Boolean":
            return _boolean(value)
        case "Edm.DateTime":
            return _date(value)
        case "Edm.Guid":
            return guid(value)
        case "Edm.Int64":
            return _long(value)
        case _:
            return _number(field, value)


def stored_composite(field: Field, value: Any, type_name: Any, enums: Enums) -> tuple[str, str]:
    """Return the pair (value, type) of a composite attribute; a value without a usable type is dropped."""
    if isinstance(value, (list, dict)):
        raise internal()
    if value in {None, ""} or type_name in {None, "", UNDEFINED}:
        return "", UNDEFINED
    target = str(type_name).removeprefix("StandardODATA.")
    if target in field.targets:
        return guid(value), f"StandardODATA.{target}"
    plain = {"Edm.String": "string", "Edm.Double": "number", "Edm.DateTime": "date", "Edm.Boolean": "bool"}
    if target in plain or target in enums or field.is_open:
        return str(value), str(type_name)
    raise cannot_parse(type_name, field.name)


def guid(value: Any) -> str:
    """Return a GUID in the spelling of 1C. Raises ODataError."""
    try:
        return str(uuid.UUID(str(value))) if value != "" else ZERO_GUID
    except ValueError as error:
        raise cannot_parse(value, "Edm.Guid") from error


def as_decimal(value: Any) -> Decimal:
    """Return a number however it was sent; raise ODataError for what is none."""
    if isinstance(value, bool):
        raise cannot_parse(value, "Edm.Double")
    try:
        number = Decimal(str(value))
    except InvalidOperation as error:
        raise cannot_parse(value, "Edm.Double") from error
    if not number.is_finite():
        raise cannot_parse(value, "Edm.Double")
    return number


def folded(text: str) -> str:
    """Return text as the database compares it: without case and trailing blanks."""
    return text.rstrip().lower()


def _text(field: Field, value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if field.length:
        text = text[: field.length]
    return text.ljust(field.length) if field.fixed else text


def _member(field: Field, value: str, enums: Enums) -> str:
    known = enums.get(field.targets[0]) if field.targets else None
    if value and known is not None and value not in known:
        raise cannot_parse(value, f"StandardODATA.{field.targets[0]}")
    return value


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise cannot_parse(value, "Edm.Boolean")
    return value


def _date(value: Any) -> str:
    text = str(value) or EMPTY_DATE
    if not _DATE.fullmatch(text):
        raise cannot_parse(value, "Edm.DateTime")
    try:
        datetime.fromisoformat(text)
    except ValueError as error:
        raise cannot_parse(value, "Edm.DateTime") from error
    return text


def _long(value: Any) -> str:
    try:
        return str(int(str(value)))
    except ValueError:
        return "0"


def _number(field: Field, value: Any) -> int | float:
    number = as_decimal(value).quantize(Decimal(1).scaleb(-field.fraction), ROUND_HALF_UP)
    return int(number) if number == number.to_integral_value() else float(number)
