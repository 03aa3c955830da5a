"""A TCP proxy between client and broker that can be cut, delayed or fall silent in either direction."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from yarl import URL

CHUNK = 65_536


class Proxy:
    """Forwards bytes as it is told to."""

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._flows = {"up": asyncio.Event(), "down": asyncio.Event()}
        for flow in self._flows.values():
            flow.set()
        self.delay_s = 0.0
        self.port = 0

    def silence(self, *directions: str) -> None:
        """Hold back what goes `up` to the broker, `down` from it, or both; connections stay open."""
        for direction in directions or self._flows:
            self._flows[direction].clear()

    def speak(self) -> None:
        for flow in self._flows.values():
            flow.set()

    def cut(self) -> None:
        """Break every connection. New ones are let through."""
        for writer in self._writers:
            writer.transport.abort()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            their_reader, their_writer = await asyncio.open_connection(*self._target)
            self._writers |= {writer, their_writer}
            await asyncio.gather(self._pump(reader, their_writer, "up"), self._pump(their_reader, writer, "down"))
        except OSError:
            writer.transport.abort()
        finally:
            self._tasks.discard(task)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, direction: str) -> None:
        try:
            while data := await reader.read(CHUNK):
                await self._flows[direction].wait()
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                writer.write(data)
                await writer.drain()
        except OSError:
            pass  # the other side is told below
        finally:
            writer.transport.abort()

    async def end(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.cut()


@asynccontextmanager
async def proxy_to(url: str) -> AsyncIterator[tuple[Proxy, str]]:
    """Yield a proxy and the URL that leads through it."""
    target = URL(url)
    assert target.host is not None
    assert target.port is not None
    proxy = Proxy(target.host, target.port)
    server = await asyncio.start_server(proxy.accept, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy, str(target.with_port(proxy.port))
    finally:
        server.close()
        await proxy.end()
