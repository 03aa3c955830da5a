"""What of a base's object is the bus's, how it differs from what it shall be, and what to write then. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from esb_adapters.onec.configurations import OWNED_HEADER, OWNED_LINES, DocumentFacts, Section
from esb_adapters.onec.mapping import Content, properties, rows
from esb_adapters.onec.protocol import EMPTY_DATE, ZERO_REF, Object
from esb_adapters.onec.stamp import Hashes, comparable, digest

_PARTS_OF_LINES = ("total",)
"""Header fields that change together with the lines."""


@dataclass(frozen=True, slots=True)
class Owned:
    """The part of an object that the bus answers for: properties of the header, and of each line."""

    header: Mapping[str, Any]
    totals: Mapping[str, Any]
    lines: Sequence[Mapping[str, Any]]
    is_cancelled: bool

    @property
    def hashes(self) -> Hashes:
        return Hashes(
            header=digest([self.header, self.is_cancelled]),
            lines=digest([self.totals, list(self.lines)]),
        )


def owned_of_content(content: Content, facts: DocumentFacts) -> Owned:
    header = {name: value for name, value in content.header.items() if name in OWNED_HEADER}
    totals = {name: value for name, value in content.header.items() if name in _PARTS_OF_LINES}
    lines = [{name: value for name, value in line.items() if name in OWNED_LINES} for line in content.lines]
    places = facts.section.fields if facts.section else {}
    return Owned(
        header=properties(facts.fields, header, facts.lengths),
        totals=properties(facts.fields, totals, facts.lengths),
        lines=[properties(places, line, facts.lengths) for line in lines],
        is_cancelled=content.is_cancelled and bool(facts.cancelled),
    )


def owned_of_object(found: Object, wanted: Owned, facts: DocumentFacts) -> Owned:
    """The same properties as `wanted` has, as they are in the base."""
    line_names = sorted({name for line in wanted.lines for name in line})
    stored = found.get(facts.section.name, []) if facts.section else []
    return Owned(
        header={name: found.get(name) for name in wanted.header},
        totals={name: found.get(name) for name in wanted.totals},
        lines=[{name: line.get(name) for name in line_names} for line in stored],
        is_cancelled=is_cancelled(found, facts),
    )


def is_cancelled(found: Object, facts: DocumentFacts) -> bool:
    """True when the object says «no longer wanted» in the words of its configuration."""
    return bool(facts.cancelled) and all(found.get(name) == value for name, value in facts.cancelled.items())


def header_change(content: Content, wanted: Owned, found: Owned, facts: DocumentFacts) -> dict[str, Any]:
    """Properties of the header that have to change."""
    changed = {name: value for name, value in wanted.header.items() if not _same(value, found.header.get(name))}
    if wanted.is_cancelled != found.is_cancelled:
        changed |= facts.cancelled if content.is_cancelled else facts.active
    return changed


def lines_change(content: Content, wanted: Owned, stored: Object, facts: DocumentFacts) -> dict[str, Any]:
    """Totals and the whole section: 1C replaces a section as a whole, so what people wrote in it is carried over."""
    if facts.section is None:
        return dict(wanted.totals)
    section = facts.section
    old_rows = [dict(row) for row in stored.get(section.name, [])]
    merged = [_carried_over(row, old_rows, section) for row in rows(section, content.lines, facts.lengths)]
    last_line = facts.fields.get("last_line", "")
    highest = _number_new_rows(merged, section, stored, last_line)
    return {**wanted.totals, **({last_line: highest} if last_line else {}), section.name: merged}


def _carried_over(row: Mapping[str, Any], old_rows: list[dict[str, Any]], section: Section) -> dict[str, Any]:
    """`row` over the first old row of the same product, which is used up by that."""
    product = section.fields.get("product")
    ours = {place for name, place in section.fields.items() if name in OWNED_LINES}
    for index, old in enumerate(old_rows):
        if product is None or comparable(old.get(product)) == comparable(row.get(product)):
            del old_rows[index]
            kept = {name: value for name, value in old.items() if "@" not in name and name != "Ref_Key"}
            return {**row, **kept, **{name: value for name, value in row.items() if name in {*ours, "LineNumber"}}}
    return {name: value for name, value in row.items() if name not in section.number_lines}


def _number_new_rows(merged: list[dict[str, Any]], section: Section, stored: Object, last_line: str) -> int:
    """Give rows without a line code the next free one; codes of deleted rows are not used again."""
    used = [int(row.get(name) or 0) for row in stored.get(section.name, []) for name in section.number_lines]
    highest = max([*used, int(stored.get(last_line) or 0)])
    for row in merged:
        if any(name not in row for name in section.number_lines):
            highest += 1
            row.update(dict.fromkeys(section.number_lines, highest))
    return highest


def _same(wanted: Any, stored: Any) -> bool:
    if stored is None:
        return wanted in ("", ZERO_REF, EMPTY_DATE)
    return bool(comparable(wanted) == comparable(stored))
