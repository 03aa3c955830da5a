"""Many may move at once, or one may look: never both. Whoever wants to look goes before those who come to move."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager


class MoveGate:
    def __init__(self) -> None:
        self._moving = 0
        self._lookers = 0
        self._is_looking = False
        self._changed = asyncio.Event()

    @asynccontextmanager
    async def shared(self) -> AsyncIterator[None]:
        await self._until(lambda: not self._lookers)
        self._moving += 1
        try:
            yield
        finally:
            self._moving -= 1
            self._changed.set()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        self._lookers += 1
        try:
            await self._until(lambda: not self._is_looking and not self._moving)
            self._is_looking = True
            try:
                yield
            finally:
                self._is_looking = False
        finally:
            self._lookers -= 1
            self._changed.set()

    async def _until(self, is_free: Callable[[], bool]) -> None:
        while not is_free():
            self._changed = self._changed if not self._changed.is_set() else asyncio.Event()
            await self._changed.wait()
