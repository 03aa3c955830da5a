"""What a private cluster is made of: host tables of single nodes, and wires between them."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from esb_standins.nodes.ports import LOOPBACK, free_ports
from esb_standins.nodes.rabbitmq import Identity, inetrc
from esb_standins.nodes.wires import State, Wire


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(100):
        writer.write(data)
    writer.close()


@pytest.fixture
async def wire() -> AsyncIterator[tuple[Wire, int]]:
    """A wire to a server that says everything again."""
    near, far = free_ports(2)
    server = await asyncio.start_server(echo, LOOPBACK, far)
    wire = Wire((LOOPBACK, near), (LOOPBACK, far))
    await wire.open()
    yield wire, near
    await wire.close()
    server.close()
    await server.wait_closed()


async def ask(stream: tuple[asyncio.StreamReader, asyncio.StreamWriter], word: bytes) -> bytes:
    reader, writer = stream
    writer.write(word)
    return await asyncio.wait_for(reader.read(100), 0.3)


def test_node_has_a_host_table_of_its_own():
    text = inetrc(Identity(hosts={"node2": "127.0.1.2"}))

    assert text == '{host,{127,0,1,2},["node2"]}.\n{lookup,[file,native]}.\n'


def test_single_node_leaves_names_to_the_machine():
    assert inetrc(Identity()) == ""


async def test_whole_wire_carries_both_ways(wire: tuple[Wire, int]):
    stream = await asyncio.open_connection(LOOPBACK, wire[1])

    assert await ask(stream, b"hello") == b"hello"
    stream[1].close()


async def test_cut_wire_resets_what_stands_and_lets_nothing_new_through(wire: tuple[Wire, int]):
    standing = await asyncio.open_connection(LOOPBACK, wire[1])
    await ask(standing, b"hello")

    wire[0].set(State.CUT)

    with pytest.raises(ConnectionResetError):
        await ask(standing, b"again")
    with pytest.raises(ConnectionResetError):
        await ask(await asyncio.open_connection(LOOPBACK, wire[1]), b"anew")


async def test_silent_wire_swallows_and_what_lost_bytes_is_reset_when_it_heals(wire: tuple[Wire, int]):
    standing = await asyncio.open_connection(LOOPBACK, wire[1])
    await ask(standing, b"hello")
    wire[0].set(State.SILENT)

    with pytest.raises(TimeoutError):
        await ask(standing, b"lost")

    wire[0].set(State.WHOLE)
    with pytest.raises(ConnectionResetError):
        await ask(standing, b"again")
