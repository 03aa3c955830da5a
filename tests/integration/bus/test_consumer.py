"""What a consumer promises about order, loss and failing threads, on a real broker."""

import asyncio

from tests.integration.bus.conftest import Bench, Recorder, until

from esb_bus.errors import EndpointDown, InDoubt, PermanentError, PoisonMessageError, RetryableError
from esb_bus.topology import dead_queue, parked_queue


async def test_messages_of_a_thread_are_done_in_order_and_acknowledged(bench: Bench):
    handler = Recorder()
    for number in range(60):
        await bench.publish(f"{number % 3}-{number}", f"thread/{number % 3}")

    async with bench.consumer(handler):
        await until(lambda: len(handler.done) == 60)

    for thread in range(3):
        numbers = [int(text.split("-")[1]) for text in handler.done if text.startswith(f"{thread}-")]
        assert numbers == sorted(numbers)
    assert await bench.count(bench.queue) == 0


async def test_a_retryable_failure_holds_its_thread_and_no_other(bench: Bench):
    handler = Recorder(failing={"a1": RetryableError("later")})
    for text, thread in (("a1", "a"), ("a2", "a"), ("b1", "b")):
        await bench.publish(text, thread)

    async with bench.consumer(handler):
        await until(lambda: "b1" in handler.done and handler.tried.count("a1") >= 2)
        assert "a2" not in handler.tried
        handler.failing.clear()
        await until(lambda: len(handler.done) == 3)

    assert handler.done.index("a1") < handler.done.index("a2")


async def test_a_thread_held_too_long_is_parked_in_order_and_comes_back_by_itself(bench: Bench):
    handler = Recorder(failing={"a1": RetryableError("later")})
    for text in ("a1", "a2"):
        await bench.publish(text, "a")

    async with bench.consumer(handler) as consumer:
        await until(lambda: bench.count(parked_queue(bench.queue)))
        await bench.publish("a3", "a")
        await until(lambda: consumer.session.threads.parked.total() == 3)
        handler.failing.clear()
        await until(lambda: len(handler.done) == 3)

    assert handler.done == ["a1", "a2", "a3"]
    assert await bench.count(parked_queue(bench.queue)) == 0


async def test_half_the_prefetch_in_held_messages_parks_instead_of_holding(bench: Bench):
    handler = Recorder(failing={f"a{n}": RetryableError("later", retry_after=0.4) for n in range(6)})
    for number in range(6):
        await bench.publish(f"a{number}", f"thread/{number}")
    await bench.publish("free", "thread/free")

    async with bench.consumer(handler, prefetch=8, park_retry_s=60):
        await until(lambda: "free" in handler.done)
        await until(lambda: bench.count(parked_queue(bench.queue)))


async def test_a_permanent_failure_is_buried_with_its_bytes_and_blocks_its_thread(bench: Bench):
    handler = Recorder(failing={"a1": PermanentError("unknown product A-1 in line 2")})
    for text, thread in (("a1", "a"), ("pay", "a"), ("b1", "b")):
        await bench.publish(text, thread, object=f"{text}-object")

    async with bench.consumer(handler):
        await until(lambda: handler.told)
        await until(lambda: bench.count(parked_queue(bench.queue)))

    (letter,) = await bench.letters()
    assert (letter.reason, letter.error, letter.thread) == ("permanent", "unknown product A-1 in line 2", "a")
    assert handler.done == ["b1"]
    assert handler.told == ["a1:permanent"]


async def test_replay_brings_a_letter_back_and_what_waited_behind_it_follows(bench: Bench):
    handler = Recorder(failing={"a1": PermanentError("fix me")})
    for text in ("a1", "a2", "a3"):
        await bench.publish(text, "a", object=text)

    async with bench.consumer(handler):
        await until(lambda: bench.count(dead_queue(bench.queue)))
        await until(lambda: _parked(bench, 2))
        (letter,) = await bench.letters()
        handler.failing.clear()
        await bench.command("replay", letter.id)
        await until(lambda: len(handler.done) == 3)

    assert handler.done == ["a1", "a2", "a3"]
    assert await bench.letters() == []


async def test_two_replays_of_the_same_letter_do_it_once(bench: Bench):
    handler = Recorder(failing={"a1": PermanentError("fix me")})
    await bench.publish("a1", "a")

    async with bench.consumer(handler):
        await until(lambda: bench.count(dead_queue(bench.queue)))
        (letter,) = await bench.letters()
        handler.failing.clear()
        await asyncio.gather(bench.command("replay", letter.id), bench.command("replay", letter.id))
        await until(lambda: handler.done)
        await until(lambda: _queue_empty(bench))

    assert handler.done == ["a1"]


