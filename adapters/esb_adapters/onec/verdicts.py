"""What to do with the base's object for our key: a table over versions, differences and edits. Pure."""

from dataclasses import dataclass
from typing import Literal

from esb_adapters.onec.mapping import Owned
from esb_adapters.onec.stamp import Stamp

Part = Literal["header", "lines"]


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
    differing = _differing(wanted, found)
    edited = _edited(stamp, found)
    if stamp.version == version:
        return _repeat(differing, edited, is_posted=is_posted)
    if differing & edited:
        return Edited(differing & edited)
    return Write(differing)


def _repeat(differing: frozenset[Part], edited: frozenset[Part], *, is_posted: bool) -> Verdict:
    """This version was brought before: whatever differs by a person's hand since then is newer than we are."""
    if differing and not edited:
        return Write(differing)
    return Keep(should_post=not is_posted)


def _differing(wanted: Owned, found: Owned) -> frozenset[Part]:
    return _parts(wanted.hashes.header != found.hashes.header, wanted.hashes.lines != found.hashes.lines)


def _edited(stamp: Stamp, found: Owned) -> frozenset[Part]:
    """Parts that are not as we left them. A stamp without hashes says nothing, so nothing counts as edited."""
    if stamp.hashes is None:
        return frozenset()
    return _parts(stamp.hashes.header != found.hashes.header, stamp.hashes.lines != found.hashes.lines)


def _parts(header: bool, lines: bool) -> frozenset[Part]:  # noqa: FBT001  the two answers in their order
    named: tuple[tuple[Part, bool], ...] = (("header", header), ("lines", lines))
    return frozenset(part for part, is_in in named if is_in)
