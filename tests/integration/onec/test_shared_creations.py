"""What several orders of one buyer need and nobody has yet is created once, whoever dies or sees it late."""

import asyncio

import pytest

from esb_bus.errors import InDoubt
from esb_bus.guard import Guard
from factories import VERSION, Where, buyer, invoice_document

BUYERS = "Catalog_Контрагенты"
CONTRACTS = "Catalog_ДоговорыКонтрагентов"
NEWCOMER = buyer(name="Новый Сад ООО", inn="7707083893", kpp="770701001")


def invoice(native_id):
    return invoice_document(delivery=None, buyer=NEWCOMER, where=Where(native_id=native_id, version=VERSION))


async def created(buh, set_name):
    """How many objects of a set the bus has created."""
    rows = [row for row in await buh.ledger() if row["set"] == set_name and row["action"] == "create"]
    return len(rows) - buh.seeded_count[set_name]


@pytest.fixture
async def buh(open_world):
    world = await open_world("onec.buh", landscape={"timeout_s": 0.5, "settle_s": 1})
    rows = [row for row in await world.ledger() if row["action"] == "create"]
    world.seeded_count = {name: sum(row["set"] == name for row in rows) for name in (BUYERS, CONTRACTS)}
    return world


async def test_after_a_take_over_a_new_order_leaves_a_buyer_alone_that_may_be_under_way(buh):
    taken_over = Guard(lambda: True, 0, buh.locks, asyncio.get_running_loop().time() + 60)

    with pytest.raises(InDoubt):
        await buh.sender.deliver(invoice("1"), taken_over)

    assert (await created(buh, BUYERS), await created(buh, CONTRACTS)) == (0, 0)


async def test_a_process_that_dies_while_its_buyer_commits_late_leaves_one_buyer(buh):
    await buh.fault("late_commit", seconds=0.8, count=1, sets=[BUYERS], methods=["POST"])
    dying = asyncio.create_task(buh.deliver(invoice("1")))
    await asyncio.sleep(0.3)  # the request is with the base, which tells nobody
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    buh.restart()
    taken_over = asyncio.get_running_loop().time() + buh.base.settle_s

    with pytest.raises(InDoubt) as raised:
        await buh.sender.deliver(invoice("2"), Guard(lambda: True, 0, buh.locks, taken_over))
    await asyncio.sleep(raised.value.wait_s)
    await buh.settle(invoice("2"))

    assert await created(buh, BUYERS) == 1


async def test_two_orders_of_a_new_buyer_share_a_contract_that_lists_show_late(buh):
    await buh.fault("late_search", seconds=0.4, sets=[CONTRACTS])

    await asyncio.gather(*(buh.settle_retrying(invoice(number)) for number in ("1", "2", "3")))

    assert await created(buh, CONTRACTS) == 1


async def test_a_contract_whose_answer_is_lost_is_there_once_for_all_orders(buh):
    await buh.fault("late_commit", seconds=0.8, count=1, sets=[CONTRACTS], methods=["POST"])

    await asyncio.gather(*(buh.settle_retrying(invoice(number)) for number in ("1", "2", "3")))

    assert await created(buh, CONTRACTS) == 1
