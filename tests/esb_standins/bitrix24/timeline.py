"""Comments in the timeline of an object: how the bus tells a manager what happened."""

from collections.abc import Mapping

from esb_standins.bitrix24.errors import RestError, bad_fields, not_found
from esb_standins.bitrix24.filters import meets, old_conditions, order_by
from esb_standins.bitrix24.listing import page_of
from esb_standins.bitrix24.params import as_int, as_map
from esb_standins.bitrix24.portal import Answer, Handler, Params, Portal
from esb_standins.bitrix24.schema import Field
from esb_standins.bitrix24.store import Record
from esb_standins.bitrix24.values import old_text

_FIELDS = {
    field.name: field
    for field in (
        Field("ID", "integer", read_only=True),
        Field("CREATED", "datetime", read_only=True),
        Field("AUTHOR_ID", "user"),
        Field("ENTITY_ID", "integer"),
        Field("ENTITY_TYPE", "string"),
        Field("COMMENT", "string"),
    )
}
_KINDS = {"deal": "deal", "contact": "contact", "company": "company", "dynamic_31": "invoice"}


def _add(portal: Portal, params: Params) -> Answer:
    """Add a comment. Not idempotent: the same call twice leaves two comments."""
    fields = params.get("fields")
    if not isinstance(fields, dict):
        raise bad_fields()
    kind, owner = str(fields.get("ENTITY_TYPE", "")).lower(), as_int(fields.get("ENTITY_ID"))
    if kind not in _KINDS or portal.store.get(_KINDS[kind], owner) is None:
        raise RestError(400, "", "Empty bindings")
    record: Record = {
        "ID": portal.store.next_id("timeline"),
        "CREATED": portal.now(),
        "AUTHOR_ID": portal.settings.user,
        "ENTITY_ID": owner,
        "ENTITY_TYPE": kind,
        "COMMENT": str(fields.get("COMMENT") or ""),
    }
    with portal.writing():
        portal.store.put("timeline", record, "create", fields)
        portal.fire("ONCRMTIMELINECOMMENTADD", {"ID": record["ID"]})
    return Answer(record["ID"])


def _list(portal: Portal, params: Params) -> Answer:
    wanted = {key.lstrip("=") for key in as_map(params.get("filter"))}
    if not {"ENTITY_ID", "ENTITY_TYPE"} <= wanted:
        raise RestError(400, "", "Empty bindings")
    conditions = old_conditions(params.get("filter"), _FIELDS)
    owner = next(entry.value for entry in conditions if entry.field.name == "ENTITY_ID")
    rows = portal.store.lookup("timeline", "ENTITY_ID", owner)
    found = [record for record in rows if all(meets(record, condition) for condition in conditions)]
    page, paging = page_of(order_by(found, params.get("order"), _FIELDS), params.get("start"))
    return Answer([_shown(record) for record in page], paging.total, paging.next)


def _get(portal: Portal, params: Params) -> Answer:
    record = portal.store.get("timeline", as_int(params.get("id")))
    if record is None:
        raise not_found()
    return Answer(_shown(record))


TIMELINE_METHODS: Mapping[str, Handler] = {
    "crm.timeline.comment.add": _add,
    "crm.timeline.comment.list": _list,
    "crm.timeline.comment.get": _get,
}


def _shown(record: Record) -> dict[str, object]:
    return {name: old_text(field, record.get(name)) for name, field in _FIELDS.items()}
