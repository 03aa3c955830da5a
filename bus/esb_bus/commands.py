"""Commands travel through the queue they are about, so that the one active consumer obeys them, in its own time.

`tick`    keeps a standby from sleeping through a take-over and lets the active consumer compare its counts.
`replay`  takes letters out of `.dead` and puts them back to work, in order per thread.
`drop`    takes letters out for good.
`forget`  takes messages out of `.parked` for good: a person's data has to be erased.

The answer goes to the command's reply queue, if it names one: `{"request", "done", "total", "finished"}`.
"""

import asyncio
import uuid
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import orjson
import structlog

from esb_bus.browse import Browser, browse
from esb_bus.deadletter import replay_of
from esb_bus.errors import EsbError
from esb_bus.threads import marks_of
from esb_bus.topology import H_COMMAND, dead_queue, parked_queue
from esb_bus.wire import ChannelLost, Delivery, Outgoing

if TYPE_CHECKING:
    from esb_bus.session import Session

THREADS_AT_ONCE = 256
MAX_BYTES_IN_HAND = 64 * 1024 * 1024
REPORT_EVERY = 200
ROUND_S = 10
"""With a rate, so many seconds' worth of letters leave `.dead` in one reading: nobody else can read it meanwhile."""
NAMES = ("tick", "replay", "drop", "forget")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Command:
    """What is asked of the active consumer of a queue."""

    name: Literal["tick", "replay", "drop", "forget"]
    letters: tuple[str, ...] = ()
    request: str = ""
    reply_to: str = ""
    rate_per_s: float = 0
    """At most so many letters a second; 0 means as fast as it goes."""


def command_message(queue: str, command: Command) -> Outgoing:
    return Outgoing(
        body=orjson.dumps(
            {
                "letters": command.letters,
                "request": command.request,
                "reply_to": command.reply_to,
                "rate_per_s": command.rate_per_s,
            }
        ),
        routing_key=queue,
        message_id=f"command/{uuid.uuid4()}",
        headers={H_COMMAND: command.name},
        content_type="application/json",
    )


def read_command(delivery: Delivery) -> Command:
    wire: dict[str, Any] = orjson.loads(delivery.body)
    name = delivery.headers[H_COMMAND]
    if name not in NAMES:  # a newer release may know more of them; the wrong guess could throw letters away
        raise ValueError(f"unknown command {name}")
    return Command(
        name=name,
        letters=tuple(wire.get("letters", ())),
        request=str(wire.get("request", "")),
        reply_to=str(wire.get("reply_to", "")),
        rate_per_s=float(wire.get("rate_per_s", 0)),
    )


async def obey(session: "Session", delivery: Delivery) -> None:
    """Carry out one command. An unreadable one is logged and dropped: it carries no data of the business."""
    try:
        command = read_command(delivery)
    except (ValueError, TypeError, AttributeError) as error:
        log.warning("command.unreadable", queue=session.options.queue, reason=str(error))
        return
    if command.name == "tick":
        await session.compare_counts()
    else:
        await _Taking(session, command).run()


