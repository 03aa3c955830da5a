"""Keeping one queue worked on: opens sessions, pauses for an endpoint that is down, watches for a stalled queue."""

import asyncio
import itertools
import random
import time
from collections.abc import Awaitable, Callable

import structlog

from esb_bus import metrics
from esb_bus.commands import Command, command_message
from esb_bus.errors import BrokerUnavailable, EndpointDown, EsbError
from esb_bus.publisher import Publisher, Restorer
from esb_bus.session import Handler, Options, Session, Shared
from esb_bus.topology import dead_queue, parked_queue
from esb_bus.verdict import Pause
from esb_bus.wire import ChannelLost, Link, QueueMissing

REOPEN_DELAY_S = 0.5
PROBE_DELAYS_S = (0.5, 1, 2, 5, 10)
TICK_DEADLINE_S = 5.0

log = structlog.get_logger()

PauseListener = Callable[[str, Pause], Awaitable[None]]
ResumeListener = Callable[[str, float], Awaitable[None]]


async def _nobody(*_: object) -> None:
    return


class LinkSource:
    """The consuming connection of a process, opened anew when it is lost."""

    def __init__(self, url: str, name: str, heartbeat_s: int = 4) -> None:
        self._url = url
        self._name = name
        self._heartbeat_s = heartbeat_s
        self._link: Link | None = None
        self._opening = asyncio.Lock()

    async def link(self) -> Link:
        """Return the open connection.

        Raises:
            BrokerUnavailable: it cannot be opened now.
        """
        async with self._opening:
            if self._link is None or not self._link.is_open:
                self._link = await Link.open(self._url, self._name, self._heartbeat_s)
            return self._link

    async def close(self) -> None:
        if self._link is not None:
            await self._link.close()


class QueueConsumer:
    """Works on one queue until it is told to stop. A second one, in any process, stands by."""

    def __init__(
        self,
        options: Options,
        handler: Handler,
        links: LinkSource,
        publisher: Publisher,
        restorer: Restorer,
        *,
        on_pause: PauseListener = _nobody,
        on_resume: ResumeListener = _nobody,
    ) -> None:
        self.options = options
        self._links = links
        self._publisher = publisher
        self._shared = Shared(options, handler, publisher, restorer)
        self._on_pause = on_pause
        self._on_resume = on_resume
        self._relapses = 0
        """Pauses in a row without a message done between them: the probe says yes, the work says no."""
        self.paused: Pause | None = None
        self.session: Session | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; then start nothing new, finish, acknowledge and close."""
        while not stop.is_set():
            try:
                pause = await self._one_session(stop)
            except (ChannelLost, BrokerUnavailable) as error:
                log.warning("consumer.reopening", queue=self.options.queue, reason=str(error))
                if isinstance(error, QueueMissing):
                    await self._restore()
                await _sleep(stop, REOPEN_DELAY_S * random.uniform(1, 2))  # noqa: S311  spreads the load
                continue
            if pause is not None:
                await self._wait_out(pause, stop)

    async def _one_session(self, stop: asyncio.Event) -> Pause | None:
        link = await self._links.link()
        channel = await link.consume_channel(self.options.prefetch)
        session = self.session = Session(self._shared, link, channel)
        orderly = False
        try:
            await session.start()
            pause = await self._watch(session, stop)
            orderly = stop.is_set() or pause is not None
        finally:
            await session.finish(let_run=orderly)
        self._relapses = self._relapses + 1 if pause is not None and not session.done_count else 0
        if session.is_queue_missing:
            await self._restore()
        if not orderly:
            await _sleep(stop, REOPEN_DELAY_S)
        return pause

    async def _watch(self, session: Session, stop: asyncio.Event) -> Pause | None:
        """Send ticks and judge the progress of the queue until the session ends or has to."""
        stopped = asyncio.ensure_future(stop.wait())
        ready_before, last_progress = 0, time.monotonic()
        try:
            while not session.is_ending and not stop.is_set():
                session.spawn(self._tick())
                deliveries_before = session.last_delivery_at
                await asyncio.wait(
                    (session.ended, stopped), timeout=self.options.tick_s, return_when=asyncio.FIRST_COMPLETED
                )
                if session.is_ending or stop.is_set():
                    break
                ready = await session.link.ready_count(self.options.queue)
                is_moving = session.has_work or session.last_delivery_at > deliveries_before
                if ready == 0 or ready < ready_before or is_moving:
                    last_progress = time.monotonic()
                elif time.monotonic() - last_progress > self.options.stall_s:
                    log.error("queue.stalled", queue=self.options.queue, ready=ready)
                    metrics.stalled(self.options.queue)
                    session.end(None)
                ready_before = ready
        finally:
            stopped.cancel()
        return session.ended.result() if session.ended.done() else None

    async def _tick(self) -> None:
        """Wake whoever is the active consumer, which after a take-over may be this one without knowing it."""
        try:
            await self._publisher.publish(command_message(self.options.queue, Command("tick")), TICK_DEADLINE_S)
        except EsbError as error:
            log.warning("consumer.tick_failed", queue=self.options.queue, reason=str(error))

    async def _wait_out(self, pause: Pause, stop: asyncio.Event) -> None:
        """Probe the endpoint until it answers. Its queue waits on the broker and no attempt is counted."""
        self.paused = pause
        started = time.monotonic()
        metrics.paused(self.options.queue, is_paused=True)
        log.error("endpoint.paused", queue=self.options.queue, error_code=pause.code)
        await self._told(self._on_pause(self.options.queue, pause))
        first = min(self._relapses, len(PROBE_DELAYS_S) - 1)
        for delay in itertools.chain(PROBE_DELAYS_S[first:], itertools.repeat(PROBE_DELAYS_S[-1])):
            await _sleep(stop, delay)
            if stop.is_set():
                return
            if await self._answers():
                break
        self.paused = None
        metrics.paused(self.options.queue, is_paused=False)
        log.info("endpoint.resumed", queue=self.options.queue, paused_s=round(time.monotonic() - started, 1))
        await self._told(self._on_resume(self.options.queue, time.monotonic() - started))

    async def _answers(self) -> bool:
        try:
            await self._shared.handler.probe()
        except EndpointDown as down:
            log.debug("endpoint.still_down", queue=self.options.queue, error_code=down.code)
            return False
        except Exception:  # a probe with a bug must not end the consumer
            log.exception("endpoint.probe_failed", queue=self.options.queue)
            return False
        return True

    async def _told(self, telling: Awaitable[None]) -> None:
        try:
            await telling
        except EsbError as error:
            log.warning("consumer.telling_failed", queue=self.options.queue, reason=str(error))

    async def _restore(self) -> None:
        """A queue somebody deleted is declared again, or the consumer would wait for it for ever."""
        queue = self.options.queue
        for name in (queue, dead_queue(queue), parked_queue(queue)):
            try:
                await self._shared.restorer.restore(name)
            except EsbError as error:
                log.warning("queue.not_restored", queue=name, reason=str(error))


async def _sleep(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
