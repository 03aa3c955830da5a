"""Fields of the CRM objects: one table per kind, read by both generations of methods.

Records are kept under the old names (`STAGE_ID`); `Field.item_name` is what `crm.item.*` calls the same thing.
Source: Bitrix24 REST docs, "crm.deal.fields" and its siblings, "Object fields".
"""

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

_SPECIAL: Final = {
    "DATE_CREATE": "createdTime",
    "DATE_MODIFY": "updatedTime",
    "CREATED_BY_ID": "createdBy",
    "MODIFY_BY_ID": "updatedBy",
    "MOVED_BY_ID": "movedBy",
    "COMPANY_TYPE": "typeId",
    "MYCOMPANY_ID": "mycompanyId",
}

INTEGERS: Final = frozenset({
    "integer", "user", "crm_category", "crm_company", "crm_contact", "crm_lead", "crm_quote", "crm_entity",
    "enumeration",
})  # fmt: skip
DECIMALS: Final = frozenset({"double"})
MOMENTS: Final = frozenset({"datetime", "date"})


@dataclass(frozen=True)
class Field:
    """One field. `items` are the values of an enumeration as (id, text, XML_ID)."""

    name: str
    type: str
    read_only: bool = False
    immutable: bool = False
    multiple: bool = False
    title: str = ""
    items: tuple[tuple[int, str, str], ...] = ()

    @property
    def is_user_field(self) -> bool:
        return self.name.startswith("UF_")

    @cached_property
    def item_name(self) -> str:
        return _SPECIAL.get(self.name) or camel(self.name)


def camel(name: str) -> str:
    """Turn `UF_CRM_3_INN` into `ufCrm3Inn`; a part of digits after a word keeps its underscore when it ends the name.

    `UF_CRM_1747309879` is `ufCrm_1747309879`, `PARENT_ID_2` is `parentId2`.
    Source: Bitrix24 REST docs, "Universal methods for CRM objects".
    """
    head, *parts = name.lower().split("_")
    text = head + "".join(part[:1].upper() + part[1:] for part in parts)
    return re.sub(r"^(ufCrm)(\d+)$", r"\1_\2", text)


@dataclass(frozen=True)
class Kind:
    """One kind of CRM object: its numbers, names and standard fields."""

    name: str
    entity_type_id: int
    owner_code: str
    user_field_entity: str
    event: str
    fields: tuple[Field, ...]
    hidden_category: int | None = field(default=None)


def _table(text: str) -> tuple[Field, ...]:
    fields = []
    for line in text.split(";"):
        name, kind, *flags = line.split()
        fields.append(
            Field(name, kind, read_only="ro" in flags, immutable="fixed" in flags, multiple="many" in flags, title=name)
        )
    return tuple(fields)


_AUDIT = """
    ASSIGNED_BY_ID user; CREATED_BY_ID user ro; MODIFY_BY_ID user ro; DATE_CREATE datetime ro; DATE_MODIFY datetime ro;
    OPENED char; LAST_ACTIVITY_BY user ro; LAST_ACTIVITY_TIME datetime ro"""
_MARKETING = "UTM_SOURCE string; UTM_MEDIUM string; UTM_CAMPAIGN string; UTM_CONTENT string; UTM_TERM string"
_ORIGIN = "ORIGINATOR_ID string; ORIGIN_ID string"
_MONEY = "CURRENCY_ID crm_currency; OPPORTUNITY double; IS_MANUAL_OPPORTUNITY char; TAX_VALUE double ro"
_MOVES = "MOVED_BY_ID user ro; MOVED_TIME datetime ro"

