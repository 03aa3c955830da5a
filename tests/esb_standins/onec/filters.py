"""The `$filter` language of OData version 3 as 1C speaks it: text to a tree.

    Number eq 'УТ00-000001' and DeletionMark eq false
    Контрагент_Key eq guid'…' or not (Date lt datetime'2026-01-01T00:00:00')
    substringof('болт', Description) eq true        like(Description, '%болт%')
    Recorder eq cast(guid'…', 'Document_ЗаказКлиента')
    Товары/any(d: d/Цена gt 100)

A quote inside a text is doubled. `+` is a plus, never a blank. Functions 1C lacks are refused.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from esb_standins.onec.errors import bad_filter

FUNCTIONS: Final = frozenset({
    "concat", "endswith", "startswith", "substring", "substringof", "like", "year", "month", "day", "hour",
    "minute", "second", "round",
})  # fmt: skip
COMPARISONS: Final = frozenset({"eq", "ne", "gt", "ge", "lt", "le"})
_ADDING: Final = frozenset({"add", "sub"})
_MULTIPLYING: Final = frozenset({"mul", "div"})

_TOKEN: Final = re.compile(
    r"""\s*(?:
    (?P<guid>guid'[^']*')
    |(?P<datetime>datetime'[^']*')
    |(?P<text>'(?:[^']|'')*')
    |(?P<number>-?\d+(?:\.\d+)?)
    |(?P<name>[A-Za-zА-Яа-яЁё_]\w*(?:/[A-Za-zА-Яа-яЁё_]\w*)*)
    |(?P<sign>[(),:/])
    )""",
    re.VERBOSE,
)
_GUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@dataclass(frozen=True)
class Literal:
    """A constant; `kind` is guid, datetime, text, number, bool or null."""

    kind: str
    value: Any


@dataclass(frozen=True)
class Path:
    """A property, perhaps through a reference: «Контрагент/ИНН»."""

    parts: tuple[str, ...]


@dataclass(frozen=True)
class Cast:
    """A reference of a stated type, or a composite attribute narrowed to one type."""

    operand: "Node"
    target: str


@dataclass(frozen=True)
class Call:
    """A function of the closed list."""

    name: str
    arguments: tuple["Node", ...]


@dataclass(frozen=True)
class Binary:
    """A comparison or an arithmetic operation."""

    operator: str
    left: "Node"
    right: "Node"


@dataclass(frozen=True)
class Logic:
    """`and`/`or` over its operands."""

    operator: str
    operands: tuple["Node", ...]


@dataclass(frozen=True)
class Not:
    operand: "Node"


@dataclass(frozen=True)
class AnyAll:
    """A condition over the rows of a tabular section; `variable` names the row."""

    table: str
    word: str
    variable: str
    condition: "Node"


Node = Literal | Path | Cast | Call | Binary | Logic | Not | AnyAll


def parse_filter(text: str) -> Node:
    """Return the tree of a `$filter`. Raises ODataError 400/14."""
    parser = _Parser(_tokens(text))
    node = parser.alternatives()
    parser.expect_end()
    return node


def parse_literal(text: str) -> Literal:
    """Read one literal, as in a key."""
    node = parse_filter(text)
    if not isinstance(node, Literal):
        raise bad_filter()
    return node


def _tokens(text: str) -> list[tuple[str, str]]:
    tokens, position = [], 0
    while text[position:].strip():
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise bad_filter()
        tokens.append((match.lastgroup, match[match.lastgroup]))
        position = match.end()
    return tokens


class _Parser:
    """Recursive descent; every method consumes tokens and returns a node."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._at = 0

    def alternatives(self) -> Node:
        return self._chain("or", self._conjunction)

    def expect_end(self) -> None:
        if self._at != len(self._tokens):
            raise bad_filter()

    def _conjunction(self) -> Node:
        return self._chain("and", self._negation)

    def _chain(self, word: str, operand: Any) -> Node:
        operands = [operand()]
        while self._take("name", word):
            operands.append(operand())
        return operands[0] if len(operands) == 1 else Logic(word, tuple(operands))

    def _negation(self) -> Node:
        return Not(self._negation()) if self._take("name", "not") else self._comparison()

    def _comparison(self) -> Node:
        left = self._sum()
        for word in COMPARISONS:
            if self._take("name", word):
                return Binary(word, left, self._sum())
        return left

    def _sum(self) -> Node:
        return self._operation(_ADDING, self._product)

    def _product(self) -> Node:
        return self._operation(_MULTIPLYING, self._primary)

    def _operation(self, words: frozenset[str], operand: Any) -> Node:
        node: Node = operand()
        while self._peek()[0] == "name" and self._peek()[1] in words:
            word = self._next()[1]
            node = Binary(word, node, operand())
        return node

    def _primary(self) -> Node:
        if self._take("sign", "("):
            node = self.alternatives()
            self._expect(")")
            return node
        kind, text = self._next()
        return self._named(text) if kind == "name" else _literal(kind, text)

    def _named(self, text: str) -> Node:
        if text in {"true", "false", "null"}:
            return Literal("null", None) if text == "null" else Literal("bool", text == "true")
        if not self._take("sign", "("):
            return Path(tuple(text.split("/")))
        table, _, word = text.rpartition("/")
        if table and word in {"any", "all"}:
            return self._lambda(table, word)
        if text == "cast":
            return self._cast()
        if text not in FUNCTIONS:
            raise bad_filter()
        return Call(text, self._arguments())

    def _lambda(self, table: str, word: str) -> Node:
        variable = self._next()[1]
        self._expect(":")
        condition = self.alternatives()
        self._expect(")")
        return AnyAll(table, word, variable, condition)

    def _cast(self) -> Node:
        arguments = self._arguments()
        if len(arguments) != 2 or not isinstance(arguments[1], Literal):
            raise bad_filter()
        node: Node = Cast(arguments[0], str(arguments[1].value).removeprefix("StandardODATA."))
        return node

    def _arguments(self) -> tuple[Node, ...]:
        arguments = [self.alternatives()]
        while self._take("sign", ","):
            arguments.append(self.alternatives())
        self._expect(")")
        return tuple(arguments)

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("end", "")

    def _next(self) -> tuple[str, str]:
        token = self._peek()
        self._at += 1
        return token

    def _take(self, kind: str, text: str) -> bool:
        taken = self._peek() == (kind, text)
        self._at += taken
        return taken

    def _expect(self, sign: str) -> None:
        if not self._take("sign", sign):
            raise bad_filter()


def _literal(kind: str, text: str) -> Literal:
    match kind:
        case "text":
            return Literal(kind, text[1:-1].replace("''", "'"))
        case "number":
            return Literal(kind, Decimal(text))
        case "guid" if _GUID.fullmatch(text[5:-1]):
            return Literal(kind, text[5:-1].lower())
        case "datetime":
            return Literal(kind, _moment(text[9:-1]))
        case _:
            raise bad_filter()


def _moment(text: str) -> str:
    """Return a date in full spelling; 1C accepts it without seconds or without time."""
    full = {10: f"{text}T00:00:00", 16: f"{text}:00"}.get(len(text), text)
    try:
        return datetime.fromisoformat(full).strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")
    except ValueError as error:
        raise bad_filter() from error
