"""Creating, changing and deleting CRM objects: the rules both generations share."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from esb_standins.bitrix24.errors import RestError, item_not_found
from esb_standins.bitrix24.multifields import merge_multifield
from esb_standins.bitrix24.portal import Portal
from esb_standins.bitrix24.schema import DEAL, INVOICE, Field, Kind
from esb_standins.bitrix24.store import Record
from esb_standins.bitrix24.values import parse

_SEMANTICS_WORD = {None: "P", "S": "S", "F": "F"}
BY_TYPE_WITH_FUNNELS = frozenset({DEAL.entity_type_id, INVOICE.entity_type_id})
_FLAGS_OFF = ("IS_MANUAL_OPPORTUNITY", "IS_RECURRING", "IS_RETURN_CUSTOMER", "IS_REPEATED_APPROACH", "IS_MY_COMPANY")


def known_values(portal: Portal, kind: Kind, raw: Mapping[str, Any], current: Record) -> dict[str, Any]:
    """Keep what the object has and may be written; unknown names are ignored silently, as on the portal."""
    fields = portal.fields(kind)
    found: dict[str, Any] = {}
    for name, value in raw.items():
        known = fields.get(name.upper())
        if known and not known.read_only:
            found[known.name] = _parsed(portal, known, value, current)
    return _with_contact(found)


def create(portal: Portal, kind: Kind, raw: Mapping[str, Any], user: int) -> Record:
    """Add an object. There is no uniqueness on external keys: two adds make two objects."""
    values = known_values(portal, kind, raw, {})
    number = portal.store.next_id(kind.name)
    record: Record = {"ID": number, **_defaults(portal, kind, number, user), **values}
    record |= _number_of_invoice(portal, kind, record)
    record |= _stage_on_add(portal, kind, record)
    record |= _computed(portal, kind, record)
    portal.store.put(kind.name, record, "create", raw)
    _fire(portal, kind, "ADD", number)
    return record


def change(portal: Portal, kind: Kind, number: int, values: Mapping[str, Any], raw: Mapping[str, Any], user: int,
           *, always_saves: bool = False) -> Record:  # fmt: skip
    """Apply checked values. Without a difference nothing is saved and no event is fired, unless `always_saves`."""
    current = portal.store.all(kind.name)[number]
    record = {**current, **values}
    record |= _computed(portal, kind, record)
    if record == current and not always_saves:
        return current
    moved = record.get("STAGE_ID") != current.get("STAGE_ID")
    if moved:
        record |= {
            "PREVIOUS_STAGE_ID": current.get("STAGE_ID"),
            "MOVED_TIME": portal.now(),
            "MOVED_BY_ID": user,
        }
    record |= {"DATE_MODIFY": portal.now(), "MODIFY_BY_ID": user}
    portal.store.put(kind.name, record, "update", raw)
    if record.get("CATEGORY_ID") != current.get("CATEGORY_ID") and kind is DEAL:
        place = {"CATEGORY_ID": record["CATEGORY_ID"], "STAGE_ID": record["STAGE_ID"]}
        # a move between funnels replaces the update event
        portal.fire("ONCRMDEALMOVETOCATEGORY", {"ID": number, **place})
    else:
        _fire(portal, kind, "UPDATE", number)
    return record


def remove(portal: Portal, kind: Kind, number: int) -> None:
    """Delete an object; requisites of a company stay behind, product rows go."""
    for row in portal.store.lookup("row", "OWNER", f"{kind.owner_code}_{number}"):
        portal.store.delete("row", row["ID"])
    portal.store.delete(kind.name, number)
    _fire(portal, kind, "DELETE", number)


def touch(portal: Portal, kind: Kind, number: int, values: Mapping[str, Any], user: int) -> None:
    """Note on the owner that something of it has changed (product rows): the update event fires."""
    change(portal, kind, number, values, dict(values), user, always_saves=True)


def category_stages(portal: Portal, kind: Kind, category: int) -> list[Record]:
    """Return the stages of a funnel in their order."""
    if kind is DEAL:
        return portal.statuses(f"DEAL_STAGE_{category}" if category else "DEAL_STAGE")
    return portal.statuses(f"SMART_INVOICE_STAGE_{category}")


def belongs(portal: Portal, kind: Kind, category: int, stage: Any) -> bool:
    return any(entry["STATUS_ID"] == stage for entry in category_stages(portal, kind, category))


def default_category(portal: Portal, kind: Kind) -> int:
    categories = [
        entry for entry in portal.store.all("category").values() if entry["entityTypeId"] == kind.entity_type_id
    ]
    return next(int(entry["id"]) for entry in categories if entry["isDefault"] == "Y")


def category_exists(portal: Portal, kind: Kind, category: int) -> bool:
    return any(
        entry["id"] == category and entry["entityTypeId"] == kind.entity_type_id
        for entry in portal.store.all("category").values()
    )


def move(portal: Portal, kind: Kind, current: Record, values: dict[str, Any]) -> dict[str, Any]:
    """Check a change of funnel or stage in `crm.item.update`; a new funnel without a stage starts at its first.

    Raises:
        RestError: the stage belongs to another funnel, or there is no such funnel.
    """
    category = values.get("CATEGORY_ID", current.get("CATEGORY_ID"))
    if category is None or not category_exists(portal, kind, category):
        raise RestError(400, "CRM_FIELD_ERROR_VALUE_NOT_VALID", 'Invalid value of field "Pipeline"')
    if category != current.get("CATEGORY_ID") and "STAGE_ID" not in values:
        return {**values, "STAGE_ID": category_stages(portal, kind, category)[0]["STATUS_ID"]}
    if not belongs(portal, kind, category, values.get("STAGE_ID", current.get("STAGE_ID"))):
        raise RestError(400, "CRM_FIELD_ERROR_VALUE_NOT_VALID", 'Invalid value of field "Stage"')
    return values


def must_exist(portal: Portal, kind: Kind, number: int | None) -> Record:
    record = portal.store.get(kind.name, number)
    if record is None:
        raise item_not_found()
    return record


def _parsed(portal: Portal, field: Field, value: Any, current: Record) -> Any:
    if field.type == "multifield":
        return merge_multifield(current.get(field.name) or [], value, lambda: portal.store.next_id("multifield"))
    return parse(field, value)


def _with_contact(values: dict[str, Any]) -> dict[str, Any]:
    """Keep the first of several contacts as the main one, and one contact as the list."""
    if "CONTACT_IDS" in values:
        return {**values, "CONTACT_ID": next(iter(values["CONTACT_IDS"]), None)}
    if "CONTACT_ID" in values:
        return {**values, "CONTACT_IDS": [values["CONTACT_ID"]] if values["CONTACT_ID"] else []}
    return values


def _defaults(portal: Portal, kind: Kind, number: int, user: int) -> dict[str, Any]:
    names = {field.name for field in kind.fields}
    now = portal.now()
    defaults = {
        "TITLE": f"{kind.name.capitalize()} #{number}",
        "CATEGORY_ID": None,
        "TYPE_ID": "SALE",
        "CURRENCY_ID": "RUB",
        "OPPORTUNITY": "0.00",
        "TAX_VALUE": "0.00",
        "OPENED": "Y",
        "ASSIGNED_BY_ID": user,
        "CREATED_BY_ID": user,
        "MODIFY_BY_ID": user,
        "MOVED_BY_ID": user,
        "LAST_ACTIVITY_BY": user,
        "DATE_CREATE": now,
        "DATE_MODIFY": now,
        "MOVED_TIME": now,
        "LAST_ACTIVITY_TIME": now,
        **dict.fromkeys(_FLAGS_OFF, "N"),
    }
    return {name: value for name, value in defaults.items() if name in names}


def _number_of_invoice(portal: Portal, kind: Kind, record: Record) -> dict[str, Any]:
    if kind is not INVOICE:
        return {}
    given = record.get("ACCOUNT_NUMBER")
    if given and portal.store.lookup(kind.name, "ACCOUNT_NUMBER", given):
        raise RestError(400, "CRM_FIELD_ERROR_VALUE_NOT_VALID", f'Invoice number "{given}" is already in use')
    return {"ACCOUNT_NUMBER": given or str(record["ID"])}


def _stage_on_add(portal: Portal, kind: Kind, record: Record) -> dict[str, Any]:
    """Put a new object into a funnel; a stage of another funnel is replaced by the first of this one."""
    if kind not in {DEAL, INVOICE}:
        return {}
    category = record.get("CATEGORY_ID")
    if category is None or not category_exists(portal, kind, category):
        category = default_category(portal, kind)
    stage = record.get("STAGE_ID")
    if not belongs(portal, kind, category, stage):
        stage = category_stages(portal, kind, category)[0]["STATUS_ID"]
    return {"CATEGORY_ID": category, "STAGE_ID": stage}


def _computed(portal: Portal, kind: Kind, record: Record) -> dict[str, Any]:
    """Derive what follows from other fields."""
    found: dict[str, Any] = {}
    if kind is DEAL:
        stages = portal.store.lookup("status", "STATUS_ID", record["STAGE_ID"])
        stages = [stage for stage in stages if stage["ENTITY_ID"].startswith("DEAL_STAGE")]
        semantics = stages[0]["SEMANTICS"] if stages else None
        first = category_stages(portal, kind, record["CATEGORY_ID"])[0]["STATUS_ID"]
        found = {
            "STAGE_SEMANTIC_ID": _SEMANTICS_WORD[semantics],
            "CLOSED": "Y" if semantics else "N",
            "IS_NEW": "Y" if record["STAGE_ID"] == first else "N",
        }
    if "OPPORTUNITY" in record:
        found["OPPORTUNITY"] = f"{Decimal(record['OPPORTUNITY'] or 0):.2f}"
    for flag, source in (("HAS_PHONE", "PHONE"), ("HAS_EMAIL", "EMAIL")):
        if any(field.name == flag for field in kind.fields):
            found[flag] = "Y" if record.get(source) else "N"
    return found


def _fire(portal: Portal, kind: Kind, what: str, number: int) -> None:
    extra = {"ENTITY_TYPE_ID": kind.entity_type_id} if kind is INVOICE else {}
    portal.fire(f"{kind.event}{what}", {"ID": number, **extra})
