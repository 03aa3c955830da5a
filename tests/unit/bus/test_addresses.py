"""Which node of a cluster is taken."""

import asyncio

import pytest

from esb_bus.addresses import HEAD_START_S, addresses_of, first_open, with_last
from esb_bus.errors import BrokerUnavailable

ONE, TWO, THREE = (f"amqp://u:p@node{number}/v" for number in (1, 2, 3))


class Doors:
    """What stands behind each address: an answer, a refusal, or silence."""

    def __init__(self, **silent_or_refusing: str) -> None:
        self.behaviour = silent_or_refusing
        self.asked: list[str] = []
        self.closed: list[str] = []

    async def open(self, url: str) -> str:
        self.asked.append(url)
        match self.behaviour.get(url.partition("@")[2].partition("/")[0]):
            case "refuses":
                raise BrokerUnavailable(f"{url} refuses")
            case "silent":
                await asyncio.Event().wait()
        return url

    async def close(self, url: str) -> None:
        self.closed.append(url)


def test_one_address_is_a_list_of_one():
    assert addresses_of(ONE) == [ONE]


@pytest.mark.parametrize("separator", [",", ", ", ",\n"])
def test_addresses_are_separated_by_commas(separator: str):
    assert addresses_of(separator.join((ONE, TWO, "amqps://u:p@node3"))) == [ONE, TWO, "amqps://u:p@node3"]


def test_comma_in_a_password_separates_nothing():
    assert addresses_of(f"amqp://u:a,b@node1/v,{TWO}") == ["amqp://u:a,b@node1/v", TWO]


def test_address_that_disappointed_comes_last_and_the_others_keep_their_order():
    assert addresses_of(with_last(f"{ONE},{TWO},{THREE}", ONE)) == [TWO, THREE, ONE]
    assert with_last(ONE, ONE) == ONE


async def test_first_that_answers_is_taken_and_nobody_else_is_asked():
    doors = Doors()

    assert await first_open([ONE, TWO], doors.open, doors.close) == ONE
    assert doors.asked == [ONE]


async def test_node_that_refuses_costs_no_time():
    doors = Doors(node1="refuses", node2="refuses")

    async with asyncio.timeout(HEAD_START_S / 2):
        assert await first_open([ONE, TWO, THREE], doors.open, doors.close) == THREE


async def test_node_that_says_nothing_costs_one_head_start():
    doors = Doors(node1="silent")

    async with asyncio.timeout(HEAD_START_S * 1.5):
        assert await first_open([ONE, TWO, THREE], doors.open, doors.close) == TWO
    assert doors.asked == [ONE, TWO]


async def test_reasons_of_all_are_told_when_none_answers():
    doors = Doors(node1="refuses", node2="refuses")

    with pytest.raises(BrokerUnavailable, match=r"node1.*node2"):
        await first_open([ONE, TWO], doors.open, doors.close)


async def test_node_that_answers_beside_the_taken_one_is_closed_again():
    both = asyncio.Barrier(2)
    doors = Doors()

    async def at_once(url: str) -> str:
        await both.wait()
        return await doors.open(url)

    taken = await first_open([ONE, TWO], at_once, doors.close)

    assert {taken, *doors.closed} == {ONE, TWO}


async def test_caller_who_goes_leaves_no_attempt_behind():
    doors = Doors(node1="silent", node2="silent")
    before = asyncio.all_tasks()

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(first_open([ONE, TWO], doors.open, doors.close), HEAD_START_S / 10)

    assert asyncio.all_tasks() == before
