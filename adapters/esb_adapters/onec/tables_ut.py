"""УТ 11 («Управление торговлей»): 11.5 as of 11.5.27, and 11.4 as of 11.4.2 where it differs."""

from collections.abc import Mapping
from dataclasses import replace

from esb_adapters.onec.configurations import (
    ConfigurationFacts,
    CounterpartyFacts,
    DocumentFacts,
    IncomingFacts,
    Section,
    TextField,
    VatFacts,
)
from esb_adapters.onec.terms import LEGAL, NATURAL, VAT_ENUM, VAT_ENUM_2020, kinds

UT_COUNTERPARTY = CounterpartyFacts(
    kinds=kinds(
        {"ЮрФизЛицо": "ЮрЛицо", **LEGAL},
        {"ЮрФизЛицо": "ИндивидуальныйПредприниматель", **NATURAL},
        {"ЮрФизЛицо": "ФизЛицо", **NATURAL},
    ),
    partner_set="Catalog_Партнеры",
    partner_kinds=kinds(
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


def _with_section(facts: DocumentFacts, constants: Mapping[str, str] | None = None, **fields: str) -> DocumentFacts:
    assert facts.section is not None
    section = replace(
        facts.section,
        fields={**facts.section.fields, **fields},
        constants={**facts.section.constants, **(constants or {})},
    )
    return replace(facts, section=section)


UT_114 = replace(
    UT_115,
    name="ut-11.4",
    vat=VatFacts(names=VAT_ENUM_2020),
    main_bank_account=None,
    documents={
        "customer_order": replace(
            _with_section(UT_ORDER, {"ВариантОбеспечения": "Требуется"}, vat_rate="СтавкаНДС"),
            constants={**UT_ORDER.constants, "ПорядокРасчетов": "ПоЗаказамНакладным"},
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
