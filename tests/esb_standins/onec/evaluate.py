"""Evaluate a `$filter` tree against objects, with the refusals of the 1C query language.

- text of unlimited length (and stored values) cannot be compared at all;
- references know only equality, and a composite attribute only equality with a `cast`: compared with a bare
  GUID it never matches;
- text compares without regard to case and trailing blanks, as the collations of 1C databases do;
- Int64 is text on the wire and a number in comparisons.
"""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from esb_standins.onec.entity import Entity, blank
from esb_standins.onec.errors import bad_filter, incomparable, internal, no_segment
from esb_standins.onec.filters import COMPARISONS, AnyAll, Binary, Call, Cast, Literal, Logic, Node, Not, Path
from esb_standins.onec.profile import ZERO_GUID, EntitySet, Field, parse_field
from esb_standins.onec.values import folded

Lookup = Callable[[str, str], Entity | None]
"""Return an object by set name and reference; needed for paths through a reference."""

INDEXED: Final = frozenset({
    "Ref_Key", "Number", "Code", "Description", "ИНН", "Артикул", "Номер", "НомерПоДаннымКлиента",
    "НомерЗаказаНаСайте", "НомерВходящегоДокумента", "PredefinedDataName", "Партнер_Key", "Owner_Key",
    "ПеречислениеСтавкаНДС", "НомерСчета", "Контрагент_Key", "ДокументОснование", "ЗаказПокупателя_Key",
})  # fmt: skip
"""Properties a store should look up instead of scanning for; see `candidates`."""

EMPTY: Final = frozenset({"", ZERO_GUID})
"""Values that are not worth an index entry: half of all objects have them."""

_LINE_NUMBER: Final = parse_field("LineNumber", "number 5.0")


def candidates(node: Node | None) -> tuple[str, frozenset[str]] | None:
    """Return a property and the values one of which every match must have, or None to scan.

    Only a hint for the store: `matches` still decides about each object found.
    """
    match node:
        case Binary("eq", Path((name,)), Literal("guid" | "text", value) | Cast(Literal("guid", value))):
            return (name, frozenset({folded(str(value))})) if name in INDEXED and value not in EMPTY else None
        case Logic("and", operands):
            return next((found for found in map(candidates, operands) if found), None)
        case Logic("or", operands):
            found = [candidates(operand) for operand in operands]
            names = {item[0] if item else None for item in found}
            if len(names) == 1 and None not in names:
                return str(names.pop()), frozenset().union(*(item[1] for item in found if item))
    return None


def earliest_date(node: Node | None) -> str | None:
    """Return a date before which no match can be, or None."""
    match node:
        case Binary("ge" | "gt", Path(("Date",)), Literal("datetime", value)):
            return str(value)
        case Logic("and", operands):
            return next((found for found in map(earliest_date, operands) if found), None)
    return None


