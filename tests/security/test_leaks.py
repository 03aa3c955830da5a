"""A small company runs, fails and is looked at; no secret and no person is to be found where they do not belong."""

import asyncio
import json
import os
import re
import sys
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import pytest_asyncio
import redis.asyncio as redis

from esb_bus.browse import browse
from esb_bus.history import read_stream
from esb_bus.landscape import load_landscape
from esb_bus.topology import H_ERROR, H_TRACEBACK, dead_queue, log_stream, plan, worked_queues
from esb_bus.wire import Link
from esb_cli.demo.company import PORTAL, SHOP, TRADE
from esb_cli.demo.stage import stage
from esb_standins.company import CUSTOMERS
from esb_standins.shop.webhooks import signature

RUN_DIR = Path(__file__).parents[2] / ".run" / "security"
pytestmark = pytest.mark.asyncio(loop_scope="module")

VISITOR = {
    "first_name": "Мария",
    "last_name": "Тайнова",
    "email": "tainova.maria@example.test",
    "phone": "+7 905 555-77-31",
}
ADDRESS = "Секретный переулок, 13"


def persons():
    """Names, addresses and numbers of people as they may be written down somewhere."""
    found = {VISITOR["last_name"], VISITOR["email"], ADDRESS, "905 555-77-31", "9055557731"}
    for customer in CUSTOMERS:
        digits = re.sub(r"\D", "", customer.phone)
        found |= {customer.email, customer.phone, customer.phone[3:], digits[1:], customer.inn}
        found |= {customer.full_name, customer.name.rpartition(" ")[0]}
    return found


def passwords(running):
    """Every secret of the company, and the accounts of its servers."""
    kept = running.passwords.files().values()
    parts = {part for value in kept for part in value.replace("/", ":").split(":") if len(part) > 8}
    urls = [running.nodes.amqp_url, running.nodes.redis_url, running.nodes.management_url or ""]
    return parts | {secret for url in urls if (secret := urlsplit(url).password)}


def found_in(text, wanted):
    """The searched texts that are there, also as JSON escapes them."""
    return sorted(one for one in wanted if one in text or json.dumps(one)[1:-1] in text)


def of_process(pid, name):
    return Path(f"/proc/{pid}/{name}").read_bytes().decode()


