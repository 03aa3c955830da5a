"""`esb dead`: look at dead letters, put them back to work, or drop them. What changes anything asks first."""

import base64
import shlex
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from esb_bus.deadletter import Letter, LetterFilter
from esb_bus.errors import EsbError
from esb_bus.redaction import visible
from esb_bus.settings import Settings
from esb_cli.context import (
    DEFAULT_LANDSCAPE,
    FAILED,
    WRONG_USAGE,
    JsonOption,
    LandscapeOption,
    YesOption,
    confirmed,
    err,
    fail,
    go,
    indented,
    out,
    print_json,
    progress_bar,
    read_landscape,
    read_settings,
)
from esb_cli.letters import Action, Taken, count_returned, fetch_letter, find_letters, pick, take_letters

__all__ = ["app", "fetch_letter"]

app = typer.Typer(no_args_is_help=True, help="Dead letters: list, show, replay, drop.")

LISTED = 50
"""Letters a person is shown unless more are asked for; `--json` gives all."""
PLANNED = 5
"""Documents that are named before a person is asked."""
HINTS = {
    "bug": "A fault of the bus: `esb dead show` has the traceback. Replay after an upgrade.",
    "retries_exhausted": "It kept failing and was given up (limits.give_up_s).",
}

Reason = Annotated[str | None, typer.Option("--reason", help="Reason code, for example unknown_product.")]
EndpointOption = Annotated[
    str | None, typer.Option("--endpoint", help="Endpoint (onec.trade) or queue (out.onec.trade).")
]
LegalEntityOption = Annotated[str | None, typer.Option("--legal-entity", help="Code of the legal entity.")]
DocumentOption = Annotated[
    str | None, typer.Option("--document", help="A key or whole parts of one: an order number, deal id or event id.")
]
Since = Annotated[str | None, typer.Option("--since", help="Last failure at or after this ISO time (UTC).")]
Until = Annotated[str | None, typer.Option("--until", help="Last failure at or before this ISO time (UTC).")]
Limit = Annotated[int, typer.Option("--limit", min=1, help="At most so many letters, oldest first.")]
Ids = Annotated[list[str] | None, typer.Argument(help="Letter ids, or order numbers that fit one letter.")]


@app.command("list")
def list_command(
    reason: Reason = None,
    endpoint: EndpointOption = None,
    legal_entity: LegalEntityOption = None,
    document: DocumentOption = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help=f"At most so many letters; {LISTED}, with --json all.")
    ] = None,
    landscape: LandscapeOption = DEFAULT_LANDSCAPE,
    as_json: JsonOption = False,
) -> None:
    """Show dead letters, oldest first: why, and what to do."""
    wanted = _filter(reason, endpoint, legal_entity, document, since, until)
    letters = go(find_letters(read_settings(landscape), read_landscape(landscape), wanted))
    if as_json:
        print_json(asdict(letter) for letter in letters[:limit])
        return
    shown = letters[: limit or LISTED]
    for letter in shown:
        _print_letter(letter)
    _print_summary(letters)
    if len(letters) > len(shown):
        err.print(f"shown are the oldest {len(shown)}; --limit shows more, filters fewer")


@app.command("show")
def show_command(
    letter: Annotated[str, typer.Argument(help="Letter id or part of it, or an order number that fits one letter.")],
    landscape: LandscapeOption = DEFAULT_LANDSCAPE,
    as_json: JsonOption = False,
) -> None:
    """Show one dead letter whole: reason, headers and the original bytes."""
    shown, delivery = go(fetch_letter(read_settings(landscape), read_landscape(landscape), letter))
    if as_json:
        body = base64.b64encode(delivery.body).decode()
        print_json([{**asdict(shown), "headers": delivery.headers, "body_base64": body}])
        return
    for name, value in asdict(shown).items():
        out.print(visible(f"{name:16}{value}"))
    out.print("\nheaders", style="bold")
    for name, value in sorted(delivery.headers.items()):
        out.print(visible(f"{name}: {value}"))
    out.print("\nbody", style="bold")
    # Into a file go the original bytes.
    typer.echo(visible(delivery.body.decode(errors="replace")) if out.is_terminal else delivery.body)


