"""Bitrix24: deals become orders, and managers see in the deal what became of them."""

from decimal import Decimal

import pytest

from esb_cli.demo.company import BUH, PORTAL, RETAIL, TRADE
from esb_cli.demo.facts import invoice_key

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize(("entity", "base"), [("romashka-retail", RETAIL), ("romashka-service", TRADE)])
async def test_a_deal_is_posted_in_the_base_of_its_seller(company, entity, base):
    key = await company.deal(entity)

    document = await company.posted(key)

    assert (document.base, document.legal_entity) == (base, entity)


async def test_a_manager_sees_the_number_in_the_deal_and_in_its_timeline(company):
    key = await company.deal()
    document = await company.posted(key)

    number = await company.deal_field(key, "UF_CRM_ESB_NUMBER")

    assert number.strip() == document.number.strip()
    assert any(document.number.strip() in text for text in await _timeline(company, key))


async def test_an_event_that_was_lost_is_made_good_by_the_poll(company):
    await company.control.break_(PORTAL, "events_dropped")

    key = await company.deal()

    try:
        assert (await company.posted(key)).base == TRADE
    finally:
        await company.control.mend(PORTAL, "events_dropped")


async def test_a_manager_is_told_why_an_order_was_refused(company):
    await _retype(company, "RM-0012", "РМ-0012")
    try:
        key = await company.deal(article="RM-0012")

        await company.deal_field(key, "UF_CRM_ESB_STATUS")

        assert (await company.letter(key)).reason == "unknown_product"
        assert any("RM-0012" in text for text in await _timeline(company, key))
    finally:
        await _retype(company, "РМ-0012", "RM-0012")


async def test_a_payment_reaches_the_deal_and_the_accounting_base_after_its_invoice(company):
    key = await company.deal("romashka-retail", "RM-0002")
    order = await company.posted(key)

    payment = await company.posted(await company.pay(order))

    assert (payment.base, payment.legal_entity) == (BUH, "romashka-retail")
    assert payment.sequence > (await company.posted(invoice_key(key))).sequence
    paid = str(await company.deal_field(key, "UF_CRM_ESB_PAID"))
    assert Decimal(paid.partition("|")[0]) == Decimal("1467.00")


async def _timeline(company, key):
    number = key.rpartition("/")[2]
    comments = await company.control.objects(PORTAL, "timeline")
    return [str(comment) for comment in comments if str(comment["ENTITY_ID"]) == number]


async def _retype(company, old, new):
    products = await company.control.objects(TRADE, "Catalog_Номенклатура")
    ref = next(row["Ref_Key"] for row in products if row["Артикул"] == old)
    body = {"set": "Catalog_Номенклатура", "document": ref, "fields": {"Артикул": new}}
    await company.control.act(TRADE, "edit", body)
