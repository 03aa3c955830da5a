"""Query options and their effect on a list: `$filter`, `$orderby`, `$top`, `$skip`, `$select`, `$inlinecount`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final
from urllib.parse import unquote

from esb_standins.onec.entity import Entity
from esb_standins.onec.errors import bad_option, no_segment, unsupported_option
from esb_standins.onec.filters import Node, parse_filter
from esb_standins.onec.profile import EntitySet

KNOWN: Final = frozenset({"$filter", "$orderby", "$top", "$skip", "$select", "$inlinecount", "$format", "$allowedOnly"})
Presented = Callable[[str, str], str]


@dataclass(frozen=True)
class QueryOptions:
    """Options of one request; `others` are those without a dollar sign."""

    condition: Node | None = None
    orderby: tuple[tuple[str, bool], ...] = ()
    top: int | None = None
    skip: int = 0
    select: tuple[str, ...] = ()
    wants_count: bool = False
    format: str = ""
    others: Mapping[str, str] = field(default_factory=dict)


def split_query(raw: bytes) -> dict[str, str]:
    """Decode a query string. A plus stays a plus, and option names may be percent-encoded."""
    pairs = (part.partition("=") for part in raw.decode("latin-1").split("&") if part)
    return {unquote(name): unquote(value) for name, _, value in pairs}


def read_options(raw: bytes) -> QueryOptions:
    """Return the options of a request. Raises ODataError."""
    given = split_query(raw)
    for name in given:
        if name.startswith("$") and name not in KNOWN:
            raise unsupported_option(name)
    return QueryOptions(
        condition=parse_filter(given["$filter"]) if given.get("$filter", "").strip() else None,
        orderby=_orderby(given.get("$orderby", "")),
        top=_count(given, "$top"),
        skip=_count(given, "$skip") or 0,
        select=tuple(name.strip() for name in given.get("$select", "").split(",") if name.strip()),
        wants_count=given.get("$inlinecount") == "allpages",
        format=given.get("$format", ""),
        others={name: value for name, value in given.items() if not name.startswith("$")},
    )


def ordered(found: list[Entity], options: QueryOptions, entity_set: EntitySet, presented: Presented) -> list[Entity]:
    """Sort by `$orderby`; a reference sorts by what it is shown as, not by its GUID."""
    result = found
    for name, descending in reversed(options.orderby):
        if name not in entity_set.by_property:
            raise no_segment(name)
        result = sorted(result, key=_sort_key(entity_set, name, presented), reverse=descending)
    return result


def projected(entity: Entity, select: tuple[str, ...], entity_set: EntitySet) -> Entity:
    """Keep what `$select` names: `*` everything, `**` everything but sections, `Товары/Цена` one column."""
    if not select or "*" in select:
        return entity
    names = set(entity_set.property_names())
    sections: dict[str, set[str]] = {}
    wanted: set[str] = set()
    for item in select:
        table, _, column = item.partition("/")
        if item == "**":
            wanted |= names - set(entity_set.tables)
        elif column and table in entity_set.tables:
            sections.setdefault(table, set()).add(column)
        elif item in names:
            wanted.add(item)
        else:
            raise no_segment(item)
    return {
        name: _columns(value, sections[name]) if name in sections and name not in wanted else value
        for name, value in entity.items()
        if name in wanted or name in sections
    }


def _columns(rows: Any, names: set[str]) -> list[Entity]:
    return [{name: value for name, value in row.items() if name in names} for row in rows]


def _sort_key(entity_set: EntitySet, name: str, presented: Presented) -> Callable[[Entity], Any]:
    found = entity_set.by_property[name]
    match found.kind:
        case "number":
            return lambda entity: Decimal(str(entity[name]))
        case "ref":
            return lambda entity: presented(found.targets[0], entity[name])
        case _:
            return lambda entity: entity[name]


def _orderby(text: str) -> tuple[tuple[str, bool], ...]:
    items = []
    for part in text.split(","):
        name, _, direction = part.strip().partition(" ")
        if name and direction.strip() not in {"", "asc", "desc"}:
            raise bad_option("$orderby")
        if name:
            items.append((name, direction.strip() == "desc"))
    return tuple(items)


def _count(given: Mapping[str, str], name: str) -> int | None:
    if name not in given:
        return None
    if not given[name].isdigit():
        raise bad_option(name)
    return int(given[name])
