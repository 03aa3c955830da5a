"""A cluster with the configuration of deploy/, traffic through it, and the ledger of the endpoint it all ends in."""

import asyncio
import itertools
import json
import os
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio
from tests.integration.bus.conftest import Recorder, until

from esb_bus.broker import Declarer
from esb_bus.consumer import LinkSource, QueueConsumer
from esb_bus.errors import BrokerUnavailable
from esb_bus.ports import WriteGuard
from esb_bus.publisher import Publisher
from esb_bus.session import Options
from esb_bus.topology import H_OBJECT, H_THREAD, H_VERSION, dead_queue, parked_queue, store_queue, work_queue
from esb_bus.verdict import RetryPolicy
from esb_bus.wire import Delivery, Outgoing
from esb_standins.nodes import NodesUnavailable
from esb_standins.nodes.cluster import SIZE, Cluster, cluster

ROOT = Path(__file__).parents[2]
FIGURES = ROOT / ".run" / "cluster.json"
THREADS = 6
EVERY_S = 0.1
WRITE_S = 0.02


def settings() -> str:
    shipped = (ROOT / "deploy/rabbitmq/cluster.conf").read_text(encoding="utf-8")
    return shipped.replace("rabbit@rabbitmq-", "esb@node")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    skip = pytest.mark.skip(reason="the long form is run by `make cluster`")
    for item in items:
        is_ours = item.path.is_relative_to(Path(__file__).parent)
        if is_ours and item.get_closest_marker("long") and not os.environ.get("ESB_LONG"):
            item.add_marker(skip)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def three() -> AsyncIterator[Cluster]:
    try:
        async with cluster(ROOT / ".run" / "cluster", settings()) as made:
            yield made
    except NodesUnavailable as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no RabbitMQ for a cluster: {error}")


@dataclass
class Ledger:
    """What the endpoint has on its books, and when it got it."""

    entries: list[tuple[str, str]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    def knows(self, text: str) -> bool:
        return any(known == text for _, known in reversed(self.entries))

    def write(self, who: str, text: str) -> None:
        self.entries.append((who, text))
        self.times.append(asyncio.get_running_loop().time())


def longest_pause(times: Iterable[float], since: float) -> float:
    """The longest time without any of `times` from `since` on."""
    marks = [since, *(time for time in times if time > since)]
    return max((later - one for one, later in itertools.pairwise(marks)), default=float("inf"))


@dataclass(frozen=True)
class Pauses:
    """For how long sources could store nothing, and nothing reached the endpoint. Seconds."""

    storing: float
    working: float


class Sender(Recorder):
    """Looks up, takes its time, and creates: two of them at once would create twice."""

    def __init__(self, name: str, ledger: Ledger) -> None:
        super().__init__()
        self.name = name
        self.ledger = ledger

    async def handle(self, delivery: Delivery, guard: WriteGuard) -> str:
        text = delivery.body.decode()
        if self.ledger.knows(text):
            return "unchanged"
        guard.before_write()
        await asyncio.sleep(WRITE_S)
        self.ledger.write(self.name, text)
        return "created"


class Traffic:
    """Sources that publish, two processes that work, one endpoint. All of them begin at the node to be attacked."""

    def __init__(self, made: Cluster, queue: str, victim: int, settle_s: float) -> None:
        self.cluster = made
        self.queue = queue
        self.victim = victim
        self.settle_s = settle_s
        self.ledger = Ledger()
        self.sent: list[str] = []
        self._stop = asyncio.Event()
        self._stored_at: list[float] = []
        self._blow_at = 0.0

    def url(self, first: int) -> str:
        urls = self.cluster.amqp_urls
        return ",".join(urls[(first + number) % SIZE] for number in range(SIZE))

    @asynccontextmanager
    async def flowing(self) -> AsyncIterator["Traffic"]:
        """Run until the block ends, then let everything arrive."""
        async with AsyncExitStack() as stack:
            publisher = Publisher(self.url(self.victim), "source", deadline_s=5)
            stack.push_async_callback(publisher.close)
            await self._work(stack, publisher, "active", self.victim)
            sources = [asyncio.create_task(self._source(publisher, thread)) for thread in range(THREADS)]
            await until(lambda: len(self.ledger.entries) > 50, 30)
            await self._work(stack, publisher, "standby", self.victim + 1)
            await until(lambda: len(self.ledger.entries) > 150, 30)
            yield self
            self._stop.set()
            await asyncio.gather(*sources)
            await until(lambda: {text for _, text in self.ledger.entries} >= set(self.sent), 90)

    async def _work(self, stack: AsyncExitStack, publisher: Publisher, name: str, first: int) -> None:
        """Start one process of the bus."""
        queue = self.queue
        declarer = Declarer(
            self.url(first),
            [work_queue(queue, ""), store_queue(parked_queue(queue), ""), store_queue(dead_queue(queue), "")],
        )
        await declarer.declare_all()
        links = LinkSource(self.url(first), name)
        stack.push_async_callback(links.close)
        policy = RetryPolicy(delays=(0.05, 0.1), hold_s=60, settle_s=self.settle_s, give_up_s=3600)
        options = Options(queue, policy=policy, tick_s=1, grace_s=5, park_retry_s=1)
        consumer = QueueConsumer(options, Sender(name, self.ledger), links, publisher, declarer)
        stop = asyncio.Event()
        task = asyncio.create_task(consumer.run(stop))

        async def end() -> None:
            stop.set()
            await asyncio.wait((task,), timeout=15)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        stack.push_async_callback(end)

    async def _source(self, publisher: Publisher, thread: int) -> None:
        """Publish in order, the same again until it is confirmed."""
        number = thread
        while not self._stop.is_set():
            text = str(number)
            headers = {H_THREAD: f"thread/{thread}", H_OBJECT: text, H_VERSION: 1}
            while True:
                try:
                    await publisher.publish(Outgoing(text.encode(), self.queue, text, headers=headers))
                except BrokerUnavailable:
                    await asyncio.sleep(EVERY_S)
                else:
                    break
            self.sent.append(text)
            self._stored_at.append(asyncio.get_running_loop().time())
            number += THREADS
            await asyncio.sleep(EVERY_S)

    def blow(self) -> None:
        self._blow_at = asyncio.get_running_loop().time()

    async def recovered(self, seconds: float = 40) -> Pauses:
        """Wait until work goes on, well after the blow."""
        before = len(self.ledger.entries)
        await until(lambda: len(self.ledger.entries) > before + 200, seconds + 30)
        return Pauses(longest_pause(self._stored_at, self._blow_at), longest_pause(self.ledger.times, self._blow_at))

    def check(self) -> None:
        """Nothing lost, nothing doubled, every thread in order."""
        written = [text for _, text in self.ledger.entries]
        assert [text for text, times in Counter(written).items() if times > 1] == []
        assert set(written) >= set(self.sent)
        for thread in range(THREADS):
            numbers = [int(text) for text in written if int(text) % THREADS == thread]
            assert numbers == sorted(numbers)


async def home_of(made: Cluster, queue: str) -> int:
    """The node that leads a queue, counted from 0."""
    told = await made.ask(f"/api/queues/%2F/{queue}")
    return int(told["leader"].removeprefix("esb@node")) - 1


def note(name: str, pauses: Pauses) -> None:
    """Remember measured times for docs/guarantees.md."""
    known = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {}
    known[name] = {key: round(value, 1) for key, value in asdict(pauses).items()}
    FIGURES.write_text(json.dumps(known, indent=2), encoding="utf-8")
