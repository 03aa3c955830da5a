"""The main job: an order enters once and lands in the right 1C base, or waits, explained, to be replayed."""

import asyncio
from decimal import Decimal

import pytest

from esb_cli.demo.company import BUH, RETAIL, SHOP, TRADE
from esb_cli.demo.facts import invoice_key
from esb_cli.demo.performance import writes_while_idle

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize(
    ("seller", "base"),
    [("romashka-retail", RETAIL), ("romashka-opt", TRADE), ("romashka-service", TRADE)],
)
async def test_an_order_is_posted_in_the_base_of_its_legal_entity(company, seller, base):
    key = await company.order(seller, lines=[{"sku": "RM-0001", "quantity": 2}])

    document = await company.posted(key)

    assert (document.base, document.legal_entity) == (base, seller)
    assert Decimal(str((await company.content(document))["СуммаДокумента"])) == Decimal("1298.00")


async def test_an_order_paid_by_invoice_gets_one_in_the_accounting_base(company):
    key = await company.order("romashka-retail", payment="bacs")

    invoice = await company.posted(invoice_key(key))

    assert (invoice.base, invoice.legal_entity) == (BUH, "romashka-retail")


async def test_a_changed_order_changes_its_document(company):
    key = await company.order(lines=[{"sku": "RM-0001", "quantity": 1}])
    first = await company.posted(key)
    await asyncio.sleep(1.1)  # the shop dates its changes in whole seconds
    await company.act_on(key, "change_order", lines=[{"sku": "RM-0002", "quantity": 5}])

    async def is_new():
        content = await company.content(first)
        return content["Posted"] and Decimal(str(content["СуммаДокумента"])) == Decimal("2445.00")

    await company.until(is_new)
    assert len(await company.documents(key)) == 1


async def test_a_lost_webhook_is_made_good_by_the_poll(company):
    await company.control.break_(SHOP, "events_dropped", count=1)

    key = await company.order()

    assert (await company.posted(key)).base == TRADE


async def test_a_webhook_sent_twice_and_polled_makes_one_document(company):
    await company.control.break_(SHOP, "events_duplicated", count=1)

    key = await company.order(payment="bacs")

    await company.posted(invoice_key(key))
    assert len(await company.documents(key)) == 1
    assert len(await company.documents(invoice_key(key))) == 1


async def test_a_base_that_is_down_keeps_its_orders_waiting_and_no_others(company):
    await company.control.break_(TRADE, "down")
    waiting = [await company.order("romashka-opt") for _ in range(3)]
    other = await company.order("romashka-retail")

    await company.posted(other)
    assert [await company.documents(key) for key in waiting] == [[], [], []]

    await company.control.mend(TRADE)
    assert [(await company.posted(key)).base for key in waiting] == [TRADE] * 3
    assert [await company.letters(key) for key in waiting] == [[], [], []]


async def test_an_unknown_product_is_a_letter_that_is_replayed_after_the_repair(company):
    key = await company.order(sku="RM-7777")

    letter = await company.letter(key)
    assert (letter.reason, letter.queue) == ("unknown_product", f"out.{TRADE}")
    assert "RM-7777" in letter.error

    await _create_product(company, "RM-7777")
    await company.esb("dead", "replay", "--document", key, "--yes")
    assert (await company.posted(key)).base == TRADE
    assert await company.letters(key) == []


async def test_a_later_order_of_the_same_buyer_does_not_wait_for_a_dead_one(company):
    dead = await company.order(sku="RM-7778")
    await company.letter(dead)

    assert (await company.posted(await company.order())).base == TRADE


async def test_after_one_order_and_one_deal_nothing_more_is_written(company):
    order, deal = await company.order(payment="bacs"), await company.deal()
    for key in (order, deal):
        await company.posted(invoice_key(key))
    await company.deal_field(deal, "UF_CRM_ESB_NUMBER")
    await company.at_rest()

    assert await writes_while_idle(company.control, 5) == 0


async def test_esb_check_finds_nothing_wrong_with_the_company(company):
    assert "problem" not in await company.esb("check")


async def test_a_trace_tells_the_way_of_an_order_by_its_number_in_1c(company):
    key = await company.order()
    document = await company.posted(key)

    told = await company.esb("trace", document.number.strip())

    assert key in told
    assert told.index("order.placed") < told.index("order.accepted")


async def _create_product(company, article):
    """An accountant enters the product that was missing, like one that is there."""
    products = await company.control.objects(TRADE, "Catalog_Номенклатура")
    like = next(row for row in products if row["Артикул"] == "RM-0001")
    fields = {
        name: value
        for name, value in like.items()
        if name not in {"Ref_Key", "DataVersion", "Code", "Артикул"} and not name.endswith("navigationLinkUrl")
    }
    await company.control.act(TRADE, "create", {"set": "Catalog_Номенклатура", "fields": fields | {"Артикул": article}})
