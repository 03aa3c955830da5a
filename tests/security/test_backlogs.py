"""One dead endpoint must not fill the broker's disk for everybody."""

import asyncio
import uuid
from contextlib import asynccontextmanager
from pathlib import Path

import aio_pika
import httpx
import pytest
from prometheus_client import REGISTRY
from starlette.applications import Starlette
from starlette.routing import Route
from tests.integration.bus.conftest import until

from esb_adapters.receiving import Accepted, Intake
from esb_bus.administration import Administration
from esb_bus.alarms import Backlogs, GatedSink, Head, Measured, counted_by, feeds, level, measured_by, watch_backlogs
from esb_bus.broker import Declarer
from esb_bus.consumer import LinkSource
from esb_bus.errors import BrokerUnavailable
from esb_bus.landscape import Limits, load_landscape
from esb_bus.ports import NativeMessage
from esb_bus.publisher import Publisher
from esb_bus.topology import out_queue, store_queue
from esb_bus.wire import Outgoing

EXAMPLE = load_landscape(Path(__file__).parents[2] / "deploy" / "landscape.example.toml")
LIMITS = Limits(
    backlog_alarm_messages=100,
    backlog_alarm_bytes=1000,
    backlog_alarm_s=60,
    backlog_stop_messages=1000,
    backlog_stop_bytes=10_000,
)
COMPANY = EXAMPLE.model_copy(update={"limits": LIMITS})


@pytest.mark.parametrize(
    ("messages", "size", "age", "before", "expected"),
    [
        (0, 0, 0, "fine", "fine"),
        (101, 0, 0, "fine", "alarm"),
        (1, 1001, 0, "fine", "alarm"),
        (1, 1, 61, "fine", "alarm"),
        (90, 0, 0, "alarm", "alarm"),
        (79, 0, 0, "alarm", "fine"),
        (1001, 0, 0, "fine", "stop"),
        (1, 10_001, 0, "alarm", "stop"),
        (900, 0, 0, "stop", "stop"),
        (799, 0, 0, "stop", "alarm"),
        (1, None, 0, "fine", "fine"),
    ],
)
def test_levels(messages, size, age, before, expected):
    assert level(Measured(messages, size), age, LIMITS, before) == expected


@pytest.mark.parametrize("has_stats", [True, False], ids=["management", "counts"])
def test_the_age_of_the_head_grows_while_nothing_is_done(has_stats):
    head = Head()

    ages = [head.age(now, Measured(5 + now, None, 7 if has_stats else None)) for now in range(0, 40, 10)]

    assert ages == [0, 10, 20, 30]


def test_a_busy_queue_of_constant_length_is_young():
    head = Head()

    ages = [head.age(now, Measured(50, None, now * 50)) for now in range(100)]

    assert max(ages) <= 1


def test_the_age_survives_a_restart_of_the_broker_that_forgets_its_counts():
    head = Head()
    head.age(0, Measured(10, None, 1_000))

    assert head.age(30, Measured(10, None, 0)) == 30


def test_an_empty_queue_has_no_age():
    head = Head()
    head.age(0, Measured(3, None, 0))

    assert head.age(60, Measured(0, None, 3)) == 0


def test_what_a_source_can_fill_follows_from_routes_and_answers():
    assert feeds(EXAMPLE) == {
        "website.shop": {"onec.retail", "onec.trade", "onec.buh", "bitrix24.portal"},
        "bitrix24.portal": {"onec.retail", "onec.trade", "onec.buh", "bitrix24.portal"},
        "onec.retail": {"onec.buh", "bitrix24.portal"},
        "onec.trade": {"onec.buh", "bitrix24.portal"},
        "onec.buh": {"onec.buh", "bitrix24.portal"},
    }


def test_a_full_endpoint_stops_what_feeds_it_and_nothing_else():
    backlogs = Backlogs(COMPANY)

    backlogs.update({"out.onec.trade": Measured(10, 9_000), "out.onec.trade.dead": Measured(5, 2_000)}, 0)

    assert backlogs.level("out.onec.trade") == "stop"
    assert not backlogs.may_take("website.shop")
    assert backlogs.may_take("onec.retail")
    assert REGISTRY.get_sample_value("esb_intake_stopped", {"endpoint": "website.shop"}) == 1
    assert REGISTRY.get_sample_value("esb_backlog_bytes", {"queue": "out.onec.trade"}) == 11_000


