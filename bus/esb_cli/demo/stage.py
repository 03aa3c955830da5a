"""The stage: servers, stand-ins and the bus, each in a process of its own, gone when the block is left."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from esb_cli.demo.children import Child, fresh_directory, python
from esb_cli.demo.company import (
    DEAL_EVENTS,
    ENDPOINTS,
    PORTAL,
    SHOP,
    SHOP_TOPICS,
    Passwords,
    landscape_file,
    standins_file,
)
from esb_cli.demo.control import Control
from esb_cli.demo.queues import Queues
from esb_standins.nodes import Nodes, nodes
from esb_standins.nodes.claim import Claim, claim_near
from esb_standins.nodes.ports import LOOPBACK, free_port
from esb_standins.nodes.server import write_private

ADDRESSES = "standins.json"
LANDSCAPE = "landscape.toml"
POLL_S = 2.0


@dataclass(frozen=True)
class Stage:
    """What runs, and how to reach it.

    Attributes:
        entities: (base, reference of an organisation in it) → code of the legal entity.
    """

    directory: Path
    nodes: Nodes
    control: Control
    addresses: Mapping[str, str]
    entities: Mapping[tuple[str, str], str]
    bus: Child
    standins: Child
    door: str
    passwords: Passwords
    queues: Queues

    @property
    def landscape(self) -> Path:
        return self.bus.directory / LANDSCAPE

    def environment(self) -> dict[str, str]:
        """Settings with which `esb` commands reach this bus."""
        return {
            **self.nodes.environment(),
            "ESB_LANDSCAPE": str(self.landscape),
            "ESB_SECRETS_DIR": str(self.directory / "secrets"),
        }

    def webhook_url(self, endpoint: str) -> str:
        return f"{self.door}/webhooks/{endpoint.replace('.', '/', 1)}"


@asynccontextmanager
async def stage(
    run_dir: Path, nodes_dir: Path, *, poll_s: float = POLL_S, environ: Mapping[str, str] = os.environ
) -> AsyncIterator[Stage]:
    """Set everything up under `run_dir`, or beside it when another demo runs there.

    Raises:
        NodesUnavailable: neither servers nor the programs to start them are to be had here.
        NodeFailed: something did not come up.
    """
    async with AsyncExitStack() as stack:
        claimed = stack.enter_context(claim_near(run_dir))
        passwords = Passwords()
        standins = _standins(claimed, passwords, environ)
        stack.callback(standins.stop)
        servers, _ = await asyncio.gather(stack.enter_async_context(nodes(nodes_dir, environ)), standins.start())
        written = json.loads((standins.directory / "state" / ADDRESSES).read_text("utf-8"))
        addresses: dict[str, str] = {name: url.rstrip("/") + "/" for name, url in written["standins"].items()}
        control = await stack.enter_async_context(Control(written["control"]))
        entities = await _seeded(control)
        directory = claimed.directory
        port = free_port()
        bus = _bus(claimed, servers, port, passwords, environ)
        write_private(bus.directory / LANDSCAPE, landscape_file(addresses, poll_s))
        stack.callback(bus.stop)
        await bus.start()
        door = f"http://{LOOPBACK}:{port}"
        queues = Queues(servers.amqp_url, servers.management_url, bus.directory / LANDSCAPE)
        stack.push_async_callback(queues.close)
        running = Stage(directory, servers, control, addresses, entities, bus, standins, door, passwords, queues)
        await _connect(running)
        yield running


def _standins(claimed: Claim, passwords: Passwords, environ: Mapping[str, str]) -> Child:
    directory = fresh_directory(claimed.directory / "standins")
    config, state = directory / "standins.toml", directory / "state"
    write_private(config, standins_file(str(state), passwords))

    async def answers() -> bool:
        return (state / ADDRESSES).exists()

    command = python("-m", "esb_standins", "serve", "--config", str(config))
    return Child("stand-ins", directory, command, _plain(environ), lock=claimed.descriptor, answers=answers)


def _bus(claimed: Claim, servers: Nodes, port: int, passwords: Passwords, environ: Mapping[str, str]) -> Child:
    directory = fresh_directory(claimed.directory / "bus")
    secrets_dir = fresh_directory(claimed.directory / "secrets")
    for name, value in passwords.files().items():
        write_private(secrets_dir / name, value)
    settings = {
        **servers.environment(),
        "ESB_SECRETS_DIR": str(secrets_dir),
        "ESB_HTTP_HOST": LOOPBACK,
        "ESB_HTTP_PORT": str(port),
    }

    async def answers() -> bool:
        async with httpx.AsyncClient(trust_env=False, timeout=2) as client:
            try:
                return (await client.get(f"http://{LOOPBACK}:{port}/healthz")).is_success
            except httpx.HTTPError:
                return False

    command = python("-m", "esb_cli.main", "run", "--landscape", str(directory / LANDSCAPE))
    environment = _plain(environ) | settings
    return Child("the bus", directory, command, environment, lock=claimed.descriptor, answers=answers)


async def _seeded(control: Control) -> dict[tuple[str, str], str]:
    """Fill every system with the company, and tell which organisation of a base is which legal entity."""
    from esb_standins.company import ENTITIES

    codes = {entity.inn: entity.code for entity in ENTITIES}
    seeds = dict(zip(ENDPOINTS, await asyncio.gather(*map(control.seed, ENDPOINTS)), strict=True))
    return {
        (base, ref): codes[inn]
        for base, answer in seeds.items()
        for inn, ref in answer.get("organisations", {}).items()
    }


async def _connect(running: Stage) -> None:
    """Make the webhooks, as an administrator does it in the shop and in the portal."""
    url = running.webhook_url(SHOP)
    for topic in SHOP_TOPICS:
        webhook = {"topic": topic, "delivery_url": url, "secret": running.passwords.webhook}
        await running.control.act(SHOP, "add_webhook", webhook)
    handler = {"url": running.webhook_url(PORTAL), "token": running.passwords.portal_token, "events": DEAL_EVENTS}
    await running.control.act(PORTAL, "bind", handler)


def _plain(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without settings of another bus and without proxies: everything is on this machine."""
    proxies = {"http_proxy", "https_proxy", "all_proxy"}
    return {
        name: value for name, value in environ.items() if not name.startswith("ESB_") and name.lower() not in proxies
    }
