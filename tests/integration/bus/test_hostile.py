"""What must not stop a queue, lose a message or break the order of a thread, on a real broker."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import aio_pika
import pytest
from tests.integration.bus.conftest import Bench, Recorder, until

from esb_bus.browse import browse
from esb_bus.commands import Command, command_message
from esb_bus.errors import (
    BrokerUnavailable,
    EndpointDown,
    InDoubt,
    MessageTooLarge,
    NoRoute,
    PermanentError,
    PoisonMessageError,
    RetryableError,
)
from esb_bus.topology import H_COMMAND, H_FIRST_FAILURE, H_LETTER, H_OBJECT, H_THREAD, dead_queue, parked_queue
from esb_bus.verdict import RetryPolicy
from esb_bus.wire import Outgoing, QueueMissing, Unwritable

PATIENT = RetryPolicy(delays=(60,), hold_s=600, settle_s=0.4)


async def test_a_replayed_letter_that_has_to_be_parked_comes_back_before_what_waits_behind_it(bench: Bench):
    handler = Recorder(failing={"a1": PermanentError("fix me")})
    for text in ("a1", "a2"):
        await bench.publish(text, "a", object=text)

    async with bench.consumer(handler):
        await until(lambda: parked(bench, 1))
        (letter,) = await bench.letters()
        handler.failing = {"a1": RetryableError("the base is busy")}
        await bench.command("replay", letter.id)
        await until(lambda: parked(bench, 2))
        await bench.publish("a3", "a", object="a3")
        await until(lambda: parked(bench, 3))
        handler.failing.clear()
        await until(lambda: len(handler.done) == 3)

    assert handler.done == ["a1", "a2", "a3"]


async def test_a_replayed_letter_that_was_parked_is_known_after_a_take_over(bench: Bench):
    first = Recorder(failing={"a1": PermanentError("fix me")})
    for text in ("a1", "a2"):
        await bench.publish(text, "a", object=text)
    async with bench.consumer(first):
        await until(lambda: parked(bench, 1))
        (letter,) = await bench.letters()
        first.failing = {"a1": RetryableError("busy")}
        await bench.command("replay", letter.id)
        await until(lambda: parked(bench, 2))
    second = Recorder()

    async with bench.consumer(second):
        await until(lambda: len(second.done) == 2)

    assert second.done == ["a1", "a2"]


async def test_messages_without_an_id_are_not_taken_for_copies_of_one_another(bench: Bench):
    handler = Recorder(failing={text: PoisonMessageError("unreadable") for text in ("x", "y")})
    for text in ("x", "y"):
        await bench.publisher.publish(Outgoing(text.encode(), bench.queue, message_id=""))

    async with bench.consumer(handler):
        await until(lambda: len(handler.told) == 2)

    assert len(await bench.letters()) == 2


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({H_FIRST_FAILURE: "yesterday"}, id="a first failure that is no time"),
        pytest.param(
            {"x-esb-replay-count": "many", "x-esb-sequence": "first", "x-esb-attempt": "some"}, id="no numbers"
        ),
        pytest.param({H_THREAD: 17, H_OBJECT: bytearray(b"\xff\xfe"), H_LETTER: 5}, id="other types"),
        pytest.param({"x": "y" * 120_000}, id="headers near the end of a frame"),
        pytest.param({"list": [1, None, {"when": datetime(2026, 1, 5, tzinfo=UTC)}], "f": 0.5}, id="nested"),
    ],
)
async def test_strange_headers_make_a_dead_letter_that_can_be_replayed(bench: Bench, headers: dict[str, Any]):
    handler = Recorder(failing={"bad": PermanentError("fix me")})
    await bench.publisher.publish(Outgoing(b"bad", bench.queue, "foreign", headers=headers))
    await bench.publish("good", "b")

    async with bench.consumer(handler):
        await until(lambda: handler.done == ["good"] and handler.told)
        (letter,) = await bench.letters()
        handler.failing.clear()
        await bench.command("replay", letter.id)
        await until(lambda: "bad" in handler.done)


async def test_an_error_text_with_control_characters_and_lone_surrogates_is_buried(bench: Bench):
    handler = Recorder(failing={"bad": PermanentError("\ud800\x1b[31m\x00 €" * 3000)})
    await bench.publish("bad", "a")

    async with bench.consumer(handler):
        await until(lambda: handler.told)

    (letter,) = await bench.letters()
    assert len(letter.error.encode()) <= 4096
    assert "\x1b" not in letter.error


async def test_telling_the_source_may_fail_and_the_message_still_leaves_the_queue(bench: Bench):
    class Mute(Recorder):
        async def buried(self, delivery: Any, failure: Any) -> None:
            await super().buried(delivery, failure)
            raise KeyError("nobody knows this legal entity")

    handler = Mute(failing={"bad": PermanentError("fix me")})
    await bench.publish("bad", "a")

    async with bench.consumer(handler):
        await until(lambda: handler.told)
        await bench.publish("good", "b")
        await until(lambda: handler.done == ["good"])

    assert handler.tried.count("bad") == 1


async def test_an_unknown_command_throws_no_letters_away(bench: Bench):
    handler = Recorder(failing={"a1": PermanentError("fix me")})
    await bench.publish("a1", "a")

    async with bench.consumer(handler):
        await until(lambda: handler.told)
        (letter,) = await bench.letters()
        known = command_message(bench.queue, Command("drop", (letter.id,)))
        await bench.publisher.publish(Outgoing(known.body, bench.queue, "command/new", headers={H_COMMAND: "shelve"}))
        await bench.publish("b1", "b")
        await until(lambda: handler.done == ["b1"])

    assert len(await bench.letters()) == 1


async def test_a_long_thread_behind_a_failing_message_leaves_room_for_others(bench: Bench):
    handler = Recorder(failing={"a0": RetryableError("busy", retry_after=60)})
    for number in range(12):
        await bench.publish(f"a{number}", "a")
    await bench.publish("b", "b")

    async with bench.consumer(handler, prefetch=8, park_retry_s=60, policy=PATIENT):
        await until(lambda: "b" in handler.done)


async def test_a_message_always_in_doubt_is_parked_like_any_other_that_waits(bench: Bench):
    handler = Recorder(failing={"a1": InDoubt("timed out")})
    await bench.publish("a1", "a")

    async with bench.consumer(handler, park_retry_s=60):
        await until(lambda: parked(bench, 1))


async def test_retry_after_zero_does_not_run_in_circles(bench: Bench):
    handler = Recorder(failing={"a1": RetryableError("later", retry_after=0)})
    await bench.publish("a1", "a")

    async with bench.consumer(handler, park_retry_s=60):
        await until(lambda: parked(bench, 1))

    assert len(handler.tried) < 20


async def test_an_endpoint_whose_probe_lies_is_asked_ever_less_often(bench: Bench):
    class Liar(Recorder):
        async def probe(self) -> None:
            return

    handler = Liar(down=EndpointDown("no licences"))
    await bench.publish("a1", "a")
    loop = asyncio.get_running_loop()

    async with bench.consumer(handler):
        await until(lambda: handler.tried)
        started = loop.time()
        await until(lambda: len(handler.tried) == 3)

    assert loop.time() - started > 1.4


@pytest.mark.parametrize("suffix", ["", ".dead", ".parked"], ids=["itself", "dead", "parked"])
async def test_a_queue_deleted_under_a_consumer_is_made_again(bench: Bench, suffix: str):
    handler = Recorder(failing={"a1": PermanentError("fix me"), "c1": RetryableError("busy")})

    async with bench.consumer(handler):
        await bench.publish("first", "f")
        await until(lambda: handler.done)
        await delete(bench, bench.queue + suffix)
        await publish_surely(bench, "a1", "a")
        await publish_surely(bench, "c1", "c")
        await publish_surely(bench, "b1", "b")
        await until(lambda: "b1" in handler.done)
        await until(lambda: letters_and_parked(bench, 1, 1), seconds=20)


async def test_a_missing_dead_queue_does_not_keep_a_consumer_from_starting(bench: Bench):
    handler = Recorder()
    await delete(bench, dead_queue(bench.queue))
    await bench.publish("a1", "a")

    async with bench.consumer(handler):
        await until(lambda: handler.done == ["a1"])


async def test_what_cannot_be_carried_is_refused_by_name_and_harms_no_neighbour(bench: Bench):
    for size in (8 * 1024 * 1024 + 1, 64 * 1024 * 1024):
        with pytest.raises(MessageTooLarge):
            await bench.publisher.publish(Outgoing(b"x" * size, bench.queue, "large"))
    with pytest.raises(Unwritable):
        await bench.publisher.publish(Outgoing(b"", bench.queue, "headers", headers={"x": "y" * 140_000}))
    with pytest.raises(NoRoute):
        await bench.publisher.publish(Outgoing(b"", f"{bench.queue}.none", "lost"))

    for size in (120_000, 400_000, 8 * 1024 * 1024):
        await bench.publisher.publish(Outgoing(b"x" * size, bench.queue, f"of {size}"))

    assert await bench.count(bench.queue) == 3


async def test_a_letter_larger_than_we_accept_can_still_be_buried(bench: Bench):
    handler = Recorder(failing={"x" * 9_000_000: PermanentError("far too large")})
    await bench.publisher.publish(Outgoing(b"x" * 9_000_000, bench.queue, "from elsewhere", is_moved=True))

    async with bench.consumer(handler):
        await until(lambda: handler.told)

    (letter,) = await bench.letters()
    assert letter.size_bytes == 9_000_000


async def test_a_message_given_back_thirty_times_is_still_there(bench: Bench):
    await bench.publish("a1", "a")
    link = await bench.links.link()
    for _ in range(30):
        arrived = asyncio.Event()
        channel = await link.consume_channel(10)
        await channel.consume(bench.queue, lambda _, arrived=arrived: arrived.set())
        await asyncio.wait_for(arrived.wait(), 5)
        await channel.close()
    handler = Recorder()

    async with bench.consumer(handler):
        await until(lambda: handler.done == ["a1"])


async def test_attempts_are_counted_exactly_however_many_consumers_stand_by(bench: Bench):
    handlers = [Recorder(failing={"a1": RetryableError("later")}) for _ in range(8)]
    await bench.publish("a1", "a")
    async with consumers(bench, handlers):
        await until(lambda: sum(len(handler.tried) for handler in handlers) >= 4)
        for handler in handlers:
            handler.failing = {"a1": PermanentError("enough")}
        await until(lambda: any(handler.told for handler in handlers))

    (letter,) = await bench.letters()
    assert letter.attempt == sum(len(handler.tried) for handler in handlers)


async def test_a_replay_keeps_to_its_rate(bench: Bench):
    handler = Recorder(failing={f"a{n}": PermanentError("fix me") for n in range(30)})
    for number in range(30):
        await bench.publish(f"a{number}", f"thread/{number % 7}", object=str(number), version=number)
    loop = asyncio.get_running_loop()

    async with bench.consumer(handler, park_retry_s=60) as consumer:
        await until(lambda: letters_and_parked(bench, 7, 23))
        handler.failing.clear()
        ids = tuple(letter.id for letter in await bench.letters())
        started = loop.time()
        await bench.publisher.publish(command_message(bench.queue, Command("replay", ids, rate_per_s=10)))
        await until(lambda: len(handler.done) == 30)
        took = loop.time() - started
        assert consumer.session is not None

    assert 0.55 < took < 8


async def test_a_letter_stored_twice_is_replayed_once(bench: Bench):
    handler = Recorder(failing={"a1": PermanentError("fix me")})
    await bench.publish("a1", "a")
    async with bench.consumer(handler):
        await until(lambda: handler.told)
    async with browse(await bench.links.link(), dead_queue(bench.queue), lambda _: True) as browser:
        async for one in browser.messages():
            copy = Outgoing(one.body, dead_queue(bench.queue), one.message_id, headers=one.headers)
    await bench.publisher.publish(copy)
    handler.failing.clear()

    async with bench.consumer(handler):
        await bench.publish("start", "b")
        await until(lambda: "start" in handler.done)
        await bench.command("replay", (await bench.letters())[0].id)
        await until(lambda: "a1" in handler.done)
        await until(lambda: letters_and_parked(bench, 0, 0))

    assert handler.done.count("a1") == 1


async def parked(bench: Bench, count: int) -> bool:
    return await bench.count(parked_queue(bench.queue)) == count


async def letters_and_parked(bench: Bench, letters: int, waiting: int) -> bool:
    try:
        counts = await bench.count(dead_queue(bench.queue)), await bench.count(parked_queue(bench.queue))
    except QueueMissing:
        return False
    return counts == (letters, waiting)


@asynccontextmanager
async def consumers(bench: Bench, handlers: list[Recorder]) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for handler in handlers:
            await stack.enter_async_context(bench.consumer(handler))
        yield


async def delete(bench: Bench, queue: str) -> None:
    connection = await aio_pika.connect(bench.servers.amqp_url)
    async with connection:
        await (await connection.channel()).queue_delete(queue)


async def publish_surely(bench: Bench, text: str, thread: str) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                await bench.publish(text, thread, object=text)
            except (NoRoute, BrokerUnavailable):
                await asyncio.sleep(0.1)
            else:
                return
