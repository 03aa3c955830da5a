"""One listening socket with uvicorn's HTTP protocol behind it, which can be closed and reopened at will.

`uvicorn.Server` cannot stop listening without ending, and a base that is down must refuse connections and
drop those it has. Hence its protocol class is used directly; it also hands the transport to the application,
because a connection reset cannot be expressed in ASGI.
"""

import asyncio
import socket
import struct
from typing import Any, Final

from starlette.types import ASGIApp
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

TRANSPORT: Final = "esb_standins.transport"
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)


class _Protocol(HttpToolsProtocol):
    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {TRANSPORT: {"transport": self.transport}}


class Listener:
    """Serves one ASGI application on one loopback port."""

    def __init__(self, app: ASGIApp, port: int = 0, host: str = "127.0.0.1") -> None:
        self.host = host
        self.port = port
        self._config = Config(
            app,
            lifespan="off",
            log_config=None,
            access_log=False,
            ws="none",
            server_header=False,
            timeout_keep_alive=75,
            proxy_headers=False,
        )
        self._state = ServerState()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def is_open(self) -> bool:
        return self._server is not None

    async def open(self) -> None:
        """Listen; a port of 0 is replaced by the one the system gave, and kept from then on."""
        if self._server is not None:
            return
        if not self._config.loaded:
            self._config.load()
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._protocol, self.host, self.port, reuse_address=True, backlog=512)
        self.port = int(self._server.sockets[0].getsockname()[1])

    def close(self) -> None:
        """Stop listening and reset every open connection."""
        if self._server is None:
            return
        self._server.close()
        self._server = None
        for connection in list(self._state.connections):
            reset(connection.transport)

    async def finished(self, patience: float = 0.2) -> None:
        """Wait for requests that still run after `close`, and end those that take longer than `patience` seconds."""
        running = {task for task in self._state.tasks if not task.done()}
        if not running:
            return
        _, late = await asyncio.wait(running, timeout=patience)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    def _protocol(self) -> asyncio.Protocol:
        return _Protocol(config=self._config, server_state=self._state, app_state={})


def reset(transport: Any) -> None:
    """Drop a connection with a TCP reset, so that the client sees an error and not an orderly end."""
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.fileno() >= 0:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    transport.abort()
