"""What is known about one order, put together from events, letters and routes. Pure: `trace` brings the material."""

import heapq
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import orjson

from esb_bus.deadletter import Letter
from esb_bus.errors import EsbError
from esb_bus.landscape import Landscape
from esb_bus.topology import H_THREAD
from esb_bus.wire import Delivery
from esb_schemas.orders import OrderRefused
from esb_schemas.registry import OUTCOME_TYPES

KEY_FIELDS = {"id", "objectkey", "thread", "correlationid", "order_key", "invoice_key", "payment_key"}
NUMBER_FIELDS = frozenset({*KEY_FIELDS, "number", "ref", "bank_number", "inn", "payer_inn"})
ASKING = frozenset({"order.placed", "order.changed", "order.cancelled", "invoice.requested"})
"""Events that an outcome must follow."""
NOW = "now"
DEAD_LETTER = "dead letter"
PARKED = "parked"
WAITING = "waiting"
END_OF_TIME = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened, or a place where something waits now."""

    at: str
    """ISO 8601 in UTC, or `NOW`."""
    what: str
    where: str
    detail: str
    thread: str
    event_id: str = ""
    causation_id: str = ""


@dataclass(slots=True)
class Search:
    """Picks the events of the threads a number belongs to out of a whole history, most of it unread.

    An event met before its thread was known to be wanted is missed: read the history again when `is_incomplete`.
    """

    number: str
    threads: set[str] = field(default_factory=set)
    events: dict[str, dict[str, Any]] = field(default_factory=dict)
    is_incomplete: bool = False

    def take(self, delivery: Delivery) -> None:
        thread = str(delivery.headers.get(H_THREAD, ""))
        if thread not in self.threads and self._needle not in delivery.body:
            return
        event = read_event(delivery.body)
        if event is None:
            return
        if event["thread"] not in self.threads and names(event, self.number):
            self.want(event["thread"])
        if event["thread"] in self.threads:
            self.events[event["id"]] = event

    def want(self, thread: str) -> None:
        """All events of this thread are wanted, too."""
        if thread in self.threads:
            return
        self.threads.add(thread)
        # Whoever names a thread by its key, or a part of it, finds its first event by that, too.
        self.is_incomplete |= self.number not in {thread, *thread.split("/")}

    @property
    def _needle(self) -> bytes:
        return json.dumps(self.number, ensure_ascii=False)[1:-1].encode()


def read_event(body: bytes) -> dict[str, Any] | None:
    """Read an event of any version, as far as it is one."""
    try:
        event = orjson.loads(body)
        told = {name: str(event[name]) for name in ("id", "type", "time", "source", "thread", "objectkey")}
    except (ValueError, KeyError, TypeError):
        return None
    return {**event, **told} if isinstance(event.get("data"), dict) else None


def names(event: Any, number: str) -> bool:
    """Whether a number is one of those an event goes by. Parts of keys count, parts of numbers do not."""
    return any(number == found or number in found.split("/") for found in _numbers(event))


def _numbers(value: Any) -> Iterable[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if isinstance(inner, str) and key in NUMBER_FIELDS:
                yield inner
                yield inner.lstrip("0") if inner.isdecimal() else inner
            else:
                yield from _numbers(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _numbers(inner)


def speaks_of(letter: Letter, search: Search) -> bool:
    """Whether a letter or parked message belongs to the story."""
    spoken = (*letter.thread.split("/"), *letter.object.split("/"), letter.id, letter.correlation_id, letter.thread)
    return letter.thread in search.threads or search.number in spoken


def step_of_event(event: Mapping[str, Any]) -> Step:
    data = event["data"]
    document = data.get("document") or {}
    parts = (
        data.get("reason") or "",
        f"«{document['kind']}» № {document['number']}" if document else "",
        f"total {data['total']}" if "total" in data else "",
        f"amount {data['amount']}" if "amount" in data else "",
        f"version {event.get('dataversion', '?')}",
    )
    return Step(
        at=_utc(event["time"]),
        what=event["type"],
        where=_place(event),
        detail=", ".join(part for part in parts if part),
        thread=event["thread"],
        event_id=event["id"],
        causation_id=event.get("causationid") or "",
    )


def step_of_letter(letter: Letter, queue: str, what: str) -> Step:
    """A dead letter or a parked message: it rests in `queue` now, since its last failure."""
    detail = f"{letter.reason}: {letter.error}" if letter.reason else "waits behind another message of its thread"
    at = _utc(letter.last_failure) if letter.last_failure else NOW
    # A document is named after the event it follows from.
    return Step(at, what, queue, detail, letter.thread, event_id=letter.id, causation_id=letter.id.split("/")[0])


def _place(event: Mapping[str, Any]) -> str:
    data = event["data"]
    document = data.get("document") or {}
    place = document.get("endpoint") or data.get("endpoint") or event["source"].strip("/").replace("/", ".", 1)
    return str(place)


def _utc(text: str) -> str:
    """The same moment in UTC: systems write their own zones."""
    return datetime.fromisoformat(text).astimezone(UTC).isoformat(timespec="milliseconds")


def without_repeats(steps: Sequence[Step]) -> list[Step]:
    """A refusal has the reason of its letter: told once, while the letter is there."""
    letters = {step.causation_id for step in steps if step.what == DEAD_LETTER}
    return [
        replace(step, detail="told to the source of the order")
        if step.what == OrderRefused.type and step.causation_id in letters
        else step
        for step in steps
    ]


def in_order(steps: Iterable[Step]) -> list[Step]:
    """Sort by time, but never what follows before what it follows from: the clocks of several systems differ."""
    by_time = sorted(steps, key=lambda step: END_OF_TIME if step.at == NOW else datetime.fromisoformat(step.at))
    known = {step.event_id for step in by_time if step.event_id}
    followers: dict[str, list[int]] = defaultdict(list)
    ready: list[int] = []
    for place, step in enumerate(by_time):
        has_cause = step.causation_id in known and step.causation_id != step.event_id
        followers[step.causation_id].append(place) if has_cause else heapq.heappush(ready, place)
    ordered: list[Step] = []
    while ready:
        ordered.append(by_time[heapq.heappop(ready)])
        for place in followers.pop(ordered[-1].event_id, ()):
            heapq.heappush(ready, place)
    # Events that name one another in a circle are told nevertheless.
    return ordered + [by_time[place] for places in followers.values() for place in places]


@dataclass(frozen=True, slots=True)
class Question:
    """An event that nothing has answered yet, and the endpoint that should."""

    event_id: str
    thread: str
    endpoint: str


def open_questions(events: Sequence[Mapping[str, Any]], landscape: Landscape) -> Iterator[Question]:
    """Which events still wait for an outcome of which endpoint. A newer state that was answered closes the older."""
    outcomes = [event for event in events if event["type"] in OUTCOME_TYPES]
    asking = [event for event in events if event["type"] in ASKING]
    for event in asking:
        targets = _targets(event, landscape)
        newer = {other["id"] for other in asking if _is_as_new(other, event)}
        # An outcome of no target tells that the way ended before the targets: it answers for all of them.
        places = {_place(outcome) for outcome in outcomes if outcome.get("causationid") in newer}
        if places <= set(targets):
            yield from (Question(event["id"], event["thread"], target) for target in targets if target not in places)


def _is_as_new(other: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
    return other["objectkey"] == event["objectkey"] and int(other["dataversion"]) >= int(event["dataversion"])


def _targets(event: Mapping[str, Any], landscape: Landscape) -> tuple[str, ...]:
    try:
        return landscape.targets(event["type"], event["legalentity"], event["objectkey"])
    except EsbError:
        # It has no way, hence a dead letter, which is told anyway.
        return ()
