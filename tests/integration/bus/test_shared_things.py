"""A buyer belongs to many orders: after a take-over no order creates it while somebody's creation may still commit."""

import asyncio
from datetime import UTC, datetime, timedelta

from tests.integration.bus.conftest import FAST, Bench, Recorder, until

from esb_bus.errors import InDoubt
from esb_bus.ports import WriteGuard
from esb_bus.topology import H_LAST_FAILURE, H_LETTER, H_THREAD
from esb_bus.wire import Delivery, Outgoing


class Creator(Recorder):
    """Creates something that several threads want, and notes how long it was told to wait."""

    async def handle(self, delivery: Delivery, guard: WriteGuard) -> str:
        text = delivery.body.decode()
        self.tried.append(text)
        if self.gate is not None and text == "first":
            await self.gate.wait()
        try:
            guard.before_write(shared=True)
        except InDoubt as error:
            self.doubts.append(error.wait_s or 0)
            raise
        self.done.append(text)
        return "sent"


async def test_after_a_take_over_a_new_thread_waits_the_settle_time_before_it_creates_what_others_share(bench: Bench):
    dying, heir = Creator(gate=asyncio.Event()), Creator()
    await bench.publish("first", "order/1")
    async with bench.consumer(dying, grace_s=0):
        await until(lambda: dying.tried)
    await bench.publish("second", "order/2")

    async with bench.consumer(heir):
        await until(lambda: len(heir.done) == 2)

    assert len(heir.doubts) == 2
    assert all(0 < wait <= FAST.settle_s for wait in heir.doubts)


async def test_a_queue_nobody_was_interrupted_in_waits_for_nothing(bench: Bench):
    creator = Creator()
    await bench.publish("first", "order/1")

    async with bench.consumer(creator):
        await until(lambda: creator.done)

    assert creator.doubts == []


async def test_a_letter_of_a_host_whose_clock_is_ahead_waits_the_settle_time_and_no_longer(bench: Bench):
    ahead = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    headers = {H_THREAD: "order/1", H_LETTER: "m1", H_LAST_FAILURE: ahead}
    await bench.publisher.publish(Outgoing(b"first", bench.queue, "m1", headers=headers))
    recorder = Recorder()

    async with bench.consumer(recorder):
        await until(lambda: recorder.done, 5)
