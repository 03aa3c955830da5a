"""The whole demo: a company on this machine, from nothing to a judged run."""

import asyncio
import json
import shlex
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from esb_cli.demo.company import ENDPOINTS, PORTAL, SHOP, TRADE
from esb_cli.demo.control import Control
from esb_cli.demo.play import MISTYPED_AS, Play
from esb_cli.demo.reconcile import Report
from esb_cli.demo.script import MISTYPED, script
from esb_cli.demo.show import Measured, bars, show_addresses, show_letters, show_report
from esb_cli.demo.stage import Stage, stage
from esb_standins.nodes.server import write_private

RUN_DIR = Path(".run/demo")
NODES_DIR = Path(".run/nodes/demo")
ENVIRONMENT = "demo.env"


@dataclass(frozen=True, slots=True)
class Options:
    """What is asked of a demo. `idle_s` is for how long nothing may be written after all is done."""

    orders: int = 300
    report: Path | None = None
    keep: bool = False
    idle_s: float = 0


async def demo(options: Options) -> bool:
    """Return whether nothing was missing, doubled, in a wrong base or out of order.

    Raises:
        NodesUnavailable, NodeFailed: a server, a stand-in or the bus did not come up.
    """
    console, started = Console(highlight=False), time.monotonic()
    _end_in_order_when_told()
    console.print("Three legal entities, three 1C bases, one portal, one shop: starting …")
    async with stage(RUN_DIR, NODES_DIR) as running:
        console.print(f"  everything is up after {time.monotonic() - started:.0f} s")
        with bars(console, options.orders) as watcher:
            play = Play(running, watcher)
            report = await play.perform(script(options.orders))
        measured = await _measured(play, options, started)
        show_report(console, report, measured)
        show_letters(console, report.letters, keeps_running=options.keep)
        if options.report is not None:
            _write_report(options.report, report, measured.seconds)
        if options.keep:
            await _keep(console, running)
    return report.is_clean and not measured.idle_writes


def _end_in_order_when_told() -> None:
    """Both signals end the demo as a whole, also where a shell starts it in the background with Ctrl-C ignored."""
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)


async def _measured(play: Play, options: Options, started: float) -> Measured:
    deals = await play.running.control.objects(PORTAL, "deal")
    seconds = time.monotonic() - started
    writes = await writes_while_idle(play.running.control, options.idle_s) if options.idle_s else None
    return Measured(
        seconds, play.resident_bytes, len(deals), await play.untold_deals(), options.idle_s, idle_writes=writes
    )


async def writes_while_idle(control: Control, seconds: float) -> int:
    """Count what is written anywhere in `seconds` in which nobody does anything: an echo, if it is not 0."""
    before = await asyncio.gather(*map(control.ledger, ENDPOINTS))
    await asyncio.sleep(seconds)
    last = [rows[-1]["seq"] if rows else 0 for rows in before]
    after = await asyncio.gather(*(control.ledger(name, seen) for name, seen in zip(ENDPOINTS, last, strict=True)))
    return sum(map(len, after))


def _write_report(file: Path, report: Report, seconds: float) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(report.as_json(seconds, SHOP), indent=2) + "\n", encoding="utf-8")


async def _keep(console: Console, running: Stage) -> None:
    """Say where everything is and wait to be stopped."""
    settings = {**running.environment(), "ESB_STANDINS_CONTROL": running.control.url}
    file = running.directory / ENVIRONMENT
    write_private(file, "".join(f"{name}={shlex.quote(value)}\n" for name, value in settings.items()))
    show_addresses(console, running, str(file), await _repair(running))
    await asyncio.Event().wait()


async def _repair(running: Stage) -> str | None:
    """The command that types the article anew, as an accountant would do it in 1C; None when it is right already."""
    products = await running.control.objects(TRADE, "Catalog_Номенклатура")
    ref = next((str(row["Ref_Key"]) for row in products if row.get("Артикул") == MISTYPED_AS), None)
    if ref is None:
        return None
    body = {"set": "Catalog_Номенклатура", "document": ref, "fields": {"Артикул": MISTYPED}}
    return f"python -m esb_standins act {TRADE} edit {shlex.quote(json.dumps(body, ensure_ascii=False))}"
