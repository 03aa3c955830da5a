"""What a sender asks before it writes, and the locks that keep two threads from creating one thing twice."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from esb_bus.errors import InDoubt, RetryableError


class BrokerSilent(RetryableError):
    """Nothing was heard from the broker for a while: another process may hold the queue by now."""

    code = "broker_silent"


class KeyedLocks:
    """A lock for each key in use. One process serves an endpoint, so locks in memory are enough."""

    def __init__(self) -> None:
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}

    def is_held(self, key: str) -> bool:
        return key in self._locks

    @asynccontextmanager
    async def hold(self, key: str) -> AsyncIterator[None]:
        lock, users = self._locks.get(key, (asyncio.Lock(), 0))
        self._locks[key] = lock, users + 1
        try:
            async with lock:
                yield
        finally:
            lock, users = self._locks[key]
            if users == 1:
                del self._locks[key]
            else:
                self._locks[key] = lock, users - 1


class Guard:
    """The `WriteGuard` of one attempt.

    Args:
        may_write: whether the broker was heard of recently.
        doubt_until: loop time until which an earlier write of this message may still commit.
        shared_doubt_until: likewise of any message, written by whoever had the queue before.
    """

    __slots__ = ("_doubt_until", "_locks", "_may_write", "_shared_doubt_until", "wrote")

    def __init__(
        self, may_write: Callable[[], bool], doubt_until: float, locks: KeyedLocks, shared_doubt_until: float = 0
    ) -> None:
        self._may_write = may_write
        self._doubt_until = doubt_until
        self._shared_doubt_until = shared_doubt_until
        self._locks = locks
        self.wrote = False

    def before_write(self, *, fenced: bool = False, shared: bool = False) -> None:
        if not self._may_write():
            raise BrokerSilent("nothing heard from the broker; no write is started", retry_after=1)
        doubt_until = max(self._doubt_until, self._shared_doubt_until) if shared else self._doubt_until
        wait = doubt_until - asyncio.get_running_loop().time()
        if wait > 0 and not fenced:
            raise InDoubt("an earlier attempt may still commit", wait_s=wait)
        self.wrote = True

    @asynccontextmanager
    async def lock(self, *keys: str) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for key in sorted(set(keys)):  # one order for everybody, or two threads would wait for each other
                await stack.enter_async_context(self._locks.hold(key))
            yield
