"""A TCP proxy that can be told to misbehave: what a network does between two processes that are both well.

Bytes that were swallowed never come out later: a connection that lost some is reset when the fault is mended, as a
real one ends when its retransmissions have failed.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Sequence
from enum import StrEnum

CHUNK = 65_536
DELAY_S = 0.3
_RESET = struct.pack("ii", 1, 0)


class Mode(StrEnum):
    """What happens to bytes; up is towards the server."""

    PASS = "pass"
    CUT = "cut"
    """Connections are reset and new ones refused by a reset."""
    DELAY = "delay"
    BLACKHOLE = "blackhole"
    SILENCE_UP = "silence_up"
    SILENCE_DOWN = "silence_down"


class Wire:
    """One listening port before one server, or before several of which the first that answers is taken."""

    def __init__(self, targets: Sequence[tuple[str, int]], port: int) -> None:
        self.port = port
        self.mode = Mode.PASS
        self._targets = targets
        self._server: asyncio.Server | None = None
        self._pairs: set[_Pair] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._turn = 0

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", self.port, limit=CHUNK)

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def set(self, mode: Mode) -> None:
        self.mode = mode
        if mode is Mode.CUT:
            self._reset(self._pairs)
        if mode is Mode.PASS:
            self._reset({pair for pair in self._pairs if pair.has_lost})

    @staticmethod
    def _reset(pairs: "set[_Pair]") -> None:
        for pair in list(pairs):
            pair.reset()

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            if self.mode is not Mode.CUT and (server := await self._connected()) is not None:
                await self._serve(_Pair(self, (reader, writer), server))
            else:
                reset(writer)
        except asyncio.CancelledError:  # only by `close`; asyncio logs a handler that ends cancelled
            reset(writer)
        finally:
            self._tasks.discard(task)

    async def _serve(self, pair: "_Pair") -> None:
        self._pairs.add(pair)
        try:
            await pair.run()
        finally:
            self._pairs.discard(pair)
            pair.reset()

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """Take turns among the servers: a load balancer before several doors."""
        self._turn += 1
        for number in range(len(self._targets)):
            host, port = self._targets[(self._turn + number) % len(self._targets)]
            with contextlib.suppress(OSError):
                return await asyncio.open_connection(host, port, limit=CHUNK)
        return None


class _Pair:
    """A client and its server."""

    def __init__(
        self,
        wire: Wire,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        self._wire = wire
        self._client = client
        self._server = server
        self.has_lost = False

    async def run(self) -> None:
        up = asyncio.create_task(self._pump(self._client[0], self._server[1], Mode.SILENCE_UP))
        down = asyncio.create_task(self._pump(self._server[0], self._client[1], Mode.SILENCE_DOWN))
        try:
            await asyncio.wait((up, down), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (up, down):
                task.cancel()
            await asyncio.gather(up, down, return_exceptions=True)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, silence: Mode) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                if self._wire.mode in {Mode.BLACKHOLE, silence}:
                    self.has_lost = True
                    continue
                if self._wire.mode is Mode.DELAY:
                    await asyncio.sleep(DELAY_S)
                if self.has_lost:
                    continue
                writer.write(data)
                await writer.drain()
            if self._wire.mode in {Mode.BLACKHOLE, silence}:
                # The end of a connection is lost like its bytes; mending the wire resets it.
                self.has_lost = True
                await asyncio.Event().wait()

    def reset(self) -> None:
        reset(self._client[1])
        reset(self._server[1])


def reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    if sock is not None and sock.fileno() >= 0:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
