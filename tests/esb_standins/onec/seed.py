"""The company of the demo as each configuration keeps it.

References are derived from the base's name and a natural key, so that they are the same in every run.
"""

import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from esb_standins.company import (
    CURRENCY,
    CUSTOMERS,
    PRICE_TYPES,
    PRODUCTS,
    UNITS,
    VAT_RATES,
    WALK_IN,
    WAREHOUSES,
    Customer,
    LegalEntity,
    Product,
    entity,
    vat_rate,
)

_NAMESPACE: Final = uuid.UUID("7f3f1f0e-5c33-5d2c-8d51-0d8f5f1f6a10")
KINDS_OF_PRODUCT: Final = {False: "Товары", True: "Услуги"}
ACCOUNTS: Final = (
    ("41.01", "Товары на складах", "ТоварыНаСкладах"),
    ("45.01", "Покупные товары отгруженные", "ПокупныеТоварыОтгруженные"),
    ("50.01", "Касса организации", "КассаОрганизации"),
    ("51", "Расчетные счета", "РасчетныеСчета"),
    ("62.01", "Расчеты с покупателями и заказчиками", "РасчетыСПокупателями"),
    ("62.02", "Расчеты по авансам полученным", "РасчетыПоАвансамПолученным"),
    ("76.05", "Расчеты с прочими поставщиками и подрядчиками", "РасчетыСПрочимиПоставщикамиИПодрядчиками"),
    ("90.01.1", "Выручка по деятельности с основной системой налогообложения", "ВыручкаНеЕНВД"),
    ("90.02.1", "Себестоимость продаж", "СебестоимостьПродажНеЕНВД"),
    ("90.03", "Налог на добавленную стоимость", "Продажи_НДС"),
)


@dataclass(frozen=True)
class Planted:
    """One object of the seed: its set, a natural key within the set, and its attributes."""

    set: str
    key: str
    fields: Mapping[str, Any]


def ref_of(endpoint: str, set_name: str, key: str) -> str:
    """Return the reference a seeded object has in the base called `endpoint`."""
    return str(uuid.uuid5(_NAMESPACE, f"{endpoint}/{set_name}/{key}"))


def seed_of(endpoint: str, profile: str, codes: tuple[str, ...]) -> Iterator[Planted]:
    """Yield everything a base of this configuration holds about the legal entities with these codes."""
    seeder = _Seeder(endpoint, [entity(code) for code in codes])
    yield from seeder.shared()
    yield from {
        "ut-11.5": seeder.trade,
        "retail-2": seeder.retail2,
        "retail-3": seeder.retail3,
        "bp-3.0": seeder.accounting,
    }[profile]()


