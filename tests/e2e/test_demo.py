"""`esb demo` as people start it: what it prints, what it reports, and what it leaves behind."""

import asyncio
import json
import os
import sys

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def _demo(servers, directory, *arguments):
    """Run the command in a directory of its own; returns exit status and what it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "esb_cli.main", "demo", *arguments,
        cwd=directory, env=os.environ | servers.environment() | {"COLUMNS": "120"},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    return process.returncode, output.decode()


async def test_the_demo_loses_doubles_and_misplaces_nothing_and_tells_of_its_dead_letter(servers, tmp_path):
    report = tmp_path / "report.json"

    status, output = await _demo(servers, tmp_path, "--orders", "60", "--report", str(report))

    figures = json.loads(report.read_text())
    assert status == 0, output
    assert (figures["orders_sent"], figures["documents"], figures["dead_letters"]) == (60, 59, 1)
    assert [figures[name] for name in ("missing", "doubled", "wrong_base", "out_of_order")] == [0, 0, 0, 0]
    assert "unknown_product" in output
    assert "esb dead replay --document" in output


async def test_one_order_and_idle_time_make_no_further_write(servers, tmp_path):
    status, output = await _demo(servers, tmp_path, "--orders", "1", "--idle", "4")

    assert status == 0, output
    assert "no echo" in output
