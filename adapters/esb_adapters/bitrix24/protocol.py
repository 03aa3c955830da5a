"""What is to know about the Bitrix24 REST API: its errors, answers and batches. No I/O.

Sources: Bitrix24 REST docs, "System errors", "Limits", "How to execute requests: batch".
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Never, TypeVar
from urllib.parse import urlencode, urlsplit

from esb_bus.errors import EndpointDown, EsbError, InDoubt, PermanentError, RetryableError

MAX_COMMANDS = 50
PAGE = 50
HTTP_OK = 200
HTTP_REDIRECTS = (301, 302, 307, 308)
HTTP_NO_ACCESS = (401, 403)
HTTP_GATEWAY = (502, 503, 504)
HTTP_SERVER_ERROR = 500

BUSY_WAIT_S = 2.0
"""The bucket drains two requests a second on ordinary plans; there is no Retry-After."""
OPERATING_WAIT_S = 60.0
"""The resource limit is a sum over ten one-minute buckets: the oldest leaves within a minute."""


class PortalUnreachable(EndpointDown):
    """No connection, or something that is not the portal answers in its place."""

    code = "portal_unreachable"


class PortalUnauthorised(EndpointDown):
    """The inbound webhook was deleted, reissued, blocked or lacks rights."""

    code = "portal_unauthorised"


class PortalBlocked(EndpointDown):
    """The vendor has blocked the portal's REST by hand; only its support can undo that."""

    code = "portal_blocked"


class PortalMoved(EndpointDown):
    """The portal has another address now: correct `url` in the landscape."""

    code = "portal_moved"


class PortalBusy(RetryableError):
    """A limit of the portal; nothing was executed."""

    code = "portal_busy"


class PortalTroubled(RetryableError):
    """The portal failed inside a request that may be repeated."""

    code = "portal_troubled"


class PortalRefused(PermanentError):
    """The portal understood the request and refused it.

    Args:
        error_code: its `error` member as text, often empty in the old generation of methods.
    """

    code = "portal_refused"

    def __init__(self, message: str, error_code: str = "") -> None:
        super().__init__(message)
        self.error_code = error_code


class DealMissing(PermanentError):
    """The portal no longer has the deal."""

    code = "deal_missing"


@dataclass(frozen=True, slots=True)
class Answer:
    """`result` of one call, and the portal's own clock when it began to answer (None on portals that do not tell).

    The beginning and not the end: whatever the answer shows was read after it.
    """

    result: Any
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """Results and refusals of a batch by command name; a command after a halt is in neither."""

    results: Mapping[str, Any]
    refusals: Mapping[str, PortalRefused]
    at: datetime | None = None

    def result(self, name: str) -> Any:
        """Return the result of one command.

        Raises:
            PortalRefused: the portal refused it, or never came to it.
        """
        if name in self.refusals:
            raise self.refusals[name]
        if name not in self.results:
            raise PortalRefused(f"{name}: not executed, an earlier command of the same batch was refused")
        return self.results[name]

    def part(self, prefix: str) -> "BatchAnswer":
        """Return what belongs to the commands whose names begin with `prefix`, by the rest of their names."""
        refusals = {
            # The same refusal has to read the same every time: a reason that changes is written into the deal again.
            name: PortalRefused(str(refusal).removeprefix(prefix), refusal.error_code)
            for name, refusal in _part(self.refusals, prefix).items()
        }
        return BatchAnswer(_part(self.results, prefix), refusals, self.at)


PartT = TypeVar("PartT")


def _part(section: Mapping[str, PartT], prefix: str) -> dict[str, PartT]:
    return {name.removeprefix(prefix): value for name, value in section.items() if name.startswith(prefix)}


def read_answer(method: str, status: int, body: bytes, *, repeatable: bool, location: str = "") -> Answer:
    """Read one answer.

    The code decides, not the status: `QUERY_LIMIT_EXCEEDED` (wait) and `OVERLOAD_LIMIT` (blocked by hand) are both
    503. A body that is no JSON comes from a proxy, so a write may have been executed behind it.

    Args:
        method: for error texts.
        status: HTTP status.
        body: undecoded body.
        repeatable: sending the same request twice is harmless.
        location: the `Location` header, for portals that were renamed.

    Raises:
        PortalBusy, PortalTroubled: repeat later.
        EndpointDown: the portal as a whole.
        InDoubt: not repeatable, and may have been executed.
        PortalRefused: any other error code.
    """
    if status in HTTP_REDIRECTS:
        raise PortalMoved(f"{method}: the portal has moved to {urlsplit(location).netloc or 'another address'}")
    wire = _json_object(body)
    if wire is None:
        _no_json(method, status, repeatable=repeatable)
    if "error" in wire:
        _refuse(method, status, _text(wire["error"]), plain(wire.get("error_description")), repeatable=repeatable)
    if status != HTTP_OK or "result" not in wire:
        _no_json(method, status, repeatable=repeatable)
    return Answer(wire["result"], _clock(wire))


