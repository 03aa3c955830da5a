"""One life of a consuming channel: deliveries in, attempts, and the moves their verdicts ask for.

The order of the steps of every move is always the same and loses nothing: the effect, confirmed; then what is known
about the thread; then the acknowledgement. A crash between any two of them repeats the move, and a repeated move is
recognised (`threads.Fate.DROP`) or harmless (version guard of the receiver).
"""

import asyncio
import uuid
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

import structlog

from esb_bus import metrics
from esb_bus.browse import browse, browse_held
from esb_bus.commands import obey
from esb_bus.deadletter import Failure, letter_of, moment, number, parked_of, read_letter, returned_of
from esb_bus.errors import BrokerUnavailable, InDoubt, NoRoute
from esb_bus.gate import MoveGate
from esb_bus.guard import Guard, KeyedLocks
from esb_bus.parked import retry_parked_threads
from esb_bus.ports import WriteGuard
from esb_bus.publisher import Publisher, Restorer
from esb_bus.threads import Fate, Marks, Threads, marks_of
from esb_bus.topology import H_ATTEMPT, H_COMMAND, H_FIRST_FAILURE, H_LAST_FAILURE, dead_queue, parked_queue
from esb_bus.verdict import Bury, Failures, Hold, LookAgain, Park, Pause, RetryPolicy, Verdict, judge
from esb_bus.wire import ChannelLost, ConsumeChannel, Delivery, Link, Outgoing, QueueMissing

MOVE_RETRY_S = 1.0

log = structlog.get_logger()


class Handler(Protocol):
    """What the messages of one queue are for."""

    async def handle(self, delivery: Delivery, guard: WriteGuard) -> str:
        """Bring about the effect, durably. Return one word for the log: `sent`, `duplicate`, `ignored`."""

    async def buried(self, delivery: Delivery, failure: Failure) -> None:
        """Tell the source that a message failed for good. Called once its letter is stored."""

    async def probe(self) -> None:
        """Return when the endpoint behind this queue can be worked with; raise EndpointDown while it cannot."""


@dataclass(frozen=True, slots=True)
class Options:
    """How one queue is worked on. Times in seconds."""

    queue: str
    prefetch: int = 128
    max_parallel: int = 16
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    park_retry_s: float = 300
    tick_s: float = 10
    stall_s: float = 60
    grace_s: float = 30


@dataclass(slots=True)
class Work:
    """A delivery and what this process knows about its attempts."""

    delivery: Delivery
    mark: Marks
    attempt: int = 0
    first_at: datetime | None = None
    held_s: float = 0
    doubt_until: float = 0
    error: Exception | None = None


