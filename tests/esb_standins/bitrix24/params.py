"""Parameters of a call: JSON objects and PHP-style bracket forms end up as the same nested values."""

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

import orjson

from esb_standins.bitrix24.errors import RestError

_BRACKET = re.compile(r"\[([^\]]*)\]")


def from_pairs(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Build nested values of `fields[TITLE]=x`, `select[]=ID`, `PHONE[0][VALUE]=1`.

    PHP has one kind of array, so a map whose keys are 0..n-1 comes out as a list.
    """
    root: dict[str, Any] = {}
    for name, value in pairs:
        head, _, rest = name.partition("[")
        if head:
            _put(root, [head, *_BRACKET.findall("[" + rest if rest else "")], value)
    return {key: _as_php_array(value) for key, value in root.items()}


def from_query(text: str) -> dict[str, Any]:
    return from_pairs(parse_qsl(text, keep_blank_values=True))


def from_json(body: bytes) -> dict[str, Any]:
    """Read a JSON body; an empty one has no parameters."""
    if not body.strip():
        return {}
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RestError(400, "INVALID_REQUEST", f"Body is not JSON: {error}") from error
    if isinstance(value, list):
        return {str(index): entry for index, entry in enumerate(value)}
    return value if isinstance(value, dict) else {}


def lower_names(params: dict[str, Any]) -> dict[str, Any]:
    """Lower the top-level names: the old CRM methods take `FIELDS` and `fields` alike."""
    return {name.lower(): value for name, value in params.items()}


def as_map(value: Any) -> dict[str, Any]:
    """Return a map, reading PHP's empty array (`[]` or an empty text) as an empty one."""
    if isinstance(value, dict):
        return value
    if isinstance(value, list):
        return {str(index): entry for index, entry in enumerate(value)}
    return {}


def as_list(value: Any) -> list[Any]:
    """Return a list of a list, of a map with numeric keys, or of one plain value."""
    if value is None or value == "":
        return []
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else [value]


def as_int(value: Any) -> int | None:
    """Read an id that may travel as a number or as text; None when it is neither."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        return int(str(value).strip())
    except ValueError:
        return None


def _put(root: dict[str, Any], path: list[str], value: str) -> None:
    node = root
    for position, key in enumerate(path):
        name = str(len(node)) if key == "" and position else key
        if position == len(path) - 1:
            node[name] = value
            return
        child = node.get(name)
        if not isinstance(child, dict):
            child = node[name] = {}
        node = child


def _as_php_array(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    items = {key: _as_php_array(entry) for key, entry in value.items()}
    if items and list(items) == [str(number) for number in range(len(items))]:
        return list(items.values())
    return items
