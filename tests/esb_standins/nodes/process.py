"""Server processes: started under a guard, remembered in a file, signalled only when surely still ours."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from esb_standins.nodes import guard
from esb_standins.nodes.errors import NodeFailed

_POLL_S = 0.02
_REAP_S = 5.0
_ENDED = ("Z", "X")


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """What identifies one process beyond its number, which the kernel gives to others later.

    Args:
        pid: process number.
        started: boot of the machine and start tick within it.
        marker: text that its command line contains: the directory of the node.
    """

    pid: int
    started: str
    marker: str

    def is_alive(self) -> bool:
        if _start_of(self.pid) != self.started:
            return False
        # Between two programs (a script replacing itself by the server) a process shows no command line at all.
        command_line = _command_line(self.pid)
        return not command_line or self.marker in command_line

    def signal(self, number: signal.Signals) -> None:
        """Send a signal if the process is still the one recorded; a process that is gone is not an error."""
        if not self.is_alive():
            return
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:  # ended since the look
            return

    def wait_gone(self, seconds: float) -> bool:
        """Wait until the process has ended; False when it outlives `seconds`."""
        deadline = time.monotonic() + seconds
        while self.is_alive():
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_S)
        return True


def record_of(pid: int, marker: str) -> ProcessRecord:
    return ProcessRecord(pid=pid, started=_start_of(pid), marker=marker)


def _start_of(pid: int) -> str:
    """Return boot id and start tick of a process, or an empty text when there is none or only its remains."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    # The name in parentheses may hold spaces; behind it follow the state and, as the 20th field, the start tick.
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] in _ENDED else f"{boot}/{fields[19]}"


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


class Supervised:
    """One running server with its guard, and the file that lets a later run find them."""

    def __init__(self, file: Path, server: ProcessRecord, guard: ProcessRecord) -> None:
        self._file = file
        self._server = server
        self._guard = guard
        self._handle: subprocess.Popen[bytes] | None = None

    @classmethod
    def start(
        cls, directory: Path, command: Sequence[str], env: Mapping[str, str], *, lock: int, detached: bool
    ) -> "Supervised":
        """Start `command` (which names `directory` in its arguments) under a guard.

        Args:
            directory: home of the node; gets `process.json` and `output.log`.
            lock: descriptor that stays open, and locked, for as long as the guard lives.
            detached: True to let the server outlive this process.
        """
        log = directory / "output.log"
        flags = ["--detached"] if detached else []
        with log.open("ab") as errors:  # not ours: a pipe behind our stderr would stay open for as long as the guard
            handle = subprocess.Popen(  # noqa: S603 - the command is built by this package
                [sys.executable, "-I", "-S", guard.__file__, *flags, str(log), *command],
                stdin=subprocess.DEVNULL if detached else subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=dict(env),
                pass_fds=[lock],
                start_new_session=True,  # Ctrl-C belongs to us alone: we stop the server in our own order
            )
        assert handle.stdout is not None
        with handle.stdout as answer:
            line = answer.readline()
        if detached or not line:
            handle.wait()
        if not line:
            raise NodeFailed(f"{command[0]}: cannot be run")
        server, watcher = (record_of(int(number), str(directory)) for number in line.split())
        supervised = cls(directory / "process.json", server, watcher)
        supervised._handle = None if detached else handle
        supervised._write()
        return supervised

    @classmethod
    def left_behind(cls, directory: Path) -> "Supervised | None":
        """Return what an earlier run recorded in `directory`, whether or not it still lives."""
        file = directory / "process.json"
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
            return cls(file, ProcessRecord(**content["server"]), ProcessRecord(**content["guard"]))
        except (FileNotFoundError, ValueError, KeyError, TypeError):  # absent, or cut short by a crash
            return None

    def _write(self) -> None:
        content = {"server": asdict(self._server), "guard": asdict(self._guard)}
        self._file.write_text(json.dumps(content), encoding="utf-8")

    @property
    def pid(self) -> int:
        return self._server.pid

    def is_alive(self) -> bool:
        return self._server.is_alive()

    def signal(self, number: signal.Signals) -> None:
        self._server.signal(number)

    def kill(self) -> None:
        """End the server at once, as a power cut would."""
        self._server.signal(signal.SIGKILL)
        self._reap()

    def stop(self, seconds: float) -> None:
        """Ask the server to end, and end it after `seconds`."""
        self._server.signal(signal.SIGCONT)  # a paused one could not hear us
        self._server.signal(signal.SIGTERM)
        self._server.wait_gone(seconds)
        self.kill()

    def _reap(self) -> None:
        """Wait until the guard is gone as well; only then is the directory free for the next server."""
        if not self._guard_ended(_REAP_S):
            self._guard.signal(signal.SIGKILL)  # takes the server with it
            self._guard_ended(_REAP_S)
        self._server.wait_gone(_REAP_S)
        self._file.unlink(missing_ok=True)

    def _guard_ended(self, seconds: float) -> bool:
        if self._handle is None:
            return self._guard.wait_gone(seconds)
        try:
            self._handle.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        if self._handle.stdin is not None:
            self._handle.stdin.close()
        return True
