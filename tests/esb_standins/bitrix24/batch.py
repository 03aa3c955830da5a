"""`batch`: up to fifty commands in one request, each able to use the results of earlier ones."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

from esb_standins.bitrix24.errors import RestError, batch_too_long, not_in_batch
from esb_standins.bitrix24.params import as_map, from_pairs
from esb_standins.bitrix24.portal import Answer, Params

MAX_COMMANDS: Final = 50
_REFERENCE: Final = re.compile(r"\$result((?:\[[^\]]*\])+)")
_STEP: Final = re.compile(r"\[([^\]]*)\]")

Run = Callable[[str, Params], Answer]
TimeBlock = Callable[[], dict[str, Any]]


@dataclass
class _Sections:
    result: dict[str, Any] = field(default_factory=dict)
    result_error: dict[str, Any] = field(default_factory=dict)
    result_total: dict[str, Any] = field(default_factory=dict)
    result_next: dict[str, Any] = field(default_factory=dict)
    result_time: dict[str, Any] = field(default_factory=dict)


def run_batch(params: Params, run: Run, time_block: TimeBlock) -> Answer:
    """Execute the commands in order; a failure is an entry of `result_error`, never an HTTP error.

    Not a transaction: with `halt` the rest is left out, what was done stays done.
    Source: Bitrix24 REST docs, "Batch execution of requests".
    """
    halt = str(params.get("halt", "0")).lower() in {"1", "true", "y"}
    found = _Sections()
    for position, (key, command) in enumerate(as_map(params.get("cmd")).items()):
        try:
            if position >= MAX_COMMANDS:
                raise batch_too_long()
            _execute(key, str(command), found, run)
            found.result_time[key] = time_block()
        except RestError as error:
            found.result_error[key] = error.body()
            if halt:
                break
    return Answer({name: as_php_array(section) for name, section in vars(found).items()})


def resolve(text: str, results: Mapping[str, Any]) -> str:
    """Replace `$result[key][path]`; a reference that leads nowhere becomes an empty text."""
    return _REFERENCE.sub(lambda found: _value_at(_STEP.findall(found[1]), results), text)


def as_php_array(section: dict[str, Any]) -> Any:
    """Return what PHP would encode: an empty map and a map with keys 0..n-1 are lists."""
    if list(section) == [str(number) for number in range(len(section))]:
        return list(section.values())
    return section


def _execute(key: str, command: str, found: _Sections, run: Run) -> None:
    method, _, query = command.partition("?")
    if method.strip().lower() == "batch":
        raise not_in_batch()
    pairs = parse_qsl(query, keep_blank_values=True)
    params = from_pairs((unquote(name), resolve(value, found.result)) for name, value in pairs)
    answer = run(method.strip(), params)
    found.result[key] = answer.result
    if answer.total is not None:
        found.result_total[key] = answer.total
    if answer.next is not None:
        found.result_next[key] = answer.next


def _value_at(path: list[str], results: Mapping[str, Any]) -> str:
    node: Any = results
    for step in path:
        if isinstance(node, list) and step.isdigit() and int(step) < len(node):
            node = node[int(step)]
        elif isinstance(node, Mapping) and step in node:
            node = node[step]
        else:
            return ""
    return "" if node is None or isinstance(node, dict | list) else str(node)