@app.command("replay")
def replay_command(
    letters: Ids = None,
    reason: Reason = None,
    endpoint: EndpointOption = None,
    legal_entity: LegalEntityOption = None,
    document: DocumentOption = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 100_000,
    rate: Annotated[float, typer.Option("--rate", min=0, help="At most so many letters a second; 0: no limit.")] = 0,
    wait: Annotated[
        float, typer.Option("--wait", min=0, help="Seconds after which those that failed again are counted; 0: not.")
    ] = 3,
    with_poison: Annotated[
        bool, typer.Option("--with-poison", help="Also letters whose bytes are unreadable.")
    ] = False,
    landscape: LandscapeOption = DEFAULT_LANDSCAPE,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Put dead letters back to work, in order per document. Always the present mapping is used."""
    wanted = _filter(reason, endpoint, legal_entity, document, since, until)
    settings = read_settings(landscape)
    chosen = _chosen(settings, landscape, letters or (), wanted, limit, with_poison=with_poison)
    _ask("replay", chosen, yes=yes, quiet=as_json)
    results = _taken(settings, "replay", chosen, rate, quiet=as_json)
    if wait and any(result.finished for result in results):
        time.sleep(wait)
        results = go(count_returned(settings, chosen, results))
    _report(results, as_json=as_json)


@app.command("drop")
def drop_command(
    letters: Ids = None,
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
    wanted = _filter(reason, endpoint, legal_entity, document, since, until)
    settings = read_settings(landscape)
    chosen = _chosen(settings, landscape, letters or (), wanted, limit, with_poison=True)
    _ask("drop", chosen, yes=yes, quiet=as_json)
    _report(_taken(settings, "drop", chosen, 0, quiet=as_json), as_json=as_json)


def _chosen(
    settings: Settings,
    landscape: Path,
    parts: Sequence[str],
    wanted: LetterFilter,
    limit: int,
    *,
    with_poison: bool,
) -> list[Letter]:
    """Return the letters that are meant, and say what is left out."""
    found = go(find_letters(settings, read_landscape(landscape), wanted))
    try:
        named = {pick(found, part).id for part in parts}
    except EsbError as error:
        fail(f"{error.code}: {error}")
    meant = [letter for letter in found if not parts or letter.id in named]
    chosen = [letter for letter in meant if with_poison or letter.replayable][:limit]
    unreadable = sum(1 for letter in meant if not letter.replayable)
    if unreadable and not with_poison:
        err.print(f"left out: {unreadable} letter(s) with unreadable bytes; --with-poison takes them, too")
    if not chosen:
        fail("no dead letter fits")
    return chosen


def _ask(action: Action, letters: Sequence[Letter], *, yes: bool, quiet: bool) -> None:
    """Say what would be done, and end here unless a person agrees."""
    if not (quiet and yes):
        _print_plan(action, letters)
    if not confirmed(f"{action.capitalize()} {_count(len(letters))}?", yes=yes):
        fail("nothing was done")


def _taken(settings: Settings, action: Action, letters: Sequence[Letter], rate: float, *, quiet: bool) -> list[Taken]:
    with progress_bar(action, quiet=quiet) as (progress, task):
        progress.update(task, total=len(letters))
        return go(take_letters(settings, action, letters, rate, lambda more: progress.advance(task, more)))


def _report(results: Sequence[Taken], *, as_json: bool) -> None:
    """Say what became of every queue; exit status 1 when something still waits or failed again."""
    if as_json:
        print_json(asdict(result) for result in results)
    for result in results:
        style = "green" if result.finished and not result.back else "yellow"
        err.print(indented(result_text(result), 0), style=style)
    if any(not result.finished or result.back for result in results):
        raise typer.Exit(FAILED)


def result_text(result: Taken) -> str:
    """Say in one sentence what became of the letters of one queue."""
    verb = "replayed" if result.action == "replay" else "dropped"
    if not result.finished:
        done = f"{result.done} of {result.total} {verb}; " if result.done else ""
        return f"{result.queue}: {done}{result.why}"
    told = f"{result.queue}: {verb} {result.done} of {result.total}"
    if result.done < result.total:
        told += f"; {result.total - result.done} had been taken out meanwhile"
    if result.back:
        told += f"; {result.back} failed again: esb dead list --endpoint {result.queue}"
    return told + ("; none has failed again so far" if result.back == 0 else "")


def _filter(
    reason: str | None,
    endpoint: str | None,
    legal_entity: str | None,
    document: str | None,
    since: str | None,
    until: str | None,
) -> LetterFilter:
    return LetterFilter(reason, endpoint, legal_entity, document, _time(since), _time(until), with_poison=True)


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        fail(f"{text!r} is not an ISO 8601 time, as in 2026-01-31T14:00", WRONG_USAGE)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _print_letter(letter: Letter) -> None:
    out.print(_title(letter), style="bold")
    times = f"{letter.last_failure[:19].replace('T', ' ')} UTC, attempt {letter.attempt}"
    replays = f", replayed {letter.replay_count}×" if letter.replay_count else ""
    out.print(f"  {times}{replays}, legal entity {letter.legal_entity or 'unknown'}", style="dim")
    for line in explained(letter):
        out.print(indented(line))
    out.print(f"  {remedy(letter)}\n", style="cyan")


def _title(letter: Letter) -> str:
    kind, separator, _ = letter.object.partition(":")
    return visible(f"{letter.thread or letter.id}  {kind + ' ' if separator else ''}in {letter.queue}")


def explained(letter: Letter) -> Iterator[str]:
    """Why it is dead, in plain words."""
    yield f"{letter.reason}: {letter.error}"
    if letter.reason in HINTS:
        yield HINTS[letter.reason]
    if not letter.replayable:
        yield "Its bytes are not what they claim to be: correct the source, then drop it."


def remedy(letter: Letter) -> str:
    """The command for it, once its cause is mended."""
    if not letter.replayable:
        return f"esb dead drop {_quoted(letter.id)}"
    if letter.thread:
        return f"esb dead replay --document {_quoted(letter.thread)}"
    return f"esb dead replay {_quoted(letter.id)}"


def _quoted(name: str) -> str:
    """For a shell: names come from outside."""
    return shlex.quote(visible(name))


def _print_summary(letters: Sequence[Letter]) -> None:
    err.print(_count(len(letters)) if letters else "no dead letters")
    for (queue, reason), count in _counts(letters):
        err.print(f"  {count:5}  esb dead replay --reason {reason} --endpoint {queue}")


def _print_plan(action: Action, letters: Sequence[Letter]) -> None:
    err.print(f"{action}: {_count(len(letters))}", style="bold")
    for (queue, reason), count in _counts(letters):
        err.print(f"  {count:5}  {reason} in {queue}")
    for letter in letters[:PLANNED]:
        err.print(f"         {_title(letter)}", style="dim")
    if len(letters) > PLANNED:
        err.print(f"         … and {len(letters) - PLANNED} more", style="dim")


def _counts(letters: Sequence[Letter]) -> list[tuple[tuple[str, str], int]]:
    return sorted(Counter((letter.queue, letter.reason) for letter in letters).items())


def _count(number: int) -> str:
    return f"{number} dead letter{'' if number == 1 else 's'}"
