"""Two ways to one broker stand for two nodes of a cluster; one of them goes wrong."""

import asyncio

import pytest
from tests.integration.bus.conftest import Bench
from tests.proxy import proxy_to

from esb_bus.broker import Declarer
from esb_bus.errors import BrokerUnavailable
from esb_bus.publisher import Publisher
from esb_bus.topology import store_queue
from esb_bus.wire import Link, Outgoing
from esb_standins.nodes.ports import free_port


def nowhere(url: str) -> str:
    """The same address with a port on which nobody listens."""
    account, _, rest = url.rpartition("@")
    return f"{account}@127.0.0.1:{free_port()}/{rest.partition('/')[2]}"


async def test_a_node_that_is_down_is_passed_over_by_everything_that_connects(bench: Bench, unique: str):
    url = bench.servers.amqp_url
    both = f"{nowhere(url)},{url}"

    link = await Link.open(both, "passing over")
    await Declarer(both, [store_queue(f"{unique}.kept", "")]).declare_all()

    assert link.address == url
    assert await link.ready_count(f"{unique}.kept") == 0
    await link.close()


async def test_a_publisher_leaves_a_node_that_confirms_nothing(bench: Bench):
    url = bench.servers.amqp_url
    async with proxy_to(url) as (proxy, through):
        publisher = Publisher(f"{through},{url}", "leaving", heartbeat_s=4, deadline_s=2.5)
        await publisher.publish(Outgoing(b"1", bench.queue, "m1"))
        proxy.silence()

        with pytest.raises(BrokerUnavailable):
            await publisher.publish(Outgoing(b"2", bench.queue, "m2"))

        async with asyncio.timeout(1):
            await publisher.publish(Outgoing(b"2", bench.queue, "m2"))
        await publisher.close()
    assert await bench.count(bench.queue) >= 2


async def test_a_publisher_with_one_address_keeps_its_connection_whatever_takes_long(bench: Bench):
    async with proxy_to(bench.servers.amqp_url) as (proxy, through):
        publisher = Publisher(through, "staying", heartbeat_s=4, deadline_s=2.5)
        await publisher.publish(Outgoing(b"1", bench.queue, "m1"))
        proxy.silence()
        with pytest.raises(BrokerUnavailable):
            await publisher.publish(Outgoing(b"2", bench.queue, "m2"))
        is_kept = publisher.is_connected

        proxy.speak()
        await publisher.publish(Outgoing(b"3", bench.queue, "m3"))
        await publisher.close()

    assert is_kept
