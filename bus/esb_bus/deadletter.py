"""Dead letters: what is added to a failed message, how letters are listed and which of them a filter means."""

import hashlib
import re
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from esb_bus.topology import (
    H_ATTEMPT,
    H_CORRELATION,
    H_ERROR,
    H_FIRST_FAILURE,
    H_LAST_FAILURE,
    H_LEGAL_ENTITY,
    H_LETTER,
    H_OBJECT,
    H_QUEUE,
    H_REASON,
    H_REPLAYABLE,
    H_REPLAYED,
    H_SEQUENCE,
    H_THREAD,
    H_TRACEBACK,
    MAX_ERROR_TEXT,
    dead_queue,
    parked_queue,
)
from esb_bus.wire import Delivery, Headers, Outgoing

ADDED = (H_REASON, H_ERROR, H_TRACEBACK, H_REPLAYABLE, H_QUEUE)
"""Headers of a failure that are taken off again when the message goes back to work."""

MAX_SHORT = 255
MAX_HEADER_TEXT = 16 * 1024
MAX_HEADERS = 96 * 1024
"""A message of our own has at most 32 kB. One from elsewhere may bring more; a frame ends at 128 kB."""

BEHIND_ANOTHER = "behind_another_letter"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why and since when a message fails. `attempt` counts finished attempts."""

    code: str
    error: BaseException
    attempt: int
    first_at: datetime
    at: datetime
    replayable: bool = True


def letter_of(delivery: Delivery, queue: str, failure: Failure, sequence: int) -> Outgoing:
    """The message for `<queue>.dead`: body and headers untouched, the failure added.

    A letter that fails again after a replay keeps its id and its sequence, hence its place in its thread.
    """
    letter = str(delivery.headers.get(H_LETTER) or delivery.message_id)
    headers = {
        **delivery.headers,
        **_failure_headers(queue, failure),
        H_LETTER: letter,
        H_SEQUENCE: delivery.headers.get(H_SEQUENCE, sequence),
        H_REPLAYABLE: failure.replayable,
    }
    if failure.code == "bug":
        text = "".join(traceback.format_exception(failure.error))
        headers[H_TRACEBACK] = _cut(text[-MAX_ERROR_TEXT:])  # its end tells what happened
    return _moved(delivery, dead_queue(queue), headers, f"{letter}/dead/{failure.attempt}")


def parked_of(delivery: Delivery, queue: str, failure: Failure | None, sequence: int) -> Outgoing:
    """The message for `<queue>.parked`; `failure` is None when it only stands behind another one."""
    headers = {**delivery.headers, H_SEQUENCE: sequence}
    if H_LETTER in delivery.headers:
        headers[H_SEQUENCE] = delivery.headers.get(H_SEQUENCE, sequence)
    if failure is not None:
        headers |= _failure_headers(queue, failure)
    return _moved(delivery, parked_queue(queue), headers, delivery.message_id)


def returned_of(delivery: Delivery, queue: str) -> Outgoing:
    """A replayed letter that came before an earlier one of its thread: back to `.dead`, with that as its reason."""
    headers = {
        **delivery.headers,
        H_QUEUE: queue,
        H_REASON: BEHIND_ANOTHER,
        H_ERROR: "an earlier letter of its thread is still dead: replay that one first, or both together",
        H_REPLAYABLE: True,
    }
    return _moved(delivery, dead_queue(queue), headers, delivery.message_id)


def replay_of(delivery: Delivery, queue: str) -> Outgoing:
    """A letter on its way back to work: the original message with its place in the thread and a replay count."""
    headers = {key: value for key, value in delivery.headers.items() if key not in ADDED}
    count = number(headers.get(H_REPLAYED)) + 1
    headers[H_REPLAYED] = count
    headers.pop(H_ATTEMPT, None)
    headers.pop(H_FIRST_FAILURE, None)
    return _moved(delivery, queue, headers, f"{headers.get(H_LETTER, delivery.message_id)}/replay/{count}")


def _moved(delivery: Delivery, queue: str, headers: Headers, message_id: str) -> Outgoing:
    return Outgoing(
        body=delivery.body,
        routing_key=queue,
        message_id=_fitting(message_id),
        headers=_bounded(headers),
        is_moved=True,
        type=delivery.type,
        content_type=delivery.content_type,
        correlation_id=delivery.correlation_id,
    )


def _failure_headers(queue: str, failure: Failure) -> Headers:
    return {
        H_QUEUE: queue,
        H_ATTEMPT: failure.attempt,
        H_FIRST_FAILURE: failure.first_at.isoformat(),
        H_LAST_FAILURE: failure.at.isoformat(),
        H_REASON: failure.code,
        H_ERROR: _cut(str(failure.error) or type(failure.error).__name__),
    }


def _cut(text: str) -> str:
    """At most 4 kB of UTF-8 without control characters: larger headers would kill the connection."""
    plain = "".join(char if char.isprintable() or char in "\n\t" else "\ufffd" for char in text[:MAX_ERROR_TEXT])
    return plain.encode(errors="replace")[:MAX_ERROR_TEXT].decode(errors="ignore")


def _fitting(message_id: str) -> str:
    """A message id takes 255 bytes; a longer one keeps its beginning. Who must not be confused reads the headers."""
    raw = message_id.encode(errors="replace")
    if len(raw) <= MAX_SHORT:
        return message_id
    return f"{raw[:200].decode(errors='ignore')}/{hashlib.sha256(raw).hexdigest()[:32]}"


def _bounded(headers: Headers) -> Headers:
    """Headers that AMQP can carry: a move that could never succeed would stop the queue for ever."""
    sizes = {key: len(str(value)) for key, value in headers.items()}
    if sum(sizes.values()) <= MAX_HEADERS // 4:  # in UTF-8 a character has at most four bytes
        return {key: _writable(value) for key, value in headers.items()}
    bounded = {key: value for key, value in headers.items() if key.startswith("x-esb-") or sizes[key] <= MAX_SHORT}
    for key, value in bounded.items():
        if isinstance(value, str):
            bounded[key] = value.encode(errors="replace")[:MAX_HEADER_TEXT].decode(errors="ignore")
    return {key: _writable(value) for key, value in bounded.items()}


def _writable(value: Any) -> Any:
    """A text in another encoding is read as bytes, and bytes can be written as an array of bytes only."""
    match value:
        case bytes():
            return bytearray(value)
        case list():
            return [_writable(one) for one in value]
        case dict():
            return {key: _writable(one) for key, one in value.items()}
        case _:
            return value


def number(value: object) -> int:
    """Read a header that should hold a whole number; people and other programs write headers, too."""
    return value if isinstance(value, int) else 0


def moment(value: object) -> datetime | None:
    """Read a header that should hold a time with its zone."""
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return None if at is None or at.tzinfo is None else at


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter as people see it."""

    id: str
    queue: str
    reason: str
    error: str
    thread: str
    object: str
    legal_entity: str
    endpoint: str
    correlation_id: str
    type: str
    attempt: int
    replay_count: int
    replayable: bool
    first_failure: str
    last_failure: str
    sequence: int
    size_bytes: int


