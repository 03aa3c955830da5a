"""The door as a process serves it, on a port of its own."""

import asyncio
import socket
from contextlib import asynccontextmanager

import pytest

from esb_adapters.door import door
from esb_adapters.door_server import DoorProtocol, door_server
from esb_adapters.receiving import Intake
from esb_adapters.website.main import routes
from esb_bus.landscape import parse_landscape
from esb_bus.settings import Secrets

WEBHOOK_SECRET = "shop-hook-secret"
COMPANY = {
    "legal_entities": {"romashka": {"name": "ООО «Ромашка»", "inn": "7701234560"}},
    "website": {
        "shop": {
            "protocol": "woocommerce",
            "url": "https://sad.example",
            "webhook_secret": "shop_hook",
            "legal_entity": "romashka",
        }
    },
}


class Kept:
    """Takes native messages and remembers them."""

    def __init__(self):
        self.messages = []

    async def store(self, message, deadline_s=None):  # noqa: ARG002  as the port has it
        self.messages.append(message)


class Hasty(DoorProtocol):
    head_s = 0.3


class Door:
    def __init__(self, port, kept):
        self.port = port
        self.kept = kept

    async def says(self, request, seconds=5):
        """Send bytes on a new connection; return all that comes back until the door ends it."""
        async with self.connection() as (reader, writer):
            writer.write(request)
            async with asyncio.timeout(seconds):
                try:
                    return await reader.read()
                except ConnectionResetError:
                    return b"reset"

    @asynccontextmanager
    async def connection(self):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield reader, writer
        finally:
            writer.close()


@asynccontextmanager
async def serving(kept):
    secrets = Secrets(None, {"ESB_SECRET_SHOP_HOOK": WEBHOOK_SECRET})
    app = door(routes(parse_landscape(COMPANY), secrets, Intake(kept)))
    server = door_server(app, Hasty)
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        running = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield Door(listener.getsockname()[1], kept)
        finally:
            server.should_exit = True
            await running


@pytest.fixture
async def served_door():
    async with serving(Kept()) as one:
        yield one
