"""The standard OData interface of 1C: addresses and literals built, answers read. No I/O.

OData v3. A request says `$format=json`, a blank in an address is `%20` (a `+` would be a plus), text literals
double their quotes, GUIDs and dates carry their type. Source: developer's guide, chapter 17.4.
"""

import base64
import binascii
import html
import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from esb_adapters.onec.errors import (
    AccessDenied,
    BaseIsExclusive,
    LockConflict,
    NoLicence,
    NoSession,
    NotFound,
    NotOData,
    NotPublished,
    NumberTaken,
    OneCBaseDown,
    PeriodClosed,
    PostingRefused,
    RefusedByBase,
    Unauthorised,
)
from esb_bus.errors import EsbError, InDoubt, RetryableError

Json = Any
Object = Mapping[str, Any]

ZERO_REF = "00000000-0000-0000-0000-000000000000"
EMPTY_DATE = "0001-01-01T00:00:00"
GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
TEXT_SHOWN = 400
_XML_ERROR = re.compile(r"<m:code>(?P<code>[^<]*)</m:code>\s*<m:message[^>]*>(?P<message>[^<]*)</m:message>")

_SAFE = "'(),/:=-._~*"
_LOCKED = ("Конфликт блокировок", "ожидания предоставления блокировки", "Не удалось заблокировать", "lock conflict")
_CHANGED_MEANWHILE = ("были изменены или удалены другим пользователем", "changed or deleted by another user")
_LICENCE = ("Не обнаружена лицензия", "лицензи", "License not found", "ключ защиты программы")
_EXCLUSIVE = (
    "Начало сеанса с информационной базой запрещено",
    "не завершен переход на новую версию",
    "Работа с внешними ресурсами заблокирована",
    "монопольн",
)
_NOT_UNIQUE = ("не уникально", "не уникален", "not unique")
_NOT_POSTED = ("Не удалось провести", "Failed to post")
_CLOSED = ("Запрещено изменять данные", "запрещенном периоде", "запрещенный период")


def text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def guid(ref: str) -> str:
    return f"guid'{ref}'"


def cast(ref: str, entity_set: str) -> str:
    """A reference inside a composite attribute; without the cast the base finds nothing and says nothing."""
    return f"cast(guid'{ref}','{entity_set}')"


def entity(entity_set: str, ref: str) -> str:
    return f"{entity_set}({guid(ref)})"


def any_of(field: str, literals: Iterable[str]) -> str:
    return "(" + " or ".join(f"{field} eq {literal}" for literal in literals) + ")"


def address(root: str, path: str, options: Mapping[str, str]) -> str:
    """Full address of a request, JSON asked for."""
    wanted = {"$format": "json", **options}
    query = "&".join(f"{name}={quote(value, safe=_SAFE)}" for name, value in wanted.items())
    return f"{root.rstrip('/')}/{quote(path, safe=_SAFE)}?{query}"


def odata_root(publication: str) -> str:
    """`https://1c.example.test/trade/` → the root of its OData interface; an address that already is one stays."""
    trimmed = publication.rstrip("/")
    return trimmed if trimmed.endswith("/standard.odata") else f"{trimmed}/odata/standard.odata"


def authorisation(user_and_password: str) -> str:
    """Header of Basic authentication. 1C wants UTF-8; the usual latin-1 fails for Cyrillic users."""
    return "Basic " + base64.b64encode(user_and_password.encode("utf-8")).decode("ascii")


def body(values: Mapping[str, Any]) -> bytes:
    """Bytes of an object. Sums are JSON numbers; their shortest form is exact within 15 digits."""
    return json.dumps(values, ensure_ascii=False, default=_number).encode("utf-8")


def _number(value: object) -> float:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"no JSON for {type(value).__name__}")


def local_date(moment: datetime, zone: str) -> str:
    """A moment as the base writes it: the wall clock of its server, without a zone and without fractions."""
    return moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None, microsecond=0).isoformat()


def moment(value: str, zone: str) -> datetime | None:
    """Read the base's wall clock; None for the empty date."""
    if not value or value.startswith("0001-"):
        return None
    return datetime.fromisoformat(value).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def counter(data_version: str) -> int:
    """`DataVersion` as a number that grows with every write.

    Eight bytes with a counter in one half: the first with platform 8.3, the last in a recording of platform 8.5.
    """
    try:
        halves = base64.b64decode(data_version, validate=True)
    except (binascii.Error, ValueError):
        return 0
    return int.from_bytes(halves[:4], "big") or int.from_bytes(halves[4:], "big")


