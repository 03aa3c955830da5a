"""Reads of several callers in one request: who has to wait for the portal anyway is taken along by the next batch."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count

from esb_adapters.bitrix24.client import Client
from esb_adapters.bitrix24.protocol import MAX_COMMANDS, BatchAnswer
from esb_bus.errors import EsbError

Commands = Callable[[str], Mapping[str, str]]
"""Prefix for the names (and references to them) → commands of one caller."""


@dataclass(slots=True, eq=False)
class _Wish:
    prefix: str
    commands: Mapping[str, str]
    outcome: BatchAnswer | EsbError | None = None


class SharedReads:
    """Sends one batch at a time; alone when it is quiet, up to fifty commands together when it is not.

    Whoever is next in the queue sends for all that wait, so there is no task to be stopped, and a caller that is
    cancelled leaves the others to the next in line. Only for commands that may be repeated.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._turn = asyncio.Lock()
        self._wishes: list[_Wish] = []
        self._numbers = count()

    async def read(self, commands: Commands) -> BatchAnswer:
        """Return the answer to the commands of one caller, by their names without the prefix.

        Raises:
            RetryableError, EndpointDown: nothing was answered.
        """
        prefix = f"r{next(self._numbers)}_"
        wish = _Wish(prefix, commands(prefix))
        self._wishes.append(wish)
        try:
            async with self._turn:
                if wish.outcome is None:
                    await self._send()
        finally:
            if wish in self._wishes:
                self._wishes.remove(wish)
        if isinstance(wish.outcome, EsbError):
            raise wish.outcome
        assert wish.outcome is not None, "the first in line is always among those that are sent"
        return wish.outcome

    async def _send(self) -> None:
        chosen = self._first_that_fit()
        try:
            answer = await self._client.batch({name: text for wish in chosen for name, text in wish.commands.items()})
        except EsbError as error:
            for wish in chosen:
                wish.outcome = error
        else:
            for wish in chosen:
                wish.outcome = answer.part(wish.prefix)
        self._wishes = [wish for wish in self._wishes if wish.outcome is None]

    def _first_that_fit(self) -> list[_Wish]:
        chosen: list[_Wish] = []
        room = MAX_COMMANDS
        for wish in self._wishes:
            room -= len(wish.commands)
            if room < 0:
                break
            chosen.append(wish)
        return chosen
