"""How the demo looks: bars while it goes, one table when it is over."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from esb_cli.demo.company import PORTAL, SHOP
from esb_cli.demo.facts import DeadLetter
from esb_cli.demo.reconcile import Report, Spread
from esb_cli.demo.stage import Stage

SHOWN = 5
"""Findings of a kind that are printed; the report counts all."""


class Bars:
    """A `Watcher` (see `play`): two bars, and what happens as lines above them."""

    def __init__(self, progress: Progress, orders: int) -> None:
        self._progress = progress
        self._sent: TaskID = progress.add_task("orders sent", total=orders)
        self._found: TaskID = progress.add_task("documents in 1C", total=orders)
        self._payments = 0

    def sent(self, count: int) -> None:
        self._progress.update(self._sent, completed=count)

    def found(self, count: int) -> None:
        self._progress.update(self._found, completed=count)

    def paid(self, count: int) -> None:
        self._payments = count

    def tell(self, text: str) -> None:
        self._progress.console.print(f"  {text}")


@contextmanager
def bars(console: Console, orders: int) -> Iterator[Bars]:
    columns = (TextColumn("  {task.description:<16}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        yield Bars(progress, orders)


@dataclass(frozen=True, slots=True)
class Measured:
    """What is told beside the report. `idle_writes` is None when nobody asked for idle time."""

    seconds: float
    resident_bytes: int
    deals: int
    untold_deals: int
    idle_s: float = 0
    idle_writes: int | None = None


def show_report(console: Console, report: Report, measured: Measured) -> None:
    table = Table(title="The bases themselves say", title_justify="left", show_header=False, box=None, padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(style="dim")
    for name, value, meaning in _lines(report, measured):
        table.add_row(name, value, meaning)
    console.print()
    console.print(table)
    for title, findings in _findings(report).items():
        _show_findings(console, title, findings)


def _lines(report: Report, measured: Measured) -> Iterator[tuple[str, str, str]]:
    told = measured.deals - measured.untold_deals
    yield "orders sent", str(report.orders_sent), f"{measured.deals} of them are deals of Bitrix24"
    yield "documents found", str(report.documents), "orders that are in the base of their legal entity"
    yield "missing", _fault(report.missing), "sent and accepted, without document, queue or letter"
    yield "doubled", _fault(report.doubled), "two documents of one order"
    yield "in a wrong base", _fault(report.wrong_base), "or with a wrong organisation"
    yield "out of order", _fault(report.out_of_order), "an older state over a newer one, a payment before its invoice"
    yield "dead letters", _count(len(report.letters), "yellow"), "refused with a reason, kept for replay"
    yield "invoices, payments", f"{report.invoices}, {report.payments}", "in the accounting base"
    yield "deals that were told", f"{told} of {measured.deals}", "their number in 1C, or why there is none"
    yield from _times(report, measured)
    if measured.idle_writes is not None:
        yield "writes while idle", _count(measured.idle_writes, "red"), f"in {measured.idle_s:.0f} s: no echo"


def _times(report: Report, measured: Measured) -> Iterator[tuple[str, str, str]]:
    latency = report.latency
    yield "shop order → posted", _spread(latency.by_source.get(SHOP)), "webhook accepted → posted in 1C, p50 / p99"
    yield "deal → posted", _spread(latency.by_source.get(PORTAL)), "with the second in which a portal completes a deal"
    if latency.longest_wait is not None:
        yield "longest wait", f"{latency.longest_wait / 1000:.1f} s", "of an order whose base was down"
    yield "memory of the bus", f"{measured.resident_bytes / 2**20:.0f} MB", "one process"
    yield "seconds", f"{measured.seconds:.0f}", "from nothing to this table"


def _spread(spread: Spread | None) -> str:
    if spread is None or spread.p50 is None or spread.p99 is None:
        return "–"
    return f"{spread.p50:.0f} / {spread.p99:.0f} ms"


def _fault(findings: tuple[str, ...]) -> str:
    return _count(len(findings), "red")


def _count(number: int, bad: str) -> str:
    return f"[{bad if number else 'green'}]{number}[/]"


def _findings(report: Report) -> Mapping[str, tuple[str, ...]]:
    found = {
        "missing": report.missing,
        "doubled": report.doubled,
        "in a wrong base": report.wrong_base,
        "out of order": report.out_of_order,
    }
    return {title: findings for title, findings in found.items() if findings}


def _show_findings(console: Console, title: str, findings: tuple[str, ...]) -> None:
    console.print(f"\n[red]{title}[/]")
    for finding in findings[:SHOWN]:
        console.print(f"  {escape(finding)}")
    if len(findings) > SHOWN:
        console.print(f"  … and {len(findings) - SHOWN} more")


def show_letters(console: Console, letters: tuple[DeadLetter, ...], *, keeps_running: bool) -> None:
    """Say why each letter is dead, and what a person does about it."""
    for letter in letters[:SHOWN]:
        document = letter.object or letter.thread
        where = "" if keeps_running else " (try it with [bold]--keep[/])"
        console.print(f"\n[yellow]dead letter[/] {escape(document)} in {letter.queue}")
        console.print(f"  {letter.reason}: {escape(letter.error)}", soft_wrap=True)
        console.print(
            f"  when that is done{where}: [bold]esb dead replay --document {escape(document)}[/]", soft_wrap=True
        )
    if len(letters) > SHOWN:
        console.print(f"  … and {len(letters) - SHOWN} more")


def show_addresses(console: Console, running: Stage, environment_file: str, repair: str | None) -> None:
    """Say where everything is that goes on running."""
    table = Table(title="Running until Ctrl-C", title_justify="left", show_header=False, box=None, padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    table.add_row("RabbitMQ console", escape(running.nodes.management_url or "not here: no management plugin"))
    table.add_row("door of the bus", f"{running.door}/healthz   {running.door}/metrics")
    table.add_row("control of stand-ins", f"{running.control.url}/standins")
    for name, address in running.addresses.items():
        table.add_row(name, address)
    table.add_row("log of the bus", str(running.bus.log))
    console.print()
    console.print(table)
    console.print("\nIn another terminal, with .venv/bin in the PATH:")
    for command in _commands(environment_file, repair):
        console.print(f"  {escape(command)}", soft_wrap=True)


def _commands(environment_file: str, repair: str | None) -> Iterator[str]:
    yield f"set -a; . {environment_file}; set +a"
    yield "esb dead list"
    if repair is not None:
        yield f"{repair} > /dev/null   # types the article anew, in Latin letters"
        yield "esb dead replay --reason unknown_product"
