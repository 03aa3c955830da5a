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
    """Letter ids that were taken out of `.dead` and are on their way through the queue."""
    last_sequence: int = 0

    def restore(self, letters: Iterable[Marks], parked: Iterable[Marks]) -> None:
        """Replace what is known by what `.dead` and `.parked` hold; letters on their way stay known."""
        under_way = [mark for held in self.letters.values() for mark in held.values() if mark.letter in self.replaying]
        self.letters = {}
        self.parked = Counter()
        for mark in (*under_way, *letters):
            self.letters.setdefault(mark.thread, {})[mark.letter or mark.message_id] = mark
            self.last_sequence = max(self.last_sequence, mark.sequence)
        for mark in parked:
            self.parked[mark.thread] += 1
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
            earlier = [
                other for key, other in (letters or {}).items() if key != mark.letter and other.sequence < mark.sequence
            ]
            return Fate.RETURN if earlier else Fate.RUN
        if letters:
            if mark.message_id in letters and mark.message_id not in self.replaying:
                return Fate.DROP
            return Fate.RUN if self.superseded_by(mark) else Fate.PARK
        return Fate.PARK if self.parked[mark.thread] > 0 else Fate.RUN

    def superseded_by(self, mark: Marks) -> list[str]:
        """Ids of the letters that a message would close: same object, all of lower version."""
        if mark.object is None or mark.version is None:
            return []
        same = {k: v for k, v in self.letters.get(mark.thread, {}).items() if v.object == mark.object}
        if any(other.version is None or other.version >= mark.version for other in same.values()):
            return []
        return sorted(same, key=lambda key: same[key].sequence)

    def buried(self, mark: Marks) -> None:
        key = mark.letter or mark.message_id
        self.replaying.discard(key)
        self.letters.setdefault(mark.thread, {})[key] = mark

    def letter_closed(self, thread: str, letter: str) -> None:
        self.replaying.discard(letter)
        held = self.letters.get(thread, {})
        held.pop(letter, None)
        if not held:
            self.letters.pop(thread, None)

    def moved_aside(self, thread: str) -> None:
        self.parked[thread] += 1

    def taken_back(self, thread: str) -> None:
        """A parked message is done, or became a letter."""
        self.parked[thread] -= 1
        if self.parked[thread] <= 0:
            del self.parked[thread]

    def eligible(self) -> list[str]:
        """Parked threads that nothing blocks."""
        return [thread for thread in self.parked if not self.is_blocked(thread)]
