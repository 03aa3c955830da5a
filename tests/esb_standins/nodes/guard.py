"""Stands between us and one server, and ends the server when we are gone, however we went.

Run as a script, with the standard library only, because it must be up within milliseconds:

    python -I -S guard.py LOG COMMAND...

It starts COMMAND with its output appended to LOG, writes the process ids of the server and of itself to stdout, and
then waits. When stdin closes (its owner ended, even by SIGKILL) it kills the server; when the server ends it ends as
well. With `--detached` in front nobody holds stdin, and the server runs until it is stopped by its process id.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> int:
    detached = arguments[0] == "--detached"
    log, *command = arguments[1:] if detached else arguments
    if detached and os.fork():
        return 0  # what stays is nobody's child: no one has to wait for it
    with Path(log).open("ab") as output:
        server = subprocess.Popen(  # noqa: S603 - the command is built by this package
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - this process has one thread
        )
    os.write(sys.stdout.fileno(), f"{server.pid} {os.getpid()}\n".encode())
    _close_stdout()
    _wait_for_either(server, owned=not detached)
    server.kill()
    return server.wait()


def _die_with_parent() -> None:
    """Ask the kernel to kill the server when this guard is killed: then nobody else would be left to do it."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _close_stdout() -> None:
    # The owner reads one line and stops listening; a full or broken pipe must not be able to end us.
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)


def _wait_for_either(server: "subprocess.Popen[bytes]", *, owned: bool) -> None:
    ended = os.pidfd_open(server.pid)
    watched = [ended, sys.stdin.fileno()] if owned else [ended]
    select.select(watched, [], [])
    os.close(ended)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
