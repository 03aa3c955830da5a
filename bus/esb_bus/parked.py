"""Trying the parked threads of a queue again, straight from `.parked`, in order.

A parked message is never moved back into its queue (it would arrive behind newer ones). It is tried where it rests:
what succeeds is acknowledged there, what does not stays, and closing the channel leaves the order as it was.
"""

import asyncio
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from esb_bus.browse import Browser, browse
from esb_bus.threads import Marks, marks_of
from esb_bus.topology import parked_queue
from esb_bus.verdict import Bury, LookAgain, Pause
from esb_bus.wire import Delivery

if TYPE_CHECKING:
    from esb_bus.session import Session, Work

MAX_BYTES_IN_HAND = 64 * 1024 * 1024
SHARE_OF_SLOTS = 4
"""Parked threads take a quarter of the parallel attempts at most: they may all fail, and new messages must not wait."""


async def retry_parked_threads(session: "Session") -> None:
    """Run for the life of a session: a pass now and then, and whenever a thread has become free."""
    tried: set[str] = set()
    while not session.is_ending:
        with suppress(TimeoutError):
            async with asyncio.timeout(session.options.park_retry_s):
                await session.pass_wanted.wait()
        session.pass_wanted.clear()
        if session.threads.eligible() and not session.is_ending:
            one = Pass(session, tried)
            await one.run()
            tried = one.given_up if one.is_cut_short else set()
            if one.is_cut_short or (one.has_moved and set(session.threads.eligible()) - one.given_up):
                session.pass_wanted.set()


class Pass:
    """One reading of `.parked` from its head to its end."""

    def __init__(self, session: "Session", tried: set[str]) -> None:
        self._session = session
        self._bytes = 0
        self._lanes: dict[str, deque[Work]] = {}
        self._slots = asyncio.Semaphore(max(1, session.options.max_parallel // SHARE_OF_SLOTS))
        self._cut_off: set[str] = set()
        """Threads there was no room for."""
        self._passed_over: set[str] = set()
        """Threads of which a message was left: no later one may be tried before it, though a letter goes ahead."""
        self._closed: set[str] = set()
        """Threads of which nothing more is taken in this pass."""
        self.given_up = set(tried)
        """Threads that stay parked for the rest of this pass; those of `tried` had their turn in the one before."""
        self.is_cut_short = False
        self.has_moved = False

    async def run(self) -> None:
        async with (
            browse(self._session.link, parked_queue(self._session.options.queue), self._wants) as browser,
            asyncio.TaskGroup() as tasks,
        ):
            async for delivery in browser.messages():
                thread = self._take(delivery)
                if thread is not None:
                    tasks.create_task(self._run_thread(thread, browser))

    def _wants(self, delivery: Delivery) -> bool:
        """Keep the bodies of threads that can run, up to a bound; a thread cut off here goes on in the next pass."""
        mark = marks_of(delivery.message_id, delivery.headers)
        is_out = mark.thread in self.given_up or mark.thread in self._cut_off
        if is_out or not self._session.threads.may_try(mark):
            return False
        if self._bytes + delivery.size_bytes > MAX_BYTES_IN_HAND and self._bytes:
            self._cut_off.add(mark.thread)
            self.is_cut_short = True
            return False
        self._bytes += delivery.size_bytes
        return True

    def _take(self, delivery: Delivery) -> str | None:
        """Queue a message behind its thread; return the thread when nobody runs it yet."""
        mark = marks_of(delivery.message_id, delivery.headers)
        if not self._may_take(mark, delivery):
            return None
        work = self._session.work(delivery, mark)
        lane = self._lanes.get(mark.thread)
        if lane is not None:
            lane.append(work)
            return None
        self._lanes[mark.thread] = deque((work,))
        return mark.thread

    def _may_take(self, mark: Marks, delivery: Delivery) -> bool:
        """Whether a message joins this pass. The thread may have become free since it arrived without its body."""
        thread, threads = mark.thread, self._session.threads
        if thread in self.given_up or thread in self._closed or (mark.letter is None and thread in self._passed_over):
            return False
        if not threads.may_try(mark):
            self._passed_over.add(thread)
            return False
        if delivery.size_bytes and not delivery.body:
            self._closed.add(thread)
            self.is_cut_short = True
            return False
        if threads.is_blocked(thread):
            self._closed.add(thread)  # the one letter that goes ahead; what it frees is for the next pass
        return True

    async def _run_thread(self, thread: str, browser: Browser) -> None:
        lane = self._lanes[thread]
        async with self._slots:
            while lane and not self._session.is_ending and await self._run(lane[0], browser):
                self._bytes -= lane.popleft().delivery.size_bytes
        if lane:
            self.given_up.add(thread)
            self._bytes -= sum(work.delivery.size_bytes for work in lane)
        del self._lanes[thread]

    async def _run(self, work: "Work", browser: Browser) -> bool:
        """Try one message. True when it has left `.parked` and the thread may go on."""
        session = self._session
        verdict = await session.attempt(work)
        match verdict:
            case None:
                await self._leave(work, browser)
                self._close_letter(work.mark)
                return True
            case LookAgain():
                asyncio.get_running_loop().call_later(verdict.after_s, session.pass_wanted.set)
            case Bury():
                await session.bury(work, verdict)
                await self._leave(work, browser)
            case Pause():
                session.end(verdict)
            case _ if work.first_at is not None:
                session.shared.first_failures.setdefault(work.delivery.message_id, work.first_at)
        return False

    def _close_letter(self, mark: Marks) -> None:
        """A parked letter is done. A copy of it in `.dead` is closed later: that queue is read before this one."""
        if mark.letter is None:
            return
        if self._session.threads.rests_in_dead(mark.thread, mark.letter):
            self._session.spawn(self._session.close_letters(mark.thread, [mark.letter]))
        else:
            self._session.threads.letter_closed(mark.thread, mark.letter)

    async def _leave(self, work: "Work", browser: Browser) -> None:
        await browser.ack(work.delivery)
        self.has_moved = True
        self._session.threads.taken_back(work.mark.thread)
        self._session.forget(work)
