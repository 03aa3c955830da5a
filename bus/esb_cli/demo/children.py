"""Child processes of the demo: each under a guard that ends it when the demo is gone, however it went."""

import shutil
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from esb_standins.nodes.process import Supervised
from esb_standins.nodes.waiting import wait_until_ready

STOP_S = 10.0
START_S = 30.0
PAGE_BYTES = 4096
"""Unit of /proc/<pid>/statm on the machines this runs on."""


class Child:
    """One process that can be started, stopped, killed and started again.

    Args:
        name: for messages.
        directory: its home; `output.log` in it is what it prints.
        command: names `directory`, by which the guard recognises it.
        environment: all of it.
        lock: descriptor of the run directory's claim.
        answers: whether it is ready.
    """

    def __init__(
        self,
        name: str,
        directory: Path,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        lock: int,
        answers: Callable[[], Awaitable[bool]],
    ) -> None:
        self.name = name
        self.directory = directory
        self._command = command
        self._environment = environment
        self._lock = lock
        self._answers = answers
        self._process: Supervised | None = None

    @property
    def log(self) -> Path:
        return self.directory / "output.log"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Return when it is ready. Raises NodeFailed with the end of its output."""
        self._process = Supervised.start(
            self.directory, self._command, self._environment, lock=self._lock, detached=False
        )
        await wait_until_ready(self.name, self._process, self._answers, self.directory, START_S)

    def stop(self) -> None:
        if self._process is not None:
            self._process.stop(STOP_S)
            self._process = None

    def kill(self) -> None:
        """End it as `kill -9` does."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def resident_bytes(self) -> int:
        """Memory it holds now; 0 when it is not running."""
        try:
            return int(Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1]) * PAGE_BYTES
        except (FileNotFoundError, AssertionError):
            return 0


def fresh_directory(directory: Path) -> Path:
    """Empty a directory after ending what an earlier run may have left running in it."""
    left = Supervised.left_behind(directory)
    if left is not None:
        left.kill()
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True, mode=0o700)
    return directory


def python(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, *arguments)
