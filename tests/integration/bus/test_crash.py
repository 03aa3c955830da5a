"""A consuming process killed again and again: every effect is there, in order, and repeats are recognised."""

import asyncio
import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.integration.bus.conftest import Bench, until

from esb_bus.commands import Command, command_message
from esb_bus.topology import dead_queue, parked_queue

ROOT = Path(__file__).parents[3]
THREADS = 8


class Victim:
    """The program in its own process."""

    def __init__(self, bench: Bench, ledger: Path) -> None:
        self._arguments = (bench.servers.amqp_url, bench.queue, str(ledger))
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.integration.bus.crash_program", *self._arguments),
            cwd=ROOT,
            stdout=asyncio.subprocess.DEVNULL,
        )

    async def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)
            await self._process.wait()


@asynccontextmanager
async def victim(bench: Bench, ledger: Path) -> AsyncIterator[Victim]:
    program = Victim(bench, ledger)
    try:
        yield program
    finally:
        await program.kill()


def lines(ledger: Path) -> list[str]:
    return ledger.read_text(encoding="utf-8").split()


async def killed_again_and_again(bench: Bench, ledger: Path, *, kills: int, messages: int) -> None:
    keys = [f"k-{number}" for number in range(1, messages + 1)]
    await asyncio.to_thread(ledger.touch)

    async def send() -> None:
        for number, key in enumerate(keys):
            await bench.publish(key, f"thread/{number % THREADS}", object=key, message_id=key)
            await asyncio.sleep(0.001)

    async with victim(bench, ledger) as program:
        sending = asyncio.ensure_future(send())
        for _ in range(kills):
            before = len(lines(ledger))
            await program.start()
            await until(lambda before=before: len(lines(ledger)) > before or sending.done(), 20)  # type: ignore[misc]
            await asyncio.sleep(random.uniform(0, 0.4))
            await program.kill()
        await sending
        await asyncio.to_thread(ledger.with_suffix(".repaired").touch)
        await program.start()
        await until(lambda: nothing_in_the_queue(bench), 30)
        letters = tuple(letter.id for letter in await bench.letters())
        await bench.publisher.publish(command_message(bench.queue, Command("replay", letters)))
        await until(lambda: set(keys) <= set(lines(ledger)), 60)
        await until(lambda: nothing_left(bench), 30)

    effects = [line for line in lines(ledger) if not line.startswith("!")]
    assert sorted(effects) == sorted(keys)
    repeated = [line for line in lines(ledger) if line.startswith("!")]
    assert len(repeated) <= kills * 64
    for thread in range(THREADS):
        order = [int(key.split("-")[1]) for key in effects if (int(key.split("-")[1]) - 1) % THREADS == thread]
        assert order == sorted(order)


async def test_a_process_killed_four_times_loses_nothing_and_keeps_the_order(bench: Bench, tmp_path: Path):
    await killed_again_and_again(bench, tmp_path / "ledger", kills=4, messages=400)


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_a_process_killed_twenty_times_loses_nothing_and_keeps_the_order(bench: Bench, tmp_path: Path):
    await killed_again_and_again(bench, tmp_path / "ledger", kills=20, messages=3000)


async def nothing_in_the_queue(bench: Bench) -> bool:
    return await bench.count(bench.queue) == 0


async def nothing_left(bench: Bench) -> bool:
    return sum([await bench.count(name(bench.queue)) for name in (str, dead_queue, parked_queue)]) == 0
