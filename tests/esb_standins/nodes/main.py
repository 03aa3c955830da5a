"""Command line `python -m esb_standins.nodes`: long-lived private servers, for work by hand."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from esb_standins.nodes.claim import claim
from esb_standins.nodes.errors import NodeError, NodeFailed
from esb_standins.nodes.packages import binaries
from esb_standins.nodes.private import addresses, cache_of, end_leftovers, is_running, plan_servers
from esb_standins.nodes.server import write_private

URLS_FILE = "urls.env"
_DEFAULT_RUN_DIR = Path(".run/nodes/dev")


def main(arguments: Sequence[str]) -> int:
    options = _parser().parse_args(arguments)
    commands = {"start": start, "stop": stop, "status": status, "fetch": fetch}
    try:
        return commands[options.command](options.run_dir.absolute())
    except NodeError as error:
        _say(str(error))
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m esb_standins.nodes", description=__doc__)
    parser.add_argument("command", choices=["start", "stop", "status", "fetch"])
    parser.add_argument("--run-dir", type=Path, default=_DEFAULT_RUN_DIR, help=f"default: {_DEFAULT_RUN_DIR}")
    return parser


def start(run_dir: Path) -> int:
    """Start both servers detached, and write their addresses to `urls.env`; print them when they run already."""
    claimed = claim(run_dir)
    if claimed is None:
        return status(run_dir)
    with claimed:
        servers = plan_servers(run_dir, lock=claimed.descriptor, rabbitmq=True, redis=True, detached=True)
        asyncio.run(servers.start())
    write_private(run_dir / URLS_FILE, urls(run_dir))
    return status(run_dir)


def stop(run_dir: Path) -> int:
    """Stop the servers and delete their data."""
    end_leftovers(run_dir)
    (run_dir / URLS_FILE).unlink(missing_ok=True)
    _say(f"{run_dir}: stopped")
    return 0


def status(run_dir: Path) -> int:
    if not is_running(run_dir):
        raise NodeFailed(f"{run_dir}: not running")
    sys.stdout.write(urls(run_dir))
    return 0


def fetch(run_dir: Path) -> int:
    """Make sure that the programs are there, without starting them."""
    found = binaries(cache_of(run_dir))
    _say(f"{found.rabbitmq_home}\n{found.redis_server}")
    return 0


def urls(run_dir: Path) -> str:
    rabbitmq, redis = addresses(run_dir)
    return (
        f"ESB_AMQP_URL={rabbitmq.amqp_url}\n"
        f"ESB_AMQP_MANAGEMENT_URL={rabbitmq.management_url}\n"
        f"ESB_REDIS_URL={redis.url}\n"
    )


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
