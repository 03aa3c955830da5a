"""What the base has answered lately, so that it is not asked for every line of every order.

Only positive answers are kept, for minutes: a miss means «ask». The process remembers by itself and asks the
shared cache on a miss; losing either loses nothing.
"""

import json
import time
from collections.abc import Awaitable, Callable, Mapping

from esb_bus.ports import Cache

KEPT_S = 300.0

Answer = Mapping[str, str]


class Memory:
    """Answers of one base by question.

    Args:
        endpoint: full name of the base, part of every key of the shared cache.
        cache: shared by all processes.
        clock: monotonic seconds.
    """

    def __init__(self, endpoint: str, cache: Cache, clock: Callable[[], float] = time.monotonic) -> None:
        self._endpoint = endpoint
        self._cache = cache
        self._clock = clock
        self._answers: dict[str, tuple[float, Answer]] = {}

    async def recall(self, question: str) -> Answer | None:
        """Return what is remembered, None to ask the base."""
        kept = self._answers.get(question)
        if kept is not None and kept[0] > self._clock():
            return kept[1]
        shared = await self._cache.get(self._key(question))
        if shared is None:
            return None
        answer: Answer = json.loads(shared)
        self._answers[question] = (self._clock() + KEPT_S, answer)
        return answer

    async def keep(self, question: str, answer: Answer) -> None:
        self._answers[question] = (self._clock() + KEPT_S, answer)
        await self._cache.put(self._key(question), json.dumps(answer, ensure_ascii=False), KEPT_S)

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
