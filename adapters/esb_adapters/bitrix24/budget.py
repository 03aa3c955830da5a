"""The rate budget of one portal: a leaky bucket in Redis for all processes, in memory when Redis is gone.

The portal counts by source address: every process on one host spends from the same bucket. Source: Bitrix24 REST docs,
"Limits". The bucket is kept as one time, `drained_at`: when all that was sent will have left it. Whoever takes moves
that time on at once and then waits for its turn, so nobody is overtaken.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

import redis.asyncio as redis
import structlog

from esb_bus.cache import REDIS_GONE

_log = structlog.get_logger(__name__)

RETRY_REDIS_S: Final = 5.0

# KEYS[1]: drained_at in seconds. ARGV: drain per second, capacity, cost. Answer: seconds to wait, as text (numbers lose
# their fraction on the way out of Lua). The time is Redis's own, so the clocks of hosts do not matter.
_TAKE: Final = """
local now = redis.call('TIME')
now = tonumber(now[1]) + tonumber(now[2]) / 1000000
local drain, capacity, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local drained_at = math.max(now, tonumber(redis.call('GET', KEYS[1]) or '0')) + cost / drain
local ttl = math.ceil((drained_at - now) * 1000) + 1000
redis.call('SET', KEYS[1], string.format('%.6f', drained_at), 'PX', ttl)
return tostring(math.max(0, drained_at - now - capacity / drain))
"""


class LocalBudget:
    """The bucket of one process. Implements `RateBudget`.

    Args:
        drain: requests per second that leave the bucket.
        capacity: requests it holds.
        clock: seconds of a steady clock.
    """

    def __init__(self, drain: float, capacity: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._drain = drain
        self._capacity = capacity
        self._clock = clock
        self._drained_at = clock()

    def reserve(self, cost: float = 1) -> float:
        """Take `cost` and return how many seconds to wait before it is spent."""
        now = self._clock()
        self._drained_at = max(now, self._drained_at) + cost / self._drain
        return max(0.0, self._drained_at - now - self._capacity / self._drain)

    async def take(self, cost: float = 1) -> None:
        await asyncio.sleep(self.reserve(cost))


class RedisBudget:
    """The bucket all processes share. Implements `RateBudget`; without Redis each process keeps its own."""

    def __init__(self, connection: redis.Redis, key: str, drain: float, capacity: float) -> None:
        self._connection = connection
        self._key = key
        self._drain = drain
        self._capacity = capacity
        self._local = LocalBudget(drain, capacity)
        self._away_until = 0.0

    async def take(self, cost: float = 1) -> None:
        # The local bucket fills along: if Redis goes in the middle of a burst, the burst is remembered.
        local = self._local.reserve(cost)
        shared = await self._reserve_shared(cost)
        await asyncio.sleep(local if shared is None else shared)

    async def _reserve_shared(self, cost: float) -> float | None:
        """Take from the shared bucket; None when Redis is gone."""
        if time.monotonic() < self._away_until:
            return None
        try:
            return float(await self._connection.eval(_TAKE, 1, self._key, self._drain, self._capacity, cost))
        except REDIS_GONE as error:
            self._away_until = time.monotonic() + RETRY_REDIS_S
            _log.warning("budget.redis_lost", key=self._key, error=type(error).__name__)
            return None
