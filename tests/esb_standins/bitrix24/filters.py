"""The filter language of list methods: a prefix, a field name, a value; in `crm.item.list` also OR groups."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from operator import ge, gt, le, lt
from typing import Any, Final

from esb_standins.bitrix24.errors import RestError
from esb_standins.bitrix24.params import as_list, as_map
from esb_standins.bitrix24.schema import Field
from esb_standins.bitrix24.values import sort_key

Record = dict[str, Any]
Test = Callable[[Record], bool]

_KEY: Final = re.compile(r"^(!=%|!%=|!%|!@|!=|!|>=|<=|><|>|<|@|=%|%=|%|=)?(.+)$")
_EQUAL: Final = frozenset({"=", "@"})
_ORDERED: Final = {">": gt, ">=": ge, "<": lt, "<=": le}
_NEGATED: Final = {"!": "=", "!=": "=", "!@": "@", "!%": "%", "!=%": "=%", "!%=": "=%"}


@dataclass(frozen=True)
class Condition:
    """One entry of a filter."""

    operator: str
    field: Field
    value: Any

    @property
    def is_equality(self) -> bool:
        return self.operator in _EQUAL

    @cached_property
    def keys(self) -> tuple[Any, ...]:
        """The wanted values in comparable form, computed once for all records."""
        wanted = as_list(self.value) if isinstance(self.value, list | dict) else [self.value]
        return tuple(sort_key(self.field, value) for value in wanted)


def split_key(key: str) -> tuple[str, str]:
    """Split `>=DATE_MODIFY` into `>=` and the name; no prefix means equality."""
    found = _KEY.match(key)
    if found is None:
        return "=", key
    return found[1] or "=", found[2]


def old_conditions(raw: Any, fields: Mapping[str, Field]) -> list[Condition]:
    """Read a filter of the old generation: **an unknown field is ignored, so everything is returned**.

    Source: measured on live portals by third parties; the docs say nothing.
    """
    found = []
    for key, value in as_map(raw).items():
        operator, name = split_key(key)
        known = fields.get(name.upper())
        if known:
            found.append(Condition(operator, known, value))
    return found


def item_test(raw: Any, fields: Mapping[str, Field]) -> Test:
    """Build the test of a `crm.item.list` filter, groups included. `fields` is keyed by every accepted name.

    Raises:
        RestError: INVALID_ARG_VALUE for a field the object does not have.
    """
    entries = as_map(raw)
    tests = [_item_entry(key, value, fields) for key, value in entries.items() if key.lower() != "logic"]
    if str(entries.get("logic", "AND")).upper() == "OR":
        return lambda record: any(test(record) for test in tests)
    return lambda record: all(test(record) for test in tests)


def equalities(raw: Any, fields: Mapping[str, Field]) -> list[Condition]:
    """Return the conditions that must hold with equality: what an index can answer."""
    entries = as_map(raw)
    if str(entries.get("logic", "AND")).upper() == "OR":
        return []
    pairs = ((split_key(key), value) for key, value in entries.items())
    return [
        Condition(operator, fields[name], value)
        for (operator, name), value in pairs
        if operator in {"=", "@"} and name in fields
    ]


def meets(record: Record, condition: Condition) -> bool:
    """Decide one condition on one record."""
    operator = _NEGATED.get(condition.operator, condition.operator)
    kept = record.get(condition.field.name)
    values = kept if isinstance(kept, list) and kept else [None if isinstance(kept, list) else kept]
    return any(_compare(operator, condition, value) for value in values) == (operator == condition.operator)


def _item_entry(key: str, value: Any, fields: Mapping[str, Field]) -> Test:
    if key.isdigit():
        return item_test(value, fields)
    operator, name = split_key(key)
    if name not in fields:
        raise RestError(400, "INVALID_ARG_VALUE", f"Invalid filter: field '{name}' is not allowed in filter")
    condition = Condition(operator, fields[name], value)
    return lambda record: meets(record, condition)


def _compare(operator: str, condition: Condition, kept: Any) -> bool:
    if operator in {"%", "=%", "%="}:
        return _like(operator, str(kept or ""), str(condition.value or ""))
    left = sort_key(condition.field, kept)
    if operator in _EQUAL:
        return any(left == key or _both_blank(left, key) for key in condition.keys)
    right = condition.keys[0] if condition.keys else None
    if left is None or right is None or operator not in _ORDERED:
        return False
    return bool(_ORDERED[operator](left, right))


def _both_blank(left: Any, right: Any) -> bool:
    return left in {None, 0} and right in {None, 0}


def _like(operator: str, kept: str, wanted: str) -> bool:
    pattern = f"%{wanted}%" if operator == "%" else wanted
    regex = "".join({"%": ".*", "_": "."}.get(letter, re.escape(letter)) for letter in pattern)
    return re.fullmatch(regex, kept, re.IGNORECASE | re.DOTALL) is not None


def order_by(records: Iterable[Record], raw: Any, fields: Mapping[str, Field]) -> list[Record]:
    """Sort by the fields of `order`, the last named first; unknown names are ignored; without any, by ID."""
    found = list(records)
    keys = [(fields[name], str(way).upper() == "DESC") for name, way in as_map(raw).items() if name in fields]
    for field, descending in reversed(keys):
        found.sort(key=partial(_sortable, field), reverse=descending)
    return found if keys else sorted(found, key=lambda record: int(record["ID"]))


def _sortable(field: Field, record: Record) -> tuple[bool, Any]:
    key = sort_key(field, record.get(field.name))
    return (key is not None, key if key is not None else 0)
