"""What a portal contains: the built-in dictionaries of every portal, and the company of the demo."""

from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from esb_standins import company
from esb_standins.bitrix24.dictionaries import add_user_field
from esb_standins.bitrix24.entities import create
from esb_standins.bitrix24.portal import Portal
from esb_standins.bitrix24.requisites import add_requisite
from esb_standins.bitrix24.schema import COMPANY
from esb_standins.bitrix24.store import Record

INVOICE_CATEGORY: Final = 9
SELLERS: Final = {"44": "romashka-retail", "45": "romashka-opt", "46": "romashka-service"}
"""Items of the field «Юрлицо продавца» (UF_CRM_SELLER); their numbers differ from portal to portal."""

FUNNELS: Final = {3: "romashka-retail", 5: "romashka-opt", 7: "romashka-service"}
"""The funnel of each legal entity; 0 is the portal's default one."""

SELLER_FIELD: Final = "UF_CRM_SELLER"
ESB_FIELDS: Final = (
    ("UF_CRM_ESB_NUMBER", "string", "Номер в 1С"),
    ("UF_CRM_ESB_STATUS", "string", "Состояние в 1С"),
    ("UF_CRM_ESB_ENTITY", "string", "Юрлицо по данным шины"),
    ("UF_CRM_ESB_PAID", "money", "Оплачено"),
    ("UF_CRM_ESB_PAID_AT", "datetime", "Дата оплаты"),
    ("UF_CRM_ESB_DEBT", "money", "Долг"),
    ("UF_CRM_ESB_VERSIONS", "string", "Версии данных шины"),
)
"""Fields of deals the bus writes."""

_STAGES: Final = (
    ("NEW", "Новая", None), ("PREPARATION", "Подготовка документов", None),
    ("PREPAYMENT_INVOICE", "Счёт на предоплату", None),
    ("EXECUTING", "В работе", None), ("FINAL_INVOICE", "Финальный счёт", None), ("WON", "Сделка успешна", "S"),
    ("LOSE", "Сделка провалена", "F"), ("APOLOGY", "Анализ причины провала", "F"),
)  # fmt: skip
_INVOICE_STAGES: Final = (
    ("N", "Новый", None),
    ("S", "Отправлен клиенту", None),
    ("P", "Оплачен", "S"),
    ("D", "Не оплачен", "F"),
)
_SEMANTIC_WORDS: Final = {None: "process", "S": "success", "F": "failure"}
_USERS: Final = (("Вера", "Портальная"), ("Тимофей", "Продажный"), ("Шина", "Обменная"))


def install(portal: Portal) -> None:
    """Put into an empty portal what every portal has."""
    if portal.store.all("user"):
        return
    with portal.writing():
        for number, (name, last_name) in enumerate(_USERS, start=1):
            _put(portal, "user", number, {
                "NAME": name, "LAST_NAME": last_name, "ACTIVE": True, "EMAIL": f"user{number}@portal.example",
                "USER_TYPE": "employee",
            })  # fmt: skip
        _put(portal, "currency", 1, {"CURRENCY": "RUB", "AMOUNT": "1.0000", "AMOUNT_CNT": 1, "BASE": "Y", "SORT": 100,
                                     "FULL_NAME": "Российский рубль", "DECIMALS": "2"})  # fmt: skip
        _category(portal, 0, 2, "Общая", is_default=True)
        _category(portal, INVOICE_CATEGORY, 31, "Общая", is_default=True)
        _stages(portal, "DEAL_STAGE", "", 0, _STAGES)
        place = (f"SMART_INVOICE_STAGE_{INVOICE_CATEGORY}", f"DT31_{INVOICE_CATEGORY}:", INVOICE_CATEGORY)
        _stages(portal, *place, _INVOICE_STAGES)


def fill(portal: Portal) -> dict[str, int]:
    """Put the company into a portal: funnels, fields, goods, own companies and customers. Twice changes nothing."""
    if portal.store.all("product"):
        return counts(portal)
    with portal.writing():
        for number, code in FUNNELS.items():
            _category(portal, number, 2, company.entity(code).full_name, is_default=False)
            _stages(portal, f"DEAL_STAGE_{number}", f"C{number}:", number, _STAGES)
        _user_fields(portal)
        _dictionaries(portal)
        _products(portal)
        _companies(portal)
    return counts(portal)


def counts(portal: Portal) -> dict[str, int]:
    return {kind: len(portal.store.all(kind)) for kind in ("category", "userfield", "product", "company", "requisite")}


def seller_item(code: str) -> int:
    """Return the enumeration item of a legal entity."""
    return next(int(item) for item, found in SELLERS.items() if found == code)


