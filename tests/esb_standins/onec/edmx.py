"""`$metadata`: the EDMX document of a profile, by the rules of the platform.

Every property carries only its type and `Nullable`: lengths cannot be learnt through OData. Types with composite
attributes are open, and their `_Type` properties come last.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from esb_standins.onec.profile import EntitySet, Field, Profile

_HEAD: Final = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<edmx:Edmx Version="1.0" xmlns:edmx="http://schemas.microsoft.com/ado/2007/06/edmx">'
    '<edmx:DataServices xmlns:m="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata"'
    ' m:DataServiceVersion="3.0" m:MaxDataServiceVersion="3.0">'
    '<Schema Namespace="StandardODATA" xmlns="http://schemas.microsoft.com/ado/2009/11/edm">'
)
_TAIL: Final = "</Schema></edmx:DataServices></edmx:Edmx>"


def metadata(profile: Profile, sets: Mapping[str, EntitySet]) -> bytes:
    """Return the document for everything published."""
    parts = [_HEAD]
    for entity_set in sets.values():
        parts.extend(_types_of(entity_set, sets))
    parts.extend(_enums(profile))
    parts.extend(_associations(sets))
    parts.extend(_container(sets))
    parts.append(_TAIL)
    return "".join(parts).encode()


def _types_of(entity_set: EntitySet, sets: Mapping[str, EntitySet]) -> Iterator[str]:
    fields = tuple(entity_set.by_property.values())
    yield f'<EntityType Name="{entity_set.name}"{_open(fields)}><Key><PropertyRef Name="Ref_Key"/></Key>'
    yield from _properties(fields, key="Ref_Key")
    for table in entity_set.tables:
        yield _property(table, f"Collection(StandardODATA.{entity_set.name}_{table}_RowType)", nullable=True)
    yield from _type_properties(fields)
    for field in fields:
        if field.kind == "ref" and field.targets[0] in sets:
            role = f"{entity_set.name}_{field.name}"
            yield (
                f'<NavigationProperty Name="{field.name}" Relationship="StandardODATA.{role}"'
                ' FromRole="Begin" ToRole="End"/>'
            )
    yield "</EntityType>"
    for table, rows in entity_set.tables.items():
        yield f'<ComplexType Name="{entity_set.name}_{table}_RowType"{_open(rows)}>'
        yield _property("Ref_Key", "Edm.Guid", nullable=False)
        yield _property("LineNumber", "Edm.Int64", nullable=False)
        yield from _properties(rows)
        yield from _type_properties(rows)
        yield "</ComplexType>"


def _open(fields: Iterable[Field]) -> str:
    return ' OpenType="true"' if any(field.kind == "any" for field in fields) else ""


def _properties(fields: Iterable[Field], key: str = "") -> Iterator[str]:
    for field in fields:
        yield _property(field.wire_name, field.edm, nullable=field.wire_name != key)


def _type_properties(fields: Iterable[Field]) -> Iterator[str]:
    for field in fields:
        if field.kind in {"any", "storage"}:
            yield _property(f"{field.name}_Type", "Edm.String", nullable=True)


def _property(name: str, edm: str, *, nullable: bool) -> str:
    return f'<Property Name="{name}" Type="{edm}" Nullable="{str(nullable).lower()}"/>'


def _enums(profile: Profile) -> Iterator[str]:
    for name, members in profile.enums.items():
        inner = "".join(f'<Member Name="{member}"/>' for member in members)
        yield f'<EnumType Name="{name}" UnderlyingType="Edm.Int32">{inner}</EnumType>'


def _associations(sets: Mapping[str, EntitySet]) -> Iterator[str]:
    for entity_set in sets.values():
        for field in entity_set.by_property.values():
            if field.kind == "ref" and field.targets[0] in sets:
                yield (
                    f'<Association Name="{entity_set.name}_{field.name}">'
                    f'<End Role="Begin" Type="StandardODATA.{entity_set.name}" Multiplicity="*"/>'
                    f'<End Role="End" Type="StandardODATA.{field.targets[0]}" Multiplicity="0..1"/></Association>'
                )


def _container(sets: Mapping[str, EntitySet]) -> Iterator[str]:
    yield '<EntityContainer Name="EnterpriseV8" m:IsDefaultEntityContainer="true">'
    for name in sets:
        yield f'<EntitySet Name="{name}" EntityType="StandardODATA.{name}"/>'
    for name, entity_set in sets.items():
        if entity_set.is_document:
            for action in ("Post", "Unpost"):
                yield (
                    f'<FunctionImport Name="{action}" IsBindable="true" IsSideEffecting="true">'
                    f'<Parameter Name="bindingParameter" Type="StandardODATA.{name}"/>'
                    '<Parameter Name="PostingModeOperational" Type="Edm.Boolean"/></FunctionImport>'
                )
    yield "</EntityContainer>"