async def test_a_letter_that_fails_again_keeps_its_id_and_counts_its_replays(bench: Bench):
    handler = Recorder(failing={"a1": PermanentError("fix me")})
    await bench.publish("a1", "a")

    async with bench.consumer(handler):
        await until(lambda: bench.count(dead_queue(bench.queue)))
        (first,) = await bench.letters()
        await bench.command("replay", first.id)
        await until(lambda: len(handler.told) == 2)

    (second,) = await bench.letters()
    assert (second.id, second.replay_count, second.sequence) == (first.id, 1, first.sequence)


async def test_dropping_a_letter_frees_its_thread(bench: Bench):
    handler = Recorder(failing={"a1": PermanentError("never mind")})
    await bench.publish("a1", "a", object="x")
    await bench.publish("a2", "a", object="y")

    async with bench.consumer(handler):
        await until(lambda: bench.count(dead_queue(bench.queue)))
        (letter,) = await bench.letters()
        await bench.command("drop", letter.id)
        await until(lambda: handler.done == ["a2"])

    assert await bench.letters() == []


async def test_a_newer_version_of_a_dead_object_is_tried_and_closes_the_letter(bench: Bench):
    handler = Recorder(failing={"v1": PermanentError("bad price")})
    await bench.publish("v1", "a", version=1)
    await bench.publish("pay", "a", object="payment")

    async with bench.consumer(handler):
        await until(lambda: _parked(bench, 1))
        await bench.publish("v2", "a", version=2)
        await until(lambda: handler.done == ["v2", "pay"])

    assert await bench.letters() == []


async def test_an_older_version_of_a_dead_object_stays_behind_it(bench: Bench):
    handler = Recorder(failing={"v2": PermanentError("bad price")})
    await bench.publish("v2", "a", version=2)

    async with bench.consumer(handler):
        await until(lambda: bench.count(dead_queue(bench.queue)))
        await bench.publish("v1", "a", version=1)
        await until(lambda: _parked(bench, 1))

    assert "v1" not in handler.tried


async def test_a_second_copy_of_a_dead_message_is_dropped(bench: Bench):
    handler = Recorder(failing={"a1": PermanentError("fix me")})

    async with bench.consumer(handler):
        await bench.publish("a1", "a", message_id="same")
        await until(lambda: bench.count(dead_queue(bench.queue)))
        await bench.publish("a1", "a", message_id="same")
        await until(lambda: _queue_empty(bench))

    assert len(await bench.letters()) == 1
    assert handler.tried == ["a1"]


async def test_blocked_and_parked_threads_are_known_after_a_take_over(bench: Bench):
    first = Recorder(failing={"a1": PermanentError("fix me")})
    await bench.publish("a1", "a", object="x")
    await bench.publish("a2", "a", object="y")
    async with bench.consumer(first):
        await until(lambda: _parked(bench, 1))
    second = Recorder()

    async with bench.consumer(second):
        await bench.publish("a3", "a", object="z")
        await until(lambda: _parked(bench, 2))
        assert second.tried == []
        (letter,) = await bench.letters()
        await bench.command("replay", letter.id)
        await until(lambda: len(second.done) == 3)

    assert second.done == ["a1", "a2", "a3"]


async def test_a_dead_endpoint_pauses_its_queue_and_burns_no_attempts(bench: Bench):
    handler = Recorder(down=EndpointDown("connection refused"))
    for number in range(5):
        await bench.publish(f"a{number}", "a")

    async with bench.consumer(handler) as consumer:
        await until(lambda: consumer.paused)
        await until(lambda: _ready(bench, 5))
        handler.down = None
        await until(lambda: len(handler.done) == 5)

    assert handler.done == [f"a{number}" for number in range(5)]
    assert await bench.letters() == []


async def test_a_write_in_doubt_is_looked_at_again_after_the_settle_time(bench: Bench):
    handler = Recorder(failing={"a1": InDoubt("timed out")})
    await bench.publish("a1", "a")
    loop = asyncio.get_running_loop()

    async with bench.consumer(handler):
        await until(lambda: handler.tried)
        doubted_at = loop.time()
        handler.failing.clear()
        await until(lambda: handler.done)

    assert loop.time() - doubted_at >= 0.3


async def test_a_redelivered_message_does_not_write_before_the_settle_time(bench: Bench):
    first = Recorder(gate=asyncio.Event())
    await bench.publish("a1", "a")
    async with bench.consumer(first, grace_s=0.1):
        await until(lambda: first.tried)
    second = Recorder()
    loop = asyncio.get_running_loop()

    async with bench.consumer(second):
        await until(lambda: second.tried)
        taken_over_at = loop.time()
        await until(lambda: second.done)

    assert loop.time() - taken_over_at >= 0.3


