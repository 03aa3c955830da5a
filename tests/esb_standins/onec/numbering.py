"""Numbers of documents and codes of catalogs.

A document number is `[organisation prefix][base prefix]-NNNNNN` (11 characters), unique within the year of the
document's date; a code is `[base prefix]-N…`, unique within the catalog. Prefixes are padded to two characters
with zeros on the left. Source: standard subsystems library, object prefixes.
"""

from esb_standins.onec.entity import Entity
from esb_standins.onec.profile import EntitySet, Numbering


def period_of(entity: Entity, numbering: Numbering) -> str:
    """Return the space within which a number must be unique: «2026», «2026-03-01» or everything."""
    length = {"year": 4, "day": 10}.get(numbering.period, 0)
    return str(entity.get("Date", ""))[:length]


def prefix_of(entity_set: EntitySet, organisation_prefix: str, base_prefix: str) -> str:
    """Return the prefix the base gives to a new object, with its hyphen."""
    base = base_prefix.rjust(2, "0")[:2]
    return f"{organisation_prefix.rjust(2, '0')[:2]}{base}-" if entity_set.is_document else f"{base}-"


def pattern_of(prefix: str, length: int) -> str:
    """Return the GLOB pattern of numbers the base itself gives with this prefix."""
    return prefix + "[0-9]" * (length - len(prefix))


def following(highest: str | None, prefix: str, length: int) -> str:
    """Return the number after the highest one given so far."""
    last = int(highest[len(prefix) :]) if highest else 0
    return f"{prefix}{last + 1:0{length - len(prefix)}d}"