def read_answer(status: int, content: bytes, *, write: bool) -> Json:
    """Return the decoded body of a success, None when it is empty.

    Args:
        status: of HTTP.
        content: undecoded body: JSON, unless a web server answered instead of the base.
        write: the request could change something, so an answer that is not the base's own leaves it in doubt.

    Raises:
        EndpointDown: the base as a whole cannot be used; nothing was done.
        InDoubt: a write whose outcome this answer does not tell.
        RetryableError: a lock conflict or a change in between; rolled back by the base.
        PermanentError: refused, rolled back by the base.
    """
    try:
        decoded = json.loads(content.decode("utf-8-sig"), parse_float=Decimal) if content.strip() else None
    except ValueError:
        page = content.decode("utf-8", "replace")
        raise _xml_refusal(status, page) or _unreadable(status, page, write=write) from None
    if status < 300 and (decoded is not None or write):  # noqa: PLR2004  HTTP classes read best as numbers
        return decoded
    if isinstance(decoded, dict) and isinstance(decoded.get("odata.error"), dict):
        raise _refusal(status, decoded["odata.error"])
    raise _unreadable(status, content.decode("utf-8", "replace"), write=write)


def _xml_refusal(status: int, page: str) -> EsbError | None:
    """The base's own error in XML: some actions of some servers answer so, whatever format was asked for."""
    found = _XML_ERROR.search(page)
    return _refusal(status, {name: html.unescape(said) for name, said in found.groupdict().items()}) if found else None


def _unreadable(status: int, page: str, *, write: bool) -> EsbError:
    """Not the base but something before it: a web server, a proxy, the platform before it had a session."""
    known = _platform_refusal(status, page)
    if known is not None:
        return known
    if write:
        return InDoubt(f"HTTP {status} without an OData answer: the write may have been done")
    if status == 500:  # noqa: PLR2004  one request broke, which says nothing about the next
        return RetryableError(f"HTTP {status} without an OData answer")
    return NotOData(f"HTTP {status} without an OData answer")


def _platform_refusal(status: int, page: str) -> EsbError | None:
    if _has(page, _LICENCE):
        return NoLicence("the base has no free licence")
    if _has(page, _EXCLUSIVE):
        return BaseIsExclusive("the base is being updated or is open in exclusive mode")
    if status in _WEB_SERVER:
        error, said = _WEB_SERVER[status]
        return error(f"HTTP {status}: {said}")
    return None


_WEB_SERVER: Mapping[int, tuple[type[EsbError], str]] = {
    401: (Unauthorised, "the base does not accept user and password"),
    403: (Unauthorised, "the web server does not let us in"),
    404: (NotOData, "there is no OData publication at this address"),
    406: (NoSession, "the base has no free session"),
    503: (OneCBaseDown, "the web server cannot reach the base"),
}
"""Answers of the web server that say that the base never saw the request."""


def _refusal(status: int, error: Mapping[str, Any]) -> EsbError:
    """The base's own error. Its text may name values of the request, so only a part of it goes on."""
    code = str(error.get("code", ""))
    message = error.get("message")
    said = str(message.get("value", "") if isinstance(message, dict) else message or "").strip()
    shown = said[:TEXT_SHOWN]
    match code:
        case "8":
            return NotPublished(f"{shown}. Add the object to the composition of the OData interface of this base")
        case "9":
            return NotFound(shown)
        case "20":
            return AccessDenied(f"{shown}. Give the bus's user the right to this object")
        case "-1":
            return _thrown(said, shown)
        case _:
            return _platform_refusal(0, said) or RefusedByBase(f"HTTP {status}, code {code}: {shown}")


_THROWN: tuple[tuple[tuple[str, ...], type[EsbError], str], ...] = (
    (_LOCKED, LockConflict, ""),
    (_CHANGED_MEANWHILE, LockConflict, ""),
    (_CLOSED, PeriodClosed, ". Open the period or change the date of the document, then replay"),
    (_NOT_UNIQUE, NumberTaken, ""),
    (
        _NOT_POSTED,
        PostingRefused,
        ". The base does not tell the reason by OData: open the document in 1C, post it there and read the messages",
    ),
    (_LICENCE, NoLicence, ""),
    (_EXCLUSIVE, BaseIsExclusive, ""),
)
"""What code of the base threw, by its text: the code is -1 for all of it."""


def _thrown(said: str, shown: str) -> EsbError:
    for texts, error, advice in _THROWN:
        if _has(said, texts):
            return error(shown + advice)
    return RefusedByBase(shown)


def _has(said: str, texts: Iterable[str]) -> bool:
    lowered = said.lower()
    return any(part.lower() in lowered for part in texts)
