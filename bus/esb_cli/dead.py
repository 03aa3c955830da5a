"""`esb dead`: look at dead letters, put them back to work, or drop them. What changes anything asks first."""

import asyncio
import base64
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, Literal

import orjson
import typer
from rich.progress import Progress
from rich.table import Table

from esb_bus.browse import browse
from esb_bus.commands import Command, command_message
from esb_bus.deadletter import Letter, LetterFilter, read_letter
from esb_bus.errors import EsbError
from esb_bus.landscape import Landscape
from esb_bus.publisher import Publisher
from esb_bus.settings import Settings
from esb_bus.topology import dead_queue, worked_queues
from esb_bus.wire import ChannelLost, Delivery, Link
from esb_cli.context import (
    DEFAULT_LANDSCAPE,
    JsonOption,
    LandscapeOption,
    YesOption,
    confirmed,
    err,
    fail,
    go,
    out,
    print_json,
    read_landscape,
    read_settings,
)

app = typer.Typer(no_args_is_help=True, help="Dead letters: list, show, replay, drop.")

ANSWER_PATIENCE_S = 5.0
"""Seconds without a word from the consumer after which the command is said to be waiting in its queue."""
BATCH = 5000
"""Letters in one command, so that a command stays far below the largest body."""

Reason = Annotated[str | None, typer.Option("--reason", help="Reason code, for example unknown_product.")]
EndpointOption = Annotated[
    str | None, typer.Option("--endpoint", help="Endpoint (onec.trade) or queue (out.onec.trade).")
]
LegalEntityOption = Annotated[str | None, typer.Option("--legal-entity", help="Code of the legal entity.")]
DocumentOption = Annotated[
    str | None, typer.Option("--document", help="Any part of an order key, thread or letter id: a number will do.")
]
Since = Annotated[str | None, typer.Option("--since", help="Last failure at or after this ISO time.")]
Until = Annotated[str | None, typer.Option("--until", help="Last failure at or before this ISO time.")]
Limit = Annotated[int, typer.Option("--limit", min=1, help="At most so many letters.")]


@app.command("list")
def list_command(
    reason: Reason = None,
    endpoint: EndpointOption = None,
    legal_entity: LegalEntityOption = None,
    document: DocumentOption = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 1000,
    landscape: LandscapeOption = DEFAULT_LANDSCAPE,
    as_json: JsonOption = False,
) -> None:
    """Show dead letters with their reasons, oldest first."""
    wanted = _filter(reason, endpoint, legal_entity, document, since, until, with_poison=True)
    letters = go(find_letters(read_settings(landscape), read_landscape(landscape), wanted))
    if as_json:
        print_json(asdict(letter) for letter in letters[:limit])
        return
    _print_table(letters[:limit])
    if len(letters) > limit:
        err.print(f"… and {len(letters) - limit} more; raise --limit or filter")


@app.command("show")
def show_command(
    letter: Annotated[str, typer.Argument(help="Letter id, or any part of it that fits one letter.")],
    landscape: LandscapeOption = DEFAULT_LANDSCAPE,
    as_json: JsonOption = False,
) -> None:
    """Show one dead letter whole: reason, headers and the original bytes."""
    found = go(fetch_letter(read_settings(landscape), read_landscape(landscape), letter))
    if found is None:
        fail(f"no dead letter fits {letter!r}")
    shown, delivery = found
    if as_json:
        body = base64.b64encode(delivery.body).decode()
        print_json([{**asdict(shown), "headers": delivery.headers, "body_base64": body}])
        return
    for name, value in asdict(shown).items():
        out.print(f"[bold]{name:16}[/bold]", end="")
        out.print(str(value), markup=False)
    out.print("\n[bold]body[/bold]")
    typer.echo(delivery.body.decode(errors="replace"))


