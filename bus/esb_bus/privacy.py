"""Finding a person in messages, and telling when the history forgets by itself. Pure.

A person is looked for by what people know of each other: e-mail address, phone number, INN, name, or the key of an
order. Messages are searched as they are (native bytes of shops and portals, canonical JSON), so the search reads every
text in them and knows no field.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from urllib.parse import parse_qsl

import orjson

from esb_bus.topology import H_ERROR, H_OBJECT, H_THREAD, H_TRACEBACK, SEGMENT_BYTES

Kind = Literal["e-mail", "phone", "inn", "order", "name"]

_INN = re.compile(r"\d{10}|\d{12}")
_PHONE = re.compile(r"\+?[\d\s()-]{10,20}")
_NATIONAL_DIGITS = 10
_PHONE_DIGITS = (10, 11)
"""Without and with the country code, or the 8 that stands for it."""
_WORD = re.compile(r"[\w-]+")
_TELLING = (H_ERROR, H_TRACEBACK)
MAX_FORM_FIELDS = 10_000
UNKNOWABLE = timedelta(days=3650)


@dataclass(frozen=True, slots=True)
class Person:
    """What to look for: `wanted` is normalised as `kind` compares it."""

    kind: Kind
    wanted: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> "Person":
        """Understand what somebody typed."""
        text = text.strip()
        if "@" in text:
            return cls("e-mail", (text.casefold(),))
        if text.startswith(("order/", "deal/", "payment/", "invoice/")):
            return cls("order", (text,))
        if _INN.fullmatch(text):
            return cls("inn", (text,))
        if _PHONE.fullmatch(text) and len(_digits(text)) >= _NATIONAL_DIGITS:
            return cls("phone", (_digits(text)[-_NATIONAL_DIGITS:],))
        return cls("name", tuple(_words(text)))

    def is_in(self, body: bytes, headers: Mapping[str, Any]) -> bool:
        """Whether a message holds what belongs to this person."""
        if self.kind == "order":
            return any(str(headers.get(name, "")).endswith(self.wanted[0]) for name in (H_THREAD, H_OBJECT))
        texts = [*_texts(body), *(str(headers[name]) for name in _TELLING if name in headers)]
        match self.kind:
            case "e-mail":
                whole = re.compile(rf"(?<![\w.+-]){re.escape(self.wanted[0])}(?![\w-])")
                return any(whole.search(text.casefold()) for text in texts)
            case "inn":  # ten digits may be a phone number as well
                whole = re.compile(rf"(?<!\d){self.wanted[0]}(?!\d)")
                return any(whole.search(text) or self.wanted[0] in _phones(text) for text in texts)
            case "phone":
                return any(self.wanted[0] in _phones(text) for text in texts)
            case _:
                return set(self.wanted) <= {word for text in texts for word in _words(text)}


def _texts(body: bytes) -> Iterator[str]:
    """Every text and number of a message, whatever its form."""
    try:
        yield from _leaves(orjson.loads(body))
    except orjson.JSONDecodeError:
        text = body.decode("utf-8", "replace")
        yield text
        try:
            yield from (value for _, value in parse_qsl(text, max_num_fields=MAX_FORM_FIELDS))
        except ValueError:
            return


def _leaves(value: Any) -> Iterator[str]:
    waiting = [value]
    while waiting:
        match waiting.pop():
            case dict() as members:
                waiting += members.values()
            case list() as elements:
                waiting += elements
            case str() | int() as leaf:
                yield str(leaf)


def _phones(text: str) -> Iterator[str]:
    """The national digits of everything that looks like a phone number."""
    for found in _PHONE.finditer(text):
        digits = _digits(found[0])
        if len(digits) in _PHONE_DIGITS:
            yield digits[-_NATIONAL_DIGITS:]


def _digits(text: str) -> str:
    return "".join(letter for letter in text if letter.isdigit())


def _words(text: str) -> list[str]:
    """Words without case; «ё» and «е» are one letter in names."""
    return [word.replace("ё", "е") for word in _WORD.findall(text.casefold())]


@dataclass(frozen=True, slots=True)
class Forgetting:
    """When a history stream has forgotten its newest message about a person."""

    stream: str
    messages: int
    newest: datetime
    earliest: datetime
    latest: datetime | None
    """None: at the present rate it will not come to it by itself."""


def forgetting(stream: str, messages: int, newest: datetime, days: int, size_bytes: int, age: timedelta) -> Forgetting:
    """Tell when the last segment with a message expires.

    A stream forgets whole segments, and looks for old ones only when it begins a new one. So the segment must fill
    (it may have begun with our message), grow old, and then the next one must fill.

    Args:
        stream: its name.
        messages: how many there are about the person.
        newest: the last of them.
        days: retention.
        size_bytes: of all bodies in the stream.
        age: of its oldest message.
    """
    retention = timedelta(days=days)
    earliest = newest + retention
    filling = age * (SEGMENT_BYTES / size_bytes) if size_bytes and age else UNKNOWABLE
    latest = earliest + 2 * filling if filling < UNKNOWABLE else None
    return Forgetting(stream, messages, newest, earliest, latest)
