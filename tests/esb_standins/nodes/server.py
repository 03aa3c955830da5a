"""One private server: written to its folder, started, stopped, frozen and killed."""

import asyncio
import json
import os
import shutil
import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from esb_standins.nodes.errors import NodeFailed
from esb_standins.nodes.process import Supervised
from esb_standins.nodes.waiting import wait_until_ready

Address = TypeVar("Address")
Address_co = TypeVar("Address_co", covariant=True)

ADDRESS_FILE = "address.json"


class Server(Protocol[Address_co]):
    """What can be done with a server of ours, be it a process or a container."""

    @property
    def address(self) -> Address_co: ...

    async def start(self) -> None:
        """Start empty; return when the server answers."""

    async def revive(self) -> None:
        """Start again what `stop` or `kill` has ended, with the data that is there."""

    async def restart(self) -> None:
        """End cleanly and start again."""

    async def stop(self) -> None:
        """Ask the server to end."""

    async def kill(self) -> None:
        """End the server at once, as a power cut would."""

    def pause(self) -> None:
        """Freeze the server: connections stay open, nothing answers."""

    def resume(self) -> None:
        """Undo `pause`."""

    async def discard(self) -> None:
        """End the server and throw its data away."""


@dataclass(frozen=True, slots=True)
class Plan(Generic[Address]):
    """All that distinguishes one server from another.

    Args:
        name: as people call it, for messages.
        directory: folder that belongs to this server alone.
        address: where it will listen; a dataclass of texts and numbers.
        command: names `directory` in its arguments, by which the process is recognised later.
        files: content by path within the folder; readable for the owner only.
        programs: likewise, and executable.
        folders: made empty.
        links: symbolic links by path within the folder.
        answers: tells whether the server does its work, not merely lives.
        start_s: seconds it may take to come up.
        stop_s: seconds it may take to end when asked.
    """

    name: str
    directory: Path
    address: Address
    command: tuple[str, ...]
    environment: Mapping[str, str]
    files: Mapping[str, str]
    answers: Callable[[Address], Awaitable[bool]]
    start_s: float
    stop_s: float
    programs: Mapping[str, str] = field(default_factory=dict)
    folders: tuple[str, ...] = ()
    links: Mapping[str, Path] = field(default_factory=dict)


class PrivateServer(Generic[Address]):
    """A server of our own. Its ports and password stay the same through `restart` and `kill`."""

    def __init__(self, plan: Plan[Address], *, lock: int, detached: bool = False) -> None:
        self._plan = plan
        self._lock = lock
        self._detached = detached
        self._process: Supervised | None = None

    @property
    def address(self) -> Address:
        return self._plan.address

    @property
    def pid(self) -> int:
        return self._running().pid

    @property
    def directory(self) -> Path:
        return self._plan.directory

    async def start(self) -> None:
        """Start with an empty folder; return when the server answers."""
        await asyncio.to_thread(prepare, self._plan)
        await self.revive()

    async def revive(self) -> None:
        """Start again what `stop` or `kill` has ended, with the data that is there."""
        plan = self._plan
        self._process = await asyncio.to_thread(
            Supervised.start, plan.directory, plan.command, plan.environment, lock=self._lock, detached=self._detached
        )
        try:
            await wait_until_ready(plan.name, self._process, self._is_ready, plan.directory, plan.start_s)
        except BaseException:  # also when cancelled: nothing half started stays behind
            await self.kill()
            raise

    async def restart(self) -> None:
        """End cleanly and start again."""
        await self.stop()
        await self.revive()

    async def stop(self) -> None:
        """Ask the server to end, and insist when it takes too long."""
        await asyncio.to_thread(self._running().stop, self._plan.stop_s)

    async def kill(self) -> None:
        """End the server at once, as a power cut would."""
        await asyncio.to_thread(self._running().kill)

    def pause(self) -> None:
        """Freeze the server: connections stay open, nothing answers."""
        self._running().signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._running().signal(signal.SIGCONT)

    async def discard(self) -> None:
        """End the server and throw its data away; fine for one that never came up."""
        if self._process is not None:
            await self.kill()
        await asyncio.to_thread(shutil.rmtree, self._plan.directory, ignore_errors=True)

    def _running(self) -> Supervised:
        if self._process is None:
            raise NodeFailed(f"{self._plan.name} has not been started")
        return self._process

    async def _is_ready(self) -> bool:
        return await self._plan.answers(self._plan.address)


def prepare(plan: Plan[Any]) -> None:
    """Write the folder of a server anew: nothing of an earlier run stays in it."""
    shutil.rmtree(plan.directory, ignore_errors=True)
    for folder in ("", *plan.folders):
        (plan.directory / folder).mkdir(parents=True, mode=0o700)
    for name, text in plan.files.items():
        write_private(plan.directory / name, text)
    for name, text in plan.programs.items():
        write_private(plan.directory / name, text, mode=0o700)
    for name, target in plan.links.items():
        (plan.directory / name).symlink_to(target)
    write_private(plan.directory / ADDRESS_FILE, json.dumps(asdict(plan.address)))


def write_private(file: Path, text: str, *, mode: int = 0o600) -> None:
    """Write a file that only its owner may read, at no moment readable for others."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
