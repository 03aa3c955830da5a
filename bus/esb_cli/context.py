"""What every command needs: settings, landscape and secrets, with faults said in plain words and an exit status."""

import asyncio
import json
import os
from collections.abc import Coroutine, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from pydantic import ValidationError
from rich.console import Console

from esb_bus.errors import EsbError
from esb_bus.landscape import Landscape, LandscapeInvalid, load_landscape
from esb_bus.settings import Secrets, Settings

FAILED, WRONG_USAGE = 1, 2

out = Console(soft_wrap=True)
err = Console(stderr=True, soft_wrap=True)
T = TypeVar("T")

LandscapeOption = Annotated[
    Path, typer.Option("--landscape", "-l", envvar="ESB_LANDSCAPE", help="The landscape file.", show_default=True)
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object per line on standard output.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")]
DEFAULT_LANDSCAPE = Path("landscape.toml")


def fail(message: str, status: int = FAILED) -> NoReturn:
    err.print(message, style="red", markup=False)
    raise typer.Exit(status)


def read_settings(landscape: Path) -> Settings:
    """Settings from the environment; the landscape option wins over ESB_LANDSCAPE."""
    try:
        return Settings(landscape=landscape)
    except ValidationError as error:
        missing = "; ".join(f"ESB_{str(fault['loc'][0]).upper()}: {fault['msg']}" for fault in error.errors())
        fail(f"Settings: {missing}", WRONG_USAGE)


def read_landscape(path: Path) -> Landscape:
    try:
        return load_landscape(path)
    except LandscapeInvalid as error:
        fail(f"{path} has {len(error.problems)} problem(s):\n" + "\n".join(f"  {line}" for line in error.problems))


def secrets_of(settings: Settings) -> Secrets:
    return Secrets(settings.secrets_dir, dict(os.environ))


def go(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's work; what it raises as an error of the bus becomes one line and exit status 1."""
    try:
        return asyncio.run(work)
    except EsbError as error:
        fail(f"{error.code}: {error}")


def print_json(rows: Iterable[Mapping[str, Any]]) -> None:
    for row in rows:
        typer.echo(json.dumps(row, ensure_ascii=False, default=str))


def confirmed(question: str, *, yes: bool) -> bool:
    """Ask, unless told not to. Without a terminal the answer is no."""
    return yes or typer.confirm(question, default=False, err=True)