def read_letter(delivery: Delivery, queue: str) -> Letter:
    headers = delivery.headers
    text = _texts(headers)
    return Letter(
        id=text.get(H_LETTER) or delivery.message_id,
        queue=queue,
        reason=text.get(H_REASON, ""),
        error=text.get(H_ERROR, ""),
        thread=text.get(H_THREAD, ""),
        object=text.get(H_OBJECT, ""),
        legal_entity=text.get(H_LEGAL_ENTITY, ""),
        endpoint=queue.split(".", 1)[1] if "." in queue else queue,
        correlation_id=delivery.correlation_id or text.get(H_CORRELATION, ""),
        type=delivery.type or "",
        attempt=number(headers.get(H_ATTEMPT)),
        replay_count=number(headers.get(H_REPLAYED)),
        replayable=bool(headers.get(H_REPLAYABLE, True)),
        first_failure=text.get(H_FIRST_FAILURE, ""),
        last_failure=text.get(H_LAST_FAILURE, ""),
        sequence=number(headers.get(H_SEQUENCE)),
        size_bytes=delivery.size_bytes,
    )


def _texts(headers: Mapping[str, Any]) -> dict[str, str]:
    return {key: value for key, value in headers.items() if isinstance(value, str)}


def is_about(letter: Letter, document: str) -> bool:
    """Whether a key, or whole parts of one, names a letter: 12 is order/website.shop/12, and not …/1211."""
    whole = re.compile(rf"(?<![^/:]){re.escape(document)}(?![^/:])")
    return any(whole.search(name) for name in (letter.thread, letter.object, letter.correlation_id, letter.id))


@dataclass(frozen=True, slots=True)
class LetterFilter:
    """Which letters are meant; every given part must fit. Times are ISO 8601 and compare with the last failure."""

    reason: str | None = None
    endpoint: str | None = None
    legal_entity: str | None = None
    document: str | None = None
    """A key, or whole parts of one (an order number will do), see `is_about`."""
    since: datetime | None = None
    until: datetime | None = None
    with_poison: bool = False

    def takes(self, letter: Letter) -> bool:
        return (
            (self.with_poison or letter.replayable)
            and self.reason in {None, letter.reason}
            and self.endpoint in {None, letter.endpoint, letter.queue}
            and self.legal_entity in {None, letter.legal_entity}
            and (self.document is None or is_about(letter, self.document))
            and self._in_time(letter)
        )

    def _in_time(self, letter: Letter) -> bool:
        if self.since is None and self.until is None:
            return True
        failed_at = moment(letter.last_failure)
        if failed_at is None:
            return False
        return (self.since is None or failed_at >= self.since) and (self.until is None or failed_at <= self.until)
