"""What an integration asks for at its start: who am I, what may I do, which funnels, stages, fields and units exist."""

from collections.abc import Mapping
from typing import Any

from esb_standins.bitrix24.entities import BY_TYPE_WITH_FUNNELS
from esb_standins.bitrix24.errors import RestError, bad_fields, wrong_auth_type
from esb_standins.bitrix24.filters import meets, old_conditions, order_by
from esb_standins.bitrix24.item_methods import kind_of
from esb_standins.bitrix24.params import as_int, as_list, as_map
from esb_standins.bitrix24.portal import Answer, Handler, Params, Portal
from esb_standins.bitrix24.schema import DEAL, KINDS, Field
from esb_standins.bitrix24.store import Record

_STATUS_FIELDS = {
    name: Field(name, "integer" if name in {"ID", "SORT", "CATEGORY_ID"} else "string")
    for name in ("ID", "ENTITY_ID", "STATUS_ID", "NAME", "SORT", "SYSTEM", "CATEGORY_ID", "SEMANTICS")
}
_USER_FIELD_FIELDS = {
    name: Field(name, "integer" if name in {"ID", "SORT"} else "string")
    for name in ("ID", "FIELD_NAME", "USER_TYPE_ID", "XML_ID", "SORT", "MULTIPLE", "MANDATORY")
}
_MAX_FIELD_NAME = 50


def _profile(portal: Portal, _: Params) -> Answer:
    user = portal.store.all("user")[portal.settings.user]
    names = {"NAME": user["NAME"], "LAST_NAME": user["LAST_NAME"]}
    return Answer({"ID": str(user["ID"]), "ADMIN": True, **names, "PERSONAL_GENDER": "", "TIME_ZONE": ""})


def _users(portal: Portal, params: Params) -> Answer:
    wanted = {key.lstrip("=").upper(): value for key, value in as_map(params.get("filter") or params).items()}
    numbers = {str(value) for value in as_list(wanted.get("ID"))}
    found = [{**user, "ID": str(user["ID"])} for user in portal.store.all("user").values()]
    rows = [user for user in found if not numbers or user["ID"] in numbers]
    return Answer(rows, len(rows))


def _current_user(portal: Portal, _: Params) -> Answer:
    user = portal.store.all("user")[portal.settings.user]
    return Answer({**user, "ID": str(user["ID"])})


def _currencies(portal: Portal, _: Params) -> Answer:
    return Answer([_text_record(entry) for entry in portal.store.all("currency").values()])


def _categories(portal: Portal, params: Params) -> Answer:
    kind = kind_of(params)
    if kind.entity_type_id not in BY_TYPE_WITH_FUNNELS:
        raise RestError(400, "ENTITY_TYPE_NOT_SUPPORTED", "Entity type is not supported")
    found = [entry for entry in portal.store.all("category").values() if entry["entityTypeId"] == kind.entity_type_id]
    rows = [{name: value for name, value in entry.items() if name != "ID"} for entry in found]
    return Answer({"categories": sorted(rows, key=lambda row: int(row["sort"]))}, len(rows))


def _statuses(portal: Portal, params: Params) -> Answer:
    """List dictionary values: the whole list, no pages."""
    conditions = old_conditions(params.get("filter"), _STATUS_FIELDS)
    rows = [entry for entry in portal.store.all("status").values() if all(meets(entry, one) for one in conditions)]
    order = params.get("order") or {"SORT": "ASC"}
    return Answer([_text_record(entry) for entry in order_by(rows, order, _STATUS_FIELDS)])


def _user_fields(portal: Portal, params: Params) -> Answer:
    """List the user fields of deals: no pages; the labels appear only with a language in the filter."""
    conditions = old_conditions(params.get("filter"), _USER_FIELD_FIELDS)
    labelled = any(key.upper() == "LANG" for key in as_map(params.get("filter")))
    rows = [
        entry
        for entry in portal.store.all("userfield").values()
        if entry["ENTITY_ID"] == DEAL.user_field_entity and all(meets(entry, one) for one in conditions)
    ]
    return Answer([_shown_user_field(entry, labelled=labelled) for entry in rows], len(rows))


