"""`esb trace`: everything that is known about one order, found by any number it goes by."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Annotated

import typer

from esb_bus.browse import browse
from esb_bus.deadletter import read_letter
from esb_bus.history import read_stream
from esb_bus.landscape import Landscape
from esb_bus.redaction import visible
from esb_bus.settings import Settings
from esb_bus.topology import (
    dead_queue,
    in_queue,
    kind_of,
    log_stream,
    out_queue,
    parked_queue,
    transform_queue,
    worked_queues,
)
from esb_bus.wire import Delivery, Link
from esb_cli.context import (
    DEFAULT_LANDSCAPE,
    FAILED,
    JsonOption,
    LandscapeOption,
    err,
    go,
    indented,
    out,
    print_json,
    progress_bar,
    read_landscape,
    read_settings,
)
from esb_cli.pauses import Pauses
from esb_cli.story import (
    DEAD_LETTER,
    NOW,
    PARKED,
    WAITING,
    Question,
    Search,
    Step,
    in_order,
    open_questions,
    speaks_of,
    step_of_event,
    step_of_letter,
    without_repeats,
)
from esb_schemas.identifiers import SHARED
from esb_schemas.orders import OrderRefused

REPORT_EVERY = 500
OnProgress = Callable[[int, int], None]
"""Told how many events were read, and of how many."""


@dataclass(frozen=True, slots=True)
class Traced:
    """The story of a number; when there is none, where its message may be instead."""

    steps: Sequence[Step]
    elsewhere: Sequence[str] = ()


def trace_command(
    number: Annotated[str, typer.Argument(help="Site order, deal id, 1C number, INN, key or event id.")],
    landscape: LandscapeOption = DEFAULT_LANDSCAPE,
    as_json: JsonOption = False,
) -> None:
    """Explain where an order is and how it got there. Exit status 1 when nothing is known."""
    settings, company = read_settings(landscape), read_landscape(landscape)
    with progress_bar("reading the history", quiet=as_json) as (progress, task):
        traced = go(trace(settings, company, number, lambda done, of: progress.update(task, completed=done, total=of)))
    if as_json:
        print_json(asdict(step) for step in traced.steps)
    elif traced.steps:
        _print(traced.steps)
    if not traced.steps:
        err.print(indented(f"nothing is known about {number!r}: no event, no letter, no parked message names it.", 0))
        for line in traced.elsewhere:
            err.print(indented(line))
        days = company.limits.history_days
        err.print(indented(f"Did the source send it? Its own log tells. The bus remembers {days} days.", 0))
        raise typer.Exit(FAILED)


def _print(steps: Sequence[Step]) -> None:
    for thread, told in groupby(steps, key=lambda step: step.thread):
        out.print(visible(thread), style="bold")
        for step in told:
            at = NOW if step.at == NOW else step.at[:19].replace("T", " ")
            out.print(f"  {at:19}  {step.what:17}  {step.where}", style=_STYLES.get(step.what, ""))
            out.print(indented(step.detail, 23), style="dim")
    err.print("times are UTC", style="dim")


_STYLES = {DEAD_LETTER: "red", OrderRefused.type: "red", PARKED: "yellow", WAITING: "yellow"}


async def trace(settings: Settings, landscape: Landscape, number: str, on_progress: OnProgress) -> Traced:
    """Return all steps of the threads that a number belongs to, thread by thread, each in its order."""
    link = await Link.open(settings.amqp_url.get_secret_value(), "esb trace")
    try:
        search, pauses = Search(number), Pauses()
        await _read(link, landscape, search, pauses, on_progress)
        resting = [step async for step in _resting(link, landscape, search)]
        for step in resting:
            search.want(step.thread)
        if search.is_incomplete:
            await _read(link, landscape, search, Pauses(), on_progress)
        events = list(search.events.values())
        seen = {step.event_id.split("/")[0] for step in resting}
        questions = [one for one in open_questions(events, landscape) if one.event_id not in seen]
        waiting = [await _waiting(link, question, pauses) for question in questions]
        steps = in_order(without_repeats([*map(step_of_event, events), *resting, *waiting]))
        if not steps:
            return Traced((), [line async for line in _elsewhere(link, landscape, pauses)])
        return Traced(sorted(steps, key=lambda step: step.thread))
    finally:
        await link.close()


async def _read(link: Link, landscape: Landscape, search: Search, pauses: Pauses, on_progress: OnProgress) -> None:
    """Read all streams once, side by side: a stream tells its end only by being silent for a moment."""
    streams = [log_stream(one) for one in (*landscape.legal_entities, SHARED)]
    total = sum([await link.ready_count(one) for one in streams])
    count = 0

    async def one(stream: str) -> None:
        nonlocal count
        async for delivery in read_stream(link, stream):
            _take(delivery, search, pauses)
            count += 1
            if count % REPORT_EVERY == 0:
                on_progress(count, max(count, total))

    await asyncio.gather(*map(one, streams))


def _take(delivery: Delivery, search: Search, pauses: Pauses) -> None:
    search.take(delivery)
    pauses.take(delivery)


async def _resting(link: Link, landscape: Landscape, search: Search) -> AsyncIterator[Step]:
    """Dead letters and parked messages of the threads, and those that name the number themselves."""
    for queue in worked_queues(landscape):
        for name, what in ((dead_queue(queue.name), DEAD_LETTER), (parked_queue(queue.name), PARKED)):
            if not await link.ready_count(name):
                continue
            async with browse(link, name) as browser:
                async for delivery in browser.messages():
                    letter = read_letter(delivery, queue.name)
                    if speaks_of(letter, search):
                        yield step_of_letter(letter, name, what)


async def _waiting(link: Link, question: Question, pauses: Pauses) -> Step:
    """Where a document is that nobody has answered yet. What a consumer has in hand cannot be seen from outside."""
    endpoint, queue = question.endpoint, out_queue(question.endpoint)
    before = transform_queue(kind_of(endpoint))
    here, earlier = await link.ready_count(queue), await link.ready_count(before)
    paused = pauses.of(endpoint)
    if paused is not None:
        detail = f"{paused}; it goes on by itself, {_messages(here)} there"
    elif earlier:
        detail = f"in hand or waiting in {queue} ({_messages(here)} there) or {before} ({_messages(earlier)} there)"
    else:
        detail = f"in hand or waiting in {queue} ({_messages(here)} there)"
    return Step(NOW, WAITING, queue, detail, question.thread, causation_id=question.event_id)


def _messages(count: int) -> str:
    return f"{count} message{'' if count == 1 else 's'} wait{'s' if count == 1 else ''}"


async def _elsewhere(link: Link, landscape: Landscape, pauses: Pauses) -> AsyncIterator[str]:
    """Queues whose messages nobody has read yet: what is asked for may be among them."""
    for endpoint in landscape.endpoints():
        if count := await link.ready_count(in_queue(endpoint)):
            yield f"It may be in {in_queue(endpoint)}: {_messages(count)} there to be read."
    for paused in pauses.all():
        yield f"{paused}."
