"""A broken Redis is a miss, whatever it breaks like."""

import asyncio
import socket
import time

from tests.resetting import resetting_server, under_uvloop

from esb_adapters.bitrix24.budget import RedisBudget
from esb_bus.cache import RedisCache, open_redis


def test_a_connection_that_is_reset_at_any_moment_is_a_miss():
    async def ask(url):
        connection = open_redis(url)
        # A fresh cache each time: one that has just failed asks nobody for a while.
        answers = [await asyncio.gather(*(RedisCache(connection, "t:").get("k") for _ in range(50))) for _ in range(20)]
        await connection.aclose()
        return {answer for some in answers for answer in some}

    with resetting_server() as port:
        assert under_uvloop(ask(f"redis://:word@127.0.0.1:{port}/0")) == {None}


def test_a_rate_budget_whose_connection_is_reset_counts_by_itself():
    async def take(url):
        connection = open_redis(url)
        for _ in range(20):
            await asyncio.gather(*(RedisBudget(connection, "k", 1000, 1000).take() for _ in range(50)))
        await connection.aclose()
        return True

    with resetting_server() as port:
        assert under_uvloop(take(f"redis://:word@127.0.0.1:{port}/0"))


async def test_a_silent_redis_costs_its_patience_once_and_not_for_every_question():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connection = open_redis(f"redis://127.0.0.1:{listener.getsockname()[1]}/0")
        cache = RedisCache(connection, "t:")
        started = time.monotonic()

        answers = [await cache.get(str(number)) for number in range(20)]

        await connection.aclose()
        assert set(answers) == {None}
        assert time.monotonic() - started < 2
