"""`esb map`: shows what `map_file` finds out."""

from pathlib import Path
from typing import Annotated

import orjson
import typer

from esb_bus.errors import EsbError
from esb_cli.context import (
    DEFAULT_LANDSCAPE,
    JsonOption,
    LandscapeOption,
    err,
    fail,
    indented,
    out,
    print_json,
    read_landscape,
)
from esb_cli.map_file import Mapped, map_file


def map_command(
    file: Annotated[
        Path, typer.Argument(help="A shop's order, a site's webhook body, a deal, an event or a document.")
    ],
    source: Annotated[str | None, typer.Option("--source", help="Endpoint it comes from, if several could.")] = None,
    landscape: LandscapeOption = DEFAULT_LANDSCAPE,
    as_json: JsonOption = False,
) -> None:
    """Show what would be sent where for one message, without sending anything."""
    try:
        mapped = map_file(file, read_landscape(landscape), source)
    except EsbError as error:
        fail(f"{error.code}: {error}")
    if as_json:
        print_json([mapped.as_json()])
    else:
        _print(mapped)
    if mapped.failures:
        raise typer.Exit(1)


def _print(mapped: Mapped) -> None:
    err.print(f"{mapped.shape} of {mapped.source}", style="dim")
    for event in mapped.events:
        out.print(f"event     {event.type}  {event.objectkey}  version {event.dataversion}")
    for planned in mapped.planned:
        document = planned.document
        out.print(f"document  {document.content.kind}  {document.key}  → {document.endpoint}")
        if planned.request is not None:
            typer.echo(orjson.dumps(planned.request, option=orjson.OPT_INDENT_2).decode())
    for failure in mapped.failures:
        out.print(indented(f"✗ {failure.step}: {failure.code}: {failure.reason}", 0), style="red")
    if not (mapped.events or mapped.planned or mapped.failures):
        err.print("nothing: the message says nothing the bus carries")