class _Seeder:
    def __init__(self, endpoint: str, entities: list[LegalEntity]) -> None:
        self._endpoint = endpoint
        self._entities = entities

    def ref(self, catalog: str, key: str) -> str:
        return ref_of(self._endpoint, f"Catalog_{catalog}", key)

    def shared(self) -> Iterator[Planted]:
        """Yield what every configuration names alike."""
        code, _, name = CURRENCY
        yield Planted("Catalog_Валюты", code, {"Code": code, "Description": "руб.", "НаименованиеПолное": name})
        yield Planted("Catalog_Пользователи", "bus", {"Description": "Шина"})

    def trade(self) -> Iterator[Planted]:
        yield from self._organisations(
            "БанковскиеСчетаОрганизаций", ЮрФизЛицо="ЮрЛицо", ЮридическоеФизическоеЛицо="ЮридическоеЛицо"
        )
        yield from self._accounts("БанковскиеСчетаОрганизаций", "Owner_Key")
        yield from self._vat_catalog(ПеречислениеСтавкаНДС=lambda rate: rate.enum)
        yield from self._units("УпаковкиЕдиницыИзмерения")
        yield from self._kinds(lambda is_service: {"ТипНоменклатуры": "Услуга" if is_service else "Товар"})
        yield from self._named("Склады", WAREHOUSES, ТипСклада="ОптовыйСклад")
        yield from self._named("ВидыЦен", PRICE_TYPES, ЦенаВключаетНДС=True, Статус="Действует")
        yield from self._products(self._trade_product)
        for customer in CUSTOMERS:
            yield self._partner(customer)
            partner = self.ref("Партнеры", customer.inn)
            yield self._customer(customer, ЮрФизЛицо=_person_kind(customer), Партнер_Key=partner)
        yield Planted("Catalog_Партнеры", WALK_IN, {"Description": WALK_IN, "Клиент": True, "ЮрФизЛицо": "ЧастноеЛицо"})
        yield _walk_in(ЮрФизЛицо="ФизЛицо", Партнер_Key=self.ref("Партнеры", WALK_IN))
        for owner in self._entities:
            yield self._agreement(owner)
            yield from (self._trade_contract(owner, customer) for customer in CUSTOMERS[::2])

    def retail2(self) -> Iterator[Planted]:
        yield from self._organisations(ЮрФизЛицо="ЮрЛицо")
        yield from self._accounts("БанковскиеСчетаОрганизаций", "Owner_Key", by_code=True)
        yield from self._units("БазовыеЕдиницыИзмерения")
        yield from self._kinds(lambda _: {})
        yield from self._named("ВидыЦен", PRICE_TYPES, ЦенаВключаетНДС=True)
        yield from self._named("Магазины", ("Магазин на Садовой",), СкладПродажи_Key=self.ref("Склады", WAREHOUSES[0]))
        shop = self.ref("Магазины", "Магазин на Садовой")
        yield from self._named("Склады", WAREHOUSES, Магазин_Key=shop, ТипСклада="ТорговыйЗал")
        yield from self._products(self._retail2_product)
        for customer in CUSTOMERS:
            yield self._customer(customer, ЮрФизЛицо=_person_kind(customer))
        yield _walk_in(ЮрФизЛицо="ФизЛицо")

    def retail3(self) -> Iterator[Planted]:
        yield from self._organisations(ЮридическоеФизическоеЛицо="ЮридическоеЛицо")
        yield from self._accounts("БанковскиеСчета", "", by_code=True)
        yield from self._vat_catalog()
        yield from self._units("КлассификаторЕдиницИзмерения")
        yield from self._named("ВидыЦен", PRICE_TYPES, ЦенаВключаетНДС=True)
        yield from self._named("СтруктурныеЕдиницы", WAREHOUSES, ТипСтруктурнойЕдиницы="Склад")
        yield from self._named("СостоянияЗаказовПокупателей", ("Открыт", "В работе", "Завершен"))
        yield from self._products(self._retail3_product)
        for customer in CUSTOMERS:
            kind = "ИндивидуальныйПредприниматель" if not customer.kpp else "ЮридическоеЛицо"
            yield self._customer(customer, ВидКонтрагента=kind, Покупатель=True)
        yield _walk_in(ВидКонтрагента="ФизическоеЛицо", Покупатель=True)
        for owner in self._entities:
            yield from (self._retail3_contract(owner, customer) for customer in CUSTOMERS[::2])

    def accounting(self) -> Iterator[Planted]:
        yield from self._organisations("БанковскиеСчета", ЮридическоеФизическоеЛицо="ЮридическоеЛицо")
        yield from self._accounts("БанковскиеСчета", "Owner", by_code=True, ВидСчета="Расчетный")
        yield from self._units("КлассификаторЕдиницИзмерения")
        yield from self._kinds(lambda _: {})
        yield from self._named("Склады", WAREHOUSES, ТипСклада="ОптовыйСклад")
        yield from self._named("ТипыЦенНоменклатуры", PRICE_TYPES, ЦенаВключаетНДС=True)
        yield from self._named("НоменклатурныеГруппы", ("Основная номенклатурная группа",))
        yield from (_account(*account) for account in ACCOUNTS)
        yield from self._products(self._accounting_product)
        for customer in CUSTOMERS:
            kind = "ЮридическоеЛицо" if customer.kpp else "ФизическоеЛицо"
            yield self._customer(
                customer, ЮридическоеФизическоеЛицо=kind, ИННВведенКорректно=True, КППВведенКорректно=True
            )
        yield _walk_in(ЮридическоеФизическоеЛицо="ФизическоеЛицо")
        for owner in self._entities:
            yield from (self._accounting_contract(owner, customer) for customer in CUSTOMERS[::2])

    def _organisations(self, accounts: str = "", **extra: Any) -> Iterator[Planted]:
        for found in self._entities:
            fields = {
                "Description": found.name, "НаименованиеПолное": found.full_name,
                "ИНН": found.inn, "КПП": found.kpp, "ОГРН": found.ogrn, "Префикс": found.prefix,
            }  # fmt: skip
            if accounts:
                fields["ОсновнойБанковскийСчет_Key"] = self.ref(accounts, found.inn)
            yield Planted("Catalog_Организации", found.inn, fields | extra)

    def _accounts(self, catalog: str, owner: str, *, by_code: bool = False, **extra: Any) -> Iterator[Planted]:
        for number, found in enumerate(self._entities, start=1):
            fields = {"Description": f"Расчетный счет {found.name}", "НомерСчета": found.bank_account, **extra}
            if owner:
                fields[owner] = self.ref("Организации", found.inn)
            if owner == "Owner":
                fields["Owner_Type"] = "StandardODATA.Catalog_Организации"
            if by_code:
                fields["Code"] = f"00-{number:06d}"
            yield Planted(f"Catalog_{catalog}", found.inn, fields)

    def _vat_catalog(self, **extra: Callable[[Any], Any]) -> Iterator[Planted]:
        for rate in VAT_RATES:
            fields = {"Description": rate.title, "Ставка": rate.percent or 0}
            fields |= {name: value(rate) for name, value in extra.items()}
            if not extra:
                fields["НеОблагается"] = rate.percent is None
            yield Planted("Catalog_СтавкиНДС", rate.code, {**fields, "Ставка": str(fields["Ставка"])})

    def _units(self, catalog: str) -> Iterator[Planted]:
        for unit in UNITS:
            fields = {"Code": unit.okei, "Description": unit.short, "НаименованиеПолное": unit.name}
            yield Planted(f"Catalog_{catalog}", unit.okei, fields)

    def _kinds(self, extra: Callable[[bool], Mapping[str, Any]]) -> Iterator[Planted]:
        for is_service, name in KINDS_OF_PRODUCT.items():
            yield Planted("Catalog_ВидыНоменклатуры", name, {"Description": name, **extra(is_service)})

    def _named(self, catalog: str, names: tuple[str, ...], **extra: Any) -> Iterator[Planted]:
        for name in names:
            yield Planted(f"Catalog_{catalog}", name, {"Description": name, **extra})

    def _products(self, extra: Callable[[Product], Mapping[str, Any]]) -> Iterator[Planted]:
        for found in PRODUCTS:
            fields = {"Description": found.name, "НаименованиеПолное": found.name, "Артикул": found.article}
            yield Planted("Catalog_Номенклатура", found.article, {**fields, **extra(found)})

    def _kind_of(self, found: Product) -> str:
        return self.ref("ВидыНоменклатуры", KINDS_OF_PRODUCT[found.is_service])

    def _trade_product(self, found: Product) -> Mapping[str, Any]:
        return {
            "ВидНоменклатуры_Key": self._kind_of(found),
            "ТипНоменклатуры": "Услуга" if found.is_service else "Товар",
            "ЕдиницаИзмерения_Key": self.ref("УпаковкиЕдиницыИзмерения", found.unit),
            "СтавкаНДС_Key": self.ref("СтавкиНДС", found.vat),
            "ИспользованиеХарактеристик": "НеИспользовать",
        }

    def _retail2_product(self, found: Product) -> Mapping[str, Any]:
        return {
            "ВидНоменклатуры_Key": self._kind_of(found),
            "ТипНоменклатуры": "Услуга" if found.is_service else "Товар",
            "ЕдиницаИзмерения_Key": self.ref("БазовыеЕдиницыИзмерения", found.unit),
            "СтавкаНДС": vat_rate(found.vat).enum,
        }

    def _retail3_product(self, found: Product) -> Mapping[str, Any]:
        return {
            "ТипНоменклатуры": "Услуга" if found.is_service else "Запас",
            "ЕдиницаИзмерения_Key": self.ref("КлассификаторЕдиницИзмерения", found.unit),
            "ВидСтавкиНДС": _vat_kind(found.vat),
        }

    def _accounting_product(self, found: Product) -> Mapping[str, Any]:
        return {
            "ВидНоменклатуры_Key": self._kind_of(found),
            "ЕдиницаИзмерения_Key": self.ref("КлассификаторЕдиницИзмерения", found.unit),
            "НоменклатурнаяГруппа_Key": self.ref("НоменклатурныеГруппы", "Основная номенклатурная группа"),
            "Услуга": found.is_service,
            "ВидСтавкиНДС": _vat_kind(found.vat),
        }

    def _partner(self, customer: Customer) -> Planted:
        fields = {
            "Description": customer.name, "НаименованиеПолное": customer.full_name,
            "Клиент": True, "ЮрФизЛицо": "Компания" if customer.kpp else "ЧастноеЛицо",
        }  # fmt: skip
        return Planted("Catalog_Партнеры", customer.inn, fields)

    def _customer(self, customer: Customer, **extra: Any) -> Planted:
        fields = {
            "Description": customer.name, "НаименованиеПолное": customer.full_name,
            "ИНН": customer.inn, "КПП": customer.kpp, "РегистрационныйНомер": customer.ogrn,
        }  # fmt: skip
        return Planted("Catalog_Контрагенты", customer.inn, fields | extra)

    def _agreement(self, owner: LegalEntity) -> Planted:
        fields = {
            "Description": f"Типовое соглашение {owner.name}", "Типовое": True, "Статус": "Действует",
            "Организация_Key": self.ref("Организации", owner.inn), "Валюта_Key": self.ref("Валюты", CURRENCY[0]),
            "ВидЦен_Key": self.ref("ВидыЦен", PRICE_TYPES[1]), "ЦенаВключаетНДС": True,
        }  # fmt: skip
        return Planted("Catalog_СоглашенияСКлиентами", owner.inn, fields)

    def _trade_contract(self, owner: LegalEntity, customer: Customer) -> Planted:
        fields = {
            "Description": f"Договор поставки {customer.name}", "Номер": f"{owner.prefix}-{customer.inn[:4]}",
            "Организация_Key": self.ref("Организации", owner.inn), "Статус": "Действует",
            "Партнер_Key": self.ref("Партнеры", customer.inn), "ТипДоговора": "СПокупателем",
            "Контрагент_Key": self.ref("Контрагенты", customer.inn), "Дата": "2026-01-12T00:00:00",
            "ВалютаВзаиморасчетов_Key": self.ref("Валюты", CURRENCY[0]),
        }  # fmt: skip
        return Planted("Catalog_ДоговорыКонтрагентов", f"{owner.inn}/{customer.inn}", fields)

    def _retail3_contract(self, owner: LegalEntity, customer: Customer) -> Planted:
        fields = {
            "Description": f"Основной договор {customer.name}",
            "Owner": self.ref("Контрагенты", customer.inn), "Owner_Type": "StandardODATA.Catalog_Контрагенты",
            "Организация_Key": self.ref("Организации", owner.inn), "ВидДоговора": "СПокупателем",
            "ВалютаРасчетов_Key": self.ref("Валюты", CURRENCY[0]),
        }  # fmt: skip
        return Planted("Catalog_ДоговорыКонтрагентов", f"{owner.inn}/{customer.inn}", fields)

    def _accounting_contract(self, owner: LegalEntity, customer: Customer) -> Planted:
        fields = {
            "Description": f"Договор {owner.prefix}-{customer.inn[:4]}",
            "Owner_Key": self.ref("Контрагенты", customer.inn), "ВидДоговора": "СПокупателем",
            "Организация_Key": self.ref("Организации", owner.inn), "Дата": "2026-01-12T00:00:00",
            "ВалютаВзаиморасчетов_Key": self.ref("Валюты", CURRENCY[0]),
        }  # fmt: skip
        return Planted("Catalog_ДоговорыКонтрагентов", f"{owner.inn}/{customer.inn}", fields)


def _walk_in(**extra: Any) -> Planted:
    """The counterparty that stands for everybody without an INN."""
    return Planted("Catalog_Контрагенты", WALK_IN, {"Description": WALK_IN, "НаименованиеПолное": WALK_IN, **extra})


def _person_kind(customer: Customer) -> str:
    return "ЮрЛицо" if customer.kpp else "ИндивидуальныйПредприниматель"


def _vat_kind(code: str) -> str:
    """Return «ВидыСтавокНДС» of a rate: the card of a product names a kind, not a percentage."""
    return {"22": "Общая", "20": "Общая", "10": "Пониженная", "0": "Нулевая"}.get(code, "БезНДС")


def _account(code: str, title: str, predefined: str) -> Planted:
    fields = {"Code": code, "Description": title, "PredefinedDataName": predefined}
    return Planted("ChartOfAccounts_Хозрасчетный", code, fields)
