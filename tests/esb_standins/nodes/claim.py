"""Who uses a run directory: one process at a time, told by a lock that the kernel drops when its holders die."""

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from esb_standins.nodes.errors import NodeError

_NEIGHBOURS = 9


@dataclass(frozen=True, slots=True)
class Claim:
    """A run directory that is ours until `release`, or until the last server started under it has ended."""

    directory: Path
    descriptor: int

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        os.close(self.descriptor)


def claim(directory: Path) -> Claim | None:
    """Take the directory, or return None when somebody else is using it."""
    directory.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return Claim(directory, descriptor)


def claim_near(directory: Path) -> Claim:
    """Take the directory or the first free one beside it (`demo`, `demo-2`, …): two runs at once do not collide."""
    directory = directory.absolute()
    for number in range(1, _NEIGHBOURS + 1):
        name = directory.name if number == 1 else f"{directory.name}-{number}"
        taken = claim(directory.with_name(name))
        if taken is not None:
            return taken
    raise NodeError(f"{directory}: this and {_NEIGHBOURS - 1} more beside it are in use; stop some of them")
