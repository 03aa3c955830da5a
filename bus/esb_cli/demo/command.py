"""`esb demo`: its options and its exit status."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

FAILED, INTERRUPTED = 1, 130


def demo_command(
    orders: Annotated[int, typer.Option("--orders", min=1, max=100_000, help="How many orders are sent.")] = 300,
    report: Annotated[Path | None, typer.Option("--report", help="Write the figures to this file as JSON.")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running until Ctrl-C.")] = False,
    idle: Annotated[
        float, typer.Option("--idle", min=0, help="Afterwards watch so many seconds that nothing more is written.")
    ] = 0,
) -> None:
    """Play a company of three legal entities on stand-ins, while a base goes down, and judge by what the bases hold."""
    # A bus in production has no use for what a demo needs.
    from esb_cli.demo.performance import Options, demo
    from esb_standins.nodes import NodeError

    try:
        is_clean = asyncio.run(demo(Options(orders, report, keep, idle)))
    except NodeError as error:
        typer.echo(f"The demo cannot start: {error}", err=True)
        raise typer.Exit(FAILED) from error
    except (KeyboardInterrupt, asyncio.CancelledError):
        typer.echo("Stopped; nothing is left running.", err=True)
        raise typer.Exit(INTERRUPTED) from None
    raise typer.Exit(0 if is_clean else FAILED)
