"""Users made for subscribers, tried on the real broker."""

import asyncio
import uuid
from contextlib import asynccontextmanager
from dataclasses import replace
from urllib.parse import quote, urlsplit, urlunsplit

import aio_pika
import httpx
import pytest
from aio_pika.exceptions import AMQPError

from esb_bus.administration import Administration
from esb_bus.broker import Declarer
from esb_bus.browse import browse
from esb_bus.landscape import LandscapeInvalid, parse_landscape
from esb_bus.permissions import bus_grant, grants
from esb_bus.publisher import Publisher
from esb_bus.topology import EVENTS_EXCHANGE, dead_queue, in_queue, lease_queue, log_stream, out_queue, plan
from esb_bus.wire import Link, Outgoing

ENTITIES = {
    "romashka-retail": {"name": "ООО «Ромашка Розница»", "inn": "7701234560"},
    "romashka-opt": {"name": "ООО «Ромашка Опт»", "inn": "7706123455"},
}


def company(**subscribers):
    return parse_landscape(
        {
            "legal_entities": ENTITIES,
            "website": {
                "shop": {
                    "protocol": "woocommerce",
                    "url": "https://sad.example",
                    "webhook_secret": "shop_hook",
                    "legal_entity": "romashka-opt",
                }
            },
            "subscribers": subscribers,
        }
    )


def retail(**changes):
    return {"legal_entities": ["romashka-retail"], "events": ["order.*"], **changes}


class World:
    """A broker with the queues of the company, an administrator, and subscribers' passwords."""

    def __init__(self, servers, admin, name):
        self.servers = servers
        self.admin = admin
        self.name = name
        self.passwords = {}

    def landscape(self, **changes):
        return company(**{self.name: retail(**changes)})

    async def apply(self, **changes):
        (grant,) = grants(self.landscape(**changes))
        handed_out = await self.admin.apply(grant, self.passwords.__setitem__)
        return grant, handed_out

    def url(self, user):
        parts = urlsplit(self.servers.amqp_url)
        account = f"{quote(user, safe='')}:{quote(self.passwords[user], safe='')}"
        return urlunsplit(parts._replace(netloc=f"{account}@{parts.hostname}:{parts.port}"))

    @asynccontextmanager
    async def channel(self, user):
        connection = await aio_pika.connect(self.url(user), timeout=10)
        async with connection:
            yield await connection.channel()

    async def publish(self, key, text):
        publisher = Publisher(self.servers.amqp_url, "test", deadline_s=5)
        try:
            await publisher.publish(
                Outgoing(text.encode(), key, str(uuid.uuid4()), exchange=EVENTS_EXCHANGE), mandatory=False
            )
        finally:
            await publisher.close()


@pytest.fixture
async def world(servers, unique):
    if servers.management_url is None:
        pytest.skip("the broker has no management plugin that we reach")
    async with Administration(servers.management_url, servers.amqp_url) as admin:
        one = World(servers, admin, unique)
        await Declarer(servers.amqp_url, plan(one.landscape())).declare_all()
        yield one
        await admin.revoke(f"sub.{unique}")


async def drained(queue, count, seconds=5):
    """Bodies of the first messages of a queue."""
    found = []
    async with asyncio.timeout(seconds), queue.iterator(no_ack=True) as messages:
        async for message in messages:
            found.append(message.body.decode())
            if len(found) == count:
                return found
    return found


async def test_a_subscriber_reads_the_events_of_its_legal_entity_and_no_others(world):
    grant, _ = await world.apply()

    await world.publish("order.placed.romashka-opt", "another entity")
    await world.publish("payment.received.romashka-retail", "another event")
    await world.publish("order.placed.romashka-retail-2", "a longer name")
    await world.publish("order.placed.romashka-retail", "ours")

    async with world.channel(grant.user) as channel:
        queue = await channel.get_queue(grant.queue.name, ensure=False)
        assert await drained(queue, 1) == ["ours"]


FOREIGN = [
    in_queue("website.shop"),
    out_queue("onec.trade"),
    dead_queue(in_queue("website.shop")),
    log_stream("romashka-opt"),
    log_stream("romashka-retail"),
    lease_queue("website.shop", "orders"),
    "sub.somebody-else",
]


