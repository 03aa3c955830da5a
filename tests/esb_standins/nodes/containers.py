"""The same servers in containers, for machines that have an engine and no packages.

They end with the run that started them. After a kill of that run they stay until the next one in the same folder.
"""

import asyncio
import hashlib
import secrets
import shutil
import subprocess
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Generic, TypeVar

from esb_standins.nodes.apt import run
from esb_standins.nodes.errors import NodeFailed
from esb_standins.nodes.ports import LOOPBACK, free_port
from esb_standins.nodes.rabbitmq import RabbitAddress, new_address
from esb_standins.nodes.rabbitmq import is_ready as rabbitmq_is_ready
from esb_standins.nodes.redis import RedisAddress
from esb_standins.nodes.redis import is_ready as redis_is_ready
from esb_standins.nodes.server import write_private

Address = TypeVar("Address")

_START_S = 180.0  # the first start pulls the images
_POLL_S = 0.2


def engine_answers() -> bool:
    """Tell whether containers can be started here, not merely whether a client is installed."""
    if shutil.which("docker") is None:
        return False
    try:
        run(["docker", "compose", "version"], {})
        run(["docker", "info"], {})
    except subprocess.CalledProcessError:
        return False
    return True


def compose_file(rabbitmq: RabbitAddress, redis: RedisAddress) -> str:
    """Return both services, published on the loopback address only and without any volume."""
    return f"""\
services:
  rabbitmq:
    image: rabbitmq:4-management
    hostname: rabbitmq
    environment: {{RABBITMQ_DEFAULT_USER: "{rabbitmq.user}", RABBITMQ_DEFAULT_PASS: "{rabbitmq.password}"}}
    ports: ["{LOOPBACK}:{rabbitmq.amqp_port}:5672", "{LOOPBACK}:{rabbitmq.management_port}:15672"]
  redis:
    image: redis:7
    command: [redis-server, --save, "", --requirepass, "{redis.password}"]
    ports: ["{LOOPBACK}:{redis.port}:6379"]
"""


class Composition:
    """One compose project, named after its folder so that a later run finds what a crashed one left."""

    def __init__(self, run_dir: Path) -> None:
        self._file = run_dir / "compose.yml"
        self._project = f"esb-{hashlib.sha256(str(run_dir).encode()).hexdigest()[:12]}"

    def write(self, text: str) -> None:
        """Replace the file and end what ran under its name."""
        write_private(self._file, text)
        self.run("down", "--volumes", "--remove-orphans")

    def run(self, *arguments: str) -> None:
        command = ["docker", "compose", "--project-name", self._project, "--file", str(self._file), *arguments]
        try:
            run(command, {})
        except subprocess.CalledProcessError as error:
            raise NodeFailed(f"{' '.join(command)}: {str(error.stderr).strip()}") from error


class ContainerServer(Generic[Address]):
    """One service of a composition, with the same verbs as a private server."""

    def __init__(
        self, composition: Composition, service: str, address: Address, answers: Callable[[Address], Awaitable[bool]]
    ) -> None:
        self._composition = composition
        self._service = service
        self._address = address
        self._answers = answers

    @property
    def address(self) -> Address:
        return self._address

    async def start(self) -> None:
        await self._run("up", "--detach")
        await self._ready()

    async def revive(self) -> None:
        await self._run("start")
        await self._ready()

    async def restart(self) -> None:
        await self._run("restart")
        await self._ready()

    async def stop(self) -> None:
        await self._run("stop")

    async def kill(self) -> None:
        await self._run("kill")

    def pause(self) -> None:
        self._composition.run("pause", self._service)

    def resume(self) -> None:
        self._composition.run("unpause", self._service)

    async def discard(self) -> None:
        await self._run("rm", "--force", "--stop", "--volumes")

    async def _run(self, verb: str, *options: str) -> None:
        await asyncio.to_thread(self._composition.run, verb, *options, self._service)

    async def _ready(self) -> None:
        deadline = time.monotonic() + _START_S
        while not await self._answers(self._address):
            if time.monotonic() > deadline:
                raise NodeFailed(f"the container {self._service} did not answer within {_START_S:.0f} s")
            await asyncio.sleep(_POLL_S)


def plan_containers(run_dir: Path) -> tuple[ContainerServer[RabbitAddress], ContainerServer[RedisAddress]]:
    """Prepare both servers; what an earlier run left in this folder's name is removed."""
    rabbitmq, redis = new_address(), RedisAddress(free_port(), secrets.token_urlsafe(18))
    composition = Composition(run_dir)
    composition.write(compose_file(rabbitmq, redis))
    return (
        ContainerServer(composition, "rabbitmq", rabbitmq, rabbitmq_is_ready),
        ContainerServer(composition, "redis", redis, redis_is_ready),
    )
