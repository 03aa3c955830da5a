"""Every answer of the broker meets the publish it is about."""

import asyncio

import pytest

from esb_bus.confirms import AmqpRefused, AmqpReturned, Confirms


async def test_a_multiple_confirm_answers_all_up_to_it_and_none_beyond():
    confirms = Confirms()
    first, second, third = (confirms.add(name, deadline=10) for name in "abc")

    confirms.answer(2, multiple=True, refused=False)

    assert (first.done(), second.done(), third.done()) == (True, True, False)
    third.cancel()


async def test_a_nack_refuses():
    confirms = Confirms()
    publish = confirms.add("a", deadline=10)

    confirms.answer(1, multiple=False, refused=True)

    with pytest.raises(AmqpRefused):
        await publish


async def test_a_returned_message_is_not_taken_for_stored():
    confirms = Confirms()
    routed, returned = confirms.add("a", deadline=10), confirms.add("b", deadline=10)

    confirms.returned("b")
    confirms.answer(2, multiple=True, refused=False)

    await routed
    with pytest.raises(AmqpReturned):
        await returned


async def test_a_late_return_is_not_blamed_on_the_repetition_of_the_message():
    confirms = Confirms()
    late = confirms.add("a", deadline=1)
    confirms.sweep(now=2)
    repetition = confirms.add("a", deadline=10)

    confirms.returned("a")
    confirms.answer(1, multiple=False, refused=False)
    confirms.answer(2, multiple=False, refused=False)

    await repetition
    with pytest.raises(TimeoutError):
        await late


async def test_a_cancelled_publish_keeps_its_place_in_the_count():
    confirms = Confirms()
    cancelled, other = confirms.add("a", deadline=10), confirms.add("b", deadline=10)
    cancelled.cancel()
    confirms.sweep(now=1)

    confirms.answer(1, multiple=False, refused=True)
    assert not other.done()
    confirms.answer(2, multiple=False, refused=False)

    await other


async def test_a_lost_channel_fails_every_waiter_with_an_exception_of_its_own():
    confirms = Confirms()
    waiting = [confirms.add(name, deadline=10) for name in "ab"]

    confirms.fail(lambda: ConnectionError("gone"))

    errors = await asyncio.gather(*waiting, return_exceptions=True)
    assert errors[0] is not errors[1]
    assert len(confirms) == 0
