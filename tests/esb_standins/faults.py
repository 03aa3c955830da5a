"""Faults that are switched on and off while a stand-in serves.

A fault is data; `FaultBox` decides which one hits a request. What a fault *does* is in `effects.py` (everything
that only moves bytes) or in the stand-in itself (what needs to know its objects).
"""

import random
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

WRITES: Final = frozenset({"POST", "PATCH", "PUT", "DELETE", "MERGE"})

DELAYS: Final = frozenset({
    "slow", "late_commit", "timeout_after_commit", "late_search", "events_delayed", "events_reordered",
})  # fmt: skip
"""Kinds whose `seconds` is a delay of the effect; for all others it is how long the fault stays on."""

WRITES_ONLY: Final = frozenset({
    "502_after_commit", "cut_after_commit", "timeout_after_commit", "late_commit",
})  # fmt: skip
"""Kinds that hit only writing methods unless `methods` says otherwise."""


@dataclass(frozen=True)
class Fault:
    """One fault of one stand-in.

    Attributes:
        kind: what happens; the table is in README.md.
        seconds: the delay for kinds in `DELAYS`, otherwise how long the fault stays on.
        lasts: how long the fault stays on, in seconds; None means until cleared.
        share: the part of matching requests that is hit, drawn from a seeded generator.
        methods: HTTP methods hit; empty means every method the kind makes sense for.
        sets: entity sets (1C), REST methods (Bitrix24) or resources (shop) hit; empty means all.
        numbers: document numbers or keys hit, for kinds that look at one object; empty means all.
        count: how many requests are hit before the fault clears itself; None means no limit.
        until: for `period_closed`, the last closed day (2026-01-31); None closes everything up to today.
        seed: start of the generator behind `share`.
    """

    kind: str
    seconds: float | None = None
    lasts: float | None = None
    share: float = 1.0
    methods: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    count: int | None = None
    until: str | None = None
    seed: int = 1

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> "Fault":
        """Read a fault from JSON; raise ValueError naming every member that is not one."""
        unknown = set(raw) - {field.name for field in fields(cls)}
        if unknown or not isinstance(raw.get("kind"), str):
            raise ValueError(f"a fault needs a kind and knows no {sorted(unknown)}")
        lists = {name: tuple(raw[name]) for name in ("methods", "sets", "numbers") if name in raw}
        return cls(**{**raw, **lists})

    @property
    def delay(self) -> float:
        return (self.seconds or 0.0) if self.kind in DELAYS else 0.0

    @property
    def duration(self) -> float | None:
        """How long the fault stays on, in seconds; None means until cleared."""
        return self.lasts if self.lasts is not None or self.kind in DELAYS else self.seconds

    def matches(self, method: str, subject: str, number: str | None) -> bool:
        if self.methods:
            if method not in self.methods:
                return False
        elif self.kind in WRITES_ONLY and method not in WRITES:
            return False
        return (not self.sets or subject in self.sets) and (
            not self.numbers or number is None or number in self.numbers
        )


@dataclass
class _Active:
    fault: Fault
    expires: float | None
    left: int | None
    dice: random.Random


class FaultBox:
    """The faults switched on for one stand-in."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._active: dict[str, _Active] = {}
        self._listeners: list[Callable[[], None]] = []

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` after every switch; the listener that closes the socket needs to know at once."""
        self._listeners.append(listener)

    def switch_on(self, *faults: Fault) -> None:
        """Add faults; one of the same kind is replaced."""
        now = self._clock()
        for fault in faults:
            expires = None if fault.duration is None else now + fault.duration
            self._active[fault.kind] = _Active(fault, expires, fault.count, random.Random(fault.seed))
        self._changed()

    def clear(self, kind: str | None = None) -> None:
        """Switch off one kind, or everything."""
        if kind is None:
            self._active.clear()
        else:
            self._active.pop(kind, None)
        self._changed()

    def active(self) -> tuple[Fault, ...]:
        self._expire()
        return tuple(entry.fault for entry in self._active.values())

    def get(self, kind: str) -> Fault | None:
        """Return a fault that is on, without counting a hit."""
        self._expire()
        entry = self._active.get(kind)
        return entry.fault if entry else None

    def pick(self, kinds: Iterable[str], method: str, subject: str, number: str | None = None) -> Fault | None:
        """Return the first fault of these kinds that hits this request, counting the hit."""
        if not self._active:
            return None
        self._expire()
        for kind in kinds:
            entry = self._active.get(kind)
            if entry and entry.fault.matches(method, subject, number) and self._hits(entry):
                return entry.fault
        return None

    def _hits(self, entry: _Active) -> bool:
        if entry.fault.share < 1.0 and entry.dice.random() >= entry.fault.share:
            return False
        if entry.left is not None:
            entry.left -= 1
            if entry.left <= 0:
                del self._active[entry.fault.kind]
        return True

    def _expire(self) -> None:
        now = self._clock()
        gone = [kind for kind, entry in self._active.items() if entry.expires is not None and entry.expires <= now]
        for kind in gone:
            del self._active[kind]

    def _changed(self) -> None:
        for listener in self._listeners:
            listener()
