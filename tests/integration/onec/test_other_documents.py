"""Invoices and payments into БП 3.0, orders into Розница, and the documents that wait for one another."""

from decimal import Decimal

import pytest

from esb_adapters.onec.errors import NotInConfiguration
from esb_bus.errors import AwaitingPredecessor
from esb_schemas.documents import CustomerInvoice, IncomingPayment
from esb_schemas.orders import Delivery, OrderState
from factories import (
    OPT,
    RETAIL,
    VERSION,
    Where,
    document,
    invoice_document,
    invoice_requested,
    order_document,
    payment_received,
)

INVOICES = "Document_СчетНаОплатуПокупателю"
PAYMENTS = "Document_ПоступлениеНаРасчетныйСчет"
NUMBER = "ИМ000010015"


@pytest.fixture
async def buh(open_world):
    return await open_world("onec.buh")


def invoice(*args, **changes):
    return invoice_document(*args, **{"delivery": None, **changes})


def payment(*, version=7, waits_for="invoice", **changes):
    event = payment_received(version=version, **changes)
    content = IncomingPayment(payment=event.data, waits_for=waits_for)
    return document(content, event=event, endpoint="onec.buh")


async def test_an_invoice_is_posted_with_goods_contract_and_bank_account(buh):
    delivered = await buh.deliver(invoice())

    made = await buh.one(INVOICES)
    (issued,) = delivered.events
    assert (made["Number"], made["Posted"], made["ВидОперации"]) == (NUMBER, True, "ТоварыИУслуги")
    assert made["СтруктурнаяЕдиница_Key"] == buh.seeded("Catalog_БанковскиеСчета", "7701234560")
    assert made["ДоговорКонтрагента_Key"] == buh.seeded("Catalog_ДоговорыКонтрагентов", "7701234560/7812345675")
    assert [row["СтавкаНДС"] for row in made["Товары"]] == ["НДС22", "НДС22"]
    assert made["Товары"][0]["Номенклатура_Type"] == "StandardODATA.Catalog_Номенклатура"
    assert (issued.type, issued.objectkey) == ("invoice.issued", "invoice/website.shop/10015")


async def test_a_buyer_without_contract_gets_one(buh):
    from factories import buyer

    other = buyer(name="Уральские сады ООО", inn="6612345676", kpp="661201001")
    await buh.deliver(invoice(buyer=other))

    made = await buh.one(INVOICES)
    contracts = await buh.objects("Catalog_ДоговорыКонтрагентов")
    mine = [row for row in contracts if row["Ref_Key"] == made["ДоговорКонтрагента_Key"]]
    assert [(row["ВидДоговора"], row["Owner_Key"]) for row in mine] == [
        ("СПокупателем", buh.seeded("Catalog_Контрагенты", "6612345676"))
    ]


async def test_a_payment_waits_for_its_invoice(buh):
    with pytest.raises(AwaitingPredecessor, match=r"invoice/website\.shop/10015"):
        await buh.deliver(payment())

    await buh.deliver(invoice())
    delivered = await buh.deliver(payment())

    assert delivered.outcome == "created"


async def test_a_payment_is_tied_to_its_invoice_and_booked(buh):
    await buh.deliver(invoice())

    await buh.deliver(payment())

    made, bill = await buh.one(PAYMENTS), await buh.one(INVOICES)
    (row,) = made["РасшифровкаПлатежа"]
    assert (made["СуммаДокумента"], made["Posted"], made["НомерВходящегоДокумента"]) == (1000, True, "118")
    assert row["СчетНаОплату_Key"] == bill["Ref_Key"]
    assert row["СчетУчетаРасчетовСКонтрагентом_Key"] == buh.seeded("ChartOfAccounts_Хозрасчетный", "62.01")
    assert made["Контрагент_Type"] == "StandardODATA.Catalog_Контрагенты"


