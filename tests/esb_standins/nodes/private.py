"""Private servers of one run directory: both at once, leftovers removed first."""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path

from esb_standins.nodes.containers import engine_answers, plan_containers
from esb_standins.nodes.errors import NodesUnavailable
from esb_standins.nodes.packages import binaries
from esb_standins.nodes.process import Supervised
from esb_standins.nodes.rabbitmq import RabbitAddress, rabbitmq_plan
from esb_standins.nodes.redis import RedisAddress, redis_plan
from esb_standins.nodes.server import ADDRESS_FILE, PrivateServer, Server

_FOLDERS = ("rabbitmq", "redis")


@dataclass(frozen=True, slots=True)
class Servers:
    """The servers that are ours; None for one that somebody else runs."""

    rabbitmq: Server[RabbitAddress] | None
    redis: Server[RedisAddress] | None

    async def start(self) -> None:
        """Start all; when one fails, none stays."""
        try:
            async with asyncio.TaskGroup() as group:
                for server in self._all():
                    group.create_task(server.start())
        except BaseException:
            await self.discard()
            raise

    async def discard(self) -> None:
        for server in self._all():
            await server.discard()

    def _all(self) -> list[Server[RabbitAddress] | Server[RedisAddress]]:
        return [server for server in (self.redis, self.rabbitmq) if server is not None]


def plan_servers(run_dir: Path, *, lock: int, rabbitmq: bool, redis: bool, detached: bool = False) -> Servers:
    """End what a crashed run left in `run_dir`, and plan the servers asked for: processes, or else containers."""
    end_leftovers(run_dir)
    try:
        found = binaries(cache_of(run_dir))
    except NodesUnavailable:
        if not engine_answers():
            raise
        in_containers = plan_containers(run_dir)
        return Servers(in_containers[0] if rabbitmq else None, in_containers[1] if redis else None)
    return Servers(
        rabbitmq=PrivateServer(rabbitmq_plan(run_dir / "rabbitmq", found), lock=lock, detached=detached)
        if rabbitmq
        else None,
        redis=PrivateServer(redis_plan(run_dir / "redis", found), lock=lock, detached=detached) if redis else None,
    )


def cache_of(run_dir: Path) -> Path:
    """Return the folder for fetched packages: the checkout's `.run`, whatever lies below it."""
    for folder in (run_dir, *run_dir.parents):
        if folder.name == ".run":
            return folder
    return run_dir


def end_leftovers(run_dir: Path) -> None:
    """Kill servers that an earlier run started here; processes that only took over their numbers stay alone."""
    for folder in _FOLDERS:
        left = Supervised.left_behind(run_dir / folder)
        if left is not None:
            left.kill()


def is_running(run_dir: Path) -> bool:
    return all(_lives(run_dir / folder) for folder in _FOLDERS)


def _lives(directory: Path) -> bool:
    left = Supervised.left_behind(directory)
    return left is not None and left.is_alive()


def addresses(run_dir: Path) -> tuple[RabbitAddress, RedisAddress]:
    """Return where the servers listen that were started in `run_dir`."""
    rabbitmq, redis = (json.loads((run_dir / folder / ADDRESS_FILE).read_bytes()) for folder in _FOLDERS)
    return RabbitAddress(**rabbitmq), RedisAddress(**redis)