def _add_user_field(portal: Portal, params: Params) -> Answer:
    raw = params.get("fields")
    if not isinstance(raw, dict):
        raise bad_fields()
    return Answer(add_user_field(portal, "deal", raw)["ID"])


def add_user_field(portal: Portal, kind_name: str, raw: Mapping[str, Any]) -> Record:
    """Define a user field; the prefix is added, the name is upper-cased.

    Raises:
        RestError: the name is too long or taken.
    """
    kind = KINDS[kind_name]
    name = str(raw.get("FIELD_NAME") or "").upper()
    name = name if name.startswith("UF_CRM_") else f"UF_CRM_{name}"
    if len(name) > _MAX_FIELD_NAME or name == "UF_CRM_":
        raise RestError(400, "ERROR_CORE", "Field name must not be longer than 50 characters.<br>")
    if name in portal.fields(kind):
        raise RestError(400, "ERROR_CORE", f"Field {name} for object {kind.user_field_entity} already exists.<br>")
    label = raw.get("LABEL") or raw.get("EDIT_FORM_LABEL") or name
    record: Record = {
        "ID": portal.store.next_id("userfield"),
        "ENTITY_ID": kind.user_field_entity,
        "FIELD_NAME": name,
        "USER_TYPE_ID": str(raw.get("USER_TYPE_ID") or "string"),
        "XML_ID": str(raw.get("XML_ID") or ""),
        "SORT": as_int(raw.get("SORT")) or 100,
        "MULTIPLE": "Y" if raw.get("MULTIPLE") == "Y" else "N",
        "MANDATORY": "N",
        "LABEL": next(iter(label.values()), name) if isinstance(label, dict) else str(label),
        "LIST": [_enum_item(portal, as_map(item)) for item in as_list(raw.get("LIST"))],
    }
    with portal.writing():
        portal.store.put("userfield", record, "create", raw)
        portal.fire("ONCRMDEALUSERFIELDADD", {"ID": record["ID"], "FIELD_NAME": name})
    return record


def _refuse_webhook(_: Portal, __: Params) -> Answer:
    """Refuse what only an installed application may do."""
    raise wrong_auth_type()


DICTIONARY_METHODS: Mapping[str, Handler] = {
    "profile": _profile,
    "scope": lambda portal, _: Answer(list(portal.settings.scopes)),
    "server.time": lambda portal, _: Answer(portal.now()),
    "user.get": _users,
    "user.current": _current_user,
    "crm.settings.mode.get": lambda _, __: Answer(1),
    "crm.category.list": _categories,
    "crm.status.list": _statuses,
    "crm.deal.userfield.list": _user_fields,
    "crm.deal.userfield.add": _add_user_field,
    "crm.currency.list": _currencies,
    "event.bind": _refuse_webhook,
    "event.get": _refuse_webhook,
    "event.offline.get": _refuse_webhook,
}


def _enum_item(portal: Portal, raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return one value of an enumeration; without an XML_ID the portal makes one up."""
    number = as_int(raw.get("ID")) or portal.store.next_id("enum")
    return {
        "ID": str(number),
        "SORT": str(raw.get("SORT") or 100),
        "VALUE": str(raw.get("VALUE") or ""),
        "DEF": "N",
        "XML_ID": str(raw.get("XML_ID") or f"{number:032x}"),
    }


def _shown_user_field(record: Record, *, labelled: bool) -> dict[str, Any]:
    shown = _text_record({name: value for name, value in record.items() if name not in {"LABEL", "LIST"}})
    if record["LIST"]:
        shown["LIST"] = record["LIST"]
    if labelled:
        shown |= dict.fromkeys(("EDIT_FORM_LABEL", "LIST_COLUMN_LABEL", "LIST_FILTER_LABEL"), record["LABEL"])
    return shown


def _text_record(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: str(value) if isinstance(value, int) else value for name, value in record.items()}
