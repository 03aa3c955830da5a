"""Many orders through a base that loses, delays and repeats its answers at random."""

import asyncio
from collections import Counter

import pytest

from esb_adapters.onec.stamp import read_stamp
from factories import OPT, VERSION, Where, buyer, order_document

ORDERS = "Document_ЗаказКлиента"
NEWCOMERS = (
    buyer(name="Новый Сад ООО", inn="7707083893", kpp="770701001"),
    buyer(name="Старый Сад ООО", inn="5032123452", kpp="503201001"),
)
FAULTS = {
    "502_after_commit": {"share": 0.1},
    "cut_after_commit": {"share": 0.1},
    "cut_before_commit": {"share": 0.05},
    "late_commit": {"share": 0.1, "seconds": 0.25},
    "lock_conflict": {"share": 0.05},
}


def order(number, version, lines):
    where = Where(native_id=str(number), version=version)
    who = NEWCOMERS[number % 2]
    return order_document(lines, endpoint="onec.trade", legal_entity=OPT, delivery=None, where=where, buyer=who)


@pytest.mark.parametrize("numbers", ["ours", "theirs"])
async def test_every_order_is_there_once_with_its_last_content(open_world, numbers):
    trade = await open_world(landscape={"timeout_s": 0.2, "settle_s": 0.4, "number": numbers})
    for seed, (kind, details) in enumerate(FAULTS.items()):
        await trade.fault(kind, seed=seed, **details)
    at_once = asyncio.Semaphore(4)

    async def thread(number):
        async with at_once:
            await trade.settle_retrying(order(number, VERSION, 2), seconds=40)
            await trade.settle_retrying(order(number, VERSION + 1, 1 + number % 3), seconds=40)

    await asyncio.gather(*(thread(number) for number in range(100, 112)))
    await trade.clear()

    held = {read_stamp(row["Комментарий"]).key: row for row in await trade.objects(ORDERS)}
    assert len(await trade.objects(ORDERS)) == len(held) == 12
    assert all(row["Posted"] for row in held.values())
    assert all(len(row["Товары"]) == 1 + int(key.rsplit("/", 1)[1]) % 3 for key, row in held.items())
    inns = Counter(row["ИНН"] for row in await trade.objects("Catalog_Контрагенты"))
    assert [inns[who.inn] for who in NEWCOMERS] == [1, 1]
