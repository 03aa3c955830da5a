"""1C bases on loopback, seeded with the company, and the adapter that writes to them."""

import asyncio
import json
import time
from urllib.parse import quote

import httpx
import pytest
from pydantic import SecretStr

from esb_adapters.onec import main as onec
from esb_adapters.onec.tables import configuration
from esb_bus.errors import EndpointDown, InDoubt, RetryableError
from esb_bus.guard import Guard, KeyedLocks
from esb_bus.landscape import OneCBase
from esb_bus.ports import NativeMessage
from esb_standins.config import parse_config
from esb_standins.onec.rules import NODE_CODE, PLAN
from esb_standins.onec.seed import ref_of
from esb_standins.server import serve

USER, PASSWORD = "Шина", "секрет"
INNS = {"romashka-retail": "7701234560", "romashka-opt": "7706123455", "romashka-service": "5032123452"}
HELD = {
    "onec.retail": ("romashka-retail",),
    "onec.trade": ("romashka-opt", "romashka-service"),
    "onec.buh": tuple(INNS),
}
PROFILES = {"onec.retail": "retail-2", "onec.trade": "ut-11.5", "onec.buh": "bp-3.0"}
WALK_IN = "Зелёный Двор ООО"


class FakeCache:
    """Forgets nothing unless told to."""

    def __init__(self):
        self.values = {}

    async def get(self, key):
        return self.values.get(key)

    async def put(self, key, value, ttl_s):  # noqa: ARG002  the port's signature
        self.values[key] = value

    async def drop(self, key):
        self.values.pop(key, None)


class FakeSink:
    """Keeps what a broker would have stored; refuses once when told to."""

    def __init__(self):
        self.messages: list[NativeMessage] = []
        self.error = None

    async def store(self, message, deadline_s=None):  # noqa: ARG002  the port's signature
        if self.error is not None:
            raise self.error
        self.messages.append(message)


class World:
    """One stand-in base and the adapter of it; what a consumer would do around a sender is in `settle`."""

    def __init__(self, host, name, base, client):
        self.host = host
        self.name = name
        self.base = base
        self.client = client
        self.cache = FakeCache()
        self.locks = KeyedLocks()
        self.requests = []
        client._http.event_hooks["request"].append(self._count)
        self.restart()
        self.control = httpx.AsyncClient(base_url=host.control.url, timeout=5, trust_env=False)

    async def _count(self, request):
        self.requests.append((request.method, request.url.path.rsplit("/", 1)[-1]))

    def restart(self, configured=None):
        """What a new process has: nothing but the cache."""
        facts = configured or configuration(self.base.configuration)
        parts = onec.compose(self.name, self.base, facts, self.client, self.cache)
        self.sender, self.mapper, self.poller = parts.sender, parts.mapper, parts.poller

    def seeded(self, set_name, key):
        return ref_of(self.name, set_name, key)

    def guard(self, doubt_until=0.0):
        return Guard(lambda: True, doubt_until, self.locks)

    async def deliver(self, document):
        """One attempt."""
        return await self.sender.deliver(document, self.guard())

    async def settle(self, document, seconds=20.0):
        """Deliver as the consumer does: wait out doubt and a base that is down, then look again."""
        deadline = time.monotonic() + seconds
        doubt_until = 0.0
        while time.monotonic() < deadline:
            try:
                return await self.sender.deliver(document, self.guard(doubt_until))
            except InDoubt as error:
                wait = self.base.settle_s if error.wait_s is None else error.wait_s
                doubt_until = max(doubt_until, asyncio.get_running_loop().time() + wait)
                await asyncio.sleep(wait)
            except EndpointDown:
                await asyncio.sleep(0.1)
        raise AssertionError("not delivered in time")

    async def settle_retrying(self, document, seconds=10.0):
        """The same, with retries of what is not in doubt."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                return await self.settle(document, seconds)
            except RetryableError as error:
                assert time.monotonic() < deadline, "not delivered in time"
                await asyncio.sleep(min(error.retry_after or 0.1, 1))

    async def objects(self, set_name):
        answer = await self.control.get(f"/objects/{self.name}/{quote(set_name)}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def ledger(self, after=0):
        return (await self.control.get(f"/ledger/{self.name}", params={"after": after})).json()

    async def edit(self, set_name, document, **fields):
        return await self.act("edit", set=set_name, document=document, fields=fields)

    async def one(self, set_name):
        """The only document of ours in a set."""
        (found,) = [row for row in await self.objects(set_name) if "[esb" in row["Комментарий"]]
        return found

    async def fault(self, kind, **details):
        answer = await self.control.put(f"/faults/{self.name}", json={"kind": kind, **details})
        assert answer.status_code == 200, answer.text

    async def clear(self):
        await self.control.delete(f"/faults/{self.name}")

    async def act(self, action, **body):
        answer = await self.control.post(f"/actions/{self.name}/{action}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()


def landscape_base(name, url, **changes):
    return OneCBase.model_validate_json(
        json.dumps(
            {
                "configuration": PROFILES.get(name, "ut-11.5"),
                "url": url,
                "secret": "base",
                "organisations": {code: INNS[code] for code in HELD.get(name, ("romashka-opt",))},
                "number_prefixes": {"website.shop": "ИМ", "bitrix24.portal": "ПБ"},
                "warehouse": "Магазин на Садовой" if name == "onec.retail" else "Основной склад",
                "walk_in_counterparty": WALK_IN,
                "exchange_plan": {"name": PLAN.removeprefix("ExchangePlan_"), "node": NODE_CODE},
                "settle_s": 0.3,
                "timeout_s": 1,
                **changes,
            }
        )
    )


@pytest.fixture
async def open_world(tmp_path):
    """Return a function that serves a base and opens the adapter to it."""
    opened = []

    async def opener(name="onec.trade", landscape=None, **options):
        landscape = landscape or {}
        profile = landscape.get("configuration", PROFILES.get(name))
        table = {"profile": profile, "user": USER, "password": PASSWORD, **options}
        context = serve(parse_config({"state_dir": str(tmp_path), "standins": {name: table}}))
        host = await context.__aenter__()
        base = landscape_base(name, host.url(name), **landscape)
        world = World(host, name, base, onec.open_client(base, SecretStr(f"{USER}:{PASSWORD}")))
        opened.append((world, context))
        await world.control.post(f"/seed/{name}")
        return world

    yield opener

    for world, context in opened:
        await world.client.close()
        await world.control.aclose()
        await context.__aexit__(None, None, None)


@pytest.fixture
async def trade(open_world):
    return await open_world()


@pytest.fixture
def sink():
    return FakeSink()
