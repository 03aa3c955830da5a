"""`esb privacy`: where a person's data rests in the bus, and taking it out."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import orjson
import typer

from esb_bus.browse import browse
from esb_bus.deadletter import Letter, read_letter
from esb_bus.history import read_stream
from esb_bus.landscape import Landscape
from esb_bus.privacy import Forgetting, Person, forgetting
from esb_bus.settings import Settings
from esb_bus.topology import dead_queue, log_stream, parked_queue, worked_queues
from esb_bus.wire import Delivery, Link
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
from esb_cli.letters import Taken, take_letters
from esb_schemas.identifiers import SHARED

app = typer.Typer(no_args_is_help=True, help="Personal data: where it rests, and taking it out.")

PersonArgument = Annotated[str, typer.Argument(help="E-mail, phone, INN, name, or the key of an order.")]
NOT_SEARCHED = (
    "Not searched: what is in work at this moment (a queue that is being consumed cannot be read by another), "
    "the systems themselves (1C, Bitrix24, shop), and other services' queues."
)


@dataclass(frozen=True, slots=True)
class Found:
    """Where a person's data rests."""

    dead: list[Letter]
    parked: list[Letter]
    history: list[Forgetting]


@app.command("find")
def find_command(
    person: PersonArgument, landscape: LandscapeOption = DEFAULT_LANDSCAPE, as_json: JsonOption = False
) -> None:
    """Show every place where data of a person rests, and when the history forgets it."""
    found = go(find(read_settings(landscape), read_landscape(landscape), Person.of(person)))
    if as_json:
        print_json(_rows(found))
        return
    _print(found)


@app.command("erase")
def erase_command(
    person: PersonArgument,
    landscape: LandscapeOption = DEFAULT_LANDSCAPE,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Take a person's messages out of dead letters and waiting threads for good, and name when the history forgets.

    What is taken out will never reach 1C: an order that waits is lost by this.
    """
    settings, company, wanted = read_settings(landscape), read_landscape(landscape), Person.of(person)
    found = go(find(settings, company, wanted))
    if not as_json:
        _print(found)
    resting = len(found.dead) + len(found.parked)
    if resting and not confirmed(f"Erase {resting} message(s)? They will never be delivered.", yes=yes):
        fail("nothing was done")
    results = go(erase(settings, found))
    if as_json:
        print_json([*map(asdict, results), *_rows(Found([], [], found.history))])
    unfinished = [result for result in results if not result.finished]
    for result in unfinished:
        err.print(f"{result.queue}: not done yet ({result.why}); run this again when it works", style="yellow")
    if unfinished:
        raise typer.Exit(1)
    err.print(f"{sum(result.done for result in results)} message(s) erased")


async def find(settings: Settings, landscape: Landscape, person: Person) -> Found:
    """Look through everything that rests."""
    link = await Link.open(settings.amqp_url.get_secret_value(), "esb privacy")
    found = Found([], [], [])
    try:
        for queue in worked_queues(landscape):
            found.dead.extend(await _matching(link, dead_queue(queue.name), queue.name, person))
            found.parked.extend(await _matching(link, parked_queue(queue.name), queue.name, person))
        for entity in (*landscape.legal_entities, SHARED):
            history = await _history(link, log_stream(entity), person, landscape.limits.history_days)
            found.history.extend(history)
    finally:
        await link.close()
    return found


async def _matching(link: Link, store: str, queue: str, person: Person) -> list[Letter]:
    matching: list[Letter] = []

    def note(delivery: Delivery) -> bool:
        """Judged on arrival, so that no body has to be kept."""
        if person.is_in(delivery.body, delivery.headers):
            matching.append(read_letter(delivery, queue))
        return False

    async with browse(link, store, note) as browser:
        async for _ in browser.messages():
            pass
    return matching


async def _history(link: Link, stream: str, person: Person, days: int) -> list[Forgetting]:
    size, oldest, newest, count = 0, None, None, 0
    async for message in read_stream(link, stream):
        size += len(message.body)
        at = _time_of(message.body)
        oldest = oldest or at
        if person.is_in(message.body, message.headers):
            count, newest = count + 1, at or newest
    if not count:
        return []
    now = datetime.now(UTC)
    age = now - oldest if oldest else timedelta(0)
    return [forgetting(stream, count, newest or now, days, size, age)]


def _time_of(body: bytes) -> datetime | None:
    try:
        return datetime.fromisoformat(orjson.loads(body)["time"])
    except (ValueError, KeyError, TypeError):
        return None


async def erase(settings: Settings, found: Found) -> Sequence[Taken]:
    """Ask the active consumers to take the messages out; they know what waits behind them.

    What waits goes first: without its dead letter a thread runs on, and would deliver what was to be erased.
    """

    def ignore(_: int) -> None:
        return

    forgotten = await take_letters(settings, "forget", found.parked, 0, ignore) if found.parked else []
    if not all(result.finished for result in forgotten):
        return forgotten
    return [*forgotten, *(await take_letters(settings, "drop", found.dead, 0, ignore) if found.dead else [])]


def _rows(found: Found) -> list[dict[str, Any]]:
    """Without error texts, which may quote what is looked for."""
    places = [("dead", letter) for letter in found.dead] + [("parked", letter) for letter in found.parked]
    return [
        *(
            {"place": place, "queue": one.queue, "id": one.id, "thread": one.thread, "since": one.first_failure}
            for place, one in places
        ),
        *({"place": "history", **asdict(one)} for one in found.history),
    ]


def _print(found: Found) -> None:
    for row in _rows(Found(found.dead, found.parked, [])):
        out.print(f"{row['place']:8} {row['queue']}  {row['thread'] or row['id']}")
    for one in found.history:
        latest = "not by itself at the present rate" if one.latest is None else f"by {one.latest:%Y-%m-%d}"
        out.print(
            f"history  {one.stream}  {one.messages} event(s), the last of {one.newest:%Y-%m-%d}; "
            f"forgotten {one.earliest:%Y-%m-%d} at the earliest, {latest}"
        )
    if not (found.dead or found.parked or found.history):
        err.print("nothing rests about this person")
    err.print(NOT_SEARCHED, style="dim")
