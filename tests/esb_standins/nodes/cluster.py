"""A private RabbitMQ cluster on the loopback address, whose nodes can be killed, frozen and parted from one another.

All nodes use one port for talking to each other, each on an address of its own, so that no epmd is needed. The name
`node2` means something else to each of them: the end of the wire that leads there (see `wires`).
"""

import asyncio
import itertools
import re
import secrets
import time
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from esb_standins.nodes.claim import claim_near
from esb_standins.nodes.errors import NodeFailed
from esb_standins.nodes.packages import binaries
from esb_standins.nodes.ports import LOOPBACK, free_port
from esb_standins.nodes.private import cache_of, end_leftovers
from esb_standins.nodes.rabbitmq import Identity, RabbitAddress, new_address, rabbitmq_plan
from esb_standins.nodes.server import Plan, PrivateServer
from esb_standins.nodes.wires import State, Wire

SIZE = 3
_NUMBERS = range(1, SIZE + 1)
_POLL_S = 0.1
_TOGETHER_S = 60.0


class Cluster:
    """Three nodes, counted from 0."""

    def __init__(self, nodes: Sequence[PrivateServer[RabbitAddress]], wires: dict[tuple[int, int], Wire]) -> None:
        self.nodes = nodes
        self._wires = wires

    @property
    def amqp_urls(self) -> list[str]:
        return [node.address.amqp_url for node in self.nodes]

    async def start(self) -> None:
        """Start all at once: each waits a while for the others."""
        await asyncio.gather(*(node.start() for node in self.nodes))
        await self.together()

    def part(self, minority: Collection[int], state: State = State.CUT) -> None:
        """Cut every wire between some nodes and the others; their clients reach all of them still."""
        for (one, other), wire in self._wires.items():
            if (one in minority) != (other in minority):
                wire.set(state)

    def heal(self) -> None:
        for wire in self._wires.values():
            wire.set(State.WHOLE)

    async def together(self) -> None:
        """Return when every node says that all are running and none is parted.

        Raises:
            NodeFailed: not within a minute.
        """
        deadline = time.monotonic() + _TOGETHER_S
        while not all(await asyncio.gather(*map(self._sees_all, self.nodes))):
            if time.monotonic() > deadline:
                raise NodeFailed(f"the cluster is not whole after {_TOGETHER_S:.0f} s")
            await asyncio.sleep(_POLL_S)

    async def ask(self, path: str, node: int = 0) -> Any:
        """Return what the management of one node answers."""
        address = self.nodes[node].address.management_url
        async with httpx.AsyncClient(base_url=address, timeout=5, trust_env=False) as client:
            answer = await client.get(path)
            answer.raise_for_status()
            return answer.json()

    async def _sees_all(self, node: PrivateServer[RabbitAddress]) -> bool:
        try:
            seen = await self.ask("/api/nodes", self.nodes.index(node))
        except httpx.HTTPError:
            return False
        return len(seen) == SIZE and all(other["running"] and not other.get("partitions") for other in seen)

    async def discard(self) -> None:
        await asyncio.gather(*(node.discard() for node in self.nodes))


@asynccontextmanager
async def cluster(run_dir: Path, settings: str) -> AsyncIterator[Cluster]:
    """Provide a cluster for the time of the block.

    Args:
        settings: lines for `rabbitmq.conf` of every node besides those a private node needs; the names of the nodes
            are `esb@node1` to `esb@node3`.

    Raises:
        NodesUnavailable: this machine has no RabbitMQ.
        NodeFailed: it did not come up.
    """
    async with AsyncExitStack() as stack:
        claimed = stack.enter_context(claim_near(run_dir))
        folder = claimed.directory
        found = await asyncio.to_thread(binaries, cache_of(folder))
        for number in _NUMBERS:
            end_leftovers(folder / str(number))
        port, cookie, password = free_port(), secrets.token_hex(20), secrets.token_urlsafe(18)
        wires = {(one - 1, other - 1): _wire(one, other, port) for one, other in itertools.permutations(_NUMBERS, 2)}
        for wire in wires.values():
            await wire.open()
            stack.push_async_callback(wire.close)
        plans = []
        for number in _NUMBERS:
            address = replace(new_address(), distribution_port=port, password=password)
            plan = rabbitmq_plan(folder / str(number) / "rabbitmq", found, address, _identity(number, cookie, settings))
            plans.append(_with(plan, settings))
        made = Cluster([PrivateServer(plan, lock=claimed.descriptor) for plan in plans], wires)
        stack.push_async_callback(made.discard)
        await made.start()
        yield made


def _wire(one: int, other: int, port: int) -> Wire:
    return Wire((f"127.0.{one}.{other}", port), (f"127.0.{other}.{other}", port))


def _identity(number: int, cookie: str, settings: str) -> Identity:
    hosts = {f"node{other}": f"127.0.{number}.{other}" for other in _NUMBERS}
    ticktime = re.search(r"^net_ticktime\s*=\s*(\d+)", settings, re.MULTILINE)
    return Identity(
        node=f"esb@node{number}",
        interface=f"127.0.{number}.{number}",
        cookie=cookie,
        ticktime_s=int(ticktime[1]) if ticktime else 60,
        hosts={**hosts, "localhost": LOOPBACK},
    )


def _with(plan: Plan[RabbitAddress], settings: str) -> Plan[RabbitAddress]:
    return replace(plan, files={**plan.files, "rabbitmq.conf": plan.files["rabbitmq.conf"] + settings})
