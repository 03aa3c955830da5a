"""What one 1C configuration publishes: sets, attributes with types and lengths, tabular sections, enumerations.

The facts are in `profiles/*.json`, one line per attribute in a small grammar:

    string | string 50 | string =2      unlimited, limited, fixed (padded with blanks)
    number 15.2                         digits and fraction digits
    bool | date | uuid | storage
    ref Catalog_X | enum X              one type
    any Document_X Catalog_Y string …   composite; «…» stands for types that are not published here
    a trailing «!»                      the configuration's form insists on it (OData does not)
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib import resources
from types import MappingProxyType
from typing import Any, Final

ZERO_GUID: Final = "00000000-0000-0000-0000-000000000000"
EMPTY_DATE: Final = "0001-01-01T00:00:00"
UNDEFINED: Final = "StandardODATA.Undefined"
PROFILES: Final = ("ut-11.5", "retail-2", "retail-3", "bp-3.0")


class UnknownProfile(LookupError):
    """No table describes this configuration."""


@dataclass(frozen=True)
class Field:
    """One attribute.

    Attributes:
        name: name in the configuration.
        kind: string, number, bool, date, uuid, storage, ref, enum or any.
        length: longest string, 0 for unlimited.
        fixed: the string is padded with blanks to its length.
        digits, fraction: width of a number.
        targets: sets a reference may point at, or the one enumeration.
        is_open: a composite that also takes types which are not published.
        required: the form insists on a value; OData does not.
    """

    name: str
    kind: str
    length: int = 0
    fixed: bool = False
    digits: int = 0
    fraction: int = 0
    targets: tuple[str, ...] = ()
    is_open: bool = False
    required: bool = False

    @cached_property
    def wire_name(self) -> str:
        """Name of the OData property that carries the value."""
        match self.kind:
            case "ref":
                return f"{self.name}_Key"
            case "storage":
                return f"{self.name}_Base64Data"
            case _:
                return self.name

    @cached_property
    def edm(self) -> str:
        """EDM type of the property. Integers up to 3 digits are Int16, wider ones Int64 (text in JSON)."""
        match self.kind:
            case "number" if self.fraction:
                return "Edm.Double"
            case "number":
                return "Edm.Int16" if self.digits <= 3 else "Edm.Int64"
            case "bool":
                return "Edm.Boolean"
            case "date":
                return "Edm.DateTime"
            case "ref" | "uuid":
                return "Edm.Guid"
            case "storage":
                return "Edm.Binary"
            case _:
                return "Edm.String"

    @property
    def is_unlimited_text(self) -> bool:
        return self.kind == "string" and self.length == 0

    @cached_property
    def empty(self) -> Any:
        """The value of the property when nothing was given."""
        match self.edm:
            case "Edm.Guid":
                return ZERO_GUID
            case "Edm.DateTime":
                return EMPTY_DATE
            case "Edm.Boolean":
                return False
            case "Edm.Int64":
                return "0"
            case "Edm.Int16" | "Edm.Double":
                return 0
            case _:
                return " " * self.length if self.fixed else ""

    @property
    def empty_properties(self) -> dict[str, Any]:
        """Return every property of the attribute as a new object has it."""
        match self.kind:
            case "any":
                return {self.wire_name: self.empty, f"{self.name}_Type": UNDEFINED}
            case "storage":
                return {self.wire_name: self.empty, f"{self.name}_Type": "application/octet-stream"}
            case _:
                return {self.wire_name: self.empty}


@dataclass(frozen=True)
class Numbering:
    """How `field` (`Number` of a document, `Code` of a catalog) is given; `period` is year, day or none."""

    field: str
    length: int
    unique: bool
    auto: bool
    period: str = "none"


@dataclass(frozen=True)
class EntitySet:
    """A published catalog, document, chart of accounts or exchange plan.

    Attributes:
        standard: standard properties in the order 1C prints them, before the attributes.
        trailing: standard properties printed after the tabular sections.
    """

    name: str
    title: str
    kind: str
    numbering: Numbering | None
    standard: tuple[Field, ...]
    fields: tuple[Field, ...]
    tables: Mapping[str, tuple[Field, ...]]
    trailing: tuple[Field, ...] = ()
    is_partial: bool = False
    by_property: Mapping[str, Field] = field(init=False)

    def __post_init__(self) -> None:
        found = {item.wire_name: item for item in (*self.standard, *self.fields, *self.trailing)}
        object.__setattr__(self, "by_property", MappingProxyType(found))

    @cached_property
    def template(self) -> Mapping[str, Any]:
        """A new object with every property empty, in the order 1C prints them."""
        empty: dict[str, Any] = {}
        for item in (*self.standard, *self.fields):
            empty |= item.empty_properties
        empty |= {table: [] for table in self.tables}
        return empty | {item.wire_name: item.empty for item in self.trailing}

    @cached_property
    def row_templates(self) -> Mapping[str, Mapping[str, Any]]:
        """A new row of every tabular section."""
        return {table: _merged(item.empty_properties for item in rows) for table, rows in self.tables.items()}

    @property
    def is_document(self) -> bool:
        return self.kind == "Document"

    def property_names(self) -> Iterator[str]:
        """Yield every name a request may write or read at the top level, sections included."""
        for item in self.by_property.values():
            yield item.wire_name
            if item.kind == "any":
                yield f"{item.wire_name}_Type"
        yield from self.tables


@dataclass(frozen=True)
class Profile:
    """One configuration and release."""

    name: str
    configuration: str
    release: str
    enums: Mapping[str, tuple[str, ...]]
    sets: Mapping[str, EntitySet]

    def has_property(self, set_name: str, path: str) -> bool:
        """True when `path` («Контрагент_Key», «Товары/Цена») exists in the set of this configuration."""
        entity_set = self.sets.get(set_name)
        if entity_set is None:
            return False
        table, _, inner = path.rpartition("/")
        if not table:
            return inner in set(entity_set.property_names())
        rows = entity_set.tables.get(table, ())
        names = {item.wire_name for item in rows} | {f"{item.wire_name}_Type" for item in rows if item.kind == "any"}
        return inner in names | {"LineNumber"}


def _merged(parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return {name: value for part in parts for name, value in part.items()}


def load_profile(name: str) -> Profile:
    """Return the tables of a configuration. Raises UnknownProfile."""
    if name not in PROFILES:
        raise UnknownProfile(name)
    return _load(name)


@cache
def _load(name: str) -> Profile:
    text = resources.files(__package__).joinpath("profiles", f"{name}.json").read_text("utf-8")
    raw = json.loads(text)
    return Profile(
        name=name,
        configuration=raw["configuration"],
        release=raw["release"],
        enums={key: tuple(members) for key, members in raw["enums"].items()},
        sets={key: _entity_set(key, table) for key, table in raw["sets"].items()},
    )


def parse_field(name: str, spec: str) -> Field:
    """Read one line of the grammar above."""
    kind, *rest = spec.removesuffix("!").split()
    required = spec.endswith("!")
    match kind:
        case "string":
            size = rest[0] if rest else "0"
            return Field(name, kind, int(size.lstrip("=")), size.startswith("="), required=required)
        case "number":
            digits, fraction = rest[0].split(".")
            return Field(name, kind, digits=int(digits), fraction=int(fraction), required=required)
        case _:
            targets = tuple(item for item in rest if item != "…")
            return Field(name, kind, targets=targets, is_open="…" in rest, required=required)


def exchange_plan(name: str, title: str) -> EntitySet:
    """Describe an exchange plan as OData shows its nodes."""
    standard = (
        *_IDENTITY,
        parse_field("Code", "string 9"),
        parse_field("Description", "string 100"),
        parse_field("SentNo", "number 10.0"),
        parse_field("ReceivedNo", "number 10.0"),
        parse_field("ThisNode", "bool"),
    )
    return EntitySet(name, title, "ExchangePlan", None, standard, (), {})


_IDENTITY: Final = (
    parse_field("Ref_Key", "uuid"),
    parse_field("DataVersion", "string 12"),
    parse_field("DeletionMark", "bool"),
)
_PREDEFINED: Final = (parse_field("Predefined", "bool"), parse_field("PredefinedDataName", "string 256"))


def _entity_set(name: str, raw: Mapping[str, Any]) -> EntitySet:
    kind = name.partition("_")[0]
    is_document = kind == "Document"
    return EntitySet(
        name=name,
        title=raw["title"],
        kind=kind,
        numbering=_numbering(raw),
        standard=_document_standard(raw) if is_document else _catalog_standard(name, raw),
        fields=tuple(parse_field(key, spec) for key, spec in raw["fields"].items()),
        tables={
            table: tuple(parse_field(key, spec) for key, spec in rows.items()) for table, rows in raw["tables"].items()
        },
        trailing=() if is_document else _PREDEFINED,
        is_partial=bool(raw.get("partial")),
    )


def _numbering(raw: Mapping[str, Any]) -> Numbering | None:
    if "number" in raw:
        number = raw["number"]
        period = number["period"] if number["period"] in {"year", "day"} else "none"
        return Numbering("Number", number["length"], number["unique"], auto=True, period=period)
    code = raw["code"]
    return Numbering("Code", code["length"], code["unique"], code["auto"]) if code["length"] else None


def _document_standard(raw: Mapping[str, Any]) -> tuple[Field, ...]:
    number = parse_field("Number", f"string {raw['number']['length']}")
    return (*_IDENTITY, number, parse_field("Date", "date"), parse_field("Posted", "bool"))


def _catalog_standard(name: str, raw: Mapping[str, Any]) -> tuple[Field, ...]:
    owners = raw.get("owners", [])
    parts = [*_IDENTITY]
    if owners:
        parts.append(parse_field("Owner", f"ref {owners[0]}" if len(owners) == 1 else f"any {' '.join(owners)}"))
    if raw.get("hierarchy"):
        parts.append(parse_field("Parent", f"ref {name}"))
    if raw.get("hierarchy") == "folders":
        parts.append(parse_field("IsFolder", "bool"))
    if raw["code"]["length"]:
        parts.append(parse_field("Code", f"string {raw['code']['length']}"))
    parts.append(parse_field("Description", f"string {raw['description']}"))
    return tuple(parts)
