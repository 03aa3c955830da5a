"""Trying the parked threads of a queue again, straight from `.parked`, in order.

A parked message is never moved back into its queue (it would arrive behind newer ones). It is tried where it rests:
what succeeds is acknowledged there, what does not stays, and closing the channel leaves the order as it was.
"""

import asyncio
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from esb_bus.browse import Browser, browse
from esb_bus.threads import marks_of
from esb_bus.topology import parked_queue
from esb_bus.verdict import Bury, LookAgain, Pause
from esb_bus.wire import Delivery

if TYPE_CHECKING:
    from esb_bus.session import Session, Work

MAX_BYTES_IN_HAND = 64 * 1024 * 1024


async def retry_parked_threads(session: "Session") -> None:
    """Run for the life of a session: a pass now and then, and whenever a thread has become free."""
    while not session.is_ending:
        with suppress(TimeoutError):
            async with asyncio.timeout(session.options.park_retry_s):
                await session.pass_wanted.wait()
        session.pass_wanted.clear()
        if session.threads.eligible() and not session.is_ending:
            await Pass(session).run()


class Pass:
    """One reading of `.parked` from its head to its end."""

    def __init__(self, session: "Session") -> None:
        self._session = session
        self._bytes = 0
        self._lanes: dict[str, deque[Work]] = {}
        self._given_up: set[str] = set()
        """Threads that stay parked for the rest of this pass."""

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
        thread = marks_of(delivery.message_id, delivery.headers).thread
        if self._session.threads.is_blocked(thread) or thread in self._given_up:
            return False
        if self._bytes + delivery.size_bytes > MAX_BYTES_IN_HAND and self._bytes:
            self._given_up.add(thread)
            self._session.pass_wanted.set()
            return False
        self._bytes += delivery.size_bytes
        return True

    def _take(self, delivery: Delivery) -> str | None:
        """Queue a message behind its thread; return the thread when nobody runs it yet."""
        mark = marks_of(delivery.message_id, delivery.headers)
        if self._session.threads.is_blocked(mark.thread) or mark.thread in self._given_up:
            return None
        work = self._session.work(delivery, mark)
        lane = self._lanes.get(mark.thread)
        if lane is not None:
            lane.append(work)
            return None
        self._lanes[mark.thread] = deque((work,))
        return mark.thread

    async def _run_thread(self, thread: str, browser: Browser) -> None:
        lane = self._lanes[thread]
        while lane and not self._session.is_ending and await self._run(lane[0], browser):
            self._bytes -= lane.popleft().delivery.size_bytes
        if lane:
            self._given_up.add(thread)
        del self._lanes[thread]

    async def _run(self, work: "Work", browser: Browser) -> bool:
        """Try one message. True when it has left `.parked` and the thread may go on."""
        session = self._session
        verdict = await session.attempt(work)
        match verdict:
            case None:
                await self._leave(work, browser)
                return True
            case LookAgain():
                session.doubt(work, verdict.after_s)
                asyncio.get_running_loop().call_later(verdict.after_s, session.pass_wanted.set)
            case Bury():
                await session.bury(work, verdict)
                await self._leave(work, browser)
            case Pause():
                session.end(verdict)
            case _ if work.first_at is not None:
                session.shared.first_failures.setdefault(work.delivery.message_id, work.first_at)
        return False

    async def _leave(self, work: "Work", browser: Browser) -> None:
        await browser.ack(work.delivery)
        self._session.threads.taken_back(work.mark.thread)
        self._session.forget(work)
