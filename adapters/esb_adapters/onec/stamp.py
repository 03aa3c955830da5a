"""Our mark on a document of a base: key and version in «Комментарий», and a number derived from the key. Pure.

    [esb order/website.shop/10015 v1767600000000] [h1a2b3c4d-99aabbcc] whatever a person wrote

The second bracket holds hashes of what we wrote, header and lines apart, so that a person's edit can be told
from ours. A person's own text behind the brackets stays as it is.
"""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

NUMBER_LENGTH = 11
DEFAULT_PREFIX = "ESB"
SALTS = 3
"""Numbers tried for one document. Two of our keys share one only by a collision of hashes or of prefixes."""

_STAMP = re.compile(r"\[esb (?P<key>[^\s\]]+) v(?P<version>\d+)\]")
_HASHES = re.compile(r"\[h(?P<header>[0-9a-f]{8})-(?P<lines>[0-9a-f]{8})\]")
_OURS = re.compile(r"\s*\[esb [^\]]*\]\s?(\[h[0-9a-f-]*\])?\s?")


@dataclass(frozen=True, slots=True)
class Hashes:
    """Hashes of the fields we own."""

    header: str
    lines: str


@dataclass(frozen=True, slots=True)
class Stamp:
    key: str
    version: int
    hashes: Hashes | None = None


def read_stamp(comment: str) -> Stamp | None:
    """Find our stamp wherever a person moved it to; None when there is none."""
    found = _STAMP.search(comment)
    if found is None:
        return None
    hashes = _HASHES.search(comment, found.end())
    return Stamp(
        key=found["key"],
        version=int(found["version"]),
        hashes=None if hashes is None else Hashes(hashes["header"], hashes["lines"]),
    )


def write_stamp(stamp: Stamp, comment: str = "") -> str:
    """Put `stamp` before the person's own text of `comment`, in place of an older stamp."""
    mark = f"[esb {stamp.key} v{stamp.version}]"
    if stamp.hashes is not None:
        mark += f" [h{stamp.hashes.header}-{stamp.hashes.lines}]"
    own_text = _OURS.sub("", comment, count=1) if read_stamp(comment) else comment
    return f"{mark} {own_text}".rstrip()


def digest(values: Any) -> str:
    """Eight hex digits of `values`; equal for what 1C may write differently, such as 649 and 649.00."""
    canonical = json.dumps(comparable(values), ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(canonical.encode("utf-8")).hexdigest()[:8]


def comparable(value: Any) -> Any:
    """One spelling for each value: numbers without trailing zeros, text without outer blanks, references lower."""
    match value:
        case bool() | None:
            return value
        case int() | float() | Decimal():
            return f"{Decimal(str(value)).normalize():f}"
        case str():
            return value.strip().lower() if "-" in value and len(value) == 36 else value.strip()  # noqa: PLR2004  GUID
        case Mapping():
            return {key: comparable(inner) for key, inner in value.items()}
        case _:
            return [comparable(inner) for inner in value]


def order_number(prefix: str | None, key: str, salt: int = 0) -> str:
    """Return the 11-character number of a document in a base, the same for the same key.

    The source's own number behind the prefix where that fits and nobody took it (`salt` 0), so that people find
    an order by what the customer says; a hash of the whole key otherwise, and always without a prefix of its own,
    because order 410 of the portal is not order 410 of the shop.
    """
    native = key.rsplit("/", 1)[-1]
    if prefix and salt == 0 and native.isascii() and native.isdigit() and len(prefix) + len(native) <= NUMBER_LENGTH:
        return prefix + native.zfill(NUMBER_LENGTH - len(prefix))
    start = prefix or DEFAULT_PREFIX
    digested = hashlib.sha256(f"{key}\n{salt}".encode()).digest()
    return start + base64.b32encode(digested).decode("ascii")[: NUMBER_LENGTH - len(start)]


def candidate_numbers(prefix: str | None, key: str) -> tuple[str, ...]:
    """Every number a document of this key may have, the preferred one first."""
    return tuple(order_number(prefix, key, salt) for salt in range(SALTS))
