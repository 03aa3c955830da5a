"""A broker of our own that is killed, frozen, full or gone: nothing is lost, nobody hangs, work resumes by itself."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from tests.integration.bus.conftest import Bench, Recorder, until

from esb_bus.browse import browse
from esb_bus.errors import BrokerUnavailable, PermanentError, RetryableError
from esb_bus.publisher import Publisher
from esb_bus.topology import dead_queue, parked_queue
from esb_bus.wire import Link, Outgoing
from esb_standins.nodes import Nodes, NodesUnavailable, blocking_nodes

RUN_DIR = Path(__file__).parents[3] / ".run" / "broker-failures"
RESUMED_S = 10
ENOUGH, LITTLE = "vm_memory_high_watermark.absolute = 1GB", "vm_memory_high_watermark.absolute = 1MB"


@pytest.fixture(scope="module")
def private() -> Iterator[Nodes]:
    """A broker that only the tests of this module use, to be killed."""
    try:
        with blocking_nodes(RUN_DIR, environ={}) as nodes:
            yield nodes
    except NodesUnavailable as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no broker to kill: {error}")


@pytest.fixture
async def own(private: Nodes, unique: str) -> AsyncIterator[Bench]:
    bench = Bench(private, f"out.{unique}")
    await bench.declarer.declare_all()
    try:
        yield bench
    finally:
        await bench.links.close()
        await bench.publisher.close()


async def send_until_confirmed(bench: Bench, texts: list[str], threads: int) -> None:
    """Publish in order per thread, as sources do: the same again until it is confirmed."""

    async def one_thread(thread: int) -> None:
        for text in texts[thread::threads]:
            while True:
                try:
                    await bench.publish(text, f"thread/{thread}", object=text, message_id=text)
                except BrokerUnavailable:
                    await asyncio.sleep(0.1)
                else:
                    break

    await asyncio.gather(*(one_thread(thread) for thread in range(threads)))


def firsts(done: list[str]) -> list[str]:
    return list(dict.fromkeys(done))


async def test_a_broker_killed_in_the_middle_loses_nothing_and_keeps_the_order(own: Bench):
    rabbitmq = own.servers.rabbitmq
    assert rabbitmq is not None
    handler, loop = Recorder(), asyncio.get_running_loop()
    texts = [str(number) for number in range(1200)]

    async with own.consumer(handler):
        sending = asyncio.ensure_future(send_until_confirmed(own, texts, threads=6))
        await until(lambda: len(handler.done) > 150)
        await rabbitmq.kill()
        await rabbitmq.revive()
        back_at, before = loop.time(), len(handler.done)
        await until(lambda: len(handler.done) > before, 30)
        resumed_s = loop.time() - back_at
        await asyncio.wait_for(sending, 60)
        await until(lambda: len(set(handler.done)) == len(texts), 30)

    assert resumed_s < RESUMED_S
    for thread in range(6):
        order = [int(text) for text in firsts(handler.done) if int(text) % 6 == thread]
        assert order == sorted(order)


async def test_a_publisher_says_so_in_time_while_the_broker_is_gone(own: Bench):
    rabbitmq = own.servers.rabbitmq
    assert rabbitmq is not None
    publisher = Publisher(own.servers.amqp_url, "short of time", deadline_s=1)
    await publisher.publish(Outgoing(b"1", own.queue, "1"))
    loop = asyncio.get_running_loop()

    await rabbitmq.kill()
    started = loop.time()
    with pytest.raises(BrokerUnavailable):
        await publisher.publish(Outgoing(b"2", own.queue, "2"))
    with pytest.raises(BrokerUnavailable):
        await publisher.publish(Outgoing(b"2", own.queue, "2"))
    took = loop.time() - started
    await rabbitmq.revive()

    assert took < 2.5
    await publisher.publish(Outgoing(b"2", own.queue, "2"), 10)
    await publisher.close()


async def test_a_broker_killed_while_messages_move_aside_leaves_each_in_one_place(own: Bench):
    rabbitmq = own.servers.rabbitmq
    assert rabbitmq is not None
    dead = {f"d{number}": PermanentError("fix me") for number in range(150)}
    waiting = {f"p{number}": RetryableError("busy", retry_after=600) for number in range(150)}
    handler = Recorder(failing={**dead, **waiting})
    for text in (*dead, *waiting):
        await own.publish(text, f"thread/{text}", object=text, message_id=text)

    async with own.consumer(handler, park_retry_s=600) as consumer:
        await until(lambda: len(handler.told) > 20)
        await rabbitmq.kill()
        await rabbitmq.revive()
        await until(lambda: consumer.session is not None and consumer.session.is_active, 30)
        await until(lambda: moved_at_least(own, 150, 150), 30)

    letters = {letter.id for letter in await own.letters()}
    assert letters == set(dead)
    assert await resting(own, parked_queue(own.queue)) == set(waiting)
    handler.failing.clear()
    async with own.consumer(handler):
        await own.command("replay", *letters)
        await until(lambda: set(handler.done) == {*dead, *waiting}, 30)
        await until(lambda: nothing_rests(own), 30)


async def test_a_frozen_broker_stops_writes_and_work_goes_on_when_it_thaws(own: Bench):
    rabbitmq = own.servers.rabbitmq
    assert rabbitmq is not None
    link = await Link.open(own.servers.amqp_url, "watcher", heartbeat_s=1)
    handler = Recorder()

    async with own.consumer(handler):
        await own.publish("a1", "a")
        await until(lambda: handler.done == ["a1"])
        rabbitmq.pause()
        try:
            await until(lambda: not link.may_write, 5)
            with pytest.raises(BrokerUnavailable):
                await own.publisher.publish(Outgoing(b"a2", own.queue, "a2"), 1)
        finally:
            rabbitmq.resume()
        await own.publisher.publish(Outgoing(b"a3", own.queue, "a3"), 20)
        await until(lambda: "a3" in handler.done, 30)


async def test_under_a_memory_alarm_publishes_end_in_time_and_acknowledgements_still_work(own: Bench):
    handler = Recorder(gate=asyncio.Event())
    assert handler.gate is not None
    for number in range(5):
        await own.publish(str(number), f"thread/{number}")
    loop = asyncio.get_running_loop()
    await restart_with(own, ENOUGH, LITTLE)

    async with own.consumer(handler):
        try:
            await until(lambda: blocked(own), 20)
            handler.gate.set()
            await until(lambda: len(handler.done) == 5, 20)
            await until(lambda: left(own, 0), 20)
            started = loop.time()
            with pytest.raises(BrokerUnavailable):
                await own.publisher.publish(Outgoing(b"during", own.queue, "during"), 1)
            took = loop.time() - started
        finally:
            await restart_with(
                own, "vm_memory_high_watermark.absolute = 1MB", "vm_memory_high_watermark.absolute = 1GB"
            )
        await own.publisher.publish(Outgoing(b"after", own.queue, "after"), 20)
        await until(lambda: "after" in handler.done, 20)

    assert took < 1.5


async def blocked(bench: Bench) -> bool:
    try:
        await bench.publisher.publish(Outgoing(b"", "no such queue", "probe"), 0.5, mandatory=False)
    except BrokerUnavailable:
        return True
    return False


async def left(bench: Bench, count: int) -> bool:
    """Ready and in hand together, as only the management API tells, some seconds late."""
    async with httpx.AsyncClient(base_url=bench.servers.management_url or "") as http:
        queue = (await http.get(f"/api/queues/%2F/{bench.queue}")).json()
    return int(queue.get("messages", -1)) == count


async def restart_with(bench: Bench, line: str, instead: str) -> None:
    """Restart with another line of configuration: the alarm rises as soon as the broker is up."""
    rabbitmq = bench.servers.rabbitmq
    assert rabbitmq is not None
    file = rabbitmq.directory / "rabbitmq.conf"
    await asyncio.to_thread(lambda: file.write_text(file.read_text().replace(line, instead)))
    await rabbitmq.kill()
    await rabbitmq.revive()


async def moved_at_least(bench: Bench, letters: int, waiting: int) -> bool:
    queues = bench.queue, dead_queue(bench.queue), parked_queue(bench.queue)
    left_over, buried, parked = [await bench.count(queue) for queue in queues]
    return not left_over and buried >= letters and parked >= waiting


async def resting(bench: Bench, queue: str) -> set[str]:
    async with browse(await bench.links.link(), queue, lambda _: True) as browser:
        return {delivery.body.decode() async for delivery in browser.messages()}


async def nothing_rests(bench: Bench) -> bool:
    return sum([await bench.count(name(bench.queue)) for name in (str, dead_queue, parked_queue)]) == 0