class Evaluator:
    """Decides which objects of one set match a filter.

    Args:
        substring_of_unlimited: whether `substringof`/`like` work on text of unlimited length (unconfirmed).
    """

    def __init__(
        self,
        sets: Mapping[str, EntitySet],
        entity_set: EntitySet,
        lookup: Lookup,
        *,
        substring_of_unlimited: bool,
    ) -> None:
        self._sets = sets
        self._set = entity_set
        self._lookup = lookup
        self._substring_of_unlimited = substring_of_unlimited

    def check(self, node: Node) -> None:
        """Refuse a filter even when no object is there to try it on. Raises ODataError."""
        self.matches(node, self._empty())

    def matches(self, node: Node, entity: Entity) -> bool:
        return bool(self._value(node, _Scope(self._set, entity, {})))

    def _empty(self) -> Entity:
        return blank(self._set, ZERO_GUID)

    def _value(self, node: Node, scope: "_Scope") -> Any:
        match node:
            case Literal():
                return node.value
            case Logic("and", operands):
                return all(self._values(operands, scope))
            case Logic(_, operands):
                return any(self._values(operands, scope))
            case Not(operand):
                return not self._value(operand, scope)
            case Binary() if node.operator in COMPARISONS:
                return self._compare(node, scope)
            case Binary():
                return _arithmetic(node.operator, self._value(node.left, scope), self._value(node.right, scope))
            case Call():
                return self._call(node, scope)
            case AnyAll():
                return self._rows(node, scope)
            case Cast():
                return self._cast(node, scope)
            case Path():
                return self._read(node, scope)[1]

    def _values(self, nodes: tuple[Node, ...], scope: "_Scope") -> list[Any]:
        """Evaluate all, without stopping early: a bad name behind a false condition is refused, too."""
        return [self._value(node, scope) for node in nodes]

    def _compare(self, node: Binary, scope: "_Scope") -> bool:
        left_field, left = self._operand(node.left, scope)
        right_field, right = self._operand(node.right, scope)
        for field in (left_field, right_field):
            if field is not None and (field.is_unlimited_text or field.kind == "storage"):
                raise incomparable()
        field = left_field or right_field
        if field is not None and field.kind in {"ref", "uuid", "any"} and node.operator not in {"eq", "ne"}:
            raise incomparable()
        if _incompatible(left_field, node.right) or _incompatible(right_field, node.left):
            raise incomparable()
        if field is not None and field.kind == "any" and not (_is_cast(node.left) or _is_cast(node.right)):
            return False
        return _compared(node.operator, left, right)

    def _operand(self, node: Node, scope: "_Scope") -> tuple[Field | None, Any]:
        if isinstance(node, Path):
            field, value = self._read(node, scope)
            if field is not None and field.kind == "any":
                return field, (value, scope.type_of(node))
            return field, value
        return None, self._value(node, scope)

    def _cast(self, node: Cast, scope: "_Scope") -> Any:
        """A constant becomes (GUID, type); a composite attribute its GUID when it has that type."""
        if isinstance(node.operand, Literal):
            return (node.operand.value, f"StandardODATA.{node.target}")
        _, value = self._operand(node.operand, scope)
        if not isinstance(value, tuple):
            raise bad_filter()
        return value if value[1] == f"StandardODATA.{node.target}" else (ZERO_GUID, "")

    def _read(self, path: Path, scope: "_Scope") -> tuple[Field | None, Any]:
        entity_set, entity, parts = scope.start(path)
        if entity_set is None:
            return scope.row_field(path, parts), entity.get(parts[0])
        for part in parts[:-1]:
            entity_set, entity = self._follow(entity_set, entity, part)
        name = parts[-1]
        if name.endswith("_Type") and name in entity:
            return None, entity[name]
        field = entity_set.by_property.get(name)
        if field is None:
            raise no_segment(name)
        value = entity[name]
        return field, Decimal(str(value)) if field.kind == "number" else value

    def _follow(self, entity_set: EntitySet, entity: Entity, part: str) -> tuple[EntitySet, Entity]:
        field = entity_set.by_property.get(f"{part}_Key")
        if field is None or field.targets[0] not in self._sets:
            raise no_segment(part)
        target = self._sets[field.targets[0]]
        found = self._lookup(target.name, entity[f"{part}_Key"])
        if found is None:
            found = blank(target, ZERO_GUID)
        return target, found

    def _rows(self, node: AnyAll, scope: "_Scope") -> bool:
        fields = self._set.tables.get(node.table)
        if fields is None:
            raise no_segment(node.table)
        row_fields = {field.wire_name: field for field in fields} | {"LineNumber": _LINE_NUMBER}
        results = [
            bool(self._value(node.condition, scope.with_row(node.variable, row, row_fields)))
            for row in scope.entity[node.table]
        ]
        return any(results) if node.word == "any" else all(results)

    def _call(self, node: Call, scope: "_Scope") -> Any:
        operands = [self._operand(argument, scope) for argument in node.arguments]
        has_unlimited = any(field is not None and field.is_unlimited_text for field, _ in operands)
        if has_unlimited and node.name in _TEXT_FUNCTIONS and not self._substring_of_unlimited:
            raise incomparable()
        values = [value for _, value in operands]
        try:
            return _FUNCTIONS[node.name](*values)
        except (TypeError, AttributeError, ValueError, ArithmeticError) as error:
            raise internal() from error