WAYS = {
    "consume": lambda _, queue: queue.consume(print, arguments={"x-stream-offset": "first"}),
    "get": lambda _, queue: queue.get(fail=False),
    "declare": lambda channel, queue: channel.declare_queue(queue.name, durable=True),
    "bind": lambda _, queue: queue.bind(EVENTS_EXCHANGE, "order.placed.romashka-opt"),
    "purge": lambda _, queue: queue.purge(),
    "delete": lambda _, queue: queue.delete(if_unused=False, if_empty=False),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
async def test_a_subscriber_may_do_nothing_with_other_queues(world, way):
    grant, _ = await world.apply()
    connection = await aio_pika.connect(world.url(grant.user), timeout=10)

    async with connection:
        for name in FOREIGN:
            channel = await connection.channel()
            queue = await channel.get_queue(name, ensure=False)
            with pytest.raises(AMQPError, match=r"ACCESS_REFUSED|access to"):
                await way(channel, queue)


@pytest.mark.parametrize("key", ["order.placed.romashka-opt", "#", "*.*.romashka-opt", "order.placed.romashka-retail"])
async def test_a_subscriber_binds_not_even_its_own_queue(world, key):
    grant, _ = await world.apply()

    async with world.channel(grant.user) as channel:
        queue = await channel.get_queue(grant.queue.name, ensure=False)
        with pytest.raises(AMQPError, match="access to"):
            await queue.bind(EVENTS_EXCHANGE, key)


@pytest.mark.parametrize("exchange", [EVENTS_EXCHANGE, "", "amq.topic"])
async def test_a_subscriber_publishes_nowhere(world, exchange):
    grant, _ = await world.apply()

    async with world.channel(grant.user) as channel:
        target = channel.default_exchange if not exchange else await channel.get_exchange(exchange, ensure=False)
        with pytest.raises(AMQPError, match="access to"):
            await target.publish(aio_pika.Message(b"forged"), grant.queue.name, mandatory=True)


async def test_topic_rights_hold_when_the_plain_ones_were_widened_by_hand(world):
    grant, _ = await world.apply()
    await world.admin._allow(replace(grant, configure=".*", write=".*", read=".*"))

    async with world.channel(grant.user) as channel:
        queue = await channel.get_queue(grant.queue.name, ensure=False)
        with pytest.raises(AMQPError, match="access to topic"):
            await queue.bind(EVENTS_EXCHANGE, "order.placed.romashka-opt")


async def test_history_is_read_where_it_is_granted_and_only_of_that_entity(world):
    grant, _ = await world.apply(history=True)
    await world.publish("order.placed.romashka-retail", "long ago")

    async with world.channel(grant.user) as channel:
        await channel.set_qos(10)
        stream = await channel.get_queue(log_stream("romashka-retail"), ensure=False)
        arrived = asyncio.Queue()
        await stream.consume(arrived.put, arguments={"x-stream-offset": "first"})
        async with asyncio.timeout(5):
            bodies = []
            while "long ago" not in bodies:
                bodies.append((await arrived.get()).body.decode())
    async with world.channel(grant.user) as channel:
        other = await channel.get_queue(log_stream("romashka-opt"), ensure=False)
        with pytest.raises(AMQPError, match="access to"):
            await other.get(fail=False)


async def test_a_queue_nobody_reads_forgets_its_oldest_and_blocks_nobody(world):
    grant, _ = await world.apply(max_bytes=1_000_000)

    for number in range(30):
        await world.publish("order.placed.romashka-retail", f"{number:02}" + "x" * 100_000)

    async with world.channel(grant.user) as channel:
        queue = await channel.get_queue(grant.queue.name, ensure=False)
        first = (await drained(queue, 1))[0]
    assert int(first[:2]) > 10


async def test_applying_again_keeps_the_password_and_the_messages(world):
    grant, first = await world.apply()
    password = world.passwords[grant.user]
    await world.publish("order.placed.romashka-retail", "waits")

    _, again = await world.apply(events=["order.*", "payment.received"])

    assert (first, again) == (True, False)
    assert world.passwords[grant.user] == password
    async with world.channel(grant.user) as channel:
        assert await drained(await channel.get_queue(grant.queue.name, ensure=False), 1) == ["waits"]


async def test_what_was_taken_away_is_not_left_in_the_queue_and_ends_the_connection(world):
    grant, _ = await world.apply(legal_entities=["romashka-retail", "romashka-opt"])
    await world.publish("order.placed.romashka-opt", "no longer theirs")
    link = await Link.open(world.url(grant.user), "test")

    await world.apply()

    await _ended(link)
    await world.publish("order.placed.romashka-opt", "nor this")
    await world.publish("order.placed.romashka-retail", "still theirs")
    async with world.channel(grant.user) as channel:
        assert await drained(await channel.get_queue(grant.queue.name, ensure=False), 1) == ["still theirs"]


async def test_revoking_leaves_no_user_no_queue_and_no_connection(world):
    grant, _ = await world.apply()
    link = await Link.open(world.url(grant.user), "test")

    await world.admin.revoke(grant.user)

    await _ended(link)
    assert grant.user not in await world.admin.users()
    assert grant.queue.name not in [backlog.queue for backlog in await world.admin.backlogs()]
    with pytest.raises(AMQPError):
        await aio_pika.connect(world.url(grant.user), timeout=10)


async def test_a_user_has_no_way_in_before_it_has_its_rights(world):
    (grant,) = grants(world.landscape())
    seen = []

    def hand_out(user, password):
        with httpx.Client(base_url=world.servers.management_url, trust_env=False) as client:
            rights = client.get(f"/api/users/{user}/permissions").json()
            hashed = client.get(f"/api/users/{user}").json()["password_hash"]
        seen.append((rights[0]["read"], hashed))

    await world.admin.apply(grant, hand_out)

    assert seen == [(grant.read, "")]


async def _ended(link):
    async with asyncio.timeout(10):
        while True:
            if not link.is_open:
                return
            await asyncio.sleep(0.05)


async def test_the_bus_works_with_nothing_but_its_own_names(world, unique):
    user = f"bus-{unique}"
    await world.admin.apply(bus_grant(user), world.passwords.__setitem__)
    landscape, url = world.landscape(), world.url(user)
    try:
        await Declarer(url, plan(landscape)).declare_all()
        publisher, link = Publisher(url, "test", deadline_s=5), await Link.open(url, "test")
        await publisher.publish(Outgoing(b"{}", in_queue("website.shop"), str(uuid.uuid4())))
        await publisher.publish(
            Outgoing(b"{}", "order.placed.romashka-opt", str(uuid.uuid4()), exchange=EVENTS_EXCHANGE)
        )
        await link.declare_private(f"esb.answers.{uuid.uuid4()}")
        async with browse(link, in_queue("website.shop")) as browser:
            bodies = [message async for message in browser.messages()]
        await publisher.close()
        await link.close()
        async with world.channel(user) as channel:
            with pytest.raises(AMQPError, match="access to"):
                await channel.declare_queue("somebody.elses")
    finally:
        await world.admin.revoke(user)

    assert len(bodies) == 1


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"legal_entities": ["romashka"]}, "there is no [legal_entities.romashka]"),
        ({"events": ["order.plced"]}, "did you mean 'order.placed'"),
        ({"events": ["#"]}, "there is no event type '#'"),
        ({"legal_entities": []}, "at least 1 item"),
        ({"password": "x"}, "there is no such setting"),
    ],
    ids=["entity", "event", "wildcard", "nobody", "password"],
)
def test_a_subscriber_the_company_does_not_have_is_refused(changes, told):
    with pytest.raises(LandscapeInvalid, match=r"subscribers\.warehouse") as caught:
        company(warehouse=retail(**changes))

    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "url"),
    [
        ("website", "https://key:s3cr3t@sad.example/"),
        ("bitrix24", "https://portal.example/rest/1/s3cr3t/"),
        ("website", "https://sad.example/?consumer_secret=s3cr3t"),
    ],
    ids=["account", "webhook", "query"],
)
def test_an_address_that_holds_a_secret_is_refused_and_not_repeated(kind, url):
    parts = {
        "website": {"protocol": "woocommerce", "webhook_secret": "hook", "legal_entity": "romashka-opt"},
        "bitrix24": {"secret": "portal", "sellers": {"1": "romashka-opt"}},
    }

    with pytest.raises(LandscapeInvalid) as caught:
        parse_landscape({"legal_entities": ENTITIES, kind: {"one": {"url": url, **parts[kind]}}})

    assert f"{kind}.one.url" in str(caught.value)
    assert "s3cr3t" not in str(caught.value)
