"""Phones and e-mails: lists of values with ids of their own, which both generations change in their own way."""

from collections.abc import Callable, Mapping
from typing import Any

from esb_standins.bitrix24.params import as_int, as_list, as_map

Entry = dict[str, Any]


def merge_multifield(current: list[Entry], raw: Any, next_id: Callable[[], int]) -> list[Entry]:
    """Apply the old form: an element with ID changes or deletes, one **without ID is appended**.

    Entries that are not mentioned stay, so a repeated update without ids piles up duplicates.
    Source: Bitrix24 REST docs, "crm_multifield".
    """
    kept = {entry["ID"]: entry for entry in current}
    for element in as_list(raw):
        given = as_map(element) if isinstance(element, dict) else {"VALUE": element}
        number = as_int(given.get("ID"))
        value = str(given.get("VALUE") or "")
        if number in kept:
            kept.update(_changed(kept[number], given)) if value and given.get("DELETE") != "Y" else kept.pop(number)
        elif value:
            fresh = next_id()
            kept[fresh] = {"ID": fresh, "VALUE": value, "VALUE_TYPE": str(given.get("VALUE_TYPE") or "WORK")}
    return list(kept.values())


def from_fm(raw: Any) -> dict[str, list[Entry]]:
    """Turn the `fm` of `crm.item.*` into the old form per field; an element without typeId is ignored without error."""
    found: dict[str, list[Entry]] = {}
    for key, element in as_map(raw).items():
        given = as_map(element)
        if not given.get("typeId"):
            continue
        entry: Entry = {"VALUE": given.get("value"), "VALUE_TYPE": given.get("valueType")}
        is_update = isinstance(raw, dict) and key.isdigit()
        found.setdefault(str(given["typeId"]).upper(), []).append({"ID": key, **entry} if is_update else entry)
    return found


def to_fm(record: Mapping[str, Any]) -> list[Entry]:
    """Show the multi-fields of a record as `fm`."""
    return [
        {"id": entry["ID"], "typeId": name, "valueType": entry["VALUE_TYPE"], "value": entry["VALUE"]}
        for name in ("PHONE", "EMAIL")
        for entry in record.get(name) or []
    ]


def to_old(name: str, entries: list[Entry]) -> list[Entry]:
    return [
        {"ID": str(entry["ID"]), "VALUE_TYPE": entry["VALUE_TYPE"], "VALUE": entry["VALUE"], "TYPE_ID": name}
        for entry in entries
    ]


def _changed(entry: Entry, given: Mapping[str, Any]) -> dict[int, Entry]:
    fresh = {**entry, "VALUE": str(given["VALUE"])}
    if given.get("VALUE_TYPE"):
        fresh["VALUE_TYPE"] = str(given["VALUE_TYPE"])
    return {entry["ID"]: fresh}
