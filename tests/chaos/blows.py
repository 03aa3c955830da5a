"""Carries out the blows of a schedule and mends what they did."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import redis.asyncio as redis

from chaos import alarms
from chaos.load import People
from chaos.proxy import Mode
from chaos.schedule import BUSES, SYSTEMS, Blow
from chaos.stage import Stage
from esb_bus.lease import Token, write_token
from esb_bus.publisher import Publisher
from esb_standins.nodes import NodeFailed

AGAIN_S = 0.5


class Blows:
    """One run of blows. One thing is hit by one blow at a time; the next waits for its turn."""

    def __init__(self, stage: Stage, people: People, tell: Callable[[str], None]) -> None:
        self._stage = stage
        self._people = people
        self._tell = tell
        self._locks = {name: asyncio.Lock() for name in (*BUSES, *SYSTEMS, "broker", "redis", *stage.wires)}
        self.done: Counter[str] = Counter()
        self.deaths: list[str] = []
        """Processes of the bus that ended by themselves."""

    async def carry_out(self, schedule: tuple[Blow, ...]) -> None:
        """Strike at the times of the schedule; return when all is mended."""
        clock = asyncio.get_running_loop().time
        started = clock()
        async with asyncio.TaskGroup() as group:
            for blow in schedule:
                await asyncio.sleep(max(0.0, started + blow.at - clock()))
                group.create_task(self._strike(blow))
        for name in SYSTEMS:
            await self._stage.control.mend(name)

    async def _strike(self, blow: Blow) -> None:
        self._tell(str(blow))
        self.done[" ".join(filter(None, (blow.kind, str(blow.more.get("kind") or blow.more.get("mode") or ""))))] += 1
        strike: Callable[[Blow], Awaitable[None]] = getattr(self, blow.kind)
        await strike(blow)

    # --- processes of the bus ---

    async def kill_bus(self, blow: Blow) -> None:
        async with self._locks[blow.target]:
            await self._die(blow.target)
            await asyncio.sleep(blow.length)
            await self.start_bus(blow.target)

    async def kill_both(self, blow: Blow) -> None:
        async with AsyncExitStack() as stack:
            for bus in BUSES:
                await stack.enter_async_context(self._locks[bus])
            await asyncio.gather(*map(self._die, BUSES))
            await asyncio.sleep(blow.length)
            await asyncio.gather(*map(self.start_bus, BUSES))

    async def change_landscape(self, blow: Blow) -> None:
        """Another parallelism and other limits, as an upgrade brings them: stop in order, start anew."""
        async with self._locks[blow.target]:
            self.check_alive(blow.target)
            file = self._stage.landscapes[blow.target]
            text = file.read_text("utf-8")
            old, new = (4, 2) if "max_parallel = 4" in text else (2, 4)
            text = text.replace(f"max_parallel = {old}", f"max_parallel = {new}")
            file.write_text(text.replace("hold_s = 20", "hold_s = 6"), "utf-8")
            await asyncio.to_thread(self._stage.buses[blow.target].stop)
            await asyncio.sleep(blow.length)
            await self.start_bus(blow.target)

    async def move_clock(self, blow: Blow) -> None:
        """Start it anew with a time of day that is wrong, until the next such blow."""
        async with self._locks[blow.target]:
            await self._die(blow.target)
            self._stage.move_clock(blow.target, blow.more["offset_s"])
            await asyncio.sleep(blow.length)
            await self.start_bus(blow.target)

    async def pause_bus(self, blow: Blow) -> None:
        """Freeze it for longer than the broker waits for it: when it wakes it believes to be active, and is not."""
        async with self._locks[blow.target]:
            pid = self._stage.buses[blow.target].pid
            os.kill(pid, signal.SIGSTOP)
            try:
                await asyncio.sleep(blow.length)
            finally:
                os.kill(pid, signal.SIGCONT)

    async def _die(self, bus: str) -> None:
        self.check_alive(bus)
        await asyncio.to_thread(self._stage.buses[bus].kill)

    def check_alive(self, bus: str) -> None:
        if not self._stage.buses[bus].resident_bytes():
            self.deaths.append(f"{bus} had ended by itself")

    async def start_bus(self, bus: str) -> None:
        """Start it until it stays up, as a service manager does: without its broker it ends at once."""
        while True:
            try:
                await self._stage.buses[bus].start()
            except NodeFailed:
                await asyncio.to_thread(self._stage.buses[bus].kill)
                await asyncio.sleep(AGAIN_S)
            else:
                return

    # --- servers ---

    async def kill_broker(self, blow: Blow) -> None:
        broker = self._stage.nodes.rabbitmq
        assert broker is not None
        async with self._locks["broker"]:
            await broker.kill()
            await asyncio.sleep(blow.length)
            await broker.revive()

    async def pause_broker(self, blow: Blow) -> None:
        broker = self._stage.nodes.rabbitmq
        assert broker is not None
        async with self._locks["broker"]:
            broker.pause()
            try:
                await asyncio.sleep(blow.length)
            finally:
                broker.resume()

    async def alarm(self, blow: Blow) -> None:
        broker = self._stage.nodes.rabbitmq
        assert broker is not None
        async with self._locks["broker"]:
            await alarms.call(broker, alarms.RAISED[blow.target])
            try:
                await asyncio.sleep(blow.length)
            finally:
                await alarms.call(broker, alarms.CLEARED[blow.target])

    async def kill_redis(self, blow: Blow) -> None:
        """Its memory goes with it: nothing is written to disk."""
        server = self._stage.nodes.redis
        assert server is not None
        async with self._locks["redis"]:
            await server.kill()
            await asyncio.sleep(blow.length)
            await server.revive()

    async def pause_redis(self, blow: Blow) -> None:
        server = self._stage.nodes.redis
        assert server is not None
        async with self._locks["redis"]:
            server.pause()
            try:
                await asyncio.sleep(blow.length)
            finally:
                server.resume()

    async def flush_redis(self, blow: Blow) -> None:
        del blow
        async with self._locks["redis"], redis.Redis.from_url(self._stage.nodes.redis_url) as connection:
            await connection.flushall()

    # --- the systems ---

    async def kill_standin(self, blow: Blow) -> None:
        """Whatever the bus has under way there is cut; what people do waits."""
        child = self._stage.standins[blow.target]
        async with self._locks[blow.target], self._people.away(blow.target):
            await asyncio.to_thread(child.kill)
            await asyncio.sleep(blow.length)
            await child.start()

    async def fault(self, blow: Blow) -> None:
        kind = str(blow.more["kind"])
        wanted = {name: value for name, value in blow.more.items() if name != "kind"}
        if kind == "down":
            wanted["seconds"] = blow.length
        async with self._people.away(blow.target):  # its control port must be there
            await self._stage.control.break_(blow.target, kind, **wanted)
        await asyncio.sleep(blow.length)
        async with self._people.away(blow.target):
            await self._stage.control.mend(blow.target, kind)

    # --- the network ---

    async def wire(self, blow: Blow) -> None:
        wire = self._stage.wires[blow.target]
        async with self._locks[blow.target]:
            wire.set(Mode(blow.more["mode"]))
            try:
                await asyncio.sleep(blow.length)
            finally:
                wire.set(Mode.PASS)

    # --- the broker's content ---

    async def second_token(self, blow: Blow) -> None:
        """What a crash between the new token and the acknowledgement of the old one leaves."""
        publisher = Publisher(self._stage.nodes.amqp_url, "chaos")
        async with self._locks["broker"]:
            try:
                await publisher.publish(write_token(blow.target, Token(1)))
            finally:
                await publisher.close()
