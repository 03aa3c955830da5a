"""Fast state in Redis. It may vanish at any moment: a miss means "ask", and a broken Redis is a miss."""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import TypeVar

import redis.asyncio as redis
import structlog
from redis.exceptions import RedisError

log = structlog.get_logger()

MAX_ENTRIES = 50_000
PATIENCE_S = 0.5
AWAY_S = 1.0
"""For so long a Redis that did not answer is not asked again: a cache must not be slower than asking."""

REDIS_GONE = (RedisError, OSError, TimeoutError, RuntimeError)
"""How a lost Redis shows. A RuntimeError is uvloop's: its transports raise it when written to after a reset."""

AnswerT = TypeVar("AnswerT")


class RedisCache:
    """Shared by all processes of the bus."""

    def __init__(self, connection: redis.Redis, prefix: str) -> None:
        self._redis = connection
        self._prefix = prefix
        self._away_until = 0.0

    async def get(self, key: str) -> str | None:
        value: bytes | str | None = await self._asked(lambda: self._redis.get(self._prefix + key))
        return value.decode() if isinstance(value, bytes) else value

    async def put(self, key: str, value: str, ttl_s: float) -> None:
        await self._asked(lambda: self._redis.set(self._prefix + key, value, px=max(1, round(ttl_s * 1000))))

    async def drop(self, key: str) -> None:
        await self._asked(lambda: self._redis.delete(self._prefix + key))

    async def _asked(self, ask: Callable[[], Awaitable[AnswerT]]) -> AnswerT | None:
        if time.monotonic() < self._away_until:
            return None
        try:
            return await ask()
        except REDIS_GONE as error:
            self._away_until = time.monotonic() + AWAY_S
            log.debug("cache.unreachable", reason=type(error).__name__)
            return None


class MemoryCache:
    """Where there is no Redis: of one process, bounded, forgetting the oldest."""

    def __init__(self) -> None:
        self._entries: OrderedDict[str, tuple[str, float]] = OrderedDict()

    async def get(self, key: str) -> str | None:
        value, expires_at = self._entries.get(key, (None, 0.0))
        return value if expires_at > time.monotonic() else None

    async def put(self, key: str, value: str, ttl_s: float) -> None:
        self._entries[key] = (value, time.monotonic() + ttl_s)
        self._entries.move_to_end(key)
        if len(self._entries) > MAX_ENTRIES:
            self._entries.popitem(last=False)

    async def drop(self, key: str) -> None:
        self._entries.pop(key, None)


def open_redis(url: str) -> redis.Redis:
    """Connect lazily, with a short patience: a cache must not be slower than asking."""
    return redis.Redis.from_url(url, socket_timeout=PATIENCE_S, socket_connect_timeout=PATIENCE_S)
