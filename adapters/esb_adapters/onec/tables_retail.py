"""Розница: 2 as of 2.2.12, and 3, which is УНФ («Управление нашей фирмой») as of 3.0.8 with a till."""

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
from esb_adapters.onec.terms import LEGAL, NATURAL, VAT_ENUM, kinds

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
        kinds=kinds({"ЮрФизЛицо": "ЮрЛицо"}, {"ЮрФизЛицо": "ИндивидуальныйПредприниматель"}, {"ЮрФизЛицо": "ФизЛицо"}),
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
        kinds=kinds(
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
