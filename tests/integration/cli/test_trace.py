"""The story of an order by any number, wherever it is."""

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_delivered_order_is_found_by_every_number_it_goes_by(company):
    site = await company.order()
    story = await company.told(site, "order.accepted")
    number = next(step.detail for step in story if step.what == "order.accepted").split("№ ")[1].split(",")[0]

    told = [await company.story(name) for name in (f"order/website.shop/{site}", number, story[0].event_id)]

    assert [[step.what for step in steps] for steps in told] == [["order.placed", "order.accepted"]] * 3


async def test_story_is_also_one_json_object_a_line(company):
    number = await company.order()
    await company.told(number, "order.accepted")

    said = await company.esb("trace", number, "--json")

    assert [row["what"] for row in said.rows] == ["order.placed", "order.accepted"]
    assert said.err == ""


async def test_deal_is_told_with_its_invoice(company):
    deal = await company.deal()
    await company.told(deal, "invoice.issued")

    said = await company.esb("trace", deal)

    assert said.status == 0
    assert f"order/bitrix24.portal/{deal}" in said.out
    assert "«Счет на оплату покупателю» №" in said.out
    assert max(map(len, said.out.splitlines())) <= 80


async def test_order_that_was_refused_is_told_with_its_letter(company, mistyped):
    number = await company.order(mistyped)

    story = await company.told(number, "dead letter")

    assert story[0].what == "order.placed"
    assert {step.where for step in story} >= {"out.onec.trade.dead"}
    assert "unknown_product" in next(step.detail for step in story if step.what == "dead letter")


async def test_order_of_a_paused_base_is_told_to_wait_and_since_when(company):
    async with company.away("onec.trade") as number:
        said = await company.esb("trace", number)

    text = " ".join(said.out.split())
    assert "waiting out.onec.trade" in text
    assert "onec.trade is paused since 20" in text
    assert "base_down" in text


async def test_number_nobody_knows_is_status_1_and_says_where_to_look(company):
    said = await company.esb("trace", "4711-unknown")

    assert (said.status, said.out) == (1, "")
    assert "nothing is known about '4711-unknown'" in said.err
