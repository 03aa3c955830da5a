"""`esb trace`: everything that is known about one order, found by any number it goes by."""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import orjson
import typer
from rich.progress import Progress
from rich.table import Table

from esb_bus.browse import browse
from esb_bus.deadletter import read_letter
from esb_bus.history import read_stream
from esb_bus.landscape import Landscape
from esb_bus.settings import Settings
from esb_bus.threads import marks_of
from esb_bus.topology import dead_queue, log_stream, out_queue, parked_queue, worked_queues
from esb_bus.wire import Link
from esb_cli.context import (
    DEFAULT_LANDSCAPE,
    JsonOption,
    LandscapeOption,
    err,
    fail,
    go,
    out,
    print_json,
    read_landscape,
    read_settings,
)
from esb_schemas.identifiers import SHARED
from esb_schemas.registry import OUTCOME_TYPES, MalformedEvent, NewerEventVersion, Registry

KEY_FIELDS = {"id", "objectkey", "thread", "correlationid", "order_key", "invoice_key", "payment_key"}
NUMBER_FIELDS = frozenset({*KEY_FIELDS, "number", "ref", "bank_number", "inn", "payer_inn"})
ASKING = frozenset({"order.placed", "order.changed", "order.cancelled", "invoice.requested"})
"""Events that an outcome must follow."""
END_OF_TIME = "9999-12-31T23:59:59"
"""Sorts what waits without a time of its own behind what has happened."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened, or a place where something waits now."""

    at: str
    what: str
    where: str
    detail: str
    thread: str
    event_id: str = ""
    causation_id: str = ""


def trace_command(
    number: Annotated[str, typer.Argument(help="Site order, deal id, 1C number, key or event id.")],
    landscape: LandscapeOption = DEFAULT_LANDSCAPE,
    as_json: JsonOption = False,
) -> None:
    """Explain where an order is and how it got there."""
    with Progress(console=err, transient=True, disable=as_json) as progress:
        reading = progress.add_task("reading the history", total=None)
        steps = go(trace(read_settings(landscape), read_landscape(landscape), number))
        progress.update(reading, completed=1)
    if not steps:
        fail(
            f"nothing is known about {number!r}: no event of the last days, no dead letter and no waiting message "
            "names it. Did the source send it? (`esb dead list`, the source's own log)"
        )
    if as_json:
        print_json(asdict(step) for step in steps)
        return
    table = Table(box=None, pad_edge=False)
    for name in ("when", "what", "where", "detail"):
        table.add_column(name, overflow="fold")
    for step in steps:
        table.add_row("now" if step.at == END_OF_TIME else step.at[:19], step.what, step.where, step.detail)
    out.print(table)


async def trace(settings: Settings, landscape: Landscape, number: str) -> list[Step]:
    """Return all steps of the threads that a number belongs to, in the order of time."""
    link = await Link.open(settings.amqp_url.get_secret_value(), "esb trace")
    try:
        events = [one async for one in _events(link, landscape)]
        threads = {one["thread"] for one in events if names(one, number)}
        resting = [step async for step in _resting(link, landscape, number, threads)]
        threads |= {step.thread for step in resting}
        told = [one for one in events if one["thread"] in threads]
        return sorted([*map(_step, told), *resting, *await _waiting(link, landscape, told)], key=lambda step: step.at)
    finally:
        await link.close()


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


async def _events(link: Link, landscape: Landscape) -> AsyncIterator[dict[str, Any]]:
    registry = Registry()
    for legal_entity in (*landscape.legal_entities, SHARED):
        async for delivery in read_stream(link, log_stream(legal_entity)):
            try:
                registry.read(delivery.body)
            except (MalformedEvent, NewerEventVersion):
                continue
            yield orjson.loads(delivery.body)


def _step(event: dict[str, Any]) -> Step:
    data = event["data"]
    document = data.get("document") or {}
    parts = (
        data.get("reason") or "",
        f"{document['kind']} № {document['number']}" if document else "",
        f"total {data['total']}" if "total" in data else "",
        f"amount {data['amount']}" if "amount" in data else "",
        f"version {event['dataversion']}",
    )
    return Step(
        at=event["time"],
        what=event["type"],
        where=document.get("endpoint") or data.get("endpoint") or event["source"].strip("/").replace("/", ".", 1),
        detail=", ".join(part for part in parts if part),
        thread=event["thread"],
        event_id=event["id"],
        causation_id=event.get("causationid") or "",
    )


async def _resting(link: Link, landscape: Landscape, number: str, threads: set[str]) -> AsyncIterator[Step]:
    """Dead letters and parked messages of the threads, and those that name the number themselves."""
    for queue in worked_queues(landscape):
        for name, what in ((dead_queue(queue.name), "dead letter"), (parked_queue(queue.name), "parked")):
            async with browse(link, name) as browser:
                async for delivery in browser.messages():
                    letter = read_letter(delivery, queue.name)
                    mark = marks_of(delivery.message_id, delivery.headers)
                    spoken = (*mark.thread.split("/"), *letter.object.split("/"), letter.id, letter.correlation_id)
                    if mark.thread in threads or number in spoken:
                        at = letter.last_failure or END_OF_TIME
                        detail = f"{letter.reason}: {letter.error}" if letter.reason else "behind another message"
                        yield Step(at, what, name, detail, mark.thread, event_id=letter.id)


async def _waiting(link: Link, landscape: Landscape, told: Sequence[dict[str, Any]]) -> list[Step]:
    """Orders that were published and have no outcome yet: which queue they must be in."""
    answered = {one.get("causationid") for one in told if one["type"] in OUTCOME_TYPES}
    steps = []
    for event in (one for one in told if one["type"] in ASKING and one["id"] not in answered):
        for endpoint in landscape.targets(event["type"], event["legalentity"], event["objectkey"]):
            ready = await link.ready_count(out_queue(endpoint))
            detail = f"no outcome of event {event['id']} yet; {ready} message(s) wait there"
            steps.append(Step(END_OF_TIME, "waiting", out_queue(endpoint), detail, event["thread"]))
    return steps
