"""Many may move at once, or one may look: never both."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class MoveGate:
    def __init__(self) -> None:
        self._changed = asyncio.Condition()
        self._moving = 0
        self._is_looking = False

    @asynccontextmanager
    async def shared(self) -> AsyncIterator[None]:
        async with self._changed:
            await self._changed.wait_for(lambda: not self._is_looking)
            self._moving += 1
        try:
            yield
        finally:
            async with self._changed:
                self._moving -= 1
                self._changed.notify_all()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        async with self._changed:
            await self._changed.wait_for(lambda: not self._is_looking and not self._moving)
            self._is_looking = True
        try:
            yield
        finally:
            async with self._changed:
                self._is_looking = False
                self._changed.notify_all()
