"""Waiting for a server, with an end and with the server's own words when it fails."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from esb_standins.nodes.errors import NodeFailed
from esb_standins.nodes.process import Supervised

_POLL_S = 0.05
_WORDS = 600


async def wait_until_ready(
    name: str, process: Supervised, answers: Callable[[], Awaitable[bool]], directory: Path, seconds: float
) -> None:
    """Return when `answers` says so.

    Raises:
        NodeFailed: the process ended, or `seconds` have passed; with the end of its output.
    """
    deadline = time.monotonic() + seconds
    while not await answers():
        if not process.is_alive():
            raise NodeFailed(f"{name} ended while starting; {last_words(directory)}")
        if time.monotonic() > deadline:
            raise NodeFailed(f"{name} did not answer within {seconds:.0f} s; {last_words(directory)}")
        await asyncio.sleep(_POLL_S)


def last_words(directory: Path) -> str:
    log = directory / "output.log"
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    return f"{log} ends with: …{text.strip()[-_WORDS:]}"
