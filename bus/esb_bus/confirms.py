"""Which publish a confirm of the broker is about, and which publishes have waited too long. No I/O.

The broker counts the publishes of a channel, and so do we: a publish that was counted but never written would shift
every later answer to the wrong message. Hence `add` is called only with the bytes ready to be written.
"""

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass


class AmqpReturned(Exception):
    """No queue took a mandatory message."""


class AmqpRefused(Exception):
    """The broker answered a publish with nack."""


@dataclass(slots=True)
class Unconfirmed:
    """A publish the broker has not answered."""

    confirmed: asyncio.Future[None]
    deadline: float
    message_id: str
    is_returned: bool = False


class Confirms:
    """The unanswered publishes of one channel."""

    def __init__(self) -> None:
        self._last_tag = 0
        self._waiting: dict[int, Unconfirmed] = {}
        self._late: dict[int, Unconfirmed] = {}
        """Nobody waits for them any more; kept until their answer, or that of a repetition could be taken for it."""

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, message_id: str, deadline: float) -> asyncio.Future[None]:
        """Count one publish; the future tells its fate."""
        self._last_tag += 1
        confirmed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[self._last_tag] = Unconfirmed(confirmed, deadline, message_id)
        return confirmed

    def returned(self, message_id: str) -> None:
        """The broker gave a message back; its confirm follows. Of several with one id the oldest is meant."""
        known = itertools.chain(self._late.items(), self._waiting.items())
        meant = [(tag, entry) for tag, entry in known if entry.message_id == message_id and not entry.is_returned]
        if meant:
            min(meant, key=lambda one: one[0])[1].is_returned = True

    def answer(self, tag: int, *, multiple: bool, refused: bool) -> None:
        for entry in self._answered(tag, multiple=multiple):
            if entry.confirmed.done():
                continue
            if entry.is_returned:
                entry.confirmed.set_exception(AmqpReturned())
            elif refused:
                entry.confirmed.set_exception(AmqpRefused())
            else:
                entry.confirmed.set_result(None)

    def _answered(self, tag: int, *, multiple: bool) -> list[Unconfirmed]:
        if self._late:
            for late in [known for known in self._late if known == tag or (multiple and known < tag)]:
                del self._late[late]
        if not multiple:
            entry = self._waiting.pop(tag, None)
            return [] if entry is None else [entry]
        # Tags wait in the order they were given, so the walk ends at the first one beyond.
        tags = list(itertools.takewhile(lambda known: known <= tag, self._waiting))
        return [self._waiting.pop(known) for known in tags]

    def sweep(self, now: float) -> None:
        """Fail the publishes whose deadline has passed; cheaper than a timer for each."""
        for tag, entry in list(self._waiting.items()):
            if entry.confirmed.done():  # its publisher was cancelled
                self._late[tag] = self._waiting.pop(tag)
            elif entry.deadline <= now:
                self._late[tag] = self._waiting.pop(tag)
                entry.confirmed.set_exception(TimeoutError())

    def fail(self, reason: Callable[[], Exception]) -> None:
        """The channel is gone. Every waiter gets an exception of its own: a shared one would gather tracebacks."""
        for entry in self._waiting.values():
            if not entry.confirmed.done():
                entry.confirmed.set_exception(reason())
        self._waiting.clear()
        self._late.clear()
