"""`make chaos`: keep load on, break everything, mend it, and compare what the bases hold with what was sent."""

import argparse
import asyncio
import contextlib
import json
import platform
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from chaos.blows import Blows
from chaos.judge import Judgement, settle, story
from chaos.load import People, steps
from chaos.schedule import LONG, SHORT, Blow, Severity, schedule
from chaos.stage import Stage, stage
from esb_cli.demo.company import TRADE
from esb_cli.demo.play import MISTYPED_AS
from esb_cli.demo.script import MISTYPED
from esb_standins.nodes import NodesUnavailable

ROOT = Path(__file__).resolve().parents[2]
RUN_DIR = ROOT / ".run" / "chaos"
SHOWN = 6
OUTCRIES = ('"error_code":"bug"', '"role.failed"', '"session.failed"', '"endpoint.probe_failed"', "Traceback (most")
NO_NODES = 3
"""Exit status without servers to kill."""
SHORT_S = 180.0
"""A run of up to three minutes freezes processes for 15 s at most, a longer one for a minute."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What to do. The same wish gives the same schedule and the same orders."""

    seed: int
    events: int
    minutes: float
    only: tuple[str, ...] = ()
    run_dir: Path = RUN_DIR

    @property
    def directory(self) -> Path:
        return self.run_dir / str(self.seed)

    @property
    def seconds(self) -> float:
        return self.minutes * 60

    @property
    def severity(self) -> Severity:
        return SHORT if self.seconds <= SHORT_S else LONG

    def blows(self) -> tuple[Blow, ...]:
        return schedule(self.seed, self.seconds, self.severity, self.only)

    def again(self) -> str:
        only = f' ARGS="--only {",".join(self.only)}"' if self.only else ""
        return f"make chaos SEED={self.seed} EVENTS={self.events} MINUTES={self.minutes:g}{only}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it went."""

    wish: Wish
    judgement: Judgement
    done: Counter[str]
    wrong: tuple[str, ...]
    """What processes of the bus did that they never should: end by themselves, meet errors nobody translated."""
    seconds: float
    versions: str

    @property
    def findings(self) -> list[tuple[str, str]]:
        return [*self.judgement.findings(), *(("bug", sentence) for sentence in self.wrong)]

    def figures(self) -> dict[str, Any]:
        report, kinds = self.judgement.report, Counter(kind for kind, _ in self.findings)
        return {
            "seed": self.wish.seed,
            "date": datetime.now(UTC).date().isoformat(),
            "versions": self.versions,
            "events": report.orders_sent,
            "documents": report.documents,
            "invoices": report.invoices,
            "payments": report.payments,
            "blows": sum(self.done.values()),
            "lost": kinds["lost"],
            "doubled": kinds["doubled"],
            "out_of_order": kinds["out of order"],
            "wrong_base": kinds["wrong base"],
            "findings": dict(kinds),
            "letters": dict(Counter(letter.reason for letter in report.letters)),
            "replayed": dict(self.judgement.replayed),
            "drained_s": round(self.judgement.seconds, 1),
            "seconds": round(self.seconds, 1),
        }


async def chaos(wish: Wish) -> Outcome:
    """One run, from nothing to its judgement."""
    started = time.monotonic()
    directory = wish.directory
    directory.mkdir(parents=True, exist_ok=True)
    blows = wish.blows()
    text = json.dumps([asdict(blow) for blow in blows], ensure_ascii=False, indent=1)
    (directory / "schedule.json").write_text(text + "\n", "utf-8")

    def tell(line: str) -> None:
        _print(f"  {time.monotonic() - started:6.1f}  {line}")

    async with stage(directory / "stage") as running:
        tell("everything is up")
        await _mistype(running)
        people = People(running, tell)
        striking = Blows(running, people, tell)
        looking = asyncio.create_task(people.look_on())
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(people.act(steps(wish.events, wish.seed, wish.events / wish.seconds)))
                group.create_task(striking.carry_out(blows))
            tell("all is sent and mended; waiting until nothing is under way")
            judgement = await settle(running, people, tell)
        finally:
            looking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await looking
        for bus in running.buses:
            striking.check_alive(bus)
        wrong = (*striking.deaths, *_outcries(running))
        outcome = Outcome(wish, judgement, striking.done, wrong, time.monotonic() - started, await _versions(running))
        _explain(outcome, running, directory)
        return outcome


