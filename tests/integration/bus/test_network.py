"""Connections that are cut, slow or silent: who writes, who takes over, and how long anybody waits."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.integration.bus.conftest import Bench, Recorder, until
from tests.proxy import proxy_to

from esb_bus.consumer import LinkSource
from esb_bus.errors import BrokerUnavailable
from esb_bus.guard import BrokerSilent
from esb_bus.ports import WriteGuard
from esb_bus.publisher import Publisher
from esb_bus.wire import Delivery, Link, Outgoing


async def test_a_publish_into_silence_ends_at_its_deadline_and_the_next_one_passes(bench: Bench):
    loop = asyncio.get_running_loop()
    async with proxy_to(bench.servers.amqp_url) as (proxy, url):
        publisher = Publisher(url, "silent", heartbeat_s=1, deadline_s=10)
        await publisher.publish(Outgoing(b"1", bench.queue, "m1"))
        proxy.silence()
        started = loop.time()

        with pytest.raises(BrokerUnavailable):
            await publisher.publish(Outgoing(b"2", bench.queue, "m2"), 1)

        assert loop.time() - started < 1.5
        proxy.speak()
        await publisher.publish(Outgoing(b"2", bench.queue, "m2"))
        await publisher.close()


async def test_publishes_through_a_connection_that_is_cut_again_and_again_all_arrive(bench: Bench):
    async with proxy_to(bench.servers.amqp_url) as (proxy, url):
        publisher = Publisher(url, "cut", heartbeat_s=1, deadline_s=5)
        confirmed: set[str] = set()

        async def send(number: int) -> None:
            while True:
                try:
                    await publisher.publish(Outgoing(str(number).encode(), bench.queue, str(number)))
                except BrokerUnavailable:
                    await asyncio.sleep(0.05)
                else:
                    confirmed.add(str(number))
                    return

        sending = [asyncio.ensure_future(send(number)) for number in range(300)]
        for _ in range(5):
            proxy.cut()
            await asyncio.sleep(0.15)
        await asyncio.gather(*sending)
        handler = Recorder()
        async with bench.consumer(handler):
            await until(lambda: confirmed <= set(handler.done))
        await publisher.close()


@pytest.mark.parametrize("directions", [(), ("down",)], ids=["both ways", "from the broker"])
async def test_nobody_writes_after_a_while_without_a_word_from_the_broker(bench: Bench, directions: tuple[str, ...]):
    async with proxy_to(bench.servers.amqp_url) as (proxy, url):
        link = await Link.open(url, "silent", heartbeat_s=1)
        assert link.may_write
        loop = asyncio.get_running_loop()

        proxy.silence(*directions)
        started = loop.time()
        await until(lambda: not link.may_write, 5)

        assert loop.time() - started < 2.2  # the last word is up to half a heartbeat old
        await until(lambda: not link.is_open, 5)


async def test_the_standby_takes_over_from_a_silent_process_and_nothing_is_written_twice(bench: Bench):
    """The base is a ledger: what is written late by the silent process would be seen in it."""
    ledger: list[tuple[str, str]] = []

    class Base(Recorder):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name
            self.refused = 0

        async def handle(self, delivery: Delivery, guard: WriteGuard) -> str:
            text = delivery.body.decode()
            if any(known == text for _, known in ledger):
                return "unchanged"
            await asyncio.sleep(0.05)
            try:
                guard.before_write()
            except BrokerSilent:
                self.refused += 1
                raise
            ledger.append((self.name, text))
            return "created"

    active, standby = Base("active"), Base("standby")
    for number in range(200):
        await bench.publish(str(number), f"thread/{number % 3}")
    async with proxy_to(bench.servers.amqp_url) as (proxy, url):
        silent = LinkSource(url, f"silent {bench.queue}", heartbeat_s=1)
        async with bench.consumer(active, links=silent):
            await until(lambda: len(ledger) > 3)
            async with bench.consumer(standby):
                proxy.silence()
                await until(lambda: len(ledger) == 200, 40)
                proxy.cut()

    assert sorted(int(text) for _, text in ledger) == list(range(200))
    for thread in range(3):
        numbers = [int(text) for _, text in ledger if int(text) % 3 == thread]
        assert numbers == sorted(numbers)
    assert {name for name, _ in ledger} == {"active", "standby"}


async def test_a_slow_connection_is_slow_and_nothing_else(bench: Bench):
    handler = Recorder()
    for number in range(30):
        await bench.publish(str(number), "a")
    async with proxy_to(bench.servers.amqp_url) as (proxy, url):
        proxy.delay_s = 0.02
        async with bench.consumer(handler, links=LinkSource(url, "slow")):
            await until(lambda: len(handler.done) == 30, 30)

    assert handler.done == [str(number) for number in range(30)]


async def test_a_process_cancelled_in_the_middle_leaves_no_task_and_no_reader_behind(bench: Bench, tmp_path: Path):
    del tmp_path
    handler = Recorder(gate=asyncio.Event())
    await bench.publish("a1", "a")
    before = len(asyncio.all_tasks())
    consumer: Any = bench.consumer(handler, grace_s=0.1)

    async with consumer:
        await until(lambda: handler.tried)

    await until(lambda: len(asyncio.all_tasks()) <= before)
    assert await bench.count(bench.queue) == 1
