"""Run stand-ins and steer running ones.

python -m esb_standins serve --config FILE
python -m esb_standins list | seed [NAME …] | ledger NAME | clear NAME [KIND]
python -m esb_standins fault onec.trade down --seconds 10
python -m esb_standins act onec.trade add_payment '{"order": "…", "amount": "100.00"}'
"""

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import httpx
import uvloop

from esb_standins.config import HostConfig, read_config
from esb_standins.server import Host, serve

DEFAULT_CONTROL: Final = "http://127.0.0.1:18090"
ADDRESSES: Final = "standins.json"


async def run(config: HostConfig) -> None:
    """Serve until a signal; the addresses are printed and left in `<state_dir>/standins.json`."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with serve(config) as host:
        addresses = json.dumps(_addresses(host), ensure_ascii=False)
        (config.state_dir / ADDRESSES).write_text(addresses, "utf-8")
        _print(addresses)
        await stop.wait()


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 when done, 1 when the control port refused, 2 for wrong usage."""
    args = _parser().parse_args(arguments)
    if args.command == "serve":
        uvloop.run(run(read_config(args.config)))
        return 0
    with httpx.Client(base_url=args.control, timeout=60, trust_env=False) as client:
        responses = COMMANDS[args.command](client, args)
    for response in responses:
        _print(response.text)
    return 0 if all(response.is_success for response in responses) else 1


def _fault(client: httpx.Client, args: argparse.Namespace) -> list[httpx.Response]:
    names = ("kind", "seconds", "lasts", "share", "methods", "sets", "numbers", "count", "until", "seed")
    given = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    return [client.put(f"/faults/{args.name}", json=given)]


def _seed(client: httpx.Client, args: argparse.Namespace) -> list[httpx.Response]:
    names = args.names or [item["name"] for item in client.get("/standins").json()]
    return [client.post(f"/seed/{name}") for name in names]


def _clear(client: httpx.Client, args: argparse.Namespace) -> list[httpx.Response]:
    return [client.delete(f"/faults/{args.name}", params={"kind": args.kind} if args.kind else {})]


def _ledger(client: httpx.Client, args: argparse.Namespace) -> list[httpx.Response]:
    return [client.get(f"/ledger/{args.name}", params={"after": args.after})]


def _act(client: httpx.Client, args: argparse.Namespace) -> list[httpx.Response]:
    return [client.post(f"/actions/{args.name}/{args.action}", json=json.loads(args.body))]


def _list(client: httpx.Client, _: argparse.Namespace) -> list[httpx.Response]:
    return [client.get("/standins")]


COMMANDS: Final[dict[str, Callable[[httpx.Client, argparse.Namespace], list[httpx.Response]]]] = {
    "list": _list,
    "fault": _fault,
    "clear": _clear,
    "ledger": _ledger,
    "seed": _seed,
    "act": _act,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m esb_standins", description=__doc__)
    parser.add_argument("--control", default=os.environ.get("ESB_STANDINS_CONTROL", DEFAULT_CONTROL))
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve").add_argument("--config", type=Path, required=True)
    commands.add_parser("list")
    commands.add_parser("seed").add_argument("names", nargs="*")
    _add_fault(commands.add_parser("fault"))
    clear = commands.add_parser("clear")
    clear.add_argument("name")
    clear.add_argument("kind", nargs="?")
    ledger = commands.add_parser("ledger")
    ledger.add_argument("name")
    ledger.add_argument("--after", type=int, default=0)
    act = commands.add_parser("act")
    act.add_argument("name")
    act.add_argument("action")
    act.add_argument("body", nargs="?", default="{}")
    return parser


def _add_fault(fault: argparse.ArgumentParser) -> None:
    fault.add_argument("name")
    fault.add_argument("kind")
    for option in ("--seconds", "--lasts", "--share"):
        fault.add_argument(option, type=float)
    for option in ("--methods", "--sets", "--numbers"):
        fault.add_argument(option, nargs="+")
    fault.add_argument("--until")
    for option in ("--count", "--seed"):
        fault.add_argument(option, type=int)


def _addresses(host: Host) -> dict[str, Any]:
    return {"control": host.control.url, "standins": {name: seat.url for name, seat in host.seats.items()}}


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
