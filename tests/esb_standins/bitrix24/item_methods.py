"""The current generation: `crm.item.*` — camelCase names, typed values, strict filters."""

from collections.abc import Mapping
from typing import Any

from esb_standins.bitrix24.entities import change, create, known_values, move, must_exist, remove
from esb_standins.bitrix24.errors import RestError, missing
from esb_standins.bitrix24.listing import item_page
from esb_standins.bitrix24.multifields import from_fm, to_fm
from esb_standins.bitrix24.old_methods import describe
from esb_standins.bitrix24.params import as_int, as_list, as_map
from esb_standins.bitrix24.portal import Answer, Handler, Params, Portal
from esb_standins.bitrix24.schema import BY_TYPE, DEAL, INVOICE, Field, Kind
from esb_standins.bitrix24.store import Record
from esb_standins.bitrix24.values import item_value


def _add(portal: Portal, params: Params) -> Answer:
    kind = kind_of(params)
    raw = _fields(portal, kind, params)
    with portal.writing():
        record = create(portal, kind, raw, portal.settings.user)
    return Answer({"item": shown(portal, kind, record, params)})


def _get(portal: Portal, params: Params) -> Answer:
    kind = kind_of(params)
    record = must_exist(portal, kind, _number(params))
    return Answer({"item": shown(portal, kind, record, params)})


def _update(portal: Portal, params: Params) -> Answer:
    kind = kind_of(params)
    current = must_exist(portal, kind, _number(params))
    raw = _fields(portal, kind, params)
    values = known_values(portal, kind, raw, current)
    if kind in {DEAL, INVOICE}:
        values = move(portal, kind, current, values)
    with portal.writing():
        record = change(portal, kind, current["ID"], values, raw, portal.settings.user)
    return Answer({"item": shown(portal, kind, record, params)})


def _delete(portal: Portal, params: Params) -> Answer:
    kind = kind_of(params)
    current = must_exist(portal, kind, _number(params))
    with portal.writing():
        remove(portal, kind, current["ID"])
    return Answer([])


def _list(portal: Portal, params: Params) -> Answer:
    kind = kind_of(params)
    rows, paging = item_page(portal, kind.name, portal.item_fields(kind), params)
    wanted = {str(name) for name in as_list(params.get("select"))} or {"*"}
    items = [shown(portal, kind, record, params, wanted) for record in rows]
    return Answer({"items": items}, paging.total, paging.next)


def _describe(portal: Portal, params: Params) -> Answer:
    kind = kind_of(params)
    found = {}
    for field in portal.fields(kind).values():
        if field.type != "multifield":
            found[_name(field, params)] = {**describe(field), "upperName": field.name}
    return Answer({"fields": found})


ITEM_METHODS: Mapping[str, Handler] = {
    "crm.item.add": _add,
    "crm.item.get": _get,
    "crm.item.update": _update,
    "crm.item.delete": _delete,
    "crm.item.list": _list,
    "crm.item.fields": _describe,
}


def kind_of(params: Params) -> Kind:
    """Return the kind that `entityTypeId` names."""
    number = as_int(params.get("entityTypeId"))
    if number is None:
        raise missing("entityTypeId")
    if number in {0, 5}:
        raise RestError(400, "ENTITY_TYPE_NOT_SUPPORTED", "Entity type is not supported")
    kind = BY_TYPE.get(number)
    if kind is None:
        raise RestError(400, "NOT_FOUND", "SPA not found")
    return kind


def shown(portal: Portal, kind: Kind, record: Record, params: Params, wanted: set[str] | None = None) -> dict[str, Any]:
    """Show a record; `wanted` limits the fields, and the multi-fields appear only with everything."""
    everything = wanted is None or "*" in wanted
    item: dict[str, Any] = {}
    for field in portal.fields(kind).values():
        if field.type == "multifield":
            continue
        name = _name(field, params)
        if everything or name in (wanted or ()) or field.name in (wanted or ()) or field.name == "ID":
            item[name] = item_value(field, record.get(field.name))
    if kind.hidden_category is not None and everything:
        item["categoryId"] = kind.hidden_category
    if everything:
        item["entityTypeId"] = kind.entity_type_id
        item |= {"fm": to_fm(record)} if any(field.type == "multifield" for field in kind.fields) else {}
    return item


def _fields(portal: Portal, kind: Kind, params: Params) -> dict[str, Any]:
    """Translate the names of `fields` to those records are kept under; unknown ones are dropped silently."""
    if not isinstance(params.get("fields"), dict | list):
        raise missing("fields")
    names = portal.item_fields(kind)
    raw = as_map(params["fields"])
    found = {names[name].name: value for name, value in raw.items() if name in names}
    return found | from_fm(raw.get("fm"))


def _name(field: Field, params: Params) -> str:
    keeps = str(params.get("useOriginalUfNames", "N")) in {"Y", "1", "True", "true"}
    return field.name if keeps and field.is_user_field else field.item_name


def _number(params: Params) -> int:
    number = as_int(params.get("id"))
    if number is None:
        raise missing("id")
    return number