class Company:
    def __init__(self, running):
        self.running = running
        self.landscape = load_landscape(running.landscape)
        self.printed = {}

    async def deliver(self, body, secret=None):
        headers = {
            "X-WC-Webhook-Topic": "order.updated",
            "X-WC-Webhook-Signature": signature(body, secret or self.running.passwords.webhook),
        }
        async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
            return await client.post(self.running.webhook_url(SHOP), content=body, headers=headers)

    async def live(self):
        """Trade, and let everything go wrong that quotes what it stumbled over."""
        control = self.running.control
        lines = [{"sku": "RM-0001", "quantity": 2}]
        for customer in range(len(CUSTOMERS)):
            order = {"seller": "romashka-opt", "customer": customer, "lines": lines, "payment": "bacs"}
            await control.act(SHOP, "place_order", order)
        deal = {"entity": "romashka-opt", "customer": 8, "lines": [{"article": "RM-0002", "quantity": 1}]}
        await control.act(PORTAL, "create_deal", deal)
        template = (await control.objects(SHOP, "orders"))[0]
        for native, change in enumerate(self._spoilt(template), 920001):
            body = template | {"id": native, "number": str(native)} | change
            assert (await self.deliver(json.dumps(body, ensure_ascii=False).encode())).status_code == 200
        assert (await self.deliver(b"{}", secret="somebody else's")).status_code == 401
        assert (await self.deliver(b'{"id": 920099, "billing": {"email": "' + VISITOR["email"].encode())).is_success
        await control.break_(TRADE, "down", seconds=1)
        await self._settled()

    def _spoilt(self, template):
        billing = template["billing"] | VISITOR | {"address_1": ADDRESS}
        yield {"billing": billing | {"email": VISITOR["email"] + " or so"}}
        yield {"billing": billing | {"phone": VISITOR["phone"] + " вечером"}}
        yield {"billing": billing | {"first_name": ["Мария", "Тайнова"]}}
        yield {"billing": billing, "line_items": [template["line_items"][0] | {"sku": "нет такого"}]}
        yield {"billing": billing, "currency": VISITOR["email"]}
        yield {"billing": "Тайнова"}
        yield {"billing": billing, "meta_data": [{"id": 1, "key": "_billing_inn", "value": "Тайнова"}]}
        yield {"billing": billing, "meta_data": [{"id": 1, "key": "_seller", "value": "Тайнова"}]}

    async def _settled(self):
        async with asyncio.timeout(40):
            while True:
                waiting, letters = await self.running.queues.waiting(), await self.running.queues.letters()
                if not waiting and len(letters) >= 4:
                    return
                await asyncio.sleep(0.2)

    async def esb(self, *arguments):
        """What a command prints, with both of its outputs."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "esb_cli.main", *arguments,
            env=os.environ | self.running.environment(),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        output, _ = await process.communicate()
        return output.decode()

    async def link(self):
        return await Link.open(self.running.nodes.amqp_url, "leaks")

    async def letters(self):
        link = await self.link()
        try:
            found = []
            for queue in worked_queues(self.landscape):
                async with browse(link, dead_queue(queue.name), lambda _: True) as browser:
                    found += [one async for one in browser.messages()]
            return found
        finally:
            await link.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def company(servers):
    environ = os.environ | servers.environment()
    async with stage(RUN_DIR, RUN_DIR / "nodes", poll_s=1, environ=environ) as running:
        one = Company(running)
        await one.live()
        yield one


async def test_the_log_names_no_person_and_no_secret(company):
    log = company.running.bus.log.read_text("utf-8")

    assert log.count('"delivery.failed"') >= 4
    assert found_in(log, persons()) == []
    assert found_in(log, passwords(company.running)) == []


async def test_the_process_list_shows_no_secret(company):
    command = of_process(company.running.bus.pid, "cmdline")

    assert found_in(command, passwords(company.running)) == []


async def test_secrets_of_the_endpoints_are_not_in_the_environment(company):
    environment = of_process(company.running.bus.pid, "environ")
    of_endpoints = {part for value in company.running.passwords.files().values() for part in re.split("[:/]", value)}

    assert found_in(environment, {part for part in of_endpoints if len(part) > 8}) == []


async def test_metrics_name_no_person_and_no_secret(company):
    async with httpx.AsyncClient(trust_env=False) as client:
        text = (await client.get(f"{company.running.door}/metrics")).text

    assert "esb_failures_total" in text
    assert found_in(text, persons() | passwords(company.running)) == []


async def test_names_on_the_broker_name_no_person(company):
    names = "\n".join(queue.name for queue in plan(company.landscape))

    assert found_in(names, persons() | passwords(company.running)) == []


async def test_what_is_added_to_a_dead_letter_quotes_a_value_only_in_its_error(company):
    letters = await company.letters()

    assert any(VISITOR["email"].encode() in letter.body for letter in letters), "the search itself is wrong"
    for letter in letters:
        added = {name: value for name, value in letter.headers.items() if name not in {H_ERROR, H_TRACEBACK}}
        assert found_in(json.dumps(added, ensure_ascii=False, default=str), persons()) == []
        assert found_in(f"{letter.headers} {letter.body!r}", passwords(company.running)) == []


async def test_no_message_in_the_history_holds_a_secret(company):
    link = await company.link()
    try:
        for entity in (*company.landscape.legal_entities, "shared"):
            async for message in read_stream(link, log_stream(entity)):
                text = message.body.decode() + repr(message.headers)
                assert found_in(text, passwords(company.running)) == []
                assert found_in(repr(message.headers), persons()) == []
    finally:
        await link.close()


async def test_redis_holds_no_secret(company):
    async with redis.Redis.from_url(company.running.nodes.redis_url) as connection:
        keys = [key async for key in connection.scan_iter(company.running.nodes.redis_prefix + "*")]
        kinds = [await connection.type(key) for key in keys]
        values = [await connection.get(key) for key, kind in zip(keys, kinds, strict=True) if kind == b"string"]

    assert found_in(repr(keys) + repr(values), passwords(company.running)) == []


@pytest.mark.parametrize(
    "command",
    [("dead", "list", "--json"), ("topology", "show", "--json"), ("check", "--json"), ("trace", "920001", "--json")],
    ids=["dead-list", "topology", "check", "trace"],
)
async def test_what_commands_print_for_machines(company, command):
    printed = await company.esb(*command)
    rows = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    without_errors = [{name: value for name, value in row.items() if name not in {"error", "detail"}} for row in rows]

    assert found_in(printed, passwords(company.running)) == []
    assert found_in(json.dumps(without_errors, ensure_ascii=False), persons()) == []
