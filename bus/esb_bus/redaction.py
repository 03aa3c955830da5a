"""What must not be read in a log although a library or a bug put it there: secrets, personal data, control characters.

Our own log lines carry none by rule (keys and codes, never bodies). This is the second fence, for texts we did not
write: messages of exceptions and warnings of libraries.
"""

import re
import traceback
from collections.abc import Iterator

_PATTERNS = (
    # The account in an address: amqp://user:password@host.
    (re.compile(r"(?P<kept>[a-z][a-z0-9+.-]*://)[^/\s@]*@", re.IGNORECASE), "***@"),
    # The code of an inbound webhook of Bitrix24 is part of the address.
    (re.compile(r"(?P<kept>/rest/\d{1,10}/)[^/\s?'\"]+"), "***"),
    (re.compile(r"(?P<kept>)[^\s@<>'\"(),;:]+@[^\s@<>'\"(),;:]+\.[^\s@<>'\"(),;:]+"), "<e-mail>"),
    (re.compile(r"(?P<kept>)(?<![\w./-])(?:\+7|8)[\s(-]*\d{3}[\s)-]*\d{3}[\s-]*\d{2}[\s-]*\d{2}(?!\d)"), "<phone>"),
    (re.compile(r"(?P<kept>)\+\d[\d\s()-]{8,16}\d"), "<phone>"),
)
MAX_TEXT = 2000
_CONTROL = {code: "\N{REPLACEMENT CHARACTER}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}
# Text that runs backwards, or is not seen, makes a line say something else than it holds.
_CONTROL |= dict.fromkeys((0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)), "\N{REPLACEMENT CHARACTER}")


def redacted(text: str) -> str:
    """Return a text without accounts, e-mail addresses and phone numbers, cut to a readable length."""
    text = text[:MAX_TEXT]
    for pattern, instead in _PATTERNS:
        text = pattern.sub(lambda found, instead=instead: found["kept"] + instead, text)  # type: ignore[misc]
    return text


def visible(text: str) -> str:
    """Return a text that cannot steer a terminal: control characters of strangers are shown as "?" in a box."""
    return text.translate(_CONTROL)


def told(error: BaseException) -> str:
    """Tell an exception by kinds and places: its message may quote the order it stumbled over."""
    return "\n".join(line for one in _chain(error) for line in _lines(one))


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what it came from, the newest first."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)


def _lines(error: BaseException) -> Iterator[str]:
    yield f"{type(error).__module__}.{type(error).__qualname__}"
    for frame in traceback.extract_tb(error.__traceback__):
        yield f"  {frame.filename}:{frame.lineno} in {frame.name}"
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from (f"  | {line}" for line in _lines(inner))