@dataclass(slots=True)
class _Taking:
    """Letters on their way out of `.dead`, or parked messages on their way out of `.parked`."""

    session: "Session"
    command: Command
    done: int = 0
    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(THREADS_AT_ONCE))
    bytes_in_hand: int = 0
    cut_off: dict[str, int] = field(default_factory=dict)
    """Thread → least sequence of its letters there was no room for in this round."""
    next_at: float = 0

    async def run(self) -> None:
        wanted = set(self.command.letters)
        while wanted and not self.session.is_ending:
            batch = self._batch(wanted)
            taken = await self._round(batch)
            wanted -= taken if self.cut_off else batch
            if self.cut_off and not taken:
                break
        if self.session.is_ending:
            raise ChannelLost("the session ended; the command comes again")
        log.info("letters.taken", queue=self.session.options.queue, command=self.command.name, count=self.done)
        await self._report(finished=True)

    def _batch(self, wanted: set[str]) -> set[str]:
        """The oldest of the wanted letters, as many as one round is allowed to keep from other readers."""
        if not self.command.rate_per_s:
            return set(wanted)
        held = self.session.threads.letters.values()
        sequences = {key: mark.sequence for letters in held for key, mark in letters.items()}
        oldest = sorted(wanted, key=lambda letter: sequences.get(letter, 0))
        return set(oldest[: max(1, round(self.command.rate_per_s * ROUND_S))])

    async def _round(self, wanted: set[str]) -> set[str]:
        """Take out as many of the wanted letters as fit into memory, oldest first in every thread."""
        self.bytes_in_hand = 0
        self.cut_off.clear()
        store = parked_queue if self.command.name == "forget" else dead_queue
        queue = store(self.session.options.queue)
        async with browse(self.session.link, queue, lambda d: self._wants(d, wanted)) as browser:
            chosen: dict[str, list[Delivery]] = defaultdict(list)
            async for delivery in browser.messages():
                if _letter(delivery) in wanted and not self._is_cut_off(delivery):
                    chosen[marks_of(delivery.message_id, delivery.headers).thread].append(delivery)
            for thread, letters in chosen.items():
                chosen[thread] = [one for one in letters if not self._is_cut_off(one)]
            async with asyncio.TaskGroup() as tasks:
                for letters in chosen.values():
                    letters.sort(key=lambda one: marks_of(one.message_id, one.headers).sequence)
                    tasks.create_task(self._take_thread(letters, browser))
        return {_letter(delivery) for letters in chosen.values() for delivery in letters}

    def _wants(self, delivery: Delivery, wanted: set[str]) -> bool:
        if self.command.name != "replay" or _letter(delivery) not in wanted:
            return False
        if self.bytes_in_hand + delivery.size_bytes > MAX_BYTES_IN_HAND and self.bytes_in_hand:
            mark = marks_of(delivery.message_id, delivery.headers)
            self.cut_off[mark.thread] = min(mark.sequence, self.cut_off.get(mark.thread, mark.sequence))
            return False
        self.bytes_in_hand += delivery.size_bytes
        return True

    def _is_cut_off(self, delivery: Delivery) -> bool:
        """Whether this letter, or an older one of its thread, has to wait for the next round."""
        mark = marks_of(delivery.message_id, delivery.headers)
        return mark.thread in self.cut_off and mark.sequence >= self.cut_off[mark.thread]

    async def _take_thread(self, letters: list[Delivery], browser: Browser) -> None:
        async with self.slots:
            taken: set[str] = set()
            for delivery in letters:
                if self.session.is_ending:
                    return
                # Stored twice, by a crash between storing and acknowledging. Parked copies are counted one by one.
                if _letter(delivery) in taken and self.command.name != "forget":
                    await browser.ack(delivery)
                    continue
                taken.add(_letter(delivery))
                await self._turn()
                await self._take(delivery, browser)
                self.done += 1
                if self.done % REPORT_EVERY == 0:
                    await self._report(finished=False)

    async def _turn(self) -> None:
        """Wait for the next place in the stream of letters that `rate_per_s` allows."""
        if not self.command.rate_per_s:
            return
        now = asyncio.get_running_loop().time()
        self.next_at = max(now, self.next_at + 1 / self.command.rate_per_s)
        await asyncio.sleep(self.next_at - now)

    async def _take(self, delivery: Delivery, browser: Browser) -> None:
        mark = marks_of(delivery.message_id, delivery.headers)
        letter = _letter(delivery)
        if self.command.name == "replay":
            # Known before it is published: it may come back to us faster than the confirm.
            self.session.threads.taken_out(mark)
            await self.session.move(replay_of(delivery, self.session.options.queue))
            await browser.ack(delivery)
        elif self.command.name == "forget":
            await browser.ack(delivery)
            self.session.threads.taken_back(mark.thread)
            self.session.wake_parked(mark.thread)
        else:
            await browser.ack(delivery)
            self.session.threads.letter_closed(mark.thread, letter)
            self.session.wake_parked(mark.thread)

    async def _report(self, *, finished: bool) -> None:
        if not self.command.reply_to:
            return
        answer = {
            "request": self.command.request,
            "done": self.done,
            "total": len(self.command.letters),
            "finished": finished,
        }
        message = Outgoing(
            body=orjson.dumps(answer), routing_key=self.command.reply_to, message_id=f"answer/{uuid.uuid4()}"
        )
        try:
            await self.session.shared.publisher.publish(message, mandatory=False)
        except EsbError as error:
            log.warning("command.answer_lost", queue=self.session.options.queue, reason=str(error))


def _letter(delivery: Delivery) -> str:
    mark = marks_of(delivery.message_id, delivery.headers)
    return mark.letter or mark.message_id
