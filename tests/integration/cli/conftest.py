"""A running company for the commands, and `esb` as a person calls it: a process with arguments and an environment."""

import asyncio
import json
import os
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from esb_bus.landscape import load_landscape
from esb_bus.settings import Settings
from esb_cli.demo.company import PORTAL, SHOP, TRADE
from esb_cli.demo.stage import stage
from esb_cli.trace import trace
from esb_standins.company import PRODUCTS

RUN_DIR = Path(__file__).parents[3] / ".run" / "tests-cli"
DEADLINE_S = 15.0


@dataclass(frozen=True)
class Said:
    """What a command said."""

    status: int
    out: str
    err: str

    @property
    def rows(self):
        return [json.loads(line) for line in self.out.splitlines()]


async def run_esb(*arguments, env, answer=None):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "esb_cli.main", *arguments,
        env={"PATH": os.environ["PATH"], "COLUMNS": "80", **env},
        stdin=asyncio.subprocess.DEVNULL if answer is None else asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(30):
        out, err = await process.communicate(None if answer is None else answer.encode())
    said = Said(process.returncode, out.decode(), err.decode())
    assert "Traceback" not in said.err, said.err
    return said


class Company:
    """The company, by what people do in it and on its command line."""

    def __init__(self, running):
        self.running = running
        self.control = running.control
        self.env = running.environment()

    async def esb(self, *arguments, answer=None, **env):
        return await run_esb(*arguments, env={**self.env, **env}, answer=answer)

    async def order(self, sku="RM-0001", seller="romashka-opt"):
        body = {"seller": seller, "customer": 0, "lines": [{"sku": sku, "quantity": 2}], "payment": "cod"}
        return str((await self.control.act(SHOP, "place_order", body))["order_id"])

    async def deal(self, article="RM-0001", entity="romashka-opt"):
        body = {"entity": entity, "customer": 1, "lines": [{"article": article, "quantity": 2}]}
        return str((await self.control.act(PORTAL, "create_deal", body))["deal_id"])

    async def retype(self, old, new):
        """Give a product another article, as a person does it in 1C."""
        products = await self.control.objects(TRADE, "Catalog_Номенклатура")
        ref = next(row["Ref_Key"] for row in products if row.get("Артикул") == old)
        body = {"set": "Catalog_Номенклатура", "document": ref, "fields": {"Артикул": new}}
        await self.control.act(TRADE, "edit", body)

    async def told(self, number, what):
        """Wait until the story of a number has a step; return the story."""

        async def story():
            steps = await self.story(number)
            return steps if what in {step.what for step in steps} else None

        return await self.until(story)

    async def story(self, number):
        settings = Settings(amqp_url=self.env["ESB_AMQP_URL"])
        landscape = load_landscape(self.running.landscape)
        return (await trace(settings, landscape, number, lambda *_: None)).steps

    @asynccontextmanager
    async def away(self, base):
        """A base is down, and its queue is paused because of an order."""
        await self.control.break_(base, "down")
        try:
            number = await self.order()

            async def is_paused():
                return any("is paused since" in step.detail for step in await self.story(number))

            await self.until(is_paused)
            yield number
        finally:
            await self.control.mend(base)

    async def until(self, find):
        deadline = asyncio.get_running_loop().time() + DEADLINE_S
        while not (found := await find()):
            assert asyncio.get_running_loop().time() < deadline, f"still {found!r}"
            await asyncio.sleep(0.05)
        return found


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def company(servers):
    environ = os.environ | servers.environment()
    async with stage(RUN_DIR, RUN_DIR / "nodes", poll_s=1, environ=environ) as running:
        yield Company(running)


ARTICLES = iter([product.article for product in PRODUCTS if not product.is_service and product.article != "RM-0001"])
"""One for each test: the bus remembers the articles it has found once."""


@pytest_asyncio.fixture(loop_scope="session")
async def mistyped(company):
    """An article that the base `trade` does not know, until it is typed anew."""
    article = next(ARTICLES)
    await company.retype(article, f"{article}-typo")
    return article


@pytest.fixture
def bare(tmp_path):
    """An environment in which nothing is set."""
    return {"HOME": str(tmp_path)}


@pytest.fixture
def esb():
    """The command without a company."""
    return run_esb
