"""Notifications a stand-in sends by itself: each once, never repeated, and lost when nobody listens.

Faults, by their kinds: `events_dropped` (never sent), `events_delayed` (`seconds` later), `events_duplicated` (sent
twice), `events_reordered` (each held for a random part of `seconds`, so later ones overtake). `sets` limits a fault
to some events.
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import httpx

from esb_standins.faults import FaultBox

_REMEMBERED: Final = 20_000
_METHOD: Final = "EVENT"


@dataclass(frozen=True)
class Notification:
    """One call to be made.

    Attributes:
        subject: the event's name.
        ref: the object it is about.
        render: gives body and headers at the moment of sending.
    """

    url: str
    subject: str
    ref: str
    render: Callable[[], tuple[bytes, Mapping[str, str]]]


@dataclass(frozen=True)
class Sending:
    """What became of one call: the status of the answer, or None with the reason."""

    time: float
    subject: str
    ref: str
    url: str
    status: int | None
    note: str = ""


Done = Callable[[Notification, int | None], None]


class Outgoing:
    """Sends notifications in the background.

    Args:
        faults: asked for every notification.
        timeout: seconds the receiver has.
        done: told the status of each answer, None when there was no answer; a dropped one was never started.
    """

    def __init__(self, faults: FaultBox, timeout: float, done: Done = lambda _, __: None) -> None:
        self._faults = faults
        self._timeout = timeout
        self._done = done
        self._dice = random.Random(1)
        self._tasks: set[asyncio.Task[None]] = set()
        self._client: httpx.AsyncClient | None = None
        self.history: deque[Sending] = deque(maxlen=_REMEMBERED)

    def open(self) -> None:
        limits = httpx.Limits(max_connections=16, max_keepalive_connections=16)
        # redirects are not followed: neither sender does
        self._client = httpx.AsyncClient(timeout=self._timeout, limits=limits, trust_env=False)

    async def close(self) -> None:
        """Stop sending; what is still under way is lost, as it is on the real systems."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._client:
            await self._client.aclose()

    async def idle(self) -> None:
        """Wait until everything handed over so far has been sent or dropped."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def send(self, notification: Notification) -> None:
        """Hand over one notification; it is sent in the background."""
        if self._faults.pick(("events_dropped",), _METHOD, notification.subject):
            self._remember(notification, None, "dropped")
            return
        for delay in self._delays(notification.subject):
            task = asyncio.get_running_loop().create_task(self._send(notification, delay))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def sendings(self) -> list[dict[str, Any]]:
        return [asdict(sending) for sending in self.history]

    def _delays(self, subject: str) -> list[float]:
        delayed = self._faults.pick(("events_delayed",), _METHOD, subject)
        reordered = self._faults.pick(("events_reordered",), _METHOD, subject)
        delay = delayed.delay if delayed else 0.0
        if reordered:
            delay += self._dice.random() * reordered.delay
        return [delay] * (2 if self._faults.pick(("events_duplicated",), _METHOD, subject) else 1)

    async def _send(self, notification: Notification, delay: float) -> None:
        if delay:
            await asyncio.sleep(delay)
        assert self._client is not None
        status, note = None, ""
        body, headers = notification.render()
        try:
            answer = await self._client.post(notification.url, content=body, headers=dict(headers))
            status = answer.status_code
        except httpx.HTTPError as error:
            note = f"{type(error).__name__}: {error}"
        self._remember(notification, status, note)
        self._done(notification, status)

    def _remember(self, notification: Notification, status: int | None, note: str) -> None:
        what = (notification.subject, notification.ref, notification.url)
        self.history.append(Sending(time.time(), *what, status, note))