def _json_object(body: bytes) -> dict[str, Any] | None:
    try:
        wire = json.loads(body, parse_float=Decimal, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    return wire if isinstance(wire, dict) else None


def _no_constant(name: str) -> Never:
    raise ValueError(f"{name} is not JSON")


def _no_json(method: str, status: int, *, repeatable: bool) -> Never:
    if status in HTTP_NO_ACCESS:
        raise PortalUnauthorised(f"{method}: HTTP {status}")
    if not repeatable:
        raise InDoubt(f"{method}: HTTP {status} without an answer of the portal; it may have been executed")
    if status == HTTP_SERVER_ERROR:
        raise PortalTroubled(f"{method}: HTTP {status}")
    raise PortalUnreachable(f"{method}: HTTP {status} without an answer of the portal")


def _refuse(method: str, status: int, code: str, text: str, *, repeatable: bool) -> Never:
    told = f"{method}: {' '.join(part for part in (code, text) if part) or status}"
    match code.upper():
        case "QUERY_LIMIT_EXCEEDED":
            raise PortalBusy(told, BUSY_WAIT_S)
        case "OPERATION_TIME_LIMIT":
            raise PortalBusy(told, OPERATING_WAIT_S)
        case "OVERLOAD_LIMIT":
            raise PortalBlocked(f"{told}: ask the vendor's support to unblock REST")
        case "PORTAL_DELETED":
            raise PortalUnreachable(told)
    if status in HTTP_NO_ACCESS:
        raise PortalUnauthorised(f"{told}: check the inbound webhook, its owner and its scopes")
    if status >= HTTP_SERVER_ERROR:
        if not repeatable:
            raise InDoubt(told)
        raise (PortalUnreachable if status in HTTP_GATEWAY else PortalTroubled)(told)
    raise PortalRefused(told, code)


def plain(text: object) -> str:
    """Return an error text without the HTML that the old generation puts into it."""
    return " ".join(str(text or "").replace("<br>", " ").split())


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _clock(wire: Mapping[str, Any]) -> datetime | None:
    time = wire.get("time")
    start = time.get("start") if isinstance(time, dict) else None
    if not isinstance(start, Decimal | int) or isinstance(start, bool):
        return None
    try:
        return datetime.fromtimestamp(float(start), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def command(method: str, params: Mapping[str, Any]) -> str:
    """Write one command of a batch: `crm.deal.update?id=410&fields%5BTITLE%5D=x`."""
    return f"{method}?{urlencode(list(_brackets(params)))}"


def _brackets(value: Mapping[str, Any] | Sequence[Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    entries = value.items() if isinstance(value, Mapping) else enumerate(value)
    for key, entry in entries:
        name = f"{prefix}[{key}]" if prefix else str(key)
        if isinstance(entry, Mapping | list | tuple):
            yield from _brackets(entry, name)
        else:
            yield name, _text(entry)


def batch(commands: Mapping[str, str], *, halt: bool = False) -> dict[str, Any]:
    """Build the parameters of `batch`. Names must be words: PHP turns the keys 0..n-1 into a list."""
    assert len(commands) <= MAX_COMMANDS, "the portal takes fifty commands"
    return {"halt": int(halt), "cmd": dict(commands)}


def read_batch(answer: Answer, *, repeatable: bool) -> BatchAnswer:
    """Read the result of a `batch`, which is HTTP 200 even when every command failed.

    Raises:
        PortalBusy: a limit stopped one of its commands.
        PortalTroubled, InDoubt: not the answer of a batch.
    """
    if not isinstance(answer.result, dict):
        raise _not_a_batch(repeatable=repeatable)
    refusals = {}
    for name, refusal in _section(answer.result.get("result_error")).items():
        refusals[name] = _refusal(name, refusal, repeatable=repeatable)
    return BatchAnswer(_section(answer.result.get("result")), refusals, answer.at)


def _not_a_batch(*, repeatable: bool) -> EsbError:
    text = "batch: the answer is not that of a batch"
    return PortalTroubled(text) if repeatable else InDoubt(text)


def _section(value: Any) -> Mapping[str, Any]:
    """Return a section by command name; an empty one arrives as a list."""
    return value if isinstance(value, dict) else {}


def _refusal(name: str, refusal: Any, *, repeatable: bool) -> PortalRefused:
    wire = refusal if isinstance(refusal, dict) else {}
    try:
        _refuse(
            name, 400, _text(wire.get("error")), plain(wire.get("error_description") or refusal), repeatable=repeatable
        )
    except PortalRefused as refused:
        return refused
