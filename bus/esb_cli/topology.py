"""`esb topology`: what exists on the broker for a landscape, and making it exist."""

import typer
from rich.table import Table

from esb_bus.broker import Declarer
from esb_bus.topology import EVENTS_EXCHANGE, Queue, plan
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
    for name in ("queue", "kind", "holds"):
        table.add_column(name, overflow="fold", no_wrap=name != "holds")
    for queue in queues:
        table.add_row(queue.name, _kind(queue), queue.purpose + _bindings(queue))
    out.print(table, soft_wrap=False)
    err.print(f"{len(queues)} queues and streams. SAC: single active consumer, a second one stands by", style="dim")


def _kind(queue: Queue) -> str:
    single = " SAC" if queue.arguments.get("x-single-active-consumer") else ""
    return f"{queue.arguments['x-queue-type']}{single}"


def _bindings(queue: Queue) -> str:
    return f" ({EVENTS_EXCHANGE}: {', '.join(queue.bindings)})" if queue.bindings else ""


@app.command("declare")
def declare_command(landscape: LandscapeOption = DEFAULT_LANDSCAPE) -> None:
    """Make everything exist. Safe to repeat; nothing is ever deleted."""
    queues = plan(read_landscape(landscape))
    go(Declarer(read_settings(landscape).amqp_url.get_secret_value(), queues).declare_all())
    err.print(f"{len(queues)} queues and streams exist")
