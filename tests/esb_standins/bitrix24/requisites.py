"""Requisites: the legal data of a company or contact, several per owner, ИНН and КПП among them."""

from collections.abc import Mapping
from typing import Any, Final

from esb_standins.bitrix24.errors import RestError, bad_fields, not_found
from esb_standins.bitrix24.listing import old_page, selected
from esb_standins.bitrix24.old_methods import describe
from esb_standins.bitrix24.params import as_int, as_map
from esb_standins.bitrix24.portal import Answer, Handler, Params, Portal
from esb_standins.bitrix24.schema import Field
from esb_standins.bitrix24.store import Record
from esb_standins.bitrix24.values import old_text, parse

_INTEGERS: Final = ("ENTITY_TYPE_ID", "ENTITY_ID", "PRESET_ID", "SORT")
_TEXTS: Final = (
    "NAME", "CODE", "XML_ID", "ACTIVE", "RQ_NAME", "RQ_COMPANY_NAME", "RQ_COMPANY_FULL_NAME", "RQ_COMPANY_REG_DATE",
    "RQ_DIRECTOR", "RQ_ACCOUNTANT", "RQ_CEO_NAME", "RQ_CEO_WORK_POS", "RQ_FIRST_NAME", "RQ_LAST_NAME", "RQ_SECOND_NAME",
    "RQ_INN", "RQ_KPP", "RQ_OGRN", "RQ_OGRNIP", "RQ_OKPO", "RQ_OKTMO", "RQ_OKVED", "RQ_IFNS", "RQ_EMAIL", "RQ_PHONE",
    "RQ_CONTACT", "RQ_BASE_DOC", "RQ_VAT_PAYER",
)  # fmt: skip
_READ_ONLY: Final = (Field("ID", "integer", read_only=True), Field("DATE_CREATE", "datetime", read_only=True),
                     Field("DATE_MODIFY", "datetime", read_only=True))  # fmt: skip
FIELDS: Final = {
    field.name: field
    for field in (
        *_READ_ONLY,
        *(Field(name, "integer", title=name) for name in _INTEGERS),
        *(Field(name, "string", title=name) for name in _TEXTS),
    )
}
_LINK_FIELDS: Final = (
    "ENTITY_TYPE_ID", "ENTITY_ID", "REQUISITE_ID", "BANK_DETAIL_ID", "MC_REQUISITE_ID", "MC_BANK_DETAIL_ID",
)  # fmt: skip
_REQUIRED: Final = ("ENTITY_TYPE_ID", "ENTITY_ID", "PRESET_ID", "NAME")


def add_requisite(portal: Portal, raw: Mapping[str, Any]) -> Record:
    """Add a requisite; neither ИНН nor XML_ID is unique."""
    now = portal.now()
    values = _values(raw)
    record = {
        "ID": portal.store.next_id("requisite"), "DATE_CREATE": now, "DATE_MODIFY": now, "ACTIVE": "Y", "SORT": 500,
        **values,
    }  # fmt: skip
    with portal.writing():
        portal.store.put("requisite", record, "create", raw)
        portal.fire("ONCRMREQUISITEADD", {"ID": record["ID"]})
    return record


def _add(portal: Portal, params: Params) -> Answer:
    raw = params.get("fields")
    if not isinstance(raw, dict):
        raise bad_fields()
    values = _values(raw)
    for name in _REQUIRED:
        if not values.get(name):
            raise RestError(400, "ERROR_CORE", f"Field '{name}' is required.<br>")
    owner_kind = {3: "contact", 4: "company"}.get(values["ENTITY_TYPE_ID"], "")
    if portal.store.get(owner_kind, values["ENTITY_ID"]) is None:
        raise RestError(400, "ERROR_CORE", "Parent entity is not found.<br>")
    return Answer(add_requisite(portal, raw)["ID"])


def _get(portal: Portal, params: Params) -> Answer:
    return Answer(_shown(_found(portal, params), list(FIELDS.values())))


def _list(portal: Portal, params: Params) -> Answer:
    rows, paging = old_page(portal, "requisite", FIELDS, params)
    columns = selected(FIELDS, params.get("select"), lambda _: True)
    return Answer([_shown(record, columns) for record in rows], paging.total, paging.next)


def _update(portal: Portal, params: Params) -> Answer:
    current = _found(portal, params)
    raw = as_map(params.get("fields"))
    record = {**current, **_values(raw), "DATE_MODIFY": portal.now()}
    with portal.writing():
        portal.store.put("requisite", record, "update", raw)
        portal.fire("ONCRMREQUISITEUPDATE", {"ID": record["ID"]})
    return Answer(result=True)


def _fields(_: Portal, __: Params) -> Answer:
    return Answer({name: describe(field) for name, field in FIELDS.items()})


def _presets(_: Portal, __: Params) -> Answer:
    names = ((1, "Организация", "COMPANY"), (2, "ИП", "INDIVIDUAL"), (3, "Физ. лицо", "PERSON"))
    rows = [
        {"ID": str(number), "NAME": name, "COUNTRY_ID": "1", "ENTITY_TYPE_ID": "8", "ACTIVE": "Y",
         "SORT": "500", "XML_ID": f"#CRM_REQUISITE_PRESET_DEF_RU_{code}#"}
        for number, name, code in names
    ]  # fmt: skip
    return Answer(rows, len(rows))


def _link(portal: Portal, params: Params) -> Answer:
    """Remember which requisite a deal or an invoice prints; a second call for the same object replaces the first."""
    raw = as_map(params.get("fields"))
    values = {name: as_int(raw.get(name)) for name in _LINK_FIELDS}
    if None in values.values():
        raise RestError(400, "", "All fields of the link are required.")
    known = portal.store.lookup("requisitelink", "ENTITY_ID", values["ENTITY_ID"])
    same = [link["ID"] for link in known if link["ENTITY_TYPE_ID"] == values["ENTITY_TYPE_ID"]]
    with portal.writing():
        number = same[0] if same else portal.store.next_id("requisitelink")
        portal.store.put("requisitelink", {"ID": number, **values}, "update" if same else "create", raw)
    return Answer(result=True)


def _linked(portal: Portal, params: Params) -> Answer:
    kind, number = as_int(params.get("entitytypeid")), as_int(params.get("entityid"))
    for link in portal.store.lookup("requisitelink", "ENTITY_ID", number):
        if link["ENTITY_TYPE_ID"] == kind:
            return Answer({name: str(link[name]) for name in _LINK_FIELDS})
    raise not_found()


REQUISITE_METHODS: Mapping[str, Handler] = {
    "crm.requisite.add": _add,
    "crm.requisite.get": _get,
    "crm.requisite.list": _list,
    "crm.requisite.update": _update,
    "crm.requisite.fields": _fields,
    "crm.requisite.link.register": _link,
    "crm.requisite.link.get": _linked,
    "crm.requisite.preset.list": _presets,
}


def _values(raw: Mapping[str, Any]) -> dict[str, Any]:
    known = ((FIELDS.get(name.upper()), value) for name, value in raw.items())
    return {field.name: parse(field, value) for field, value in known if field and not field.read_only}


def _shown(record: Record, columns: list[Field]) -> dict[str, Any]:
    return {field.name: old_text(field, record.get(field.name)) for field in columns}


def _found(portal: Portal, params: Params) -> Record:
    record = portal.store.get("requisite", as_int(params.get("id")))
    if record is None:
        raise not_found(f"The Requisite with ID '{params.get('id')}' is not found")
    return record
