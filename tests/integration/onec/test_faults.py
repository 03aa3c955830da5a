"""A base that fails in every known way: nothing is lost, nothing is there twice."""

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest

from esb_adapters.onec.errors import (
    DocumentNotVisible,
    LockConflict,
    NoKeyField,
    NoLicence,
    NoSession,
    OneCBaseDown,
    PeriodClosed,
    PostingRefused,
    Unauthorised,
)
from esb_adapters.onec.tables_ut import UT_115, UT_ORDER
from esb_bus.errors import EndpointDown, InDoubt
from esb_schemas.orders import Delivery
from factories import OPT, VERSION, Where, buyer, invoice_document, order_document

ORDERS = "Document_ЗаказКлиента"
BUYERS = "Catalog_Контрагенты"
THEIRS = {"number": "theirs"}


def order(*args, version=VERSION, native_id="10015", **changes):
    where = Where(native_id=native_id, version=version)
    defaults = {"endpoint": "onec.trade", "legal_entity": OPT, "delivery": None, "where": where}
    return order_document(*args, **{**defaults, **changes})


@pytest.mark.parametrize("kind", ["502_after_commit", "cut_after_commit", "timeout_after_commit", "late_commit"])
@pytest.mark.parametrize("landscape", [{}, THEIRS], ids=["number ours", "number theirs"])
async def test_a_write_whose_answer_is_lost_leaves_one_document(open_world, kind, landscape):
    trade = await open_world(landscape={"timeout_s": 0.3, "settle_s": 0.6, **landscape})
    await trade.fault(kind, seconds=0.5, count=1, sets=[ORDERS], methods=["POST"])

    delivered = await trade.settle(order())

    made = await trade.one(ORDERS)
    assert delivered.outcome in {"created", "unchanged", "updated"}
    assert made["Posted"] is True


@pytest.mark.parametrize("kind", ["502_after_commit", "cut_after_commit", "timeout_after_commit", "late_commit"])
async def test_a_new_buyer_whose_answer_is_lost_is_there_once(open_world, kind):
    trade = await open_world(landscape={"timeout_s": 0.3, "settle_s": 0.6})
    newcomer = buyer(name="Новый Сад ООО", inn="7707083893", kpp="770701001")
    await trade.fault(kind, seconds=0.5, count=1, sets=[BUYERS], methods=["POST"])

    await trade.settle(order(buyer=newcomer))

    assert len([row for row in await trade.objects(BUYERS) if row["ИНН"] == "7707083893"]) == 1
    assert len(await trade.objects(ORDERS)) == 1


async def test_a_lost_answer_to_a_change_is_settled_by_looking(open_world):
    trade = await open_world(landscape={"timeout_s": 0.3, "settle_s": 0.4})
    await trade.deliver(order())
    await trade.fault("cut_after_commit", count=1, sets=[ORDERS], methods=["PATCH"])

    await trade.settle(order(3, version=VERSION + 1))

    made = await trade.one(ORDERS)
    assert (len(made["Товары"]), made["Posted"]) == (3, True)


async def test_without_a_fence_a_lost_answer_waits_the_settle_time(open_world):
    trade = await open_world(landscape=THEIRS)
    await trade.fault("cut_after_commit", count=1, sets=[ORDERS], methods=["POST"])

    with pytest.raises(InDoubt) as caught:
        await trade.deliver(order())

    assert caught.value.wait_s is None


async def test_their_number_is_the_bases_own_and_our_key_is_in_the_customers_number(open_world):
    trade = await open_world(landscape=THEIRS)

    await trade.deliver(order())
    again = await trade.deliver(order())

    made = await trade.one(ORDERS)
    assert again.outcome == "unchanged"
    assert made["НомерПоДаннымКлиента"] == "order/website.shop/10015"
    assert not made["Number"].startswith("ИМ")


async def test_a_refused_posting_says_where_to_look_and_is_repeated_after_the_repair(trade):
    await trade.fault("posting_refused")
    with pytest.raises(PostingRefused, match="open the document in 1C"):
        await trade.deliver(order())
    await trade.clear()

    delivered = await trade.deliver(order())

    made = await trade.one(ORDERS)
    assert delivered.outcome == "unchanged"
    assert made["Posted"] is True


