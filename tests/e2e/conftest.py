"""One running system for all end-to-end tests: broker, stand-ins and `esb run`, each in a process of its own.

A test acts as people do, with orders of its own, and waits for what the bases hold.
"""

import asyncio
import os
import sys
import time
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from esb_bus.landscape import load_landscape
from esb_bus.settings import Settings
from esb_cli.dead import fetch_letter
from esb_cli.demo.company import ENDPOINTS, PORTAL, SHOP
from esb_cli.demo.gather import Ledgers
from esb_cli.demo.stage import stage
from esb_standins.nodes import NodesUnavailable
from esb_standins.shop.webhooks import signature

RUN_DIR = Path(__file__).parents[2] / ".run" / "e2e"
DEADLINE_S = 20.0
YOUNG_S = 3.0
"""RabbitMQ 3.10.8 lost, for good, streams that were made and first written in the second before its power cut; those a
second older came back. No condition tells that they are safe. What is tested is a bus that has been running."""


async def until(find, seconds=DEADLINE_S):
    """Ask until the answer is something; fail with the last answer after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (found := await find()):
        assert time.monotonic() < deadline, f"still {found!r} after {seconds} s"
        await asyncio.sleep(0.05)
    return found


class Company:
    """The systems of the company, by what people and tests do with them."""

    def __init__(self, running):
        self.running = running
        self.control = running.control
        self.bus = running.bus
        self.ledgers = Ledgers(running.control, running.entities)

    # --- people ---

    async def order(self, seller="romashka-opt", sku="RM-0001", payment="cod", **wish):
        """A buyer orders; returns the key of the order."""
        lines = wish.pop("lines", [{"sku": sku, "quantity": 2}])
        body = {"seller": seller, "customer": 0, "lines": lines, "payment": payment, **wish}
        placed = await self.control.act(SHOP, "place_order", body)
        return f"order/{SHOP}/{placed['order_id']}"

    async def deal(self, entity="romashka-opt", article="RM-0001", **wish):
        """A manager makes a deal of a firm; returns the key of its order."""
        lines = [{"article": article, "quantity": 3}]
        made = await self.control.act(PORTAL, "create_deal", {"entity": entity, "customer": 0, "lines": lines, **wish})
        return f"order/{PORTAL}/{made['deal_id']}"

    async def act_on(self, key, action, **body):
        """Change an order or deal."""
        endpoint, native = key.split("/")[1:]
        name = "order_id" if endpoint == SHOP else "deal_id"
        return await self.control.act(endpoint, action, {name: int(native), **body})

    async def pay(self, document, amount=None):
        """An accountant enters a payment; returns its key."""
        body = {"order": document.ref, **({} if amount is None else {"amount": amount})}
        entered = await self.control.act(document.base, "add_payment", body)
        return f"payment/{document.base}/{entered['Ref_Key']}"

    async def deliver(self, body, secret=None, **headers):
        """Send a webhook of the shop as it is, signed with its secret unless told otherwise."""
        sent = {
            "Content-Type": "application/json",
            "X-WC-Webhook-Topic": "order.updated",
            "X-WC-Webhook-Resource": "order",
            "X-WC-Webhook-Event": "updated",
            "X-WC-Webhook-Signature": signature(body, secret or self.running.passwords.webhook),
            **headers,
        }
        async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
            return await client.post(self.running.webhook_url(SHOP), content=body, headers=sent)

    # --- what became of it ---

    async def until(self, find):
        return await until(find)

    async def at_rest(self):
        """Wait until nothing is written any more and nothing waits."""

        async def quiet():
            before = [len(await self.control.ledger(name)) for name in ENDPOINTS]
            await asyncio.sleep(1.5)
            now = [len(await self.control.ledger(name)) for name in ENDPOINTS]
            return before == now and not await self.running.queues.waiting()

        await until(quiet)

    async def documents(self, key):
        """Every document of a key that is not marked for deletion, as the ledgers have it last."""
        await self.ledgers.read_on()
        last = {(row.base, row.set, row.ref): row for row in self.ledgers.rows if row.key == key}
        return [row for row in last.values() if not row.is_deleted]

    async def posted(self, key, seconds=DEADLINE_S):
        """Wait for the posted document of a key; there must be one."""

        async def find():
            return [row for row in await self.documents(key) if row.is_posted]

        (document,) = await until(find, seconds)
        return document

    async def content(self, document):
        """The document as the base shows it."""
        rows = await self.control.objects(document.base, document.set)
        return next(row for row in rows if row["Ref_Key"] == document.ref)

    async def native(self, key):
        """The deal behind a key."""
        number = key.rpartition("/")[2]
        return next(deal for deal in await self.control.objects(PORTAL, "deal") if str(deal["ID"]) == number)

    async def deal_field(self, key, field, seconds=DEADLINE_S):
        """Wait until a field of the deal is filled."""

        async def find():
            return (await self.native(key)).get(field)

        return await until(find, seconds)

    async def letters(self, key):
        return [letter for letter in await self.running.queues.letters() if key in (letter.object, letter.thread)
                or letter.object.endswith(f":{key}")]  # fmt: skip

    async def letter(self, key, seconds=DEADLINE_S):
        """Wait for the one dead letter about a key."""
        (letter,) = await until(lambda: self.letters(key), seconds)
        return letter

    async def original(self, letter):
        """The bytes of a dead letter."""
        settings = Settings(amqp_url=self.running.nodes.amqp_url)
        found = await fetch_letter(settings, load_landscape(self.running.landscape), letter.id)
        return found[1].body

    async def esb(self, *arguments):
        """Run a command of the product; returns its output, and fails with it."""
        environment = os.environ | self.running.environment()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "esb_cli.main", *arguments,
            env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        output, _ = await process.communicate()
        assert process.returncode == 0, output.decode()
        return output.decode()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def company(servers):
    """Everybody uses the same company, and orders of one's own."""
    environ = os.environ | servers.environment()
    async with stage(RUN_DIR, RUN_DIR / "nodes", poll_s=1, environ=environ) as running:
        yield Company(running)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def company_of_its_own():
    """Another company, on private servers that a test may kill."""
    try:
        async with stage(RUN_DIR, RUN_DIR / "own-nodes", poll_s=1, environ=_without_servers()) as running:
            company = Company(running)
            await company.posted(await company.order())
            await asyncio.sleep(YOUNG_S)
            yield company
    except NodesUnavailable as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no broker of our own to kill: {error}")


def _without_servers():
    return {name: value for name, value in os.environ.items() if not name.startswith("ESB_")}
