"""A broker that has just started knows its streams later than its queues: an event must wait, not die."""

import asyncio

import aio_pika
import pytest

from esb_bus.broker import Declarer
from esb_bus.errors import BrokerUnavailable, NoRoute
from esb_bus.ports import NativeMessage
from esb_bus.publisher import Publisher, QueueSink
from esb_bus.topology import EVENTS_EXCHANGE, in_queue, store_queue
from esb_bus.wire import Outgoing


@pytest.fixture
async def channel(servers, unique):
    """A channel on a broker that has the exchange of events and, so far, nobody behind the key of this test."""
    await Declarer(servers.amqp_url, [store_queue(unique, "whoever listens")]).declare_all()
    connection = await aio_pika.connect(servers.amqp_url)
    async with connection:
        channel = await connection.channel()
        yield channel
        await channel.queue_delete(unique)


def event(key):
    return Outgoing(body=b"{}", routing_key=f"order.accepted.{key}", exchange=EVENTS_EXCHANGE, message_id="1")


async def published(servers, message, deadline_s):
    publisher = Publisher(servers.amqp_url, "test", deadline_s=deadline_s)
    try:
        await publisher.publish(message)
    finally:
        await publisher.close()


async def test_an_event_waits_for_its_history_to_come_back(servers, unique, channel):
    publishing = asyncio.create_task(published(servers, event(unique), 10))
    await asyncio.sleep(0.3)  # long enough to have been returned

    queue = await channel.get_queue(unique)
    await queue.bind(EVENTS_EXCHANGE, f"*.*.{unique}")
    await publishing

    assert (await channel.declare_queue(unique, passive=True)).declaration_result.message_count == 1


async def test_an_event_without_history_is_the_brokers_fault_and_not_the_events(servers, unique, channel):
    with pytest.raises(BrokerUnavailable):
        await published(servers, event(unique), 0.5)


async def test_a_queue_that_does_not_exist_is_told_at_once(servers, unique):
    nowhere = Outgoing(body=b"{}", routing_key=f"{unique}.nowhere", message_id="1")

    with pytest.raises(NoRoute):
        await asyncio.wait_for(published(servers, nowhere, 10), 3)


async def test_a_deleted_inbox_is_declared_again_and_the_sender_told_to_come_back(servers, unique):
    endpoint = f"website.{unique}"
    declarer = Declarer(servers.amqp_url, [store_queue(in_queue(endpoint), "")])
    publisher = Publisher(servers.amqp_url, "test", deadline_s=5)
    sink = QueueSink(publisher, declarer)
    message = NativeMessage(endpoint, "woocommerce.order", b"{}")

    try:
        with pytest.raises(BrokerUnavailable):
            await sink.store(message)
        await sink.store(message)
    finally:
        await publisher.close()
