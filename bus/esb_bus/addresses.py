"""Several addresses of one broker: the nodes of a cluster, of which any will do."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, TypeVar

from esb_bus.errors import BrokerUnavailable

HEAD_START_S = 1.0
"""How long one node is waited for before the next is asked as well. A node that is down refuses at once; one that is
frozen or cut off takes connections and says nothing."""

Opened = TypeVar("Opened")


def addresses_of(text: str) -> list[str]:
    """Split a comma-separated list; a comma inside a password separates nothing."""
    return [part.strip() for part in re.split(r",(?=\s*amqps?://)", text)]


def with_last(text: str, url: str) -> str:
    """Move one address to the end of its list: it has disappointed, the others are tried before it."""
    urls = addresses_of(text)
    return ",".join(sorted(urls, key=lambda other: other == url))


async def first_open(
    urls: Sequence[str], open_one: Callable[[str], Awaitable[Opened]], close: Callable[[Opened], Awaitable[None]]
) -> Opened:
    """Open the first address that answers, in their order; what opens beside it is closed again.

    Raises:
        BrokerUnavailable: none answers.
    """
    waiting, failures = list(urls), list[str]()
    opening: set[asyncio.Future[Opened]] = set()
    try:
        while waiting or opening:
            if waiting:
                opening.add(asyncio.ensure_future(open_one(waiting.pop(0))))
            await asyncio.wait(opening, timeout=HEAD_START_S if waiting else None, return_when=asyncio.FIRST_COMPLETED)
            for done in [one for one in opening if one.done()]:
                opening.discard(done)
                try:
                    return done.result()
                except BrokerUnavailable as error:
                    failures.append(str(error))
    finally:
        await _end(opening, close)
    raise BrokerUnavailable("; ".join(failures))


async def _end(opening: Iterable["asyncio.Future[Opened]"], close: Callable[[Opened], Awaitable[None]]) -> None:
    for one in opening:
        one.cancel()
    results: list[Any] = await asyncio.gather(*opening, return_exceptions=True)
    for result in results:
        if not isinstance(result, BaseException):
            await close(result)
