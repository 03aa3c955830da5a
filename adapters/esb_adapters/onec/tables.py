"""The facts about each configuration. Read from top to bottom; the types are explained in `configurations.py`.

Checked against УТ 11.4.2 and 11.5.27, БП 3.0.198, УНФ 3.0.8 (the code base of Розница 3) and Розница 2.2.12.
БП 2.0 could not be checked: its entry is that of 3.0 without what 3.0 added.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from esb_adapters.onec.configurations import (
    ConfigurationFacts,
    ContractFacts,
    CounterpartyFacts,
    DocumentFacts,
    IncomingFacts,
    Section,
    TextField,
    VatFacts,
)
from esb_adapters.onec.errors import NotInConfiguration
from esb_adapters.onec.protocol import ZERO_REF
from esb_schemas.parties import PartyKind

VAT_ENUM = {
    "none": "БезНДС",
    "0": "НДС0",
    "5": "НДС5",
    "7": "НДС7",
    "10": "НДС10",
    "18": "НДС18",
    "20": "НДС20",
    "22": "НДС22",
}
_OLD_RATES = ("none", "0", "10", "18", "20")
VAT_ENUM_2020 = {rate: VAT_ENUM[rate] for rate in _OLD_RATES}

LEGAL = {"ЮридическоеФизическоеЛицо": "ЮридическоеЛицо"}
NATURAL = {"ЮридическоеФизическоеЛицо": "ФизическоеЛицо"}


def _kinds(organisation: Any, proprietor: Any, person: Any) -> Mapping[PartyKind, Mapping[str, Any]]:
    return {PartyKind.ORGANISATION: organisation, PartyKind.SOLE_PROPRIETOR: proprietor, PartyKind.PERSON: person}


# --- УТ 11 ---------------------------------------------------------------------------------------------------------

UT_COUNTERPARTY = CounterpartyFacts(
    kinds=_kinds(
        {"ЮрФизЛицо": "ЮрЛицо", **LEGAL},
        {"ЮрФизЛицо": "ИндивидуальныйПредприниматель", **NATURAL},
        {"ЮрФизЛицо": "ФизЛицо", **NATURAL},
    ),
    partner_set="Catalog_Партнеры",
    partner_kinds=_kinds(
        {"ЮрФизЛицо": "Компания"},
        {"ЮрФизЛицо": "ЧастноеЛицо"},
        {"ЮрФизЛицо": "ЧастноеЛицо"},
    ),
    ogrn="РегистрационныйНомер",
)

UT_ORDER = DocumentFacts(
    entity_set="Document_ЗаказКлиента",
    title="Заказ клиента",
    fields={
        "organisation": "Организация_Key",
        "partner": "Партнер_Key",
        "counterparty": "Контрагент_Key",
        "agreement": "Соглашение_Key",
        "currency": "Валюта_Key",
        "warehouse": "Склад_Key",
        "total": "СуммаДокумента",
        "includes_vat": "ЦенаВключаетНДС",
        "taxation": "НалогообложениеНДС",
        "external_number": "НомерПоДаннымКлиента",
        "external_date": "ДатаПоДаннымКлиента",
        "delivery_address": "АдресДоставки",
        "ship_date": "ДатаОтгрузки",
        "bank_account": "БанковскийСчет_Key",
        "last_line": "МаксимальныйКодСтроки",
    },
    constants={
        "Статус": "КОбеспечению",
        "Согласован": True,
        "ХозяйственнаяОперация": "РеализацияКлиенту",
        "ФормаОплаты": "Безналичная",
        "ПорядокРасчетов": "ПоЗаказам",
    },
    section=Section(
        name="Товары",
        fields={
            "product": "Номенклатура_Key",
            "quantity": "Количество",
            "packages": "КоличествоУпаковок",
            "price": "Цена",
            "amount": "Сумма",
            "amount_with_vat": "СуммаСНДС",
            "vat_rate": "СтавкаНДС_Key",
            "vat_amount": "СуммаНДС",
            "warehouse": "Склад_Key",
            "ship_date": "ДатаОтгрузки",
            "is_cancelled": "Отменено",
        },
        constants={"ВариантОбеспечения": "КОбеспечению"},
        number_lines=("КодСтроки", "КлючСвязи"),
    ),
    lengths={"delivery_address": 500, "external_number": 50},
    key_field=TextField("НомерПоДаннымКлиента", 50),
    cancelled={"Статус": "Закрыт"},
    active={"Статус": "КОбеспечению"},
    taxation=("ПродажаОблагаетсяНДС", "ПродажаНеОблагаетсяНДС"),
)

UT_INVOICE = DocumentFacts(
    entity_set="Document_СчетНаОплатуКлиенту",
    title="Счет на оплату клиенту",
    fields={
        "organisation": "Организация_Key",
        "partner": "Партнер_Key",
        "counterparty": "Контрагент_Key",
        "currency": "Валюта_Key",
        "total": "СуммаДокумента",
        "basis": "ДокументОснование",
        "bank_account": "БанковскийСчет_Key",
    },
    constants={"ФормаОплаты": "Безналичная"},
    section=Section(
        name="ЭтапыГрафикаОплаты",
        fields={"pay_date": "ДатаПлатежа", "percent": "ПроцентПлатежа", "amount": "СуммаПлатежа"},
    ),
)

UT_PAYMENT = DocumentFacts(
    entity_set="Document_ПоступлениеБезналичныхДенежныхСредств",
    title="Поступление безналичных денежных средств",
    fields={
        "organisation": "Организация_Key",
        "bank_account": "БанковскийСчет_Key",
        "counterparty": "Контрагент_Key",
        "currency": "Валюта_Key",
        "total": "СуммаДокумента",
        "bank_number": "НомерВходящегоДокумента",
        "bank_date": "ДатаВходящегоДокумента",
        "purpose": "НазначениеПлатежа",
        "paid_date": "ДатаПроведенияБанком",
    },
    constants={
        "ХозяйственнаяОперация": "ПоступлениеОплатыОтКлиента",
        "ТипПлатежногоДокумента": "ПлатежноеПоручение",
        "ПроведеноБанком": True,
    },
    section=Section(
        name="РасшифровкаПлатежа",
        fields={
            "partner": "Партнер_Key",
            "order": "ОснованиеПлатежа",
            "amount": "Сумма",
            "settlement_amount": "СуммаВзаиморасчетов",
            "currency": "ВалютаВзаиморасчетов_Key",
        },
    ),
    lengths={"bank_number": 20, "purpose": 250},
    unposted_when_cancelled=True,
)

UT_INCOMING = (
    IncomingFacts(
        entity_set="Document_ПоступлениеБезналичныхДенежныхСредств",
        operation="ХозяйственнаяОперация",
        received=("ПоступлениеОплатыОтКлиента",),
        amount="СуммаДокумента",
        order_reference="ОснованиеПлатежа",
        order_set="Document_ЗаказКлиента",
        paid_at="ДатаПроведенияБанком",
    ),
    IncomingFacts(
        entity_set="Document_ПриходныйКассовыйОрдер",
        operation="ХозяйственнаяОперация",
        received=("ПоступлениеОплатыОтКлиента",),
        amount="СуммаДокумента",
        order_reference="ОснованиеПлатежа",
        order_set="Document_ЗаказКлиента",
        purpose="Основание",
        bank_number=None,
    ),
)

UT_115 = ConfigurationFacts(
    name="ut-11.5",
    counterparty=UT_COUNTERPARTY,
    vat=VatFacts(
        names=VAT_ENUM,
        entity_set="Catalog_СтавкиНДС",
        filters={
            rate: f"ПеречислениеСтавкаНДС eq '{name}' and РасчетнаяСтавка eq false" for rate, name in VAT_ENUM.items()
        },
    ),
    unit_set="Catalog_УпаковкиЕдиницыИзмерения",
    bank_account_set="Catalog_БанковскиеСчетаОрганизаций",
    main_bank_account="ОсновнойБанковскийСчет_Key",
    agreement_set="Catalog_СоглашенияСКлиентами",
    documents={
        "customer_order": UT_ORDER,
        "customer_invoice": UT_INVOICE,
        "incoming_payment": UT_PAYMENT,
    },
    incoming=UT_INCOMING,
)


def _with_section(facts: DocumentFacts, drop: tuple[str, ...] = (), **fields: str) -> DocumentFacts:
    assert facts.section is not None
    kept = {name: place for name, place in {**facts.section.fields, **fields}.items() if name not in drop}
    return replace(facts, section=replace(facts.section, fields=kept))


UT_114 = replace(
    UT_115,
    name="ut-11.4",
    vat=VatFacts(names=VAT_ENUM_2020),
    main_bank_account=None,
    documents={
        "customer_order": replace(
            _with_section(UT_ORDER, vat_rate="СтавкаНДС"),
            lengths={"delivery_address": 500, "external_number": 30},
            key_field=TextField("НомерПоДаннымКлиента", 30),
        ),
        "customer_invoice": UT_INVOICE,
        "incoming_payment": replace(
            _with_section(UT_PAYMENT, order="Заказ"), lengths={"bank_number": 11, "purpose": 250}
        ),
    },
    incoming=(replace(UT_INCOMING[0], order_reference="Заказ"),),
)

# --- БП ------------------------------------------------------------------------------------------------------------

BP_COUNTERPARTY = CounterpartyFacts(
    kinds=_kinds(LEGAL, {**NATURAL, "ИндивидуальныйПредприниматель": True}, NATURAL),
    constants={"ИННВведенКорректно": True, "КППВведенКорректно": True},
    full_name_length=1000,
    ogrn="РегистрационныйНомер",
    has_folders=True,
)

BP_INVOICE = DocumentFacts(
    entity_set="Document_СчетНаОплатуПокупателю",
    title="Счет на оплату покупателю",
    fields={
        "organisation": "Организация_Key",
        "payee": "ОрганизацияПолучатель_Key",
        "counterparty": "Контрагент_Key",
        "contract": "ДоговорКонтрагента_Key",
        "bank_account": "СтруктурнаяЕдиница_Key",
        "warehouse": "Склад_Key",
        "currency": "ВалютаДокумента_Key",
        "total": "СуммаДокумента",
        "includes_vat": "СуммаВключаетНДС",
        "delivery_address": "АдресДоставки",
    },
    constants={"ВидОперации": "ТоварыИУслуги", "КурсВзаиморасчетов": 1, "КратностьВзаиморасчетов": 1},
    section=Section(
        name="Товары",
        fields={
            "product": "Номенклатура",
            "content": "Содержание",
            "quantity": "Количество",
            "price": "Цена",
            "amount": "Сумма",
            "vat_rate": "СтавкаНДС",
            "vat_amount": "СуммаНДС",
        },
    ),
    lengths={"delivery_address": 250, "content": 1000},
)

BP_PAYMENT = DocumentFacts(
    entity_set="Document_ПоступлениеНаРасчетныйСчет",
    title="Поступление на расчетный счет",
    fields={
        "organisation": "Организация_Key",
        "bank_account": "СчетОрганизации_Key",
        "counterparty": "Контрагент",
        "contract": "ДоговорКонтрагента_Key",
        "currency": "ВалютаДокумента_Key",
        "total": "СуммаДокумента",
        "bank_number": "НомерВходящегоДокумента",
        "bank_date": "ДатаВходящегоДокумента",
        "purpose": "НазначениеПлатежа",
        "ledger_bank": "СчетБанк_Key",
    },
    constants={"ВидОперации": "ОплатаПокупателя"},
    section=Section(
        name="РасшифровкаПлатежа",
        fields={
            "contract": "ДоговорКонтрагента_Key",
            "amount": "СуммаПлатежа",
            "settlement_amount": "СуммаВзаиморасчетов",
            "invoice": "СчетНаОплату_Key",
            "ledger_settlement": "СчетУчетаРасчетовСКонтрагентом_Key",
            "ledger_advance": "СчетУчетаРасчетовПоАвансам_Key",
        },
        constants={
            "СпособПогашенияЗадолженности": "Автоматически",
            "КурсВзаиморасчетов": 1,
            "КратностьВзаиморасчетов": 1,
        },
    ),
    lengths={"bank_number": 50, "purpose": 210},
    unposted_when_cancelled=True,
    accounts={"ledger_bank": "51", "ledger_settlement": "62.01", "ledger_advance": "62.02"},
)

BP_30 = ConfigurationFacts(
    name="bp-3.0",
    counterparty=BP_COUNTERPARTY,
    vat=VatFacts(names=VAT_ENUM),
    unit_set="Catalog_КлассификаторЕдиницИзмерения",
    bank_account_set="Catalog_БанковскиеСчета",
    main_bank_account="ОсновнойБанковскийСчет_Key",
    contract=ContractFacts(
        entity_set="Catalog_ДоговорыКонтрагентов",
        organisation="Организация_Key",
        currency="ВалютаВзаиморасчетов_Key",
        constants={"ВидДоговора": "СПокупателем", "СуммаВключаетНДС": True},
        search="ВидДоговора eq 'СПокупателем' and IsFolder eq false",
    ),
    documents={"customer_invoice": BP_INVOICE, "incoming_payment": BP_PAYMENT},
    incoming=(
        IncomingFacts(
            entity_set="Document_ПоступлениеНаРасчетныйСчет",
            operation="ВидОперации",
            received=("ОплатаПокупателя",),
            amount="СуммаДокумента",
            order_reference="СчетНаОплату_Key",
            order_set="Document_СчетНаОплатуПокупателю",
            row_amount="СуммаПлатежа",
            currency="ВалютаДокумента_Key",
            order_is_composite=False,
        ),
    ),
)

BP_20 = replace(BP_30, name="bp-2.0", vat=VatFacts(names=VAT_ENUM_2020), is_confirmed=False)

# --- Розница -------------------------------------------------------------------------------------------------------

RETAIL_2_ORDER = DocumentFacts(
    entity_set="Document_ЗаказПокупателя",
    title="Заказ покупателя",
    fields={
        "organisation": "Организация_Key",
        "counterparty": "Контрагент_Key",
        "store": "Магазин_Key",
        "warehouse": "Склад_Key",
        "total": "СуммаДокумента",
        "counts_vat": "УчитыватьНДС",
        "includes_vat": "ЦенаВключаетНДС",
        "external_number": "НомерЗаказаНаСайте",
        "external_date": "ДатаЗаказаНаСайте",
        "delivery_address": "АдресДоставки",
        "ship_date": "ЖелаемаяДатаПродажи",
        "last_line": "МаксимальныйКодСтроки",
    },
    constants={"Статус": "Согласован"},
    section=Section(
        name="Товары",
        fields={
            "product": "Номенклатура_Key",
            "quantity": "Количество",
            "packages": "КоличествоУпаковок",
            "price": "Цена",
            "amount": "Сумма",
            "vat_rate": "СтавкаНДС",
            "vat_amount": "СуммаНДС",
            "is_cancelled": "Отменено",
        },
        number_lines=("КодСтроки", "КлючСвязи"),
    ),
    lengths={"external_number": 11},
    key_field=TextField("НомерЗаказаНаСайте", 11),
    cancelled={"Отменено": True},
    active={"Отменено": False},
)

RETAIL_2 = ConfigurationFacts(
    name="retail-2",
    counterparty=CounterpartyFacts(
        kinds=_kinds({"ЮрФизЛицо": "ЮрЛицо"}, {"ЮрФизЛицо": "ИндивидуальныйПредприниматель"}, {"ЮрФизЛицо": "ФизЛицо"}),
        ogrn="РегистрационныйНомер",
        has_folders=True,
    ),
    vat=VatFacts(names=VAT_ENUM),
    unit_set="Catalog_БазовыеЕдиницыИзмерения",
    bank_account_set="Catalog_БанковскиеСчетаОрганизаций",
    store_of_warehouse="Магазин_Key",
    documents={"customer_order": RETAIL_2_ORDER},
    incoming=(
        IncomingFacts(
            entity_set="Document_ПриходныйКассовыйОрдер",
            operation="ХозяйственнаяОперация",
            received=("ПоступлениеОплатыОтКлиента",),
            amount="СуммаДокумента",
            order_reference="ЗаказПокупателя_Key",
            order_set="Document_ЗаказПокупателя",
            section="",
            purpose="Основание",
            bank_number=None,
            currency="",
            order_is_composite=False,
        ),
    ),
)

RETAIL_3_ORDER = DocumentFacts(
    entity_set="Document_ЗаказПокупателя",
    title="Заказ покупателя",
    fields={
        "organisation": "Организация_Key",
        "counterparty": "Контрагент_Key",
        "contract": "Договор_Key",
        "currency": "ВалютаДокумента_Key",
        "warehouse": "СтруктурнаяЕдиницаПродажи_Key",
        "total": "СуммаДокумента",
        "includes_vat": "СуммаВключаетНДС",
        "taxation": "НалогообложениеНДС",
        "external_number": "НомерВходящегоДокумента",
        "external_date": "ДатаВходящегоДокумента",
        "delivery_address": "АдресДоставки",
        "ship_date": "ДатаОтгрузки",
        "bank_account": "БанковскийСчет_Key",
        "delivery_amount": "СтоимостьДоставки",
        "delivery_vat_rate": "СтавкаНДСДоставки_Key",
        "delivery_vat_amount": "СуммаНДСДоставки",
    },
    constants={"ВидОперации": "ЗаказНаПродажу", "Курс": 1, "Кратность": 1},
    section=Section(
        name="Запасы",
        fields={
            "product": "Номенклатура",
            "unit": "ЕдиницаИзмерения",
            "quantity": "Количество",
            "price": "Цена",
            "amount": "Сумма",
            "amount_with_vat": "Всего",
            "vat_rate": "СтавкаНДС_Key",
            "vat_amount": "СуммаНДС",
            "ship_date": "ДатаОтгрузки",
        },
        number_lines=("КлючСвязи",),
    ),
    lengths={"delivery_address": 500, "external_number": 30},
    key_field=TextField("НомерВходящегоДокумента", 30),
    cancelled={"ВариантЗавершения": "Отменен"},
    active={"ВариантЗавершения": ""},
    taxation=("ОблагаетсяНДС", "НеОблагаетсяНДС"),
)

RETAIL_3_INVOICE = DocumentFacts(
    entity_set="Document_СчетНаОплату",
    title="Счет на оплату",
    fields={
        "organisation": "Организация_Key",
        "counterparty": "Контрагент_Key",
        "contract": "Договор_Key",
        "currency": "ВалютаДокумента_Key",
        "total": "СуммаДокумента",
        "includes_vat": "СуммаВключаетНДС",
        "taxation": "НалогообложениеНДС",
        "basis": "ДокументОснование",
        "bank_account": "БанковскийСчет_Key",
        "delivery_amount": "СтоимостьДоставки",
        "delivery_vat_rate": "СтавкаНДСДоставки_Key",
        "delivery_vat_amount": "СуммаНДСДоставки",
    },
    constants={"Курс": 1, "Кратность": 1},
    section=Section(
        name="Запасы",
        fields={
            "product": "Номенклатура_Key",
            "unit": "ЕдиницаИзмерения",
            "quantity": "Количество",
            "price": "Цена",
            "amount": "Сумма",
            "amount_with_vat": "Всего",
            "vat_rate": "СтавкаНДС_Key",
            "vat_amount": "СуммаНДС",
        },
        number_lines=("КлючСвязи",),
    ),
    taxation=("ОблагаетсяНДС", "НеОблагаетсяНДС"),
)

_RETAIL_3_RATES = {
    rate: f"Ставка eq {rate} and НеОблагается eq false and Расчетная eq false" for rate in VAT_ENUM if rate != "none"
}

RETAIL_3 = ConfigurationFacts(
    name="retail-3",
    counterparty=CounterpartyFacts(
        kinds=_kinds(
            {"ВидКонтрагента": "ЮридическоеЛицо", **LEGAL},
            {"ВидКонтрагента": "ИндивидуальныйПредприниматель", **NATURAL},
            {"ВидКонтрагента": "ФизическоеЛицо", **NATURAL},
        ),
        constants={"Покупатель": True, "ИННВведенКорректно": True, "КППВведенКорректно": True},
        full_name_length=1000,
        ogrn="РегистрационныйНомер",
        has_folders=True,
    ),
    vat=VatFacts(
        names=VAT_ENUM,
        entity_set="Catalog_СтавкиНДС",
        filters={**_RETAIL_3_RATES, "none": "НеОблагается eq true"},
    ),
    unit_set="Catalog_КлассификаторЕдиницИзмерения",
    bank_account_set="Catalog_БанковскиеСчета",
    warehouse_set="Catalog_СтруктурныеЕдиницы",
    contract=ContractFacts(
        entity_set="Catalog_ДоговорыКонтрагентов",
        organisation="Организация_Key",
        currency="ВалютаРасчетов_Key",
        constants={"ВидДоговора": "СПокупателем"},
        search="ВидДоговора eq 'СПокупателем'",
        owner_is_composite=True,
    ),
    documents={"customer_order": RETAIL_3_ORDER, "customer_invoice": RETAIL_3_INVOICE},
    incoming=(
        IncomingFacts(
            entity_set="Document_ПоступлениеНаСчет",
            operation="ВидОперации",
            received=("ОтПокупателя",),
            amount="СуммаДокумента",
            order_reference="Заказ",
            order_set="Document_ЗаказПокупателя",
            row_amount="СуммаПлатежа",
            currency="ВалютаДенежныхСредств_Key",
        ),
    ),
)

CONFIGURATIONS: Mapping[str, ConfigurationFacts] = {
    facts.name: facts for facts in (UT_114, UT_115, BP_20, BP_30, RETAIL_2, RETAIL_3)
}


def configuration(name: str) -> ConfigurationFacts:
    """Return the facts of a configuration.

    Raises:
        NotInConfiguration: there are none for it («custom»).
    """
    if name not in CONFIGURATIONS:
        raise NotInConfiguration(
            f"no table describes the configuration {name!r}; known are {', '.join(CONFIGURATIONS)}"
        )
    return CONFIGURATIONS[name]


def nothing(ref: str | None) -> bool:
    """True for an empty reference."""
    return not ref or ref == ZERO_REF