@dataclass(slots=True)
class Lane:
    """The messages of one thread that are in our hands, in order."""

    waiting: deque[Work] = field(default_factory=deque)
    is_held: bool = False
    crowded: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the messages behind a held one take the room of other threads."""


@dataclass(slots=True)
class Shared:
    """What outlives a channel: the consumer owns it, each session works on it."""

    options: Options
    handler: Handler
    publisher: Publisher
    restorer: Restorer
    threads: Threads = field(default_factory=Threads)
    locks: KeyedLocks = field(default_factory=KeyedLocks)
    first_failures: dict[str, datetime] = field(default_factory=dict)
    """Message id → first failure, for parked messages whose headers cannot tell."""
    doubts: dict[str, float] = field(default_factory=dict)
    """Message id → loop time until which a write of ours may still commit."""


def _causes(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [cause for inner in error.exceptions for cause in _causes(inner)]
    return [error]


class Session:
    """Everything between opening a channel and losing or closing it."""

    def __init__(self, shared: Shared, link: Link, channel: ConsumeChannel) -> None:
        self.shared = shared
        self.link = link
        self.threads = shared.threads
        self.options = shared.options
        self._channel = channel
        self._lanes: dict[str, Lane] = {}
        self._slots = asyncio.Semaphore(shared.options.max_parallel)
        self._tasks: set[asyncio.Task[None]] = set()
        self._early: list[Delivery] = []
        self._taking_over = False
        self._taken_at: float | None = None
        self._was_interrupted = False
        """Whether messages were in somebody's hands before they came into ours."""
        self._moves = MoveGate()
        self._held = 0
        self.ended: asyncio.Future[Pause | None] = asyncio.get_running_loop().create_future()
        """Done when the channel is lost (None) or the endpoint is down (Pause)."""
        self.last_delivery_at = asyncio.get_running_loop().time()
        self.pass_wanted = asyncio.Event()
        """Set when parked threads may be tried again."""
        self.is_queue_missing = False
        """Whether the session ended because one of its queues was deleted."""
        self.done_count = 0
        self._unexplained = (0, 0)
        """By how much `.dead` and `.parked` were longer than what we know of them, when last read: double letters."""

    # -- arrival ---------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        self._channel.lost.add_done_callback(lambda _: self.end(None))
        await self._channel.consume(self.options.queue, self._arrived)

    def end(self, reason: Pause | None) -> None:
        if not self.ended.done():
            self.ended.set_result(reason)

    @property
    def is_ending(self) -> bool:
        return self.ended.done()

    @property
    def is_active(self) -> bool:
        """Whether this process is the queue's one active consumer and knows its threads."""
        return self._taken_at is not None

    @property
    def has_work(self) -> bool:
        return bool(self._lanes)

    def _arrived(self, delivery: Delivery) -> None:
        self.last_delivery_at = asyncio.get_running_loop().time()
        self._was_interrupted |= delivery.redelivered
        if not delivery.message_id:
            # Without a name of its own it would be taken for a copy of the last nameless one.
            delivery.message_id = f"nameless/{uuid.uuid4()}"
        if self._taken_at is not None:
            self._enqueue(delivery)
            return
        self._early.append(delivery)
        if not self._taking_over:
            self._taking_over = True
            self.spawn(self._take_over())

    async def _take_over(self) -> None:
        """Read the blocked and parked threads before any work: without them order could not be kept."""
        await self.read_threads(is_takeover=True)
        self._taken_at = asyncio.get_running_loop().time()
        log.info("queue.taken_over", queue=self.options.queue, parked=self.threads.parked.total())
        early, self._early = self._early, []
        for delivery in early:
            self._enqueue(delivery)
        self.spawn(retry_parked_threads(self))
        if self.threads.eligible():
            self.pass_wanted.set()

    async def read_threads(self, *, is_takeover: bool = False) -> None:
        """Make the known letters and parked messages equal to what the queues hold, while nothing moves.

        The readers' locks come first and the gate last, as everywhere: a pass over `.parked` may have to bury.
        """
        dead, parked = dead_queue(self.options.queue), parked_queue(self.options.queue)
        readers = self.link.readers
        async with readers.hold(dead), readers.hold(parked), self._moves.alone():
            letters, waiting = await self._marks(dead), await self._marks(parked)
            self.threads.restore(letters, waiting, is_takeover=is_takeover)
            resting, parked_count = self._known_counts()
            self._unexplained = len(letters) - resting, len(waiting) - parked_count
        if is_takeover:
            self._was_interrupted |= bool(waiting)  # which of them somebody was trying cannot be told
            self._forget_all_but({mark.message_id for mark in waiting})

    async def compare_counts(self) -> None:
        """Read the threads anew when `.dead` or `.parked` hold other numbers than we think: a person moved letters."""
        dead, parked = dead_queue(self.options.queue), parked_queue(self.options.queue)
        readers = self.link.readers
        if readers.is_held(dead) or readers.is_held(parked):
            return  # what a reader has in its hands is not counted; the next tick will do
        async with readers.hold(dead), readers.hold(parked), self._moves.alone():
            counts = await self.link.ready_count(dead), await self.link.ready_count(parked)
            expected = tuple(map(sum, zip(self._known_counts(), self._unexplained, strict=True)))
        if counts != expected:
            await self.read_threads()
            self.pass_wanted.set()

    def _known_counts(self) -> tuple[int, int]:
        threads = self.threads
        resting = sum(1 for held in threads.letters.values() for letter in held if letter not in threads.replaying)
        return resting, threads.parked.total()

    def _forget_all_but(self, parked: set[str]) -> None:
        """What another process finished while we stood by must not stay in memory."""
        now = asyncio.get_running_loop().time()
        shared = self.shared
        shared.first_failures = {key: at for key, at in shared.first_failures.items() if key in parked}
        shared.doubts = {key: until for key, until in shared.doubts.items() if until > now}

    async def _marks(self, queue: str) -> list[Marks]:
        async with browse_held(self.link, queue) as browser:
            return [marks_of(delivery.message_id, delivery.headers) async for delivery in browser.messages()]

    def _enqueue(self, delivery: Delivery) -> None:
        if H_COMMAND in delivery.headers:
            self.spawn(self._command(delivery))
            return
        mark = marks_of(delivery.message_id, delivery.headers)
        work = self.work(delivery, mark)
        lane = self._lanes.get(mark.thread)
        if lane is not None:
            lane.waiting.append(work)
            if lane.is_held:
                if self._is_crowded(1):
                    lane.crowded.set()
                self._held += 1
            return
        lane = self._lanes[mark.thread] = Lane(deque((work,)))
        self.spawn(self._run_lane(mark.thread, lane))

    def work(self, delivery: Delivery, mark: Marks) -> Work:
        """Wrap a delivery. What was in somebody's hands before may have a write under way."""
        work = Work(delivery, mark, attempt=number(delivery.headers.get(H_ATTEMPT)))
        work.first_at = moment(delivery.headers.get(H_FIRST_FAILURE))
        if mark.letter is not None and (failed_at := moment(delivery.headers.get(H_LAST_FAILURE))) is not None:
            # A letter replayed at once: what its last attempt wrote may still be on its way.
            since = max(0.0, (datetime.now(UTC) - failed_at).total_seconds())  # clocks of hosts differ
            work.doubt_until = asyncio.get_running_loop().time() + self.options.policy.settle_s - since
        if delivery.redelivered and self._taken_at is not None:
            work.doubt_until = max(work.doubt_until, self._taken_at + self.options.policy.settle_s)
        work.doubt_until = max(work.doubt_until, self.shared.doubts.get(delivery.message_id, 0))
        return work

    def _shared_doubt_until(self) -> float:
        """Until when a write of any thread may still commit that whoever had the queue before us started."""
        if self._taken_at is None or not self._was_interrupted:
            return 0
        return self._taken_at + self.options.policy.settle_s

    def doubt(self, work: Work, wait_s: float) -> None:
        """Remember until when an earlier write of a message may still commit, whoever tries it next."""
        work.doubt_until = asyncio.get_running_loop().time() + wait_s
        self.shared.doubts[work.delivery.message_id] = work.doubt_until

    async def _command(self, delivery: Delivery) -> None:
        await obey(self, delivery)
        await self._channel.ack(delivery.tag)

    # -- a thread --------------------------------------------------------------------------------------------------

    async def _run_lane(self, thread: str, lane: Lane) -> None:
        while lane.waiting and not self.is_ending:
            work = lane.waiting[0]
            fate = self.threads.fate(work.mark)
            if fate is not Fate.RUN:
                await self._set_aside(work, fate)
                lane.waiting.popleft()
                continue
            verdict = await self.attempt(work)
            if verdict is None:
                await self._finish(work)
                lane.waiting.popleft()
            else:
                await self._carry_out(lane, work, verdict)
        if not lane.waiting:
            del self._lanes[thread]

    async def attempt(self, work: Work) -> Verdict | None:
        """Try once. None means that the effect is there; the caller acknowledges."""
        async with self._slots:
            if self.is_ending:
                return Hold(0, "ending")
            loop = asyncio.get_running_loop()
            guard = Guard(self._may_write, work.doubt_until, self.shared.locks, self._shared_doubt_until())
            started = loop.time()
            try:
                outcome = await self.shared.handler.handle(work.delivery, guard)
            except Exception as error:  # noqa: BLE001  the outermost loop: every failure gets a verdict
                return self._judged(work, error)
            self._succeeded(work, outcome, loop.time() - started)
            return None

    def _succeeded(self, work: Work, outcome: str, seconds: float) -> None:
        self.done_count += 1
        metrics.processed(self.options.queue, outcome, seconds)
        log.info(
            "delivery.processed",
            queue=self.options.queue,
            message_id=work.delivery.message_id,
            type=work.delivery.type,
            correlation_id=work.delivery.correlation_id,
            outcome=outcome,
            duration_ms=round(seconds * 1000, 1),
        )

    def _may_write(self) -> bool:
        return self._channel.is_open and self.link.may_write

    def _judged(self, work: Work, error: Exception) -> Verdict:
        now = datetime.now(UTC)
        work.first_at = work.first_at or self.shared.first_failures.get(work.delivery.message_id) or now
        age = (now - work.first_at).total_seconds()
        verdict = judge(error, Failures(work.attempt + 1, work.held_s, age), self.options.policy)
        if not isinstance(verdict, Pause | LookAgain):
            work.attempt += 1
        metrics.failed(self.options.queue, verdict.code)
        work.error = error
        if isinstance(error, InDoubt):
            self.doubt(work, self.options.policy.settle_s if error.wait_s is None else error.wait_s)
        log.warning(
            "delivery.failed",
            verdict=type(verdict).__name__.lower(),
            queue=self.options.queue,
            message_id=work.delivery.message_id,
            correlation_id=work.delivery.correlation_id,
            error_code=verdict.code,
            attempt=work.attempt,
            exc_info=error if verdict.code == "bug" else None,
        )
        return verdict

    async def _carry_out(self, lane: Lane, work: Work, verdict: Verdict) -> None:
        match verdict:
            case Hold() | LookAgain() if self._is_crowded(len(lane.waiting)):
                await self._park_lane(lane, verdict.code)
            case Hold():
                await self._hold(lane, work, verdict.delay_s, verdict.code)
            case LookAgain():
                await self._hold(lane, work, verdict.after_s, verdict.code)
            case Park():
                await self._park_lane(lane, verdict.code)
            case Pause():
                self.end(verdict)
            case Bury():
                await self.bury(work, verdict)
                await self._channel.ack(work.delivery.tag)
                lane.waiting.popleft()

    def _is_crowded(self, coming: int) -> bool:
        """Whether the held messages and the coming ones take more than half of what we may have in our hands."""
        return self._held + coming > self.options.prefetch // 2

    async def _hold(self, lane: Lane, work: Work, delay_s: float, code: str) -> None:
        """Wait with the message unacknowledged and its thread behind it, until too many stand there."""
        started = asyncio.get_running_loop().time()
        self._held += len(lane.waiting)
        lane.is_held = True
        crowded = asyncio.ensure_future(lane.crowded.wait())
        try:
            await asyncio.wait((self.ended, crowded), timeout=delay_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            crowded.cancel()
            lane.is_held = False
            self._held -= len(lane.waiting)
            work.held_s += asyncio.get_running_loop().time() - started
        if lane.crowded.is_set():
            lane.crowded.clear()
            await self._park_lane(lane, code)

    # -- moves -----------------------------------------------------------------------------------------------------

    async def _finish(self, work: Work) -> None:
        """The effect is there: close the letters it settles, then acknowledge."""
        mark = work.mark
        self.forget(work)
        if not self.threads.is_clear(mark.thread):
            settled = [mark.letter] if mark.letter else self.threads.superseded_by(mark)
            await self.close_letters(mark.thread, settled)
        await self._channel.ack(work.delivery.tag)

    async def close_letters(self, thread: str, letters: list[str]) -> None:
        """Take letters out of `.dead` (those that still rest there) and let the thread go on."""
        resting = {letter for letter in letters if self.threads.rests_in_dead(thread, letter)}
        if resting:
            async with browse(self.link, dead_queue(self.options.queue)) as browser:
                async for delivery in browser.messages():
                    mark = marks_of(delivery.message_id, delivery.headers)
                    if (mark.letter or mark.message_id) in resting:
                        await browser.ack(delivery)
        for letter in letters:
            self.threads.letter_closed(thread, letter)
        self.wake_parked(thread)

    def forget(self, work: Work) -> None:
        """A message has left the queue for good: what was remembered of its attempts goes with it."""
        self.shared.first_failures.pop(work.delivery.message_id, None)
        self.shared.doubts.pop(work.delivery.message_id, None)

    def wake_parked(self, thread: str) -> None:
        if self.threads.may_start(thread):
            self.pass_wanted.set()

    async def bury(self, work: Work, verdict: Bury) -> None:
        """Letter stored, source told. The caller acknowledges."""
        failure = Failure(
            verdict.code,
            work.error or RuntimeError(verdict.code),
            work.attempt,
            work.first_at or datetime.now(UTC),
            datetime.now(UTC),
            replayable=verdict.replayable,
        )
        async with self._moves.shared():
            sequence = work.mark.sequence or self.threads.next_sequence()
            letter = letter_of(work.delivery, self.options.queue, failure, sequence)
            await self.move(letter)
            self.threads.buried(marks_of(letter.message_id, letter.headers))
        self.forget(work)
        await self._tell_source(work, failure)

    async def _tell_source(self, work: Work, failure: Failure) -> None:
        while not self.is_ending:
            try:
                await self.shared.handler.buried(work.delivery, failure)
            except BrokerUnavailable:
                await asyncio.sleep(MOVE_RETRY_S)
            except Exception:  # telling comes second: the letter is stored, and its message has to leave the queue
                log.exception("refusal.not_told", queue=self.options.queue, message_id=work.delivery.message_id)
                return
            else:
                return

    async def _park_lane(self, lane: Lane, code: str) -> None:
        """Move everything of the thread that is in our hands aside, in order. What comes later follows by its fate."""
        while lane.waiting and not self.is_ending:
            await self._park(lane.waiting[0], code)
            lane.waiting.popleft()

    async def _park(self, work: Work, code: str | None) -> None:
        failure = None
        if work.error is not None and code is not None:
            now = datetime.now(UTC)
            failure = Failure(code, work.error, work.attempt, work.first_at or now, now)
        async with self._moves.shared():
            # Counted before it is stored: a message that arrives meanwhile must already stand behind it.
            self.threads.moved_aside(work.mark)
            await self.move(parked_of(work.delivery, self.options.queue, failure, self.threads.next_sequence()))
        metrics.parked(self.options.queue)
        await self._channel.ack(work.delivery.tag)

    async def _set_aside(self, work: Work, fate: Fate) -> None:
        match fate:
            case Fate.PARK:
                await self._park(work, None)
            case Fate.RETURN:
                async with self._moves.shared():
                    await self.move(returned_of(work.delivery, self.options.queue))
                    self.threads.buried(work.mark)
                await self._channel.ack(work.delivery.tag)
            case _:
                if work.delivery.redelivered:
                    await self._tell_again(work)
                await self._channel.ack(work.delivery.tag)

    async def _tell_again(self, work: Work) -> None:
        """The letter was stored by a process that died, perhaps before it told the source; the letter knows what."""
        async with browse(self.link, dead_queue(self.options.queue)) as browser:
            letters = [read_letter(one, self.options.queue) async for one in browser.messages()]
        now = datetime.now(UTC)
        for letter in letters:
            if letter.id == work.delivery.message_id:
                failed_at = moment(letter.last_failure) or now
                error = RuntimeError(letter.error)
                await self._tell_source(work, Failure(letter.reason, error, letter.attempt, failed_at, failed_at))
                return

    async def move(self, message: Outgoing) -> None:
        """Publish until it is confirmed; a move that fails is repeated, never forgotten.

        Raises:
            ChannelLost: the session ended first; the message is still in its queue.
        """
        while self._channel.is_open:
            try:
                await self.shared.publisher.publish(message)
            except NoRoute:
                await self.shared.restorer.restore(message.routing_key)
            except BrokerUnavailable:
                await asyncio.sleep(MOVE_RETRY_S)
            else:
                return
        raise ChannelLost("the session ended before a move was confirmed")

    # -- end -------------------------------------------------------------------------------------------------------

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._reap)

    def _reap(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        causes = _causes(error)
        self.is_queue_missing |= any(isinstance(cause, QueueMissing) for cause in causes)
        if not all(isinstance(cause, ChannelLost) for cause in causes):
            log.error("session.failed", queue=self.options.queue, exc_info=error)
        self.end(None)

    async def finish(self, *, let_run: bool) -> None:
        """Start nothing new, let running attempts end if the channel still stands, then give everything back."""
        self.end(None)
        self.pass_wanted.set()
        try:
            if let_run and self._channel.is_open and self._tasks:
                await asyncio.wait(self._tasks, timeout=self.options.grace_s)
        finally:
            # Also when we are cancelled while waiting: nothing may work on for a channel nobody watches.
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._channel.close()
