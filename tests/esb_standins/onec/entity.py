"""An object of a base as a dictionary in the order 1C prints it, and what a request does to it.

Pure: no clock and no storage. Numbers, posting and uniqueness are decided in `service.py`.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import orjson

from esb_standins.onec.errors import bad_value, internal
from esb_standins.onec.profile import ZERO_GUID, EntitySet, Field
from esb_standins.onec.values import Enums, stored, stored_composite

Entity = dict[str, Any]

TAG: Final = re.compile(r"\[esb (?P<key>\S+) v(?P<version>\d+)\]")
"""The mark the bus leaves in «Комментарий»: its key and the version applied."""

READ_ONLY: Final = frozenset({
    "Ref_Key", "DataVersion", "Posted", "Predefined", "PredefinedDataName", "SentNo", "ReceivedNo", "ThisNode",
})  # fmt: skip


def blank(entity_set: EntitySet, ref: str) -> Entity:
    """Return a new object with every property empty."""
    return {**entity_set.template, "Ref_Key": ref}


def applied(entity: Entity, entity_set: EntitySet, body: Mapping[str, Any], enums: Enums) -> Entity:
    """Return the object after a POST or PATCH body; unknown names are ignored. Raises ODataError."""
    changed = dict(entity)
    for name, value in body.items():
        if name in entity_set.tables:
            changed[name] = _rows(entity["Ref_Key"], entity_set, name, value, enums)
        elif name in entity_set.by_property and name not in READ_ONLY:
            _set(changed, entity_set.by_property[name], body, enums)
    return changed


def recognised(entity_set: EntitySet, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a request body that the set has properties for."""
    known = set(entity_set.property_names()) - READ_ONLY
    return {name: value for name, value in body.items() if name in known}


def digest(entity: Entity) -> str:
    """Return the SHA-256 of an object's content without its version counter."""
    content = {name: value for name, value in entity.items() if name != "DataVersion"}
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()


def tag_of(entity: Entity) -> tuple[str | None, int | None]:
    """Return the key and version the bus left in the comment, or a pair of None."""
    found = TAG.search(str(entity.get("Комментарий", "")))
    return (found["key"], int(found["version"])) if found else (None, None)


def organisation_of(entity: Entity) -> str | None:
    ref = entity.get("Организация_Key", ZERO_GUID)
    return None if ref == ZERO_GUID else str(ref)


def presentation(entity: Entity, entity_set: EntitySet) -> str:
    """Return the object as 1C shows it: «Заказ клиента ТДУТ-000001 от 01.03.2026 12:00:00»."""
    if not entity_set.is_document:
        return str(entity.get("Description", ""))
    date = str(entity["Date"])
    year, month, day = date[:10].split("-")
    return f"{entity_set.title} {entity['Number']} от {day}.{month}.{year} {int(date[11:13])}{date[13:]}"


def without_values(entity: Entity, names: Iterable[str]) -> Entity:
    """Return the object with these tabular sections emptied."""
    return entity | {name: [] for name in names}


def _set(entity: Entity, field: Field, body: Mapping[str, Any], enums: Enums) -> None:
    name = field.wire_name
    if field.kind == "any":
        type_name = body.get(f"{name}_Type", entity.get(f"{name}_Type"))
        entity[name], entity[f"{name}_Type"] = stored_composite(field, body[name], type_name, enums)
    else:
        entity[name] = stored(field, body[name], enums)


def _rows(owner: str, entity_set: EntitySet, table: str, value: Any, enums: Enums) -> list[Entity]:
    """Return the rows of a section, which a write always replaces whole.

    Measured: rows without `LineNumber` are an internal error, numbers that do not run from 1 are refused.
    """
    if not isinstance(value, list):
        raise internal()
    rows = []
    for position, given in enumerate(value, start=1):
        if not isinstance(given, dict) or "LineNumber" not in given:
            raise internal()
        if str(given["LineNumber"]) != str(position):
            raise bad_value("LineNumber")
        row = {"Ref_Key": owner, "LineNumber": str(position), **entity_set.row_templates[table]}
        for field in entity_set.tables[table]:
            if field.wire_name in given:
                _set(row, field, given, enums)
        rows.append(row)
    return rows