DEAL: Final = Kind("deal", 2, "D", "CRM_DEAL", "ONCRMDEAL", _table(f"""
    ID integer ro; TITLE string; TYPE_ID crm_status; CATEGORY_ID crm_category fixed; STAGE_ID crm_status;
    STAGE_SEMANTIC_ID string ro; PREVIOUS_STAGE_ID crm_status ro; IS_NEW char ro; IS_RECURRING char;
    IS_RETURN_CUSTOMER char; IS_REPEATED_APPROACH char; PROBABILITY integer; {_MONEY}; LEAD_ID crm_lead;
    QUOTE_ID crm_quote; COMPANY_ID crm_company; CONTACT_ID crm_contact; CONTACT_IDS crm_contact many;
    BEGINDATE date; CLOSEDATE date;
    CLOSED char ro; COMMENTS string; ADDITIONAL_INFO string; LOCATION_ID location; SOURCE_ID crm_status;
    SOURCE_DESCRIPTION string; {_ORIGIN}; {_MOVES}; {_AUDIT}; {_MARKETING}"""))  # fmt: skip

CONTACT: Final = Kind("contact", 3, "C", "CRM_CONTACT", "ONCRMCONTACT", _table(f"""
    ID integer ro; HONORIFIC crm_status; NAME string; SECOND_NAME string; LAST_NAME string; POST string;
    BIRTHDATE date; TYPE_ID crm_status; SOURCE_ID crm_status; SOURCE_DESCRIPTION string; COMMENTS string; EXPORT char;
    COMPANY_ID crm_company; LEAD_ID crm_lead; HAS_PHONE char ro; HAS_EMAIL char ro; PHONE multifield many;
    EMAIL multifield many; {_ORIGIN}; ORIGIN_VERSION string; {_AUDIT}; {_MARKETING}"""), 0)  # fmt: skip

COMPANY: Final = Kind("company", 4, "CO", "CRM_COMPANY", "ONCRMCOMPANY", _table(f"""
    ID integer ro; TITLE string; COMPANY_TYPE crm_status; INDUSTRY crm_status; EMPLOYEES crm_status; REVENUE double;
    CURRENCY_ID crm_currency; BANKING_DETAILS string; COMMENTS string; IS_MY_COMPANY char; LEAD_ID crm_lead;
    HAS_PHONE char ro; HAS_EMAIL char ro; PHONE multifield many; EMAIL multifield many;
    {_ORIGIN}; ORIGIN_VERSION string; {_AUDIT}; {_MARKETING}"""), 0)  # fmt: skip

INVOICE: Final = Kind("invoice", 31, "SI", "CRM_SMART_INVOICE", "ONCRMDYNAMICITEM", _table(f"""
    ID integer ro; XML_ID string; TITLE string; ACCOUNT_NUMBER string; CATEGORY_ID crm_category; STAGE_ID crm_status;
    PREVIOUS_STAGE_ID crm_status ro; BEGINDATE date; CLOSEDATE date; COMPANY_ID crm_company; CONTACT_ID crm_contact;
    CONTACT_IDS crm_contact many; MYCOMPANY_ID crm_company; {_MONEY}; COMMENTS string; SOURCE_ID crm_status;
    SOURCE_DESCRIPTION string; LOCATION_ID location; PARENT_ID_2 crm_entity; {_MOVES}; {_AUDIT}"""))  # fmt: skip

KINDS: Final = {kind.name: kind for kind in (DEAL, CONTACT, COMPANY, INVOICE)}
BY_TYPE: Final = {kind.entity_type_id: kind for kind in KINDS.values()}
BY_OWNER: Final = {kind.owner_code: kind for kind in KINDS.values()}


def user_field(record: dict[str, Any]) -> Field:
    """Read a field from its stored definition (the answer shape of `crm.deal.userfield.list`)."""
    return Field(
        name=record["FIELD_NAME"],
        type=record["USER_TYPE_ID"],
        multiple=record["MULTIPLE"] == "Y",
        title=record.get("LABEL") or record["FIELD_NAME"],
        items=tuple((int(item["ID"]), item["VALUE"], item["XML_ID"]) for item in record.get("LIST") or ()),
    )
