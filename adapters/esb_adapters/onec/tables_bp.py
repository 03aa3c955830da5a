"""БП («Бухгалтерия предприятия»): 3.0 as of 3.0.198.

2.0 could not be checked against a real configuration: its entry is that of 3.0 without the VAT rates 3.0 added.
"""

from dataclasses import replace

from esb_adapters.onec.configurations import (
    ConfigurationFacts,
    ContractFacts,
    CounterpartyFacts,
    DocumentFacts,
    IncomingFacts,
    Section,
    VatFacts,
)
from esb_adapters.onec.terms import LEGAL, NATURAL, VAT_ENUM, VAT_ENUM_2020, kinds

BP_COUNTERPARTY = CounterpartyFacts(
    kinds=kinds(LEGAL, {**NATURAL, "ИндивидуальныйПредприниматель": True}, NATURAL),
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
