"""The company under attack: private servers, a process for each stand-in, two of the bus, proxies between all."""

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx

from chaos.proxy import Wire
from chaos.schedule import BUSES, LINKS, SYSTEMS
from esb_cli.demo.children import Child, fresh_directory, python
from esb_cli.demo.company import (
    DEAL_EVENTS,
    PORTAL,
    SHOP,
    SHOP_TOPICS,
    Passwords,
    landscape_file,
    standins_file,
)
from esb_cli.demo.control import Control
from esb_cli.demo.queues import Queues
from esb_standins.company import ENTITIES
from esb_standins.nodes import Nodes, nodes
from esb_standins.nodes.claim import Claim, claim_near
from esb_standins.nodes.ports import LOOPBACK, free_port, free_ports
from esb_standins.nodes.server import write_private

CLOCK = Path(__file__).with_name("clock")
POLL_S = 2.0
SETTLE_S = 5
TIMEOUT_S = 3
"""Less than the settle time, as in real life: what a base commits late, it commits within the settle time."""
FREE_NUMBERS = "onec.trade"
"""This base does not keep numbers unique, and numbers its documents itself: only look-up and settle time are left."""


class Controls:
    """The control ports of all stand-ins as if they were one (`esb_cli.demo.control.Control`)."""

    def __init__(self, by_name: Mapping[str, Control]) -> None:
        self._by_name = by_name

    async def seed(self, name: str) -> Any:
        return await self._by_name[name].seed(name)

    async def act(self, name: str, action: str, body: Mapping[str, Any]) -> Any:
        return await self._by_name[name].act(name, action, body)

    async def break_(self, name: str, kind: str, **fault: Any) -> None:
        await self._by_name[name].break_(name, kind, **fault)

    async def mend(self, name: str, kind: str | None = None) -> None:
        await self._by_name[name].mend(name, kind)

    async def objects(self, name: str, subject: str) -> list[dict[str, Any]]:
        return await self._by_name[name].objects(name, subject)

    async def ledger(self, name: str, after: int = 0) -> list[dict[str, Any]]:
        return await self._by_name[name].ledger(name, after)


@dataclass(frozen=True)
class Stage:
    """What runs. `gather.evidence` needs `control`, `entities` and `queues`; the rest is for blows.

    Attributes:
        wires: `bus-a/broker`, `bus-b/onec.trade`, …, `door`.
        landscapes: bus → its landscape file; they differ in the ports of its wires.
    """

    directory: Path
    nodes: Nodes
    control: Controls
    entities: Mapping[tuple[str, str], str]
    buses: Mapping[str, Child]
    standins: Mapping[str, Child]
    wires: Mapping[str, Wire]
    landscapes: Mapping[str, Path]
    passwords: Passwords
    queues: Queues

    def environment(self) -> dict[str, str]:
        """Settings with which `esb` commands reach this bus, past the proxies."""
        return {
            **self.nodes.environment(),
            "ESB_LANDSCAPE": str(self.landscapes[BUSES[0]]),
            "ESB_SECRETS_DIR": str(self.directory / "secrets"),
        }

    def move_clock(self, bus: str, offset_s: float) -> None:
        """Let the clock of a bus be wrong from its next start on (see `clock/sitecustomize.py`)."""
        child = self.buses[bus]
        path = os.pathsep.join(filter(None, (str(CLOCK), os.environ.get("PYTHONPATH"))))
        child._environment = {**child._environment, "PYTHONPATH": path, "ESB_CHAOS_CLOCK_S": str(offset_s)}


@asynccontextmanager
async def stage(run_dir: Path) -> AsyncIterator[Stage]:
    """Set everything up under `run_dir`.

    Raises:
        NodesUnavailable: the programs of the servers are not to be had here.
        NodeFailed: something did not come up.
    """
    async with AsyncExitStack() as stack:
        claimed = stack.enter_context(claim_near(run_dir))
        passwords = Passwords()
        # Private servers only: what the environment names is not ours to kill.
        servers = await stack.enter_async_context(nodes(claimed.directory / "nodes", {}))
        standins, controls, addresses = await _standins(stack, claimed, passwords)
        entities = await _seeded(controls)
        secrets_dir = fresh_directory(claimed.directory / "secrets")
        for name, value in passwords.files().items():
            write_private(secrets_dir / name, value)
        wires, buses, landscapes, doors = {}, {}, {}, []
        for bus in BUSES:
            own = await _wires(stack, bus, servers, addresses)
            wires |= {f"{bus}/{link}": wire for link, wire in own.items()}
            port = free_port()
            doors.append((LOOPBACK, port))
            buses[bus] = _bus(claimed, bus, servers, own, port)
            landscapes[bus] = buses[bus].directory / "landscape.toml"
            write_private(landscapes[bus], _landscape({name: _via(own[name], addresses[name]) for name in SYSTEMS}))
            stack.callback(buses[bus].stop)
        await asyncio.gather(*(child.start() for child in buses.values()))
        wires["door"] = Wire(doors, free_port())
        await _opened(stack, wires["door"])
        queues = Queues(servers.amqp_url, servers.management_url, landscapes[BUSES[0]])
        stack.push_async_callback(queues.close)
        running = Stage(
            claimed.directory, servers, controls, entities, buses, standins, wires, landscapes, passwords, queues
        )
        await _connect(running)
        yield running


# --- stand-ins ---


