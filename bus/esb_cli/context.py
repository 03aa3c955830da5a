"""What every command needs: settings, landscape and secrets, with faults said in plain words and an exit status."""

import asyncio
import json
import os
import sys
import textwrap
from collections.abc import Coroutine, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar
from urllib.parse import urlsplit

import typer
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from esb_bus.addresses import addresses_of
from esb_bus.errors import BrokerUnavailable, EsbError
from esb_bus.landscape import Landscape, LandscapeInvalid, load_landscape
from esb_bus.redaction import visible
from esb_bus.settings import Secrets, Settings
from esb_bus.tls import AuthorityUnusable, trust
from esb_bus.wire import ChannelLost

FAILED, WRONG_USAGE = 1, 2
WIDE = 200
"""Columns of output that goes to a file or another program: hardly anything is wrapped there."""
SCHEMES = {"ESB_AMQP_URL": ("amqp", "amqps"), "ESB_REDIS_URL": ("redis", "rediss", "unix")}


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() or "COLUMNS" in os.environ else WIDE
    return Console(stderr=stderr, width=width, highlight=False, markup=False, emoji=False, soft_wrap=True)


out, err = _console(stderr=False), _console(stderr=True)
T = TypeVar("T")

LandscapeOption = Annotated[
    Path, typer.Option("--landscape", "-l", envvar="ESB_LANDSCAPE", help="The landscape file.", show_default=True)
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object per line on standard output.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")]
DEFAULT_LANDSCAPE = Path("landscape.toml")


def fail(message: str, status: int = FAILED) -> NoReturn:
    err.print(message, style="red")
    raise typer.Exit(status)


def read_settings(landscape: Path) -> Settings:
    """Settings from the environment; the landscape option wins over ESB_LANDSCAPE."""
    try:
        settings = Settings(landscape=landscape)
    except ValidationError as error:
        fail("\n".join(map(_fault, error.errors())), WRONG_USAGE)
    for name, secret in (("ESB_AMQP_URL", settings.amqp_url), ("ESB_REDIS_URL", settings.redis_url)):
        # Never the value: it holds a password.
        urls = addresses_of(secret.get_secret_value()) if secret is not None else []
        if any(urlsplit(url).scheme not in SCHEMES[name] for url in urls):
            fail(f"{name} does not begin with {' or '.join(f'{one}://' for one in SCHEMES[name])}", WRONG_USAGE)
    try:
        trust(settings.ca_file)
    except AuthorityUnusable as error:
        fail(str(error), WRONG_USAGE)
    return settings


def _fault(fault: ErrorDetails) -> str:
    name = f"ESB_{str(fault['loc'][0]).upper().removeprefix('ESB_')}"
    if fault["type"] == "missing":
        return f"{name} is not set"
    if name.endswith("_URL"):  # holds a password
        return f"{name}: {fault['msg']}"
    return f"{name}: {fault['msg']} (got {str(fault['input'])[:60]!r})"


def read_landscape(path: Path) -> Landscape:
    if not path.is_file():
        fail(f"there is no landscape file {path}: name it with --landscape or ESB_LANDSCAPE", WRONG_USAGE)
    try:
        return load_landscape(path)
    except LandscapeInvalid as error:
        fail(f"{path} has {len(error.problems)} problem(s):\n" + "\n".join(f"  {line}" for line in error.problems))


def secrets_of(settings: Settings) -> Secrets:
    return Secrets(settings.secrets_dir, dict(os.environ))


def go(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's work; an error of the bus becomes a line, Ctrl-C ends without a word, both with a status."""
    try:
        return asyncio.run(work)
    except BrokerUnavailable as error:
        fail(f"{error.code}: {error}\nIs RabbitMQ up, and is ESB_AMQP_URL right?")
    except EsbError as error:
        fail(f"{error.code}: {error}")
    except ChannelLost as error:
        fail(f"the broker closed the channel: {error}\nA queue is missing (`esb topology declare`), or it went away.")


@contextmanager
def progress_bar(description: str, *, quiet: bool = False) -> Iterator[tuple[Progress, Any]]:
    """A bar on standard error while work goes on; nothing where nobody looks."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    hidden = quiet or not err.is_terminal
    with Progress(*columns, console=err, transient=True, disable=hidden) as progress:
        yield progress, progress.add_task(description, total=None)


def indented(text: str, by: int = 2) -> str:
    """A paragraph that keeps its left edge where it is wrapped, and that cannot steer the terminal."""
    text, edge = visible(text), " " * by
    lines = (
        textwrap.fill(
            line, err.width, initial_indent=edge, subsequent_indent=edge, break_long_words=False, break_on_hyphens=False
        )
        for line in text.splitlines()
    )
    return "\n".join(lines)


def print_json(rows: Iterable[Mapping[str, Any]]) -> None:
    for row in rows:
        typer.echo(json.dumps(row, ensure_ascii=False, default=str))


def confirmed(question: str, *, yes: bool) -> bool:
    """Ask, unless told not to. Without anybody to ask the answer is no."""
    if yes:
        return True
    try:
        return typer.confirm(question, default=False, err=True)
    except typer.Abort:
        err.print("\nnobody answered; --yes does it without asking")
        return False
