"""Locks, the gate and the guard, without a broker."""

import asyncio

import pytest

from esb_bus.errors import InDoubt
from esb_bus.gate import MoveGate
from esb_bus.guard import BrokerSilent, Guard, KeyedLocks


def guard(*, may_write: bool = True, doubt_s: float = 0, locks: KeyedLocks | None = None) -> Guard:
    return Guard(lambda: may_write, asyncio.get_running_loop().time() + doubt_s, locks or KeyedLocks())


async def test_a_write_starts_when_nothing_speaks_against_it():
    allowed = guard()

    allowed.before_write()

    assert allowed.wrote


async def test_no_write_starts_when_the_broker_is_silent_not_even_a_fenced_one():
    with pytest.raises(BrokerSilent):
        guard(may_write=False).before_write(fenced=True)


async def test_a_write_in_doubt_waits_unless_the_endpoint_has_a_fence():
    doubtful = guard(doubt_s=30)

    with pytest.raises(InDoubt) as raised:
        doubtful.before_write()
    doubtful.before_write(fenced=True)

    assert raised.value.wait_s is not None
    assert 29 < raised.value.wait_s <= 30


async def test_two_threads_that_lock_the_same_keys_in_any_order_do_not_wait_for_each_other():
    locks, order = KeyedLocks(), []

    async def work(name: str, *keys: str) -> None:
        async with guard(locks=locks).lock(*keys):
            order.append(name)
            await asyncio.sleep(0)
            order.append(name)

    async with asyncio.timeout(1):
        await asyncio.gather(work("a", "x", "y"), work("b", "y", "x", "x"))

    assert order in (["a", "a", "b", "b"], ["b", "b", "a", "a"])
    assert not locks.is_held("x")


async def test_a_lock_whose_waiter_was_cancelled_is_free_afterwards():
    locks = KeyedLocks()
    async with locks.hold("x"):
        waiting = asyncio.ensure_future(_enter(locks))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

    assert not locks.is_held("x")


async def test_whoever_looks_waits_for_movers_and_goes_before_new_ones():
    gate, seen = MoveGate(), []

    async def look() -> None:
        async with gate.alone():
            seen.append("look")

    async def move() -> None:
        async with gate.shared():
            seen.append("move")

    async with asyncio.timeout(1):
        async with gate.shared():
            looking = asyncio.ensure_future(look())
            await asyncio.sleep(0)
            moving = asyncio.ensure_future(move())
            await asyncio.sleep(0)
            assert seen == []
        await asyncio.gather(looking, moving)

    assert seen == ["look", "move"]


async def test_a_cancelled_looker_lets_the_movers_through():
    gate = MoveGate()
    async with gate.shared():
        looking = asyncio.ensure_future(_look(gate))
        await asyncio.sleep(0)
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)

    async with asyncio.timeout(1), gate.shared():
        pass


async def _enter(locks: KeyedLocks) -> None:
    async with locks.hold("x"):
        pass


async def _look(gate: MoveGate) -> None:
    async with gate.alone():
        pass
