"""Every bucket that keeps us within a portal's limit: in memory, shared through Redis, and with Redis gone."""

import asyncio
import time

import pytest
import redis.asyncio as redis

from esb_adapters.bitrix24.budget import LocalBudget, RedisBudget

DRAIN, CAPACITY = 20.0, 5.0


@pytest.fixture
async def connection(servers):
    client = redis.Redis.from_url(servers.redis_url)
    yield client
    await client.aclose()


@pytest.fixture
async def dead_connection():
    client = redis.Redis.from_url("redis://127.0.0.1:1/0", socket_connect_timeout=0.2)
    yield client
    await client.aclose()


@pytest.fixture(params=["local", "redis", "redis gone"])
def budget(request, unique):
    if request.param == "local":
        return LocalBudget(DRAIN, CAPACITY)
    connection = request.getfixturevalue("connection" if request.param == "redis" else "dead_connection")
    prefix = request.getfixturevalue("servers").redis_prefix if request.param == "redis" else "esb:"
    return RedisBudget(connection, f"{prefix}{unique}", DRAIN, CAPACITY)


async def _seconds_for(requests, *budgets):
    started = time.monotonic()
    await asyncio.gather(*(budgets[number % len(budgets)].take() for number in range(requests)))
    return time.monotonic() - started


async def test_burst_passes_and_the_rest_drains_at_its_rate(budget):
    await budget.take(0)

    burst = await _seconds_for(5, budget)
    rest = await _seconds_for(10, budget)

    assert burst < 0.25
    assert rest >= 0.4


async def test_processes_share_one_bucket(connection, servers, unique):
    one, other = (RedisBudget(connection, f"{servers.redis_prefix}{unique}", DRAIN, CAPACITY) for _ in range(2))

    assert await _seconds_for(15, one, other) >= 0.45


async def test_buckets_of_two_portals_are_separate(connection, servers, unique):
    one, other = (RedisBudget(connection, f"{servers.redis_prefix}{unique}{name}", DRAIN, CAPACITY) for name in "ab")

    assert await _seconds_for(10, one, other) < 0.4


def test_bucket_counts_by_the_given_clock():
    now = 100.0
    budget = LocalBudget(drain=2, capacity=3, clock=lambda: now)

    waits = [budget.reserve() for _ in range(5)]
    now = 110.0

    assert waits == [0, 0, 0, 0.5, 1.0]
    assert budget.reserve(3) == 0
