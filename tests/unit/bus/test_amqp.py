"""The connection without a network: what it writes, and what it makes of what it is told."""

import asyncio
from typing import Any

import pytest
from pamqp.commands import Basic, Connection
from pamqp.commands import Channel as ChannelMethod
from pamqp.frame import marshal

from esb_bus.amqp import AmqpChannel, AmqpClosed, AmqpConnection, AmqpUnwritable
from esb_bus.frames import FrameReader, read_method
from esb_bus.properties import Properties


class Wire(asyncio.Transport):
    """Remembers the methods that were sent."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[int, str]] = []
        self.is_aborted = False
        self._reader = FrameReader()

    def write(self, data: Any) -> None:
        for kind, number, payload in self._reader.feed(bytes(data)):
            if kind == 1:
                self.sent.append((number, read_method(payload).name))

    def is_closing(self) -> bool:
        return self.is_aborted

    def abort(self) -> None:
        self.is_aborted = True


@pytest.fixture
async def connection() -> AmqpConnection:
    connection = AmqpConnection(heartbeat_s=4)
    connection.connection_made(Wire())
    return connection


async def opened(connection: AmqpConnection) -> AmqpChannel:
    opening = asyncio.ensure_future(connection.channel())
    await asyncio.sleep(0)
    say(connection, list(connection._channels)[-1], ChannelMethod.OpenOk())
    return await opening


def say(connection: AmqpConnection, number: int, method: Any) -> None:
    connection.data_received(marshal(method, number))


def wire(connection: AmqpConnection) -> Wire:
    assert isinstance(connection._transport, Wire)
    return connection._transport


async def turn() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_a_message_that_cannot_be_written_does_not_shift_the_confirms_of_others(connection):
    channel = await opened(connection)
    unwritable = Properties(message_id="x" * 300)

    with pytest.raises(AmqpUnwritable):
        await channel.publish(b"", "", "q", unwritable, 5, mandatory=True)
    publishing = asyncio.ensure_future(channel.publish(b"", "", "q", Properties(message_id="a"), 5, mandatory=True))
    await turn()
    say(connection, 1, Basic.Ack(delivery_tag=1))

    await publishing


async def test_headers_beyond_a_frame_are_refused_before_they_would_end_the_connection(connection):
    channel = await opened(connection)

    with pytest.raises(AmqpUnwritable):
        await channel.publish(b"", "", "q", Properties(headers={"x": "y" * 140_000}), 5, mandatory=True)

    assert not wire(connection).is_aborted


async def test_a_cancelled_close_says_goodbye_once_and_the_number_waits_for_the_answer(connection):
    channel = await opened(connection)

    closing = asyncio.ensure_future(channel.close())
    await turn()
    closing.cancel()
    await asyncio.gather(closing, return_exceptions=True)
    await turn()

    assert wire(connection).sent.count((1, "Channel.Close")) == 1
    assert (await opened(connection))._number == 2
    say(connection, 1, ChannelMethod.CloseOk())
    assert (await opened(connection))._number == 1


async def test_both_sides_saying_goodbye_at_once_answer_each_other(connection):
    channel = await opened(connection)

    closing = asyncio.ensure_future(channel.close())
    await turn()
    say(connection, 1, ChannelMethod.Close(406, "unknown delivery tag", 60, 80))
    await closing
    await turn()

    assert (1, "Channel.CloseOk") in wire(connection).sent
    assert (await opened(connection))._number == 2


async def test_the_broker_cancelling_a_consumer_loses_the_channel(connection):
    channel = await opened(connection)

    say(connection, 1, Basic.Cancel(consumer_tag="c"))

    assert channel.closed.done()
    assert connection._closing_numbers == {1}


async def test_a_closed_connection_fails_what_waits_and_everything_after(connection):
    channel = await opened(connection)
    publishing = asyncio.ensure_future(channel.publish(b"", "", "q", Properties(), 5, mandatory=True))
    await turn()

    say(connection, 0, Connection.Close(320, "shutdown", 0, 0))

    with pytest.raises(AmqpClosed):
        await publishing
    with pytest.raises(AmqpClosed):
        await connection.channel()
    assert (0, "Connection.CloseOk") in wire(connection).sent


@pytest.mark.parametrize(
    "damaged",
    [
        b"\x01\x00\x01\x00\x00\x00\x04\xff\xff\xff\xff\xce",
        b"\x02\x00\x01\x00\x00\x00\x00\xce",
        b"\x03\x00\x01\x00\x00\x00\x01a\xce",
    ],
    ids=["unknown method", "header without method", "body without header"],
)
async def test_damaged_frames_end_the_connection(connection, damaged):
    await opened(connection)

    connection.data_received(damaged)

    assert wire(connection).is_aborted
    assert connection.closed.done()


async def test_a_publish_waits_for_room_no_longer_than_its_deadline(connection):
    channel = await opened(connection)
    connection.pause_writing()
    started = asyncio.get_running_loop().time()

    with pytest.raises(TimeoutError):
        await channel.publish(b"", "", "q", Properties(), 0.1, mandatory=True)

    assert asyncio.get_running_loop().time() - started < 0.5


async def test_a_process_that_slept_does_not_believe_old_heartbeats(connection):
    """After SIGSTOP or a suspended machine the socket still holds what the broker said before it gave us up."""
    await opened(connection)
    connection._beat()
    connection.heard_at -= 60

    connection.data_received(b"\x08\x00\x00\x00\x00\x00\x00\xce")

    assert connection.closed.done()
