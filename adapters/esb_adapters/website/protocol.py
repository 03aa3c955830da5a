r"""What a website puts around its orders: signatures, topics, pages. Pure functions over headers and raw bytes.

Signatures are checked over the bytes as they came: PHP writes `\/` and `\uXXXX`, so the same JSON written again
never fits. Sources: WooCommerce, `class-wc-webhook.php`; Standard Webhooks, "Specification".
"""

import base64
import binascii
import hashlib
import hmac
import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from esb_adapters.receiving import Accepted, Refused, Verdict
from esb_bus.errors import EsbError
from esb_bus.ports import NativeMessage
from esb_schemas.values import MAX_VERSION

WOO_ORDER = "woocommerce.order"
WOO_ORDER_DELETED = "woocommerce.order_deleted"
WOO_OTHER = "woocommerce.other"
STANDARD_EVENT = "standard.event"

STANDARD_TOLERANCE_S = 300
STANDARD_KEY_BYTES = range(24, 65)

_OTHER_RESOURCES = frozenset({"product", "customer", "coupon", "action"})
_MAX_HEADER = 200
_KEPT_HEADERS = (
    "x-wc-webhook-topic",
    "x-wc-webhook-id",
    "x-wc-webhook-delivery-id",
    "webhook-id",
    "webhook-timestamp",
)
_PING = re.compile(rb"webhook_id=\d{1,20}")
_LEADING_ID = re.compile(rb'\s*\{\s*"id"\s*:\s*(\d{1,20})\s*[,}]')
_ORDER_ID = re.compile(r"[^/\s]{1,100}")

_BAD_SIGNATURE = Refused(401, "bad_signature", "The signature does not fit the body and the shared secret.")


@dataclass(frozen=True, slots=True)
class Subject:
    """The order a body is about and the version of its state, as far as they can be told without understanding it."""

    thread: str | None
    version: int | None


class SecretUnusable(EsbError):
    """A secret is there, but not in the form its protocol wants."""

    code = "secret_unusable"


def order_key(endpoint: str, native_id: int | str) -> str:
    return f"order/{endpoint}/{native_id}"


def check_woocommerce(
    endpoint: str, secret: str, headers: Mapping[str, str], body: bytes, received_at: datetime
) -> Verdict:
    """Judge one WooCommerce delivery."""
    signature = headers.get("x-wc-webhook-signature")
    if signature is None and _PING.fullmatch(body.strip()):
        return Accepted(None)  # sent unsigned when a webhook is saved; anything but 200 may keep it from starting
    if not signature or not woocommerce_signature_fits(secret, body, signature):
        return _BAD_SIGNATURE
    kind = woocommerce_kind(headers.get("x-wc-webhook-topic", ""))
    subject = woocommerce_subject(endpoint, body)
    if kind == WOO_ORDER_DELETED:  # says nothing but the id: a later restore has a later date
        subject = Subject(subject.thread, milliseconds(received_at))
    return Accepted(_message(endpoint, kind, body, subject, headers, received_at))


def check_standard(
    endpoint: str, keys: Sequence[bytes], headers: Mapping[str, str], body: bytes, received_at: datetime
) -> Verdict:
    """Judge one delivery by Standard Webhooks.

    The signature comes first: a stranger learns nothing about our clock.
    """
    if not standard_signature_fits(keys, headers, body):
        return _BAD_SIGNATURE
    skew = _skew_s(headers["webhook-timestamp"], received_at)
    if abs(skew) > STANDARD_TOLERANCE_S:
        return Refused(
            401,
            "clock_skew",
            f"The signature fits, but webhook-timestamp is {abs(skew)} s in the {'future' if skew > 0 else 'past'}; "
            f"at most {STANDARD_TOLERANCE_S} s are accepted. Set the sender's clock, and sign each attempt anew.",
        )
    return Accepted(_message(endpoint, STANDARD_EVENT, body, standard_subject(endpoint, body), headers, received_at))


def woocommerce_signature_fits(secret: str, body: bytes, signature: str) -> bool:
    """Tell whether the signature is ours.

    WooCommerce decodes HTML entities before it signs, and may show or store `a&b` as `a&amp;b`: both are tried.
    """
    given = signature.strip().encode()
    candidates = [base64.b64encode(_hmac(text.encode(), body)) for text in (secret, html.unescape(secret))]
    return any([hmac.compare_digest(candidate, given) for candidate in candidates])  # noqa: C419  constant time


