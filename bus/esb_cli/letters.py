"""Dead letters as the command line handles them: found, fetched whole, and taken out by the consumer of their queue."""

import asyncio
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal

import orjson

from esb_bus.browse import browse
from esb_bus.commands import REPORT_EVERY, Command, command_message
from esb_bus.deadletter import Letter, LetterFilter, is_about, read_letter
from esb_bus.errors import EsbError
from esb_bus.landscape import Landscape
from esb_bus.publisher import Publisher
from esb_bus.settings import Settings
from esb_bus.topology import dead_queue, worked_queues
from esb_bus.wire import ChannelLost, Delivery, Link
from esb_cli.pauses import read_pauses

ANSWER_PATIENCE_S = 4.0
"""Seconds without a word from the consumer after which the command is said to be waiting in its queue."""
BATCH = 5000
"""Letters in one command, so that a command stays far below the largest body."""

Action = Literal["replay", "drop", "forget"]
OnProgress = Callable[[int], None]
"""Told how many letters more were taken."""


class QueueUnreadable(EsbError):
    """A queue of the landscape cannot be read."""

    code = "queue_unreadable"


class LetterUnknown(EsbError):
    """A part of an id fits no letter, or several."""

    code = "letter_unknown"


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of the letters of one queue. `back` counts those that failed again; None when nobody looked."""

    queue: str
    action: Action
    total: int
    done: int
    finished: bool
    why: str = ""
    back: int | None = None


async def find_letters(settings: Settings, landscape: Landscape, wanted: LetterFilter) -> list[Letter]:
    """Return the letters of all queues that fit, oldest first."""
    async with _link(settings) as link:
        queues = [queue.name for queue in worked_queues(landscape)]
        found = [letter for queue in queues for letter in await _letters(link, queue) if wanted.takes(letter)]
    return sorted(found, key=lambda letter: letter.last_failure)


async def fetch_letter(settings: Settings, landscape: Landscape, part: str) -> tuple[Letter, Delivery]:
    """Return one letter with its body: the one whose id is `part`, else the only one `pick` finds.

    Raises:
        LetterUnknown: none fits, or several do.
    """
    letter = pick(await find_letters(settings, landscape, LetterFilter(with_poison=True)), part)
    async with _link(settings) as link:
        wanted = dead_queue(letter.queue)
        async with browse(link, wanted, lambda one: read_letter(one, "").id == letter.id) as browser:
            async for delivery in browser.messages():
                if read_letter(delivery, letter.queue).id == letter.id:
                    return letter, delivery
    raise LetterUnknown(f"the letter {letter.id} has just been taken out")


def pick(letters: Iterable[Letter], part: str) -> Letter:
    """Return the letter whose id is `part`, else the only one it is about, else the only one whose id contains it.

    Raises:
        LetterUnknown: none fits, or several do.
    """
    letters = list(letters)
    exact = [letter for letter in letters if letter.id == part]
    about = [letter for letter in letters if is_about(letter, part)]
    fitting = exact or about or [letter for letter in letters if part in letter.id]
    if not fitting:
        raise LetterUnknown(f"no dead letter has {part!r} in its id or key")
    if len(fitting) > 1:
        raise LetterUnknown(f"{len(fitting)} dead letters fit {part!r}: " + ", ".join(one.id for one in fitting[:5]))
    return fitting[0]


@asynccontextmanager
async def _link(settings: Settings) -> AsyncIterator[Link]:
    link = await Link.open(settings.amqp_url.get_secret_value(), "esb dead")
    try:
        yield link
    except ChannelLost as error:
        raise QueueUnreadable(f"{error} (does `esb topology declare` have to be run?)") from error
    finally:
        await link.close()


async def _letters(link: Link, queue: str) -> list[Letter]:
    if not await link.ready_count(dead_queue(queue)):
        return []
    async with browse(link, dead_queue(queue)) as browser:
        return [read_letter(delivery, queue) async for delivery in browser.messages()]


async def take_letters(
    settings: Settings, action: Action, letters: Sequence[Letter], rate: float, on_progress: OnProgress
) -> list[Taken]:
    """Ask the active consumer of each queue to take letters out, and follow its answers; all queues side by side."""
    by_queue: dict[str, list[str]] = defaultdict(list)
    for letter in letters:
        by_queue[letter.queue].append(letter.id)
    async with _desk(settings) as desk:
        results = await asyncio.gather(
            *(desk.take(queue, action, ids, rate, on_progress) for queue, ids in by_queue.items())
        )
        return [result if result.finished else replace(result, why=await desk.why(result)) for result in results]


async def count_returned(settings: Settings, letters: Sequence[Letter], results: Sequence[Taken]) -> list[Taken]:
    """Count which of the replayed letters are dead again by now."""
    ids = {letter.id for letter in letters}
    counted = []
    async with _link(settings) as link:
        for result in results:
            dead = await _letters(link, result.queue) if result.finished else []
            back = sum(1 for letter in dead if letter.id in ids) if result.finished else None
            counted.append(replace(result, back=back))
    return counted


class _Desk:
    """Sends commands and hears the answers to them."""

    def __init__(self, link: Link, publisher: Publisher, reply_to: str) -> None:
        self._link = link
        self._publisher = publisher
        self._reply_to = reply_to
        self._answers: dict[str, asyncio.Queue[dict[str, Any]]] = {}

    def arrived(self, delivery: Delivery) -> None:
        answer = orjson.loads(delivery.body)
        if answer["request"] in self._answers:
            self._answers[answer["request"]].put_nowait(answer)

    async def take(self, queue: str, action: Action, ids: Sequence[str], rate: float, on_progress: OnProgress) -> Taken:
        """Take letters out of one queue, batch after batch. When nobody answers, all batches wait in the queue."""
        done, finished = 0, True
        for start in range(0, len(ids), BATCH):
            batch = tuple(ids[start : start + BATCH])
            command = Command(action, batch, str(uuid.uuid4()), self._reply_to, rate)
            self._answers[command.request] = asyncio.Queue()
            await self._publisher.publish(command_message(queue, command))
            if finished:
                taken, finished = await self._follow(command, on_progress)
                done += taken
        return Taken(queue, action, len(ids), done, finished)

    async def _follow(self, command: Command, on_progress: OnProgress) -> tuple[int, bool]:
        patience = ANSWER_PATIENCE_S
        if command.rate_per_s:
            patience += min(REPORT_EVERY, len(command.letters)) / command.rate_per_s
        done = 0
        while True:
            try:
                async with asyncio.timeout(patience):
                    answer = await self._answers[command.request].get()
            except TimeoutError:
                return done, False
            on_progress(answer["done"] - done)
            done = answer["done"]
            if answer["finished"]:
                return done, True

    async def why(self, result: Taken) -> str:
        """Why nothing was heard of the command, and what becomes of it."""
        if not await self._link.ready_count(result.queue):
            return "the consumer has the command and goes on with it; `esb dead list` shows what is left"
        paused = (await read_pauses(self._link)).of(result.queue.split(".", 1)[1])
        cause = "nobody works on the queue: is `esb run` up?" if paused is None else str(paused)
        return f"the command waits in the queue and is carried out by itself: {cause}"


@asynccontextmanager
async def _desk(settings: Settings) -> AsyncIterator[_Desk]:
    publisher = Publisher(settings.amqp_url.get_secret_value(), "esb dead")
    try:
        async with _link(settings) as link:
            channel = await link.consume_channel(1000)
            reply_to = f"esb.answers.{uuid.uuid4()}"
            await link.declare_private(reply_to)
            desk = _Desk(link, publisher, reply_to)
            await channel.consume(reply_to, desk.arrived)
            yield desk
    finally:
        await publisher.close()