async def test_a_closed_period_is_a_question_for_a_person(trade):
    await trade.fault("period_closed", until="2026-12-31")

    with pytest.raises(PeriodClosed, match="Запрещено изменять данные"):
        await trade.deliver(order())


async def test_a_lock_conflict_is_tried_again(trade):
    await trade.fault("lock_conflict", count=1, sets=[ORDERS])

    with pytest.raises(LockConflict):
        await trade.deliver(order())

    assert (await trade.deliver(order())).outcome == "created"


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("401", Unauthorised),
        ("licence", NoLicence),
        ("pool_exhausted", NoSession),
        ("503", OneCBaseDown),
        ("html_502", EndpointDown),
        ("down", OneCBaseDown),
        ("blackhole", OneCBaseDown),
    ],
)
async def test_a_base_that_cannot_be_worked_with_is_down_and_tells_how(open_world, kind, error):
    trade = await open_world(landscape={"timeout_s": 0.3})
    await trade.fault(kind)

    with pytest.raises(error):
        await trade.deliver(order())
    with pytest.raises(error):
        await trade.sender.probe()

    await trade.clear()
    await trade.sender.probe()
    assert (await trade.deliver(order())).outcome == "created"


@pytest.mark.parametrize("landscape", [{}, THEIRS], ids=["number ours", "number theirs"])
async def test_documents_that_appear_late_in_lists_are_not_created_again(open_world, landscape):
    trade = await open_world(landscape={"settle_s": 0.8, **landscape})
    await trade.fault("late_search", seconds=0.5, count=1)

    await trade.settle_retrying(order())

    assert len(await trade.objects(ORDERS)) == 1


async def test_a_taken_number_nobody_shows_is_waited_for(open_world):
    trade = await open_world()
    await trade.fault("late_search", seconds=0.5, count=1)
    with pytest.raises(InDoubt):
        await trade.deliver(order())

    with pytest.raises(DocumentNotVisible):
        await trade.deliver(order())

    await trade.settle_retrying(order())
    assert len(await trade.objects(ORDERS)) == 1


async def test_an_attempt_that_commits_after_the_next_one_looked_is_refused_by_the_base(open_world):
    trade = await open_world(landscape={"timeout_s": 0.2})
    await trade.deliver(order(native_id="1"))
    await trade.fault("late_commit", seconds=0.4, count=1, sets=[ORDERS], methods=["POST"])
    with pytest.raises(InDoubt):
        await trade.deliver(order())

    await trade.deliver(order(3, version=VERSION + 1))
    await asyncio.sleep(0.5)  # nothing tells that a write was refused: only its time can pass

    (made,) = [row for row in await trade.objects(ORDERS) if row["Number"] == "ИМ000010015"]
    assert len(made["Товары"]) == 3


async def test_what_the_base_itself_alters_is_not_taken_for_a_persons_edit(open_world):
    trade = await open_world()
    facts = replace(UT_ORDER, lengths={"delivery_address": 900})
    trade.restart(configured=replace(UT_115, documents={"customer_order": facts}))
    long = Delivery(method="Самовывоз", address="у" * 600, amount=Decimal(0))
    await trade.deliver(order(delivery=long))

    delivered = await trade.deliver(
        order(version=VERSION + 1, delivery=long.model_copy(update={"address": "Тверская 1"}))
    )

    assert delivered.outcome == "updated"
    assert (await trade.one(ORDERS))["АдресДоставки"] == "Тверская 1"


async def test_a_key_that_no_field_can_hold_is_refused(open_world):
    buh = await open_world("onec.buh", landscape=THEIRS)

    with pytest.raises(NoKeyField, match='number = "ours"'):
        await buh.deliver(invoice_document(delivery=None))


async def test_an_emptied_cache_costs_requests_and_nothing_else(trade):
    await trade.deliver(order())
    trade.cache.values.clear()
    trade.restart()

    delivered = await trade.deliver(order())

    assert delivered.outcome == "unchanged"
    assert len(await trade.objects(ORDERS)) == 1