async def test_poison_is_buried_and_the_rest_keeps_flowing(bench: Bench):
    handler = Recorder(failing={"bad": PoisonMessageError("not JSON")})
    await bench.publish("bad", None)
    await bench.publish("good", "a")

    async with bench.consumer(handler):
        await until(lambda: handler.done == ["good"] and handler.told)

    (letter,) = await bench.letters()
    assert not letter.replayable


async def test_a_bug_is_buried_with_its_traceback_and_can_be_replayed(bench: Bench):
    handler = Recorder(failing={"a1": ZeroDivisionError("division by zero")})
    await bench.publish("a1", "a")

    async with bench.consumer(handler):
        await until(lambda: handler.told)

    (letter,) = await bench.letters()
    assert (letter.reason, letter.replayable) == ("bug", True)


async def test_a_standby_takes_over_in_order_when_the_active_one_dies(bench: Bench):
    active, standby = Recorder(gate=asyncio.Event()), Recorder()
    for number in range(4):
        await bench.publish(f"a{number}", "a")

    async with bench.consumer(active, grace_s=0.1):
        await until(lambda: active.tried)
        async with bench.consumer(standby) as second:
            await until(lambda: second.session is not None)
            assert standby.tried == []
            await _close_link(active, bench)
            active.gate.set()
            await until(lambda: len(set(standby.done + active.done)) == 4)

    assert (await bench.letters()) == []


async def test_an_idle_standby_learns_that_it_is_active_and_retries_parked_threads(bench: Bench):
    first = Recorder(failing={"a1": RetryableError("later")})
    await bench.publish("a1", "a")
    async with bench.consumer(first, park_retry_s=60):
        await until(lambda: _parked(bench, 1))
    second = Recorder()

    async with bench.consumer(second):
        await until(lambda: second.done == ["a1"])


async def test_a_letter_moved_by_hand_into_its_queue_is_recognised(bench: Bench):
    from esb_bus.browse import browse
    from esb_bus.wire import Outgoing

    handler = Recorder(failing={"a1": PermanentError("fix me")})
    await bench.publish("a1", "a", object="x")
    await bench.publish("a2", "a", object="y")

    async with bench.consumer(handler):
        await until(lambda: _parked(bench, 1))
        handler.failing.clear()
        async with browse(await bench.links.link(), dead_queue(bench.queue), lambda _: True) as browser:
            async for delivery in browser.messages():
                await bench.publisher.publish(
                    Outgoing(delivery.body, bench.queue, delivery.message_id, headers=delivery.headers)
                )
                await browser.ack(delivery)
        await until(lambda: handler.done == ["a1", "a2"])


async def test_letters_purged_by_hand_free_their_thread(bench: Bench):
    from esb_bus.browse import browse

    handler = Recorder(failing={"a1": PermanentError("fix me")})
    await bench.publish("a1", "a", object="x")
    await bench.publish("a2", "a", object="y")

    async with bench.consumer(handler):
        await until(lambda: _parked(bench, 1))
        async with browse(await bench.links.link(), dead_queue(bench.queue)) as browser:
            async for delivery in browser.messages():
                await browser.ack(delivery)
        await until(lambda: handler.done == ["a2"])


async def _close_link(_: Recorder, bench: Bench) -> None:
    """Kill the active consumer's connection from the broker's side."""
    import httpx

    async with httpx.AsyncClient(base_url=bench.servers.management_url) as http:
        connections = (await http.get("/api/connections")).json()
        names = sorted(c["name"] for c in connections if c.get("user_provided_name") == f"consumer {bench.queue}")
        if not names:
            await until(lambda: _has_connections(http, bench))
            connections = (await http.get("/api/connections")).json()
            names = sorted(c["name"] for c in connections if c.get("user_provided_name") == f"consumer {bench.queue}")
        by_age = sorted((c for c in connections if c["name"] in names), key=lambda c: c.get("connected_at", 0))
        await http.delete(f"/api/connections/{by_age[0]['name']}")


async def _has_connections(http, bench: Bench) -> bool:
    connections = (await http.get("/api/connections")).json()
    return sum(1 for c in connections if c.get("user_provided_name") == f"consumer {bench.queue}") >= 2


async def _parked(bench: Bench, count: int) -> bool:
    return await bench.count(parked_queue(bench.queue)) == count


async def _ready(bench: Bench, count: int) -> bool:
    return await bench.count(bench.queue) >= count


async def _queue_empty(bench: Bench) -> bool:
    return await bench.count(bench.queue) == 0
