"""`esb topology`: what exists on the broker for a landscape, and making it exist."""

import typer
from rich.table import Table

from esb_bus.broker import Declarer
from esb_bus.topology import EVENTS_EXCHANGE, plan
from esb_cli.context import (
    DEFAULT_LANDSCAPE,
    JsonOption,
    LandscapeOption,
    err,
    go,
    out,
    print_json,
    read_landscape,
    read_settings,
)

app = typer.Typer(no_args_is_help=True, help="Queues, streams and the exchange of a landscape.")


@app.command("show")
def show_command(landscape: LandscapeOption = DEFAULT_LANDSCAPE, as_json: JsonOption = False) -> None:
    """Show every queue and stream with its arguments. Needs no broker."""
    queues = plan(read_landscape(landscape))
    if as_json:
        print_json(
            {"name": queue.name, "purpose": queue.purpose, "arguments": queue.arguments, "bindings": queue.bindings}
            for queue in queues
        )
        return
    table = Table(box=None, pad_edge=False)
    for name in ("queue", "kind", "purpose", "bound to " + EVENTS_EXCHANGE):
        table.add_column(name, overflow="fold")
    for queue in queues:
        single = " SAC" if queue.arguments.get("x-single-active-consumer") else ""
        table.add_row(
            queue.name, f"{queue.arguments['x-queue-type']}{single}", queue.purpose, ", ".join(queue.bindings)
        )
    out.print(table)


@app.command("declare")
def declare_command(landscape: LandscapeOption = DEFAULT_LANDSCAPE) -> None:
    """Make everything exist. Safe to repeat; nothing is ever deleted."""
    queues = plan(read_landscape(landscape))
    go(Declarer(read_settings(landscape).amqp_url.get_secret_value(), queues).declare_all())
    err.print(f"{len(queues)} queues and streams exist")