async def _standins(
    stack: AsyncExitStack, claimed: Claim, passwords: Passwords
) -> tuple[dict[str, Child], Controls, dict[str, str]]:
    """A process for each: one dies without the others."""
    children = {name: _standin(claimed, name, passwords) for name in SYSTEMS}
    for child in children.values():
        stack.callback(child.stop)
    await asyncio.gather(*(child.start() for child in children.values()))
    written = {name: json.loads(_addresses(child.directory).read_text("utf-8")) for name, child in children.items()}
    controls = {
        name: await stack.enter_async_context(Control(addresses["control"])) for name, addresses in written.items()
    }
    return children, Controls(controls), {name: written[name]["standins"][name].rstrip("/") + "/" for name in SYSTEMS}


def _addresses(directory: Path) -> Path:
    return directory / "state" / "standins.json"


def _standin(claimed: Claim, name: str, passwords: Passwords) -> Child:
    directory = fresh_directory(claimed.directory / name)
    config = directory / "standins.toml"
    port, control = free_ports(2)
    whole = standins_file(str(directory / "state"), passwords)
    # Ports of its own, which stay through a restart.
    head, *tables = re.split(r"(?m)^(?=\[)", whole)
    (table,) = (table for table in tables if table.startswith(f'[standins."{name}"]'))
    text = head.replace("control_port = 0", f"control_port = {control}") + table + f"port = {port}\n"
    if name == FREE_NUMBERS:
        text += "number_uniqueness = false\n"
    write_private(config, text)

    async def answers() -> bool:
        return _addresses(directory).exists() and await _is_well(f"http://{LOOPBACK}:{control}/standins")

    command = python("-m", "esb_standins", "serve", "--config", str(config))
    return Child(name, directory, command, _plain(), lock=claimed.descriptor, answers=answers)


async def _seeded(control: Controls) -> dict[tuple[str, str], str]:
    codes = {entity.inn: entity.code for entity in ENTITIES}
    seeds = dict(zip(SYSTEMS, await asyncio.gather(*map(control.seed, SYSTEMS)), strict=True))
    return {
        (base, ref): codes[inn]
        for base, answer in seeds.items()
        for inn, ref in answer.get("organisations", {}).items()
    }


async def _connect(running: Stage) -> None:
    """Make the webhooks, as an administrator does it in the shop and in the portal."""
    door = f"http://{LOOPBACK}:{running.wires['door'].port}/webhooks"
    for topic in SHOP_TOPICS:
        webhook = {"topic": topic, "delivery_url": f"{door}/website/shop", "secret": running.passwords.webhook}
        await running.control.act(SHOP, "add_webhook", webhook)
    handler = {"url": f"{door}/bitrix24/portal", "token": running.passwords.portal_token, "events": DEAL_EVENTS}
    await running.control.act(PORTAL, "bind", handler)


# --- the bus ---


async def _wires(stack: AsyncExitStack, bus: str, servers: Nodes, addresses: Mapping[str, str]) -> dict[str, Wire]:
    places = {"broker": servers.amqp_url, "redis": servers.redis_url, **addresses}
    wires = {link: Wire([_place(places[link])], free_port()) for link in LINKS}
    for wire in wires.values():
        await _opened(stack, wire)
    return wires


async def _opened(stack: AsyncExitStack, wire: Wire) -> None:
    await wire.open()
    stack.push_async_callback(wire.close)


def _place(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


def _via(wire: Wire, url: str) -> str:
    parts = urlsplit(url)
    account, at, _ = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{account}{at}{LOOPBACK}:{wire.port}"))


def _landscape(addresses: Mapping[str, str]) -> str:
    text = landscape_file(addresses, POLL_S)
    text = text.replace("settle_s = 2", f"settle_s = {SETTLE_S}").replace("timeout_s = 10", f"timeout_s = {TIMEOUT_S}")
    table = f"[{FREE_NUMBERS}]\n"
    assert table in text
    return text.replace(table, f'{table}number = "theirs"\n')


def _bus(claimed: Claim, bus: str, servers: Nodes, wires: Mapping[str, Wire], port: int) -> Child:
    directory = fresh_directory(claimed.directory / bus)
    settings = {
        **servers.environment(),
        "ESB_AMQP_URL": _via(wires["broker"], servers.amqp_url),
        "ESB_REDIS_URL": _via(wires["redis"], servers.redis_url),
        "ESB_SECRETS_DIR": str(claimed.directory / "secrets"),
        "ESB_HTTP_HOST": LOOPBACK,
        "ESB_HTTP_PORT": str(port),
    }

    async def answers() -> bool:
        return await _is_well(f"http://{LOOPBACK}:{port}/healthz")

    command = python("-m", "esb_cli.main", "run", "--landscape", str(directory / "landscape.toml"))
    return Child(bus, directory, command, _plain() | settings, lock=claimed.descriptor, answers=answers)


async def _is_well(url: str) -> bool:
    async with httpx.AsyncClient(trust_env=False, timeout=2) as client:
        try:
            return (await client.get(url)).is_success
        except httpx.HTTPError:
            return False


def _plain() -> dict[str, str]:
    """The environment without settings of another bus and without proxies: everything is on this machine."""
    proxies = {"http_proxy", "https_proxy", "all_proxy"}
    return {
        name: value for name, value in os.environ.items() if not name.startswith("ESB_") and name.lower() not in proxies
    }
