"""What the base has answered lately, so that it is not asked for every line of every order.

Only positive answers are kept, for minutes: a miss means «ask». The process remembers by itself and asks the
shared cache on a miss; losing either loses nothing.
"""

import json
from collections.abc import Awaitable, Callable, Mapping

from esb_bus.cache import MemoryCache
from esb_bus.ports import Cache

KEPT_S = 150.0
"""In the process and in the shared cache, one after the other: five minutes at most."""

Answer = Mapping[str, str]


class Memory:
    """Answers of one base by question.

    Args:
        endpoint: full name of the base, part of every key of the shared cache.
        cache: shared by all processes.
    """

    def __init__(self, endpoint: str, cache: Cache) -> None:
        self._endpoint = endpoint
        self._cache = cache
        self._own = MemoryCache()

    async def recall(self, question: str) -> Answer | None:
        """Return what is remembered, None to ask the base."""
        key = self._key(question)
        kept = await self._own.get(key)
        if kept is None:
            kept = await self._cache.get(key)
            if kept is None:
                return None
            await self._own.put(key, kept, KEPT_S)
        answer: Answer = json.loads(kept)
        return answer

    async def keep(self, question: str, answer: Answer) -> None:
        text = json.dumps(answer, ensure_ascii=False)
        await self._own.put(self._key(question), text, KEPT_S)
        await self._cache.put(self._key(question), text, KEPT_S)

    async def ask(self, question: str, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """Return what is remembered, or what the base says now. `ask` raises for «there is none»."""
        remembered = await self.recall(question)
        if remembered is not None:
            return remembered
        answer = await ask()
        await self.keep(question, answer)
        return answer

    def _key(self, question: str) -> str:
        return f"onec:{self._endpoint}:{question}"
