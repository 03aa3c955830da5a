"""The HTTP server of the door, with limits for callers who have not shown yet who they are.

- at most 512 connections; more get 503 at once
- the head of a request arrives within ten seconds, and what is still incomplete after 32 kB is 400: a connection that
  says nothing, or says it one letter at a time, is closed
- HTTP only as its grammar has it (h11): a request with two lengths or an unreadable one is 400 and ends the connection

The body's limits are those of `receiving.Intake`. h11 and not httptools: that one has no limit for headers.
"""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Final

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_CONNECTIONS: Final = 512
MAX_HEAD_BYTES: Final = 32 * 1024
HEAD_S: Final = 10.0
KEEP_ALIVE_S: Final = 5


class DoorProtocol(H11Protocol):
    """uvicorn times a connection only between two requests; this one times every request's head."""

    head_s = HEAD_S

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._head_due: asyncio.TimerHandle | None = None
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_head()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        super().handle_events()
        if self.conn.their_state is not h11.IDLE:
            self._forget_head()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.conn.their_state is h11.IDLE:
            self._expect_head()

    def _expect_head(self) -> None:
        self._forget_head()
        self._head_due = self.loop.call_later(self.head_s, self.transport.close)

    def _forget_head(self) -> None:
        if self._head_due is not None:
            self._head_due.cancel()
            self._head_due = None


class DoorServer(uvicorn.Server):
    """uvicorn without its own signal handling: the process has one owner."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def door_server(app: ASGIApp, protocol: type[DoorProtocol] = DoorProtocol) -> DoorServer:
    """Return a server to be run with `serve(sockets=[…])`."""
    config = uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=MAX_CONNECTIONS,
        h11_max_incomplete_event_size=MAX_HEAD_BYTES,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=5,
    )
    return DoorServer(config)


async def serve_door(app: ASGIApp, listener: socket.socket, stop: asyncio.Event) -> None:
    """Serve until `stop` is set; then finish what runs."""
    server = door_server(app)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    await stop.wait()
    server.should_exit = True
    await serving
