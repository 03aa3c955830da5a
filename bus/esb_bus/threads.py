"""The fate of a thread: clear, parked behind waiting messages, or blocked by dead letters. Pure, no I/O.

A thread is *clear* while it has neither letters in `<queue>.dead` nor messages in `<queue>.parked`. The one active
consumer of a queue is the only writer of both, so these counts, read once on taking over, stay exact:

    event                                   clear             parked            blocked (letters)
    ------------------------------------    --------------    --------------    ------------------------------
    message arrives                         run               park              park
    … a newer version of a dead object      –                 –                 run: accepted closes the letters
    … an earlier copy of a dead message     –                 –                 drop: it is in `.dead` already
    letter arrives again (replay, by hand)  run               run               run if no earlier letter is left,
                                                                                else back to `.dead`
    parked message is tried                 –                 run               leave
    parked letter is tried                  –                 run               run if no earlier letter is left

A letter that was replayed and had to be parked is still a letter: it stays ahead of what was parked behind it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from esb_bus.topology import H_LETTER, H_OBJECT, H_SEQUENCE, H_THREAD, H_VERSION


class Fate(Enum):
    """What to do with a message that has just arrived."""

    RUN = "run"
    PARK = "park"
    DROP = "drop"
    """It is a copy of a message that rests in `.dead`: acknowledge it."""
    RETURN = "return"
    """A letter that arrived before an earlier letter of its thread: back to `.dead`."""


@dataclass(frozen=True, slots=True)
class Marks:
    """What order and supersession need to know about a message."""

    thread: str
    message_id: str
    object: str | None = None
    version: int | None = None
    letter: str | None = None
    sequence: int = 0


def marks_of(message_id: str, headers: Mapping[str, Any]) -> Marks:
    """Read the marks from AMQP headers. A message without a thread is a thread of its own."""
    version, sequence = headers.get(H_VERSION), headers.get(H_SEQUENCE)
    return Marks(
        thread=str(headers.get(H_THREAD) or f"message/{message_id}"),
        message_id=message_id,
        object=_text(headers.get(H_OBJECT)),
        version=version if isinstance(version, int) else None,
        letter=_text(headers.get(H_LETTER)),
        sequence=sequence if isinstance(sequence, int) else 0,
    )


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


@dataclass(slots=True)
class Threads:
    """All threads of one queue that are not clear."""

    letters: dict[str, dict[str, Marks]] = field(default_factory=dict)
    """Thread → letter id → its marks, for letters that rest in `.dead` or were replayed and not yet done."""
    parked: Counter[str] = field(default_factory=Counter)
    replaying: set[str] = field(default_factory=set)
    """Letter ids that were taken out of `.dead` and are not done: in the queue, in our hands or in `.parked`."""
    parked_letters: set[str] = field(default_factory=set)
    """Those of them that were replayed and had to be parked."""
    last_sequence: int = 0

    def restore(self, letters: Iterable[Marks], parked: Iterable[Marks], *, is_takeover: bool = False) -> None:
        """Replace what is known by what `.dead` and `.parked` hold.

        Letters on their way through the queue stay known, except on a take-over: another process may have done
        them long ago, and their threads would stay blocked for ever.
        """
        under_way = [] if is_takeover else self._under_way()
        self.letters, self.parked, self.replaying, self.parked_letters = {}, Counter(), set(), set()
        for mark in under_way:
            self._know(mark)
            self.replaying.add(_key(mark))
        for mark in letters:
            self._know(mark)
            self.replaying.discard(_key(mark))
        for mark in parked:
            self.moved_aside(mark)
            self.last_sequence = max(self.last_sequence, mark.sequence)

    def _under_way(self) -> list[Marks]:
        known = (mark for held in self.letters.values() for mark in held.values())
        return [mark for mark in known if _key(mark) in self.replaying - self.parked_letters]

    def _know(self, mark: Marks) -> None:
        self.letters.setdefault(mark.thread, {})[_key(mark)] = mark
        self.last_sequence = max(self.last_sequence, mark.sequence)

    def next_sequence(self) -> int:
        self.last_sequence += 1
        return self.last_sequence

    def is_clear(self, thread: str) -> bool:
        return not self.letters.get(thread) and self.parked[thread] <= 0

    def is_blocked(self, thread: str) -> bool:
        return bool(self.letters.get(thread))

    def fate(self, mark: Marks) -> Fate:
        """Decide about a message from the queue itself (not from `.parked`)."""
        letters = self.letters.get(mark.thread)
        if mark.letter is not None:
            return Fate.RETURN if self._has_earlier(mark) else Fate.RUN
        if letters:
            if mark.message_id in letters and mark.message_id not in self.replaying:
                return Fate.DROP
            return Fate.RUN if self.superseded_by(mark) else Fate.PARK
        return Fate.PARK if self.parked[mark.thread] > 0 else Fate.RUN

    def _has_earlier(self, mark: Marks) -> bool:
        letters = self.letters.get(mark.thread, {})
        return any(key != mark.letter and other.sequence < mark.sequence for key, other in letters.items())

    def superseded_by(self, mark: Marks) -> list[str]:
        """Ids of the letters that a message would close: same object, all of lower version."""
        if mark.object is None or mark.version is None:
            return []
        same = {k: v for k, v in self.letters.get(mark.thread, {}).items() if v.object == mark.object}
        if any(other.version is None or other.version >= mark.version for other in same.values()):
            return []
        return sorted(same, key=lambda key: same[key].sequence)

    def buried(self, mark: Marks) -> None:
        self.replaying.discard(_key(mark))
        self.parked_letters.discard(_key(mark))
        self._know(mark)

    def taken_out(self, mark: Marks) -> None:
        """A letter leaves `.dead` and goes back to work."""
        self.buried(mark)
        self.replaying.add(_key(mark))

    def rests_in_dead(self, thread: str, letter: str) -> bool:
        return letter in self.letters.get(thread, {}) and letter not in self.replaying

    def letter_closed(self, thread: str, letter: str) -> None:
        self.replaying.discard(letter)
        self.parked_letters.discard(letter)
        held = self.letters.get(thread, {})
        held.pop(letter, None)
        if not held:
            self.letters.pop(thread, None)

    def moved_aside(self, mark: Marks) -> None:
        """A message goes to `.parked`."""
        self.parked[mark.thread] += 1
        if mark.letter is not None:
            self.parked_letters.add(mark.letter)
            if not self.rests_in_dead(mark.thread, mark.letter):
                self.replaying.add(mark.letter)
                self._know(mark)

    def taken_back(self, thread: str) -> None:
        """A parked message is done, or became a letter."""
        self.parked[thread] -= 1
        if self.parked[thread] <= 0:
            del self.parked[thread]

    def eligible(self) -> list[str]:
        """Parked threads of which something may be tried."""
        return [thread for thread in self.parked if self.may_start(thread)]

    def may_start(self, thread: str) -> bool:
        """Whether the thread has something parked that nothing blocks."""
        letters = self.letters.get(thread)
        if not letters:
            return self.parked[thread] > 0
        return min(letters, key=lambda key: letters[key].sequence) in self.parked_letters

    def may_try(self, mark: Marks) -> bool:
        """Whether this very message, which rests in `.parked`, may be tried."""
        if not self.is_blocked(mark.thread):
            return True
        return mark.letter is not None and not self._has_earlier(mark)


def _key(mark: Marks) -> str:
    return mark.letter or mark.message_id
