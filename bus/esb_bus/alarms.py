"""Backlogs: when a person has to know, and when intake stops before one dead endpoint fills the broker's disk for all.

Every few seconds each process measures the queues. A queue above an alarm limit (messages, bytes, or the age of what
waits at its head) is told once in the log and stays in the metrics; a queue above the hard limit stops the sources
that can feed it: their webhooks get 503 and their polls keep their cursor, so nothing is lost and nothing is stored.
Sources that feed other endpoints only go on. Both end at four fifths of the limit.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import structlog
from prometheus_client import Gauge

from esb_bus.administration import Administration
from esb_bus.consumer import LinkSource
from esb_bus.errors import BrokerUnavailable, EsbError
from esb_bus.landscape import BITRIX24_KIND, ONEC_KIND, WEBSITE_KIND, Landscape, Limits
from esb_bus.ports import NativeMessage, RawSink
from esb_bus.topology import dead_queue, in_queue, out_queue, parked_queue, worked_queues
from esb_bus.wire import ChannelLost

MEASURE_S = 10.0
CLEARED_AT = 0.8

_MESSAGES = Gauge("esb_backlog_messages", "Messages that wait, parked ones and dead letters included", ["queue"])
_BYTES = Gauge("esb_backlog_bytes", "Bytes of the same", ["queue"])
_AGE = Gauge("esb_backlog_age_seconds", "How long the head of a queue has been waiting, at least", ["queue"])
_ALARM = Gauge("esb_backlog_alarm", "1 while a queue is above an alarm limit", ["queue"])
_STOPPED = Gauge("esb_intake_stopped", "1 while nothing is taken in from a source", ["endpoint"])

log = structlog.get_logger()

Level = Literal["fine", "alarm", "stop"]


@dataclass(frozen=True, slots=True)
class Measured:
    """One queue. Without the management plugin sizes and acknowledgements are unknown."""

    messages: int
    size_bytes: int | None = None
    acknowledged: int | None = None
    """Since the queue exists; only the growth between two measures is used."""


Measure = Callable[[], Awaitable[Mapping[str, Measured]]]


@dataclass(slots=True)
class Head:
    """How long the first message of a queue has been waiting, from counts alone.

    The last message at a moment is done when as many more have been acknowledged as were waiting then. So whatever is
    at the head now arrived no later than at the first measure whose last message is not done.
    """

    done: int = 0
    last: Measured | None = None
    marks: deque[tuple[float, int]] = field(default_factory=deque)
    """(time, number of the last message then), both rising."""

    def age(self, now: float, measured: Measured) -> float:
        self.done += self._progress(measured)
        self.last = measured
        while self.marks and self.marks[0][1] <= self.done:
            self.marks.popleft()
        end = self.done + measured.messages
        if measured.messages and (not self.marks or end > self.marks[-1][1]):
            self.marks.append((now, end))
        return now - self.marks[0][0] if self.marks else 0.0

    def _progress(self, measured: Measured) -> int:
        """Messages done since the last measure, at least."""
        if self.last is None:
            return 0
        shrunk = self.last.messages - measured.messages
        if measured.acknowledged is not None and self.last.acknowledged is not None:
            # The count begins anew with a restart of the broker.
            shrunk = max(shrunk, measured.acknowledged - self.last.acknowledged)
        return max(0, shrunk)


def level(size: Measured, age_s: float, limits: Limits, before: Level) -> Level:
    """Judge one queue; what is raised is lowered only at four fifths of its limit."""
    stop = CLEARED_AT if before == "stop" else 1.0
    if (size.size_bytes or 0) > limits.backlog_stop_bytes * stop or size.messages > limits.backlog_stop_messages * stop:
        return "stop"
    alarm = 1.0 if before == "fine" else CLEARED_AT
    is_large = (size.size_bytes or 0) > limits.backlog_alarm_bytes * alarm
    is_long = size.messages > limits.backlog_alarm_messages * alarm
    return "alarm" if is_large or is_long or age_s > limits.backlog_alarm_s else "fine"


def feeds(landscape: Landscape) -> dict[str, frozenset[str]]:
    """Source → endpoints whose queue it can fill: by the routes of its legal entities, and by answers."""
    return {source: frozenset(_targets(landscape, source, set(codes))) for source, codes in _sources(landscape)}


def _sources(landscape: Landscape) -> Iterator[tuple[str, Iterable[str]]]:
    for name, site in landscape.website.items():
        yield f"{WEBSITE_KIND}.{name}", [site.legal_entity] if site.legal_entity else site.sellers.values()
    for name, portal in landscape.bitrix24.items():
        yield f"{BITRIX24_KIND}.{name}", portal.sellers.values()
    for name, base in landscape.onec.items():
        yield f"{ONEC_KIND}.{name}", base.organisations


def _targets(landscape: Landscape, source: str, codes: set[str]) -> Iterator[str]:
    subjects = ("payment.",) if source.startswith(f"{ONEC_KIND}.") else ("order.", "invoice.")
    for route in landscape.routes:
        entities = route.entities()
        if any(event.startswith(subjects) for event in route.event) and (entities is None or codes & set(entities)):
            yield from route.to
    yield from landscape.interested_portals(f"order/{source}/-")


class Backlogs:
    """What is known of all queues; `may_take` is asked for every native message."""

    def __init__(self, landscape: Landscape) -> None:
        self._limits = landscape.limits
        self._feeds = feeds(landscape)
        self._queues = [queue.name for queue in worked_queues(landscape)]
        self._heads = {queue: Head() for queue in self._queues}
        self._levels: dict[str, Level] = dict.fromkeys(self._queues, "fine")
        self._stopped: frozenset[str] = frozenset()

    def may_take(self, source: str) -> bool:
        return source not in self._stopped

    def level(self, queue: str) -> Level:
        return self._levels[queue]

    def update(self, sizes: Mapping[str, Measured], now: float) -> None:
        """Judge everything anew. `now` is a monotonic time in seconds."""
        for queue in self._queues:
            self._judge(queue, sizes, now)
        stopped = frozenset(source for source in self._feeds if self._is_stopped(source))
        for source in self._feeds:
            _STOPPED.labels(source).set(source in stopped)
            if (source in stopped) != (source in self._stopped):
                log.error("intake.stopped" if source in stopped else "intake.resumed", endpoint=source)
        self._stopped = stopped

    def _judge(self, queue: str, sizes: Mapping[str, Measured], now: float) -> None:
        own = sizes.get(queue, Measured(0))
        age = self._heads[queue].age(now, own)
        rests = [own, *(sizes.get(name, Measured(0)) for name in (parked_queue(queue), dead_queue(queue)))]
        total = Measured(sum(one.messages for one in rests), sum(one.size_bytes or 0 for one in rests))
        before, after = self._levels[queue], level(total, age, self._limits, self._levels[queue])
        self._levels[queue] = after
        _MESSAGES.labels(queue).set(total.messages)
        _BYTES.labels(queue).set(total.size_bytes or 0)
        _AGE.labels(queue).set(age)
        _ALARM.labels(queue).set(after != "fine")
        if before != after:
            log.warning(
                "backlog.cleared" if after == "fine" else "backlog.raised",
                queue=queue,
                level=after,
                messages=total.messages,
                size_bytes=total.size_bytes,
                age_s=round(age),
            )

    def _is_stopped(self, source: str) -> bool:
        queues = {in_queue(source), *map(out_queue, self._feeds[source])}
        shared = {queue for queue in self._queues if queue.startswith("transform.")}
        return any(self._levels.get(queue) == "stop" for queue in queues | shared)


class GatedSink:
    """A `RawSink` that takes nothing from a source whose receivers are full.

    For the door that is 503 with Retry-After, for a poll a round that is repeated from the same cursor.
    """

    def __init__(self, sink: RawSink, may_take: Callable[[str], bool]) -> None:
        self._sink = sink
        self._may_take = may_take

    async def store(self, message: NativeMessage, deadline_s: float | None = None) -> None:
        if not self._may_take(message.endpoint):
            raise BrokerUnavailable(f"{message.endpoint}: intake is stopped, a backlog is above its hard limit")
        await self._sink.store(message, deadline_s)


async def watch_backlogs(backlogs: Backlogs, measure: Measure, stop: asyncio.Event, every_s: float = MEASURE_S) -> None:
    """Measure until `stop`. What cannot be measured keeps its last judgement."""
    clock = asyncio.get_running_loop().time
    while not stop.is_set():
        try:
            backlogs.update(await measure(), clock())
        except (EsbError, ChannelLost) as error:
            log.warning("backlog.not_measured", reason=str(error))
        try:
            async with asyncio.timeout(every_s):
                await stop.wait()
        except TimeoutError:
            continue


def measured_by(administration: Administration) -> Measure:
    """Messages, bytes and acknowledgements of all queues in one request."""

    async def measure() -> Mapping[str, Measured]:
        return {
            one.queue: Measured(one.messages, one.size_bytes, one.acknowledged)
            for one in await administration.backlogs()
        }

    return measure


def counted_by(links: LinkSource, queues: Sequence[str]) -> Measure:
    """Only what waits, without bytes and without what is in a consumer's hands: for a broker without the plugin."""

    async def measure() -> Mapping[str, Measured]:
        link = await links.link()
        return {queue: Measured(await link.ready_count(queue)) for queue in queues}

    return measure