def test_intake_resumes_when_the_backlog_has_shrunk():
    backlogs = Backlogs(COMPANY)
    backlogs.update({"out.onec.trade": Measured(1, 11_000)}, 0)
    backlogs.update({"out.onec.trade": Measured(1, 9_000)}, 10)
    still = backlogs.may_take("website.shop")

    backlogs.update({"out.onec.trade": Measured(1, 7_000)}, 20)

    assert (still, backlogs.may_take("website.shop")) == (False, True)


class Kept:
    def __init__(self):
        self.messages = []

    async def store(self, message, deadline_s=None):  # noqa: ARG002  as the port has it
        self.messages.append(message)


async def test_a_stopped_source_gets_503_and_a_retry_time_at_the_door():
    backlogs, kept = Backlogs(COMPANY), Kept()
    backlogs.update({"out.onec.trade": Measured(1, 11_000)}, 0)
    intake = Intake(GatedSink(kept, backlogs.may_take))
    receivers = [
        Route(f"/{endpoint}", intake.receiver(endpoint, _taker(endpoint)), methods=["POST"])
        for endpoint in ("website.shop", "onec.retail")
    ]
    transport = httpx.ASGITransport(Starlette(routes=receivers))
    async with httpx.AsyncClient(transport=transport, base_url="http://door") as client:
        stopped = await client.post("/website.shop", content=b"{}")
        other = await client.post("/onec.retail", content=b"{}")

    assert (stopped.status_code, other.status_code) == (503, 200)
    assert int(stopped.headers["Retry-After"]) > 0
    assert [message.endpoint for message in kept.messages] == ["onec.retail"]


async def test_a_poll_of_a_stopped_source_fails_and_may_be_repeated():
    sink = GatedSink(Kept(), lambda _: False)

    with pytest.raises(BrokerUnavailable):
        await sink.store(NativeMessage("website.shop", "order", b"{}"))


def _taker(endpoint):
    return lambda _headers, body: Accepted(NativeMessage(endpoint, "order", body))


@asynccontextmanager
async def watched(backlogs, measure):
    stop = asyncio.Event()
    watching = asyncio.create_task(watch_backlogs(backlogs, measure, stop, every_s=0.2))
    try:
        yield
    finally:
        stop.set()
        await watching


@pytest.mark.parametrize("way", ["management", "counts"])
async def test_a_growing_queue_of_the_broker_is_noticed(servers, way):
    """The plugin counts every five seconds; without it only messages are known."""
    if way == "management" and servers.management_url is None:
        pytest.skip("the broker has no management plugin that we reach")
    limits = LIMITS.model_copy(update={"backlog_stop_messages": 20})
    backlogs, queue = Backlogs(EXAMPLE.model_copy(update={"limits": limits})), out_queue("onec.trade")
    await Declarer(servers.amqp_url, [store_queue(queue, "")]).declare_all()
    publisher, links = Publisher(servers.amqp_url, "test"), LinkSource(servers.amqp_url, "test")
    async with Administration(servers.management_url or "http://127.0.0.1", servers.amqp_url) as administration:
        measure = measured_by(administration) if way == "management" else counted_by(links, [queue])
        await publisher.publish_all(Outgoing(b"x" * 10, queue, str(uuid.uuid4())) for _ in range(21))
        async with watched(backlogs, measure):
            await until(lambda: not backlogs.may_take("website.shop"))
    await publisher.close()
    await links.close()
    async with await aio_pika.connect(servers.amqp_url) as connection:
        await (await connection.channel()).queue_delete(queue)

    assert backlogs.level(queue) == "stop"
    assert backlogs.may_take("onec.retail")


async def test_what_cannot_be_measured_keeps_its_last_judgement():
    backlogs = Backlogs(COMPANY)
    backlogs.update({"out.onec.trade": Measured(1, 11_000)}, 0)
    asked = asyncio.Event()

    async def measure():
        asked.set()
        raise BrokerUnavailable("no answer")

    async with watched(backlogs, measure), asyncio.timeout(5):
        await asked.wait()

    assert not backlogs.may_take("website.shop")