def standard_keys(secret: str) -> tuple[bytes, ...]:
    """Read one or more `whsec_…` secrets, separated by blanks while a secret is being replaced.

    Raises:
        SecretUnusable: not base64, or not 24 to 64 bytes.
    """
    return tuple(_standard_key(part) for part in secret.split())


def standard_signature_fits(keys: Sequence[bytes], headers: Mapping[str, str], body: bytes) -> bool:
    """Tell whether any of the signatures was made with any of our keys.

    Own code, because the library decodes the body first and so cannot check bytes that are not UTF-8.
    """
    message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not message_id or not re.fullmatch(r"[0-9]{1,12}", timestamp):
        return False
    signed = f"{message_id}.{timestamp}.".encode() + body
    given = [part[3:].encode() for part in headers.get("webhook-signature", "").split() if part.startswith("v1,")]
    wanted = [base64.b64encode(_hmac(key, signed)) for key in keys]
    return any([hmac.compare_digest(one, other) for one in wanted for other in given])  # noqa: C419  constant time


def woocommerce_kind(topic: str) -> str:
    """Name the shape of a body by its topic; what is unknown is taken for an order and explained by the mapping."""
    if topic == "order.deleted":
        return WOO_ORDER_DELETED
    return WOO_OTHER if topic.split(".", 1)[0] in _OTHER_RESOURCES else WOO_ORDER


def woocommerce_subject(endpoint: str, body: bytes) -> Subject:
    """Find the order a body is about; works on a body cut off in the middle, because PHP writes the id first."""
    wire = _parsed(body)
    if wire is None and (leading := _LEADING_ID.match(body)):
        return Subject(order_key(endpoint, int(leading[1])), None)
    native_id = _member(wire, "id")
    if type(native_id) is not int or native_id < 0:
        return Subject(None, None)
    return Subject(order_key(endpoint, native_id), _milliseconds(_member(wire, "date_modified_gmt")))


def standard_subject(endpoint: str, body: bytes) -> Subject:
    data = _member(_parsed(body), "data")
    native_id, version = _member(data, "id"), _member(data, "version")
    if not isinstance(native_id, str | int) or not _is_order_id(str(native_id)):
        return Subject(None, None)
    known = type(version) is int and 0 <= version <= MAX_VERSION
    return Subject(order_key(endpoint, native_id), version if known else _milliseconds(_member(data, "occurred_at")))


def _is_order_id(text: str) -> bool:
    """Whether it may become part of a key, and so of headers, logs and comments in 1C."""
    return text.isprintable() and _ORDER_ID.fullmatch(text) is not None


def utc(text: str) -> datetime:
    """Read a date that is UTC unless it says otherwise, as `*_gmt` of WooCommerce does not.

    Raises:
        ValueError: it is no date.
    """
    moment = datetime.fromisoformat(text)
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("not a date") from error


def milliseconds(moment: datetime) -> int:
    """The version of an object that only knows when it was changed."""
    return int(moment.timestamp() * 1000)


def _milliseconds(text: Any) -> int | None:
    try:
        return milliseconds(utc(text)) if isinstance(text, str) else None
    except ValueError:
        return None


def _message(
    endpoint: str, kind: str, body: bytes, subject: Subject, headers: Mapping[str, str], received_at: datetime
) -> NativeMessage:
    return NativeMessage(
        endpoint,
        kind,
        body,
        thread=subject.thread,
        version=subject.version,
        received_at=received_at,
        correlation_id=subject.thread,
        headers={name: headers[name][:_MAX_HEADER] for name in _KEPT_HEADERS if name in headers},
    )


def _standard_key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error as error:
        raise SecretUnusable("a Standard Webhooks secret is whsec_ and base64") from error
    if len(key) not in STANDARD_KEY_BYTES:
        raise SecretUnusable(f"a Standard Webhooks secret has 24 to 64 bytes, this one {len(key)}")
    return key


def _hmac(key: bytes, body: bytes) -> bytes:
    return hmac.new(key, body, hashlib.sha256).digest()


def _skew_s(timestamp: str, now: datetime) -> int:
    return int(timestamp) - int(now.timestamp())


def _parsed(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _member(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None