@app.command("replay")
def replay_command(
    letters: Annotated[list[str] | None, typer.Argument(help="Letter ids; instead of filters.")] = None,
    reason: Reason = None,
    endpoint: EndpointOption = None,
    legal_entity: LegalEntityOption = None,
    document: DocumentOption = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 100_000,
    rate: Annotated[float, typer.Option("--rate", min=0, help="At most so many letters a second; 0: no limit.")] = 0,
    with_poison: Annotated[
        bool, typer.Option("--with-poison", help="Also letters whose bytes are unreadable.")
    ] = False,
    landscape: LandscapeOption = DEFAULT_LANDSCAPE,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Put dead letters back to work, in order per document. Always the present mapping is used."""
    wanted = _filter(reason, endpoint, legal_entity, document, since, until, with_poison=with_poison)
    _act("replay", letters or (), wanted, limit, rate, landscape, yes=yes, as_json=as_json)


@app.command("drop")
def drop_command(
    letters: Annotated[list[str] | None, typer.Argument(help="Letter ids; instead of filters.")] = None,
    reason: Reason = None,
    endpoint: EndpointOption = None,
    legal_entity: LegalEntityOption = None,
    document: DocumentOption = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 100_000,
    landscape: LandscapeOption = DEFAULT_LANDSCAPE,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Take dead letters out for good; what waits behind them goes on."""
    wanted = _filter(reason, endpoint, legal_entity, document, since, until, with_poison=True)
    _act("drop", letters or (), wanted, limit, 0, landscape, yes=yes, as_json=as_json)


def _act(
    action: Literal["replay", "drop"],
    ids: Sequence[str],
    wanted: LetterFilter,
    limit: int,
    rate: float,
    landscape: Any,
    *,
    yes: bool,
    as_json: bool,
) -> None:
    settings, company = read_settings(landscape), read_landscape(landscape)
    found = go(find_letters(settings, company, wanted))
    chosen = [letter for letter in found if not ids or letter.id in ids][:limit]
    if not chosen:
        fail("no dead letter fits")
    if not as_json:
        _print_plan(action, chosen)
    if not confirmed(f"{action.capitalize()} {len(chosen)} letter(s)?", yes=yes):
        fail("nothing was done")
    with Progress(console=err, transient=True, disable=as_json) as progress:
        task = progress.add_task(action, total=len(chosen))
        results = go(take_letters(settings, action, chosen, rate, lambda done: progress.update(task, completed=done)))
    if as_json:
        print_json(results)
    for result in results:
        if result["finished"]:
            err.print(f"{result['queue']}: {action} of {result['done']} of {result['total']} done", markup=False)
        else:
            err.print(
                f"{result['queue']}: the command waits in the queue and is carried out as soon as its consumer works "
                "(is `esb run` up, is the endpoint paused?)",
                style="yellow",
                markup=False,
            )


async def find_letters(settings: Settings, landscape: Landscape, wanted: LetterFilter) -> list[Letter]:
    """Return the letters of all queues that fit, oldest first."""
    found: list[Letter] = []
    link = await Link.open(settings.amqp_url.get_secret_value(), "esb dead")
    try:
        for queue in worked_queues(landscape):
            async with browse(link, dead_queue(queue.name)) as browser:
                letters = [read_letter(delivery, queue.name) async for delivery in browser.messages()]
            found += [letter for letter in letters if wanted.takes(letter)]
    except ChannelLost as error:
        raise QueueUnreadable(f"{error} (does `esb topology declare` have to be run?)") from error
    finally:
        await link.close()
    return sorted(found, key=lambda letter: letter.last_failure)


async def fetch_letter(settings: Settings, landscape: Landscape, part: str) -> tuple[Letter, Delivery] | None:
    """Return one letter with its body: the one whose id is `part`, else the only one whose id contains it."""
    letters = await find_letters(settings, landscape, LetterFilter(with_poison=True))
    fitting = [one for one in letters if one.id == part] or [
        one for one in letters if part in one.id or part in one.thread
    ]
    if len(fitting) != 1:
        return None
    letter = fitting[0]
    link = await Link.open(settings.amqp_url.get_secret_value(), "esb dead")
    try:
        async with browse(link, dead_queue(letter.queue), lambda one: read_letter(one, "").id == letter.id) as browser:
            async for delivery in browser.messages():
                if read_letter(delivery, letter.queue).id == letter.id:
                    return letter, delivery
    finally:
        await link.close()
    return None


async def take_letters(
    settings: Settings,
    action: Literal["replay", "drop"],
    letters: Sequence[Letter],
    rate: float,
    on_progress: Callable[[int], None],
) -> list[dict[str, Any]]:
    """Ask the active consumer of each queue to take letters out and follow its answers.

    Returns:
        One result for each queue: `queue`, `done`, `total`, `finished` (False: the command still waits).
    """
    url = settings.amqp_url.get_secret_value()
    link, publisher = await Link.open(url, "esb dead"), Publisher(url, "esb dead")
    results: list[dict[str, Any]] = []
    try:
        answers: asyncio.Queue[Delivery] = asyncio.Queue()
        channel = await link.consume_channel(1000)
        reply_to = f"esb.answers.{uuid.uuid4()}"
        await link.declare_private(reply_to)
        await channel.consume(reply_to, answers.put_nowait)
        by_queue: dict[str, list[str]] = defaultdict(list)
        for letter in letters:
            by_queue[letter.queue].append(letter.id)
        for queue, ids in by_queue.items():
            done, finished = 0, True
            for start in range(0, len(ids), BATCH):
                command = Command(action, tuple(ids[start : start + BATCH]), str(uuid.uuid4()), reply_to, rate)
                await publisher.publish(command_message(queue, command))
                before = sum(result["done"] for result in results) + done
                taken, answered = await _follow(answers, command, partial(_shifted, on_progress, before))
                done, finished = done + taken, finished and answered
            results.append({"queue": queue, "action": action, "done": done, "total": len(ids), "finished": finished})
    finally:
        await publisher.close()
        await link.close()
    return results


def _shifted(on_progress: Callable[[int], None], before: int, done: int) -> None:
    on_progress(before + done)


async def _follow(
    answers: "asyncio.Queue[Delivery]", command: Command, on_progress: Callable[[int], None]
) -> tuple[int, bool]:
    done = 0
    while True:
        try:
            async with asyncio.timeout(ANSWER_PATIENCE_S):
                answer = orjson.loads((await answers.get()).body)
        except TimeoutError:
            return done, False
        if answer["request"] == command.request:
            done = answer["done"]
            on_progress(done)
            if answer["finished"]:
                return done, True


class QueueUnreadable(EsbError):
    """A queue of the landscape cannot be read."""

    code = "queue_unreadable"


def _filter(
    reason: str | None,
    endpoint: str | None,
    legal_entity: str | None,
    document: str | None,
    since: str | None,
    until: str | None,
    *,
    with_poison: bool,
) -> LetterFilter:
    return LetterFilter(reason, endpoint, legal_entity, document, _time(since), _time(until), with_poison=with_poison)


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        fail(f"{text!r} is not an ISO 8601 time", 2)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _print_table(letters: Sequence[Letter]) -> None:
    if not letters:
        err.print("no dead letters")
        return
    table = Table(box=None, pad_edge=False)
    for name in ("last failure", "queue", "document", "reason", "what to do"):
        table.add_column(name, overflow="fold")
    for letter in letters:
        table.add_row(letter.last_failure[:19], letter.queue, letter.object or letter.id, letter.reason, letter.error)
    out.print(table)
    err.print(f"{len(letters)} dead letter(s). Replay with: esb dead replay --document <part of the document>")


def _print_plan(action: str, letters: Sequence[Letter]) -> None:
    counts = Counter((letter.queue, letter.reason) for letter in letters)
    err.print(f"{action}: {len(letters)} letter(s)")
    for (queue, reason), count in sorted(counts.items()):
        err.print(f"  {count:6}  {queue}  {reason}", markup=False)
