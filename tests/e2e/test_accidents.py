"""What happens to machines: processes die, memories are wiped, brokers go. Nothing is lost, nothing comes twice."""

import asyncio
import time
from collections import Counter

import pytest
import redis.asyncio as redis

pytestmark = pytest.mark.asyncio(loop_scope="session")

ORDERS = 40


async def _traffic(company, rate=40.0):
    """People order for a second, half in the shop, half in the portal; returns the keys."""
    keys = []
    sellers = ("romashka-retail", "romashka-opt", "romashka-service")
    for number in range(ORDERS):
        place = company.order if number % 2 else company.deal
        keys.append(await place(sellers[number % 3]))
        await asyncio.sleep(1 / rate)
    return keys


async def _all_posted_once(company, keys):
    for key in keys:
        await company.posted(key)
    await company.at_rest()
    counts = Counter({key: len(await company.documents(key)) for key in keys})
    return counts == Counter(keys)


async def test_a_killed_bus_loses_and_doubles_nothing(company):
    traffic = asyncio.create_task(_traffic(company))
    await asyncio.sleep(0.5)

    await asyncio.to_thread(company.bus.kill)
    await asyncio.sleep(0.3)
    await company.bus.start()

    assert await _all_posted_once(company, await traffic)


async def test_a_bus_that_is_stopped_and_started_loses_and_doubles_nothing(company):
    traffic = asyncio.create_task(_traffic(company))
    await asyncio.sleep(0.5)

    await asyncio.to_thread(company.bus.stop)
    await company.bus.start()

    assert await _all_posted_once(company, await traffic)


async def test_a_wiped_memory_loses_and_doubles_nothing(company):
    traffic = asyncio.create_task(_traffic(company))
    nodes = company.running.nodes
    async with redis.Redis.from_url(nodes.redis_url) as connection:
        while not traffic.done():
            async for name in connection.scan_iter(match=f"{nodes.redis_prefix}*"):
                await connection.unlink(name)
            await asyncio.sleep(0.2)

    assert await _all_posted_once(company, await traffic)


@pytest.mark.parametrize("fault", ["502_after_commit", "cut_after_commit"])
async def test_a_write_whose_answer_is_lost_makes_one_document(company, fault):
    await company.control.break_("onec.trade", fault, count=1, sets=["Document_ЗаказКлиента"])

    key = await company.order()

    assert await _all_posted_once(company, [key])


async def test_while_the_broker_is_gone_webhooks_get_503_and_the_poll_brings_the_orders_later(company_of_its_own):
    company = company_of_its_own
    before = await company.order()
    await company.posted(before)

    await company.running.nodes.rabbitmq.kill()
    during = await company.order()
    started = time.monotonic()
    answer = await company.deliver(b'{"id": 1}')
    took = time.monotonic() - started
    await company.running.nodes.rabbitmq.revive()

    assert (answer.status_code, took < 3) == (503, True)
    assert int(answer.headers["Retry-After"]) > 0
    assert await _all_posted_once(company, [before, during])


async def test_a_broker_that_hangs_gets_503_in_time(company_of_its_own):
    company = company_of_its_own
    company.running.nodes.rabbitmq.pause()
    try:
        started = time.monotonic()
        answer = await company.deliver(b'{"id": 2}')
        took = time.monotonic() - started
    finally:
        company.running.nodes.rabbitmq.resume()

    assert (answer.status_code, took < 3) == (503, True)
    key = await company.order()
    assert await _all_posted_once(company, [key])
