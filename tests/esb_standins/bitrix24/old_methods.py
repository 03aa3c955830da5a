"""The old generation: `crm.deal.*`, `crm.company.*`, `crm.contact.*` — upper-case names, everything is text."""

from collections.abc import Mapping
from typing import Any

from esb_standins.bitrix24.entities import belongs, change, create, known_values, remove
from esb_standins.bitrix24.errors import bad_fields, bad_id, not_found
from esb_standins.bitrix24.listing import old_page, selected
from esb_standins.bitrix24.multifields import to_old
from esb_standins.bitrix24.params import as_int, as_map
from esb_standins.bitrix24.portal import Answer, Handler, Params, Portal
from esb_standins.bitrix24.schema import COMPANY, CONTACT, DEAL, Field, Kind
from esb_standins.bitrix24.store import Record
from esb_standins.bitrix24.values import old_text


def old_handlers(kind: Kind) -> Mapping[str, Handler]:
    """Return the methods of one kind by their full names."""
    prefix = f"crm.{kind.name}"
    return {
        f"{prefix}.add": lambda portal, params: _add(portal, kind, params),
        f"{prefix}.get": lambda portal, params: _get(portal, kind, params),
        f"{prefix}.list": lambda portal, params: _list(portal, kind, params),
        f"{prefix}.update": lambda portal, params: _update(portal, kind, params),
        f"{prefix}.delete": lambda portal, params: _delete(portal, kind, params),
        f"{prefix}.fields": lambda portal, _: Answer(_described(portal, kind)),
    }


OLD_METHODS: Mapping[str, Handler] = {
    name: handler for kind in (DEAL, COMPANY, CONTACT) for name, handler in old_handlers(kind).items()
}


def _add(portal: Portal, kind: Kind, params: Params) -> Answer:
    raw = _fields(params)
    with portal.writing():
        record = create(portal, kind, raw, portal.settings.user)
    return Answer(record["ID"])


def _get(portal: Portal, kind: Kind, params: Params) -> Answer:
    record = _found(portal, kind, params)
    fields = [
        field for field in portal.fields(kind).values() if _is_shown(field) or _is_filled_multifield(field, record)
    ]
    return Answer(shown(record, fields))


def _list(portal: Portal, kind: Kind, params: Params) -> Answer:
    fields = portal.fields(kind)
    rows, paging = old_page(portal, kind.name, fields, params)
    columns = selected(fields, params.get("select"), _is_shown)
    return Answer([shown(record, columns) for record in rows], paging.total, paging.next)


def _update(portal: Portal, kind: Kind, params: Params) -> Answer:
    """Apply a partial change; a new funnel or a stage of another funnel is silently left out, the answer is true."""
    current = _found(portal, kind, params)
    raw = _fields(params)
    values = known_values(portal, kind, raw, current)
    values.pop("CATEGORY_ID", None)
    if "STAGE_ID" in values and not belongs(portal, kind, current["CATEGORY_ID"], values["STAGE_ID"]):
        del values["STAGE_ID"]
    with portal.writing():
        saves = portal.settings.old_update_always_saves
        change(portal, kind, current["ID"], values, raw, portal.settings.user, always_saves=saves)
    return Answer(result=True)


def _delete(portal: Portal, kind: Kind, params: Params) -> Answer:
    current = _found(portal, kind, params)
    with portal.writing():
        remove(portal, kind, current["ID"])
    return Answer(result=True)


def shown(record: Record, fields: list[Field]) -> dict[str, Any]:
    """Show a record in the old generation."""
    return {
        field.name: to_old(field.name, record.get(field.name) or [])
        if field.type == "multifield"
        else old_text(field, record.get(field.name))
        for field in fields
    }


def describe(field: Field) -> dict[str, Any]:
    """Describe a field as `*.fields` does."""
    described: dict[str, Any] = {
        "type": field.type,
        "isRequired": False,
        "isReadOnly": field.read_only,
        "isImmutable": field.immutable,
        "isMultiple": field.multiple,
        "isDynamic": field.is_user_field,
        "title": field.name if field.is_user_field else field.title,
    }
    if field.is_user_field:
        described |= {"listLabel": field.title, "formLabel": field.title, "filterLabel": field.title}
    if field.items:
        described["items"] = [{"ID": str(number), "VALUE": text} for number, text, _ in field.items]
    return described


def _described(portal: Portal, kind: Kind) -> dict[str, Any]:
    return {name: describe(field) for name, field in portal.fields(kind).items()}


def _is_shown(field: Field) -> bool:
    """CONTACT_IDS is written only; multi-fields must be asked for by name."""
    return field.name != "CONTACT_IDS" and field.type != "multifield"


def _is_filled_multifield(field: Field, record: Record) -> bool:
    return field.type == "multifield" and bool(record.get(field.name))


def _fields(params: Params) -> dict[str, Any]:
    if not isinstance(params.get("fields"), dict | list):
        raise bad_fields()
    return as_map(params["fields"])


def _found(portal: Portal, kind: Kind, params: Params) -> Record:
    number = as_int(params.get("id"))
    if not number or number < 0:
        raise bad_id()
    record = portal.store.get(kind.name, number)
    if record is None:
        raise not_found()
    return record
