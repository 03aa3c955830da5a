"""Fast state in Redis. It may vanish at any moment: a miss means "ask", and a broken Redis is a miss."""

import time
from collections import OrderedDict

import redis.asyncio as redis
import structlog
from redis.exceptions import RedisError

log = structlog.get_logger()

MAX_ENTRIES = 50_000
PATIENCE_S = 0.5


class RedisCache:
    """Shared by all processes of the bus."""

    def __init__(self, connection: redis.Redis, prefix: str) -> None:
        self._redis = connection
        self._prefix = prefix

    async def get(self, key: str) -> str | None:
        try:
            value = await self._redis.get(self._prefix + key)
        except (RedisError, OSError, TimeoutError) as error:
            log.debug("cache.unreachable", reason=type(error).__name__)
            return None
        return value.decode() if isinstance(value, bytes) else value

    async def put(self, key: str, value: str, ttl_s: float) -> None:
        try:
            await self._redis.set(self._prefix + key, value, px=max(1, round(ttl_s * 1000)))
        except (RedisError, OSError, TimeoutError) as error:
            log.debug("cache.unreachable", reason=type(error).__name__)

    async def drop(self, key: str) -> None:
        try:
            await self._redis.delete(self._prefix + key)
        except (RedisError, OSError, TimeoutError) as error:
            log.debug("cache.unreachable", reason=type(error).__name__)


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
