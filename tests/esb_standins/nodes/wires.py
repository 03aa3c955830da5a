"""Wires between the nodes of a cluster, so that they can be cut without any rights.

Every ordered pair has a wire of its own: a node finds each neighbour at an address that belongs to this pair alone,
and behind that address the wire carries the bytes on.
"""

import asyncio
import contextlib
import socket
import struct
from enum import Enum

_CHUNK = 65_536
_RESET = struct.pack("ii", 1, 0)

Address = tuple[str, int]
Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class State(Enum):
    """What a wire does with connections."""

    WHOLE = "whole"
    CUT = "cut"
    """Standing connections are reset and new ones are refused: a cable that is pulled out at the switch."""
    SILENT = "silent"
    """Nothing arrives and nobody is told: a firewall that drops."""


class Wire:
    """Carries connections from one address to another."""

    def __init__(self, listen: Address, target: Address) -> None:
        self._listen = listen
        self._target = target
        self._state = State.WHOLE
        self._server: asyncio.Server | None = None
        self._pairs: dict[asyncio.Task[None], _Pair] = {}

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._accepted, *self._listen, limit=_CHUNK)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self._reset()
        await asyncio.gather(*self._pairs, return_exceptions=True)

    def set(self, state: State) -> None:
        # Connections that have lost bytes are of no use to anybody afterwards.
        if state is State.CUT or self._state is State.SILENT:
            self._reset()
        self._state = state

    def _reset(self) -> None:
        for pair in self._pairs.values():
            pair.reset()

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._state is State.CUT:
            _reset(writer)
            return
        pair = _Pair((reader, writer))
        task = asyncio.current_task()
        assert task is not None
        self._pairs[task] = pair
        try:
            await pair.run(self)
        finally:
            pair.reset()
            del self._pairs[task]

    async def connect(self) -> Stream:
        return await asyncio.open_connection(*self._target, limit=_CHUNK)

    @property
    def is_silent(self) -> bool:
        return self._state is State.SILENT


class _Pair:
    """The two connections that one wire joins."""

    def __init__(self, near: Stream) -> None:
        self._near = near
        self._far: Stream | None = None

    async def run(self, wire: Wire) -> None:
        with contextlib.suppress(OSError):
            self._far = await wire.connect()
            pumps = [
                asyncio.create_task(_pump(source[0], sink[1], wire))
                for source, sink in ((self._near, self._far), (self._far, self._near))
            ]
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            self.reset()
            await asyncio.gather(*pumps)

    def reset(self) -> None:
        for stream in (self._near, self._far):
            if stream is not None:
                _reset(stream[1])


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, wire: Wire) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(_CHUNK):
            if not wire.is_silent:
                sink.write(data)
                await sink.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    if connection is not None and connection.fileno() >= 0:
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