class _Scope:
    """What names mean at one place of the tree: the object, and rows bound by any/all."""

    def __init__(self, entity_set: EntitySet, entity: Entity, rows: Mapping[str, tuple[Entity, Mapping[str, Field]]]):
        self.entity_set = entity_set
        self.entity = entity
        self._rows = rows

    def with_row(self, variable: str, row: Entity, fields: Mapping[str, Field]) -> "_Scope":
        return _Scope(self.entity_set, self.entity, {**self._rows, variable: (row, fields)})

    def start(self, path: Path) -> tuple[EntitySet | None, Entity, tuple[str, ...]]:
        if path.parts[0] in self._rows and len(path.parts) > 1:
            row, fields = self._rows[path.parts[0]]
            field = fields.get(path.parts[1])
            value = row.get(path.parts[1])
            number = field is not None and field.kind == "number" and value is not None
            return None, {path.parts[1]: Decimal(str(value)) if number else value}, path.parts[1:]
        return self.entity_set, self.entity, path.parts

    def row_field(self, path: Path, parts: tuple[str, ...]) -> Field:
        field = self._rows[path.parts[0]][1].get(parts[0])
        if field is None:
            raise no_segment(parts[0])
        return field

    def type_of(self, path: Path) -> str:
        source = self._rows[path.parts[0]][0] if path.parts[0] in self._rows else self.entity
        return str(source.get(f"{path.parts[-1]}_Type", ""))


def _is_cast(node: Node) -> bool:
    return isinstance(node, Cast)


def _incompatible(field: Field | None, other: Node) -> bool:
    """True when a property is compared with a constant of a type it cannot have."""
    if field is None or not isinstance(other, Literal):
        return False
    allowed = {
        "string": {"text"},
        "enum": {"text"},
        "number": {"number"},
        "bool": {"bool"},
        "date": {"datetime"},
        "ref": {"guid"},
        "uuid": {"guid"},
    }.get(field.kind)
    return allowed is not None and other.kind not in allowed


def _compared(operator: str, left: Any, right: Any) -> bool:
    if isinstance(left, str) and isinstance(right, str):
        left, right = folded(left), folded(right)
    match operator:
        case "eq":
            return bool(left == right)
        case "ne":
            return bool(left != right)
    if left is None or right is None:
        return False
    try:
        return bool({"gt": left > right, "ge": left >= right, "lt": left < right, "le": left <= right}[operator])
    except TypeError as error:
        raise incomparable() from error


def _arithmetic(operator: str, left: Any, right: Any) -> Decimal:
    try:
        return _ARITHMETIC[operator](Decimal(left), Decimal(right))
    except (ArithmeticError, TypeError, ValueError) as error:
        raise internal() from error


@lru_cache(maxsize=256)
def _like_pattern(template: str) -> re.Pattern[str]:
    """Translate a template of the 1C query language (`%`, `_`, `[…]`) to a regular expression."""
    parts = re.split(r"(%|_|\[[^\]]*\])", template)
    words = {"%": ".*", "_": "."}
    return re.compile(
        "".join(words.get(part) or (part if part.startswith("[") else re.escape(part)) for part in parts),
        re.DOTALL | re.IGNORECASE,
    )


def _like(value: str, template: str) -> bool:
    return _like_pattern(template).fullmatch(value) is not None


def _date_part(start: int, end: int) -> Callable[[str], Decimal]:
    return lambda value: Decimal(value[start:end])


_ARITHMETIC: Final[Mapping[str, Callable[[Decimal, Decimal], Decimal]]] = {
    "add": lambda left, right: left + right,
    "sub": lambda left, right: left - right,
    "mul": lambda left, right: left * right,
    "div": lambda left, right: left / right,
}
_TEXT_FUNCTIONS: Final = frozenset({"substringof", "startswith", "endswith", "like"})
_FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "substringof": lambda part, text: part.lower() in text.lower(),
    "startswith": lambda text, part: text.lower().startswith(part.lower()),
    "endswith": lambda text, part: text.lower().endswith(part.lower()),
    "like": _like,
    "concat": lambda first, second: first + second,
    "substring": lambda text, start, *length: text[int(start) :][: int(length[0]) if length else None],
    "round": lambda value: Decimal(value).quantize(Decimal(1)),
    "year": _date_part(0, 4),
    "month": _date_part(5, 7),
    "day": _date_part(8, 10),
    "hour": _date_part(11, 13),
    "minute": _date_part(14, 16),
    "second": _date_part(17, 19),
}
