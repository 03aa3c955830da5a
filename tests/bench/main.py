"""`make bench`: speed and memory, with machine, versions and spread; all figures go to `.run/bench.json`."""

import argparse
import asyncio
import json
import os
import platform
import statistics
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import uvloop

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))  # run as a program, not installed

from bench import latency, relay, replay  # noqa: E402
from esb_bus.logging import set_up_logging  # noqa: E402
from esb_standins.nodes import Nodes, nodes  # noqa: E402

RUN_DIR = ROOT / ".run" / "bench"


async def main(arguments: argparse.Namespace) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    async with nodes(RUN_DIR / "relay") as servers:
        _print_machine(await _broker_version(servers))
        rates = await relay.measure(servers.amqp_url, arguments.messages, arguments.rounds)
        ratios = [round(pair.ours / pair.bare, 2) for pair in rates]
        figures["relay_ratio"] = round(statistics.median(ratios), 2)
        figures["relay_per_s"] = round(statistics.median(pair.ours for pair in rates))
        _print(f"relay, {arguments.messages} events of {len(relay.event(1).body)} bytes, alternating rounds")
        _print(f"  ours        {_spread([pair.ours for pair in rates])} /s")
        _print(f"  bare aio-pika {_spread([pair.bare for pair in rates])} /s")
        _print(f"  ratio       {_spread(ratios)}")
        seconds = [await replay.measure(servers.amqp_url) for _ in range(2)]
        figures["replay_10k_s"] = round(max(seconds), 1)
        _print(f"replay of 10,000 letters, in order per document: {_spread(seconds)} s")
    runs = [await latency.measure(RUN_DIR / "latency", arguments.orders) for _ in range(arguments.latency_runs)]
    figures["latency_p50_ms"] = round(statistics.median(run.p50_ms for run in runs), 1)
    figures["latency_p99_ms"] = round(statistics.median(run.p99_ms for run in runs), 1)
    figures["rss_mb"] = round(max(run.rss_mb for run in runs))
    _print(f"webhook → posted at {latency.RATE_PER_S} orders/s, {arguments.orders} orders a run")
    _print(f"  p50 {_spread([run.p50_ms for run in runs])} ms, p99 {_spread([run.p99_ms for run in runs])} ms")
    _print(f"memory of the bus: {figures['rss_mb']} MB RSS")
    return figures


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f}…{max(values):.2f}, {len(values)} runs)"


def _print_machine(broker: str) -> None:
    _print(
        f"{os.cpu_count()} cores, {platform.system()} {platform.release()}, Python {platform.python_version()}, "
        f"RabbitMQ {broker}, aio-pika {version('aio-pika')}, pamqp {version('pamqp')}, uvloop {version('uvloop')}"
    )


async def _broker_version(servers: Nodes) -> str:
    if servers.management_url is None:
        return "of unknown version"
    async with httpx.AsyncClient(base_url=servers.management_url, trust_env=False) as http:
        return str((await http.get("/api/overview")).json()["rabbitmq_version"])


def _print(line: str) -> None:
    print(line, flush=True)  # noqa: T201


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=6000, help="events of one relay round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--orders", type=int, default=400, help="orders of one latency run")
    parser.add_argument("--latency-runs", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    set_up_logging("ERROR", "console")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        result = runner.run(main(_arguments()))
    (ROOT / ".run" / "bench.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    _print(json.dumps(result))
