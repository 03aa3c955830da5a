"""Clients that others wrote for the real systems, against the stand-ins: `make conformance CLIENTS=1`.

They live in an environment of their own below .run, so that nothing of them becomes a dependency.
"""

import asyncio
import json
import os
import subprocess
import sys
import venv
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from esb_standins.config import parse_config
from esb_standins.server import serve

CLIENTS = Path(__file__).parent / "clients"
ENVIRONMENT = Path(__file__).parents[2] / ".run" / "conformance" / "venv"
INSTALL_S = 240
WORK_S = 60

pytestmark = pytest.mark.timeout(INSTALL_S + WORK_S)


@pytest.fixture(scope="session")
def interpreter() -> Path:
    """The interpreter of an environment that has the clients."""
    if not os.environ.get("ESB_CLIENTS"):
        pytest.skip("real clients are not asked for: run `make conformance CLIENTS=1`")
    python = ENVIRONMENT / "bin" / "python"
    if not python.exists():
        venv.create(ENVIRONMENT, with_pip=True)
    wanted = [python, "-m", "pip", "install", "--quiet", "--requirement", CLIENTS / "requirements.txt"]
    done = subprocess.run(wanted, capture_output=True, text=True, timeout=INSTALL_S, check=False)  # noqa: S603  our own command
    if done.returncode:
        pytest.skip(f"the clients cannot be installed (is PyPI reachable?): {done.stderr.strip()[-300:]}")
    return python


@pytest.fixture
def run(interpreter):
    """Return a function that runs a client program and gives what it answers."""

    async def running(program, *arguments):
        process = await asyncio.create_subprocess_exec(
            interpreter, CLIENTS / program, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        out, errors = await asyncio.wait_for(process.communicate(), WORK_S)
        assert process.returncode == 0, errors.decode()[-3000:]
        return json.loads(out)

    return running


def origin(url):
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


@pytest.fixture
async def standins(interpreter, tmp_path):
    tables = {
        "onec.trade": {"profile": "ut-11.5", "user": "Шина", "password": "секрет", "publication": "trade"},
        "bitrix24.portal": {"capacity": 0},
        "website.shop": {},
    }
    async with serve(parse_config({"state_dir": str(tmp_path), "standins": tables})) as host:
        for name in tables:
            await host.standin(name).seed({})
        yield host


async def test_an_odata_client_of_1c_reads_writes_and_posts(run, standins):
    found = await run("onec.py", origin(standins.url("onec.trade")), "trade")

    assert "Document_ЗаказКлиента" in found["sets"]
    assert len(found["articles"]) == len(set(found["articles"])) == int(found["count"])
    assert found["same"]
    assert (found["comment"], found["sum"]) == ("от 'чужого' клиента", 1299)
    assert found["posted"] == [True, False]
    assert found["missing"] == 404


async def test_a_client_of_bitrix24_pages_batches_and_writes(run, standins):
    found = await run("bitrix24.py", standins.url("bitrix24.portal"))

    assert found["deals"] == found["items"] >= 60
    assert found["titles"][0] == "Другая"
    assert found["batch"] == ["Другая", []]


async def test_the_client_of_woocommerce_signs_reads_and_writes(run, standins):
    found = await run("woocommerce_shop.py", origin(standins.url("website.shop")))

    assert found["statuses"] == [201, 200, 201, 200]
    assert (found["quantity"], found["note"]) == (2, "Звоните & пишите")
    assert (found["listed"], found["total"]) == (True, "1")
    assert found["missing"] == [404, "woocommerce_rest_shop_order_invalid_id"]
    assert found["stranger"] == 401


def test_the_clients_are_no_dependency_of_the_product():
    assert not {"python_1c_odata", "fast_bitrix24", "woocommerce"} & sys.modules.keys()