def funnel_of(code: str) -> int:
    return next(number for number, found in FUNNELS.items() if found == code)


def add_company(portal: Portal, customer: Any, *, is_own: bool = False) -> Record:
    """Add a company with its requisites, as a manager would."""
    contacts = {"PHONE": [{"VALUE": customer.phone}], "EMAIL": [{"VALUE": customer.email}]} if not is_own else {}
    fields = {"TITLE": customer.name, "IS_MY_COMPANY": "Y" if is_own else "N", **contacts}
    record = create(portal, COMPANY, fields, portal.settings.user)
    add_requisite(portal, {
        "ENTITY_TYPE_ID": COMPANY.entity_type_id, "ENTITY_ID": record["ID"], "PRESET_ID": 1 if customer.kpp else 2,
        "NAME": "Организация" if customer.kpp else "ИП", "RQ_COMPANY_NAME": customer.name,
        "RQ_COMPANY_FULL_NAME": customer.full_name, "RQ_INN": customer.inn, "RQ_KPP": customer.kpp,
        "RQ_OGRN": customer.ogrn,
    })  # fmt: skip
    return record


def _user_fields(portal: Portal) -> None:
    items = [{"ID": item, "VALUE": company.entity(code).name, "XML_ID": code} for item, code in SELLERS.items()]
    add_user_field(portal, "deal", {
        "FIELD_NAME": SELLER_FIELD, "USER_TYPE_ID": "enumeration", "LABEL": "Юрлицо продавца", "LIST": items,
    })  # fmt: skip
    for name, kind, label in ESB_FIELDS:
        add_user_field(portal, "deal", {"FIELD_NAME": name, "USER_TYPE_ID": kind, "LABEL": label})


def _dictionaries(portal: Portal) -> None:
    for number, unit in enumerate(company.UNITS, start=1):
        _put(portal, "measure", number, {
            "id": number, "code": int(unit.okei), "measureTitle": unit.name, "symbol": unit.short, "symbolIntl": "",
            "symbolLetterIntl": "", "isDefault": "Y" if unit.okei == "796" else "N",
        })  # fmt: skip
    for number, rate in enumerate(company.VAT_RATES, start=1):
        percent = None if rate.percent is None else float(rate.percent)
        _put(portal, "vat", number, {
            "id": number, "name": rate.title, "rate": percent, "active": "Y", "sort": number * 10,
            "timestampX": portal.now(),
        })  # fmt: skip


def _products(portal: Portal) -> None:
    units = {unit.okei: number for number, unit in enumerate(company.UNITS, start=1)}
    rates = {rate.code: number for number, rate in enumerate(company.VAT_RATES, start=1)}
    for number, product in enumerate(company.PRODUCTS, start=1):
        _put(portal, "product", 1000 + number, {
            "NAME": product.name, "CODE": product.article.lower(), "ARTICLE": product.article,
            "XML_ID": str(uuid5(NAMESPACE_URL, f"product:{product.article}")), "IS_SERVICE": product.is_service,
            "MEASURE": units[product.unit], "VAT_ID": rates[product.vat], "PRICE": str(product.price),
        })  # fmt: skip


def _companies(portal: Portal) -> None:
    for entity in company.ENTITIES:
        add_company(portal, entity, is_own=True)
    for customer in company.CUSTOMERS:
        add_company(portal, customer)


def _category(portal: Portal, number: int, entity_type: int, name: str, *, is_default: bool) -> None:
    key = entity_type * 1000 + number
    _put(portal, "category", key, {
        "id": number, "name": name, "sort": 100 + number, "entityTypeId": entity_type,
        "isDefault": "Y" if is_default else "N", "originId": "", "originatorId": "",
    })  # fmt: skip


def _stages(portal: Portal, entity_id: str, prefix: str, category: int, stages: Any) -> None:
    for position, (code, name, semantics) in enumerate(stages, start=1):
        record: Record = {
            "ENTITY_ID": entity_id, "STATUS_ID": f"{prefix}{code}", "NAME": name, "NAME_INIT": "",
            "SORT": position * 10,
            "SYSTEM": "Y" if code in {"NEW", "WON", "LOSE"} else "N", "CATEGORY_ID": category or None,
            "COLOR": "#2FC6F6", "SEMANTICS": semantics,
        }  # fmt: skip
        if entity_id.startswith("DEAL_STAGE"):
            word = "apology" if code == "APOLOGY" else _SEMANTIC_WORDS[semantics]
            record["EXTRA"] = {"SEMANTICS": word, "COLOR": "#2FC6F6"}
        _put(portal, "status", portal.store.next_id("status"), record)


def _put(portal: Portal, kind: str, number: int, values: Record) -> None:
    portal.store.put(kind, {"ID": number, **values}, "create")
