"""What to do with the base's object for our key: decided from versions, differences and edits. Pure.

Three states are compared, header and lines apart: what we wrote last (by its hash in the stamp), what is there now,
and what shall be there. Only a part that both a person and the source have changed is a conflict.
"""

from dataclasses import dataclass
from typing import Literal

from esb_adapters.onec.owned import Owned
from esb_adapters.onec.stamp import Hashes, Stamp

Part = Literal["header", "lines"]
BOTH: frozenset[Part] = frozenset({"header", "lines"})


@dataclass(frozen=True, slots=True)
class Stale:
    """The base holds a newer version."""


@dataclass(frozen=True, slots=True)
class Keep:
    """The base holds what it shall; `should_post` when it only has to be posted."""

    should_post: bool


@dataclass(frozen=True, slots=True)
class Write:
    """Write these parts and the stamp; no parts: the stamp alone."""

    parts: frozenset[Part]


@dataclass(frozen=True, slots=True)
class Edited:
    """A person edited these parts, and they would have to be overwritten."""

    parts: frozenset[Part]


Verdict = Stale | Keep | Write | Edited


def judge(stamp: Stamp, version: int, wanted: Owned, found: Owned, *, is_posted: bool) -> Verdict:
    """Decide what brings the base's object to `wanted` at `version`.

    Args:
        stamp: key and version on the object, and the hashes of what we last wrote where the stamp has them.
        version: the version to be brought.
        wanted: our fields as they shall be.
        found: our fields as they are.
        is_posted: the object is posted or need not be.
    """
    if stamp.version > version:
        return Stale()
    differing = _differing(wanted.hashes, found.hashes)
    edited = _since(stamp, found.hashes, unknown=frozenset())
    if stamp.version == version:
        return _repeat(differing, edited, is_posted=is_posted)
    due = differing & _since(stamp, wanted.hashes, unknown=BOTH)  # what the source left alone, people may change
    return Edited(due & edited) if due & edited else Write(due)


def _repeat(differing: frozenset[Part], edited: frozenset[Part], *, is_posted: bool) -> Verdict:
    """This version was brought before: whatever differs by a person's hand since then is newer than we are."""
    if differing and not edited:
        return Write(differing)
    return Keep(should_post=not is_posted)


def _differing(one: Hashes, other: Hashes) -> frozenset[Part]:
    return _parts(one.header != other.header, one.lines != other.lines)


def _since(stamp: Stamp, now: Hashes, *, unknown: frozenset[Part]) -> frozenset[Part]:
    """Parts that are not as we wrote them last; `unknown` for a stamp that does not say how that was."""
    return unknown if stamp.hashes is None else _differing(stamp.hashes, now)


def _parts(header: bool, lines: bool) -> frozenset[Part]:  # noqa: FBT001  the two answers in their order
    named: tuple[tuple[Part, bool], ...] = (("header", header), ("lines", lines))
    return frozenset(part for part, is_in in named if is_in)
