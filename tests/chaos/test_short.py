"""The short chaos of CI; `make chaos` has the long ones."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from chaos.main import NO_NODES
from chaos.schedule import KINDS, LONG, SHORT, schedule

MAIN = Path(__file__).with_name("main.py")
RUN_DIR = Path(__file__).parents[2] / ".run" / "chaos" / "ci"


def test_a_schedule_is_a_function_of_its_seed():
    assert schedule(5, 60, SHORT) == schedule(5, 60, SHORT)
    assert schedule(5, 60, SHORT) != schedule(6, 60, SHORT)


def test_a_long_schedule_holds_every_kind_of_blow():
    blows = schedule(1, len(KINDS) * LONG.gap * 2, LONG)

    assert {kind.name for kind in KINDS} == {blow.kind for blow in blows}


@pytest.mark.long
@pytest.mark.timeout(400)
async def test_short_chaos_loses_and_doubles_nothing_and_keeps_the_order():
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(MAIN), "--seed", "2026", "--events", "150", "--minutes", "0.75", "--run-dir", str(RUN_DIR),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()

    if process.returncode == NO_NODES and not os.environ.get("CI"):
        pytest.skip("no broker of our own to kill")
    assert process.returncode == 0, output.decode()