async def _versions(running: Stage) -> str:
    assert running.nodes.management_url is not None
    async with httpx.AsyncClient(base_url=running.nodes.management_url, trust_env=False) as client:
        overview = (await client.get("/api/overview")).json()
    return f"RabbitMQ {overview['rabbitmq_version']}, Python {platform.python_version()}"


def _outcries(running: Stage) -> Iterator[str]:
    """Errors that nobody foresaw, from the logs of the bus."""
    for name, child in running.buses.items():
        with child.log.open(encoding="utf-8", errors="replace") as log:
            yield from (f"{name}: {line[:300].strip()}" for line in log if any(word in line for word in OUTCRIES))


async def _mistype(running: Stage) -> None:
    """One article of one base is spelt with other letters: an order that no mending helps."""
    products = await running.control.objects(TRADE, "Catalog_Номенклатура")
    ref = next(str(row["Ref_Key"]) for row in products if row.get("Артикул") == MISTYPED)
    body = {"set": "Catalog_Номенклатура", "document": ref, "fields": {"Артикул": MISTYPED_AS}}
    await running.control.act(TRADE, "edit", body)


def _explain(outcome: Outcome, running: Stage, directory: Path) -> None:
    """Write down what belongs to each finding, while the systems are still there to be asked."""
    logs = [child.log for child in running.buses.values()]
    for log in logs:
        (directory / f"{log.parent.name}.log").write_bytes(log.read_bytes())
    lines: list[str] = []
    for kind, sentence in outcome.findings:
        lines += [f"{kind}: {sentence}", *(f"    {line}" for line in story(sentence, outcome.judgement, logs)), ""]
    (directory / "findings.txt").write_text("\n".join(lines), "utf-8")
    (directory / "figures.json").write_text(json.dumps(outcome.figures(), ensure_ascii=False, indent=1) + "\n", "utf-8")


def show(outcome: Outcome) -> None:
    """Print the figures, and what is wrong."""
    figures = outcome.figures()
    _print("\nwhat was done")
    for name, count in sorted(outcome.done.items()):
        _print(f"  {count:4}  {name}")
    _print("\nwhat the bases say")
    for name, value in figures.items():
        _print(f"  {name:14} {value}")
    for kind, sentence in outcome.findings[:SHOWN]:
        _print(f"\n{kind}: {sentence}")
    if outcome.findings:
        where = outcome.wish.directory / "findings.txt"
        _print(f"\n{len(outcome.findings)} findings, with ledgers, letters and logs: {where}")
        _print(f"again: {outcome.wish.again()}")


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _parsed(arguments: Sequence[str] | None) -> Wish:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=None, help="the time of day unless given")
    parser.add_argument("--events", type=int, default=1000, help="orders and deals")
    parser.add_argument(
        "--minutes", type=float, default=0, help="of blows; unless given, as many as six orders a second need"
    )
    parser.add_argument("--only", default="", help="words; only kinds of blows that hold one of them")
    parser.add_argument("--run-dir", type=Path, default=RUN_DIR)
    wish = parser.parse_args(arguments)
    seed = int(time.time()) % 100_000 if wish.seed is None else wish.seed
    only = tuple(filter(None, wish.only.split(",")))
    return Wish(seed, wish.events, wish.minutes or wish.events / 6 / 60, only, wish.run_dir)


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 when nothing was lost, doubled, out of order, in a wrong base or left behind, 1 when something was."""
    wish = _parsed(arguments)
    _print(wish.again())
    for blow in wish.blows():
        _print(f"  {blow}")
    try:
        outcome = asyncio.run(chaos(wish))
    except NodesUnavailable as error:
        _print(f"there is nothing to attack: {error}")
        return NO_NODES
    show(outcome)
    return 1 if outcome.findings else 0


if __name__ == "__main__":
    sys.exit(main())