async def test_a_repeated_payment_is_there_once(buh):
    await buh.deliver(invoice())
    await buh.deliver(payment())

    again = await buh.deliver(payment())

    assert again.outcome == "unchanged"
    assert len(await buh.objects(PAYMENTS)) == 1


async def test_a_payment_taken_back_in_its_base_is_unposted_and_stays(buh):
    await buh.deliver(invoice())
    await buh.deliver(payment())

    await buh.deliver(payment(version=8, is_cancelled=True))

    made = await buh.one(PAYMENTS)
    assert (made["Posted"], made["DeletionMark"]) == (False, False)


async def test_an_unknown_payment_taken_back_is_nothing_to_do(buh):
    delivered = await buh.deliver(payment(is_cancelled=True))

    assert delivered.outcome == "ignored"


async def test_a_document_the_configuration_lacks_names_both(buh):
    with pytest.raises(NotInConfiguration, match=r"bp-3\.0 has no customer orders"):
        await buh.deliver(order_document(endpoint="onec.buh"))


async def test_an_invoice_in_the_same_base_is_based_on_the_order(open_world):
    trade = await open_world()
    event = invoice_requested(legal_entity=OPT, delivery=None)
    state = {name: value for name, value in dict(event.data).items() if name in OrderState.model_fields}
    content = CustomerInvoice(invoice_key=event.data.invoice_key, order=OrderState(**state), needs_order=True)
    wanted = document(content, event=event, endpoint="onec.trade")
    with pytest.raises(AwaitingPredecessor):
        await trade.deliver(wanted)
    await trade.deliver(order_document(endpoint="onec.trade", legal_entity=OPT, delivery=None))

    await trade.deliver(wanted)

    made, order = await trade.one("Document_СчетНаОплатуКлиенту"), await trade.one("Document_ЗаказКлиента")
    assert made["ДокументОснование"] == order["Ref_Key"]
    assert made["ДокументОснование_Type"] == "StandardODATA.Document_ЗаказКлиента"
    assert made["ЭтапыГрафикаОплаты"][0]["СуммаПлатежа"] == 3229


async def test_an_order_of_retail_2_has_store_warehouse_and_rates_by_name(open_world):
    retail = await open_world("onec.retail")

    await retail.deliver(order_document(delivery=None))

    made = await retail.one("Document_ЗаказПокупателя")
    assert made["Магазин_Key"] == retail.seeded("Catalog_Магазины", "Магазин на Садовой")
    assert made["Склад_Key"] == retail.seeded("Catalog_Склады", "Магазин на Садовой")
    assert (made["Товары"][0]["СтавкаНДС"], made["НомерЗаказаНаСайте"], made["Posted"]) == ("НДС22", "10015", True)


async def test_a_cancelled_order_of_retail_2_says_so(open_world):
    retail = await open_world("onec.retail")
    await retail.deliver(order_document(delivery=None))

    await retail.deliver(order_document(delivery=None, is_cancelled=True, where=Where(version=VERSION + 1)))

    made = await retail.one("Document_ЗаказПокупателя")
    assert (made["Отменено"], made["Статус"]) == (True, "Согласован")


async def test_an_order_of_retail_3_has_delivery_in_its_header(open_world):
    retail = await open_world("onec.retail", landscape={"configuration": "retail-3"})
    delivery = Delivery(method="Курьер", address="Москва, Садовая 1", amount=Decimal("490.00"))

    await retail.deliver(order_document(delivery=delivery, legal_entity=RETAIL))
    again = await retail.deliver(order_document(delivery=delivery, legal_entity=RETAIL))

    made = await retail.one("Document_ЗаказПокупателя")
    assert again.outcome == "unchanged"
    assert (made["СтоимостьДоставки"], made["СуммаДокумента"], made["Posted"]) == (490, 3719, True)
    assert made["Запасы"][0]["Номенклатура_Type"] == "StandardODATA.Catalog_Номенклатура"
    assert made["Запасы"][0]["СтавкаНДС_Key"] == retail.seeded("Catalog_СтавкиНДС", "22")
