"""A portal on loopback, seeded with the company, and the adapter that speaks to it."""

import itertools
import time
from contextlib import asynccontextmanager

import pytest
from pydantic import SecretStr

from esb_adapters.bitrix24.budget import LocalBudget
from esb_adapters.bitrix24.main import open_client, parts
from esb_bus.landscape import Bitrix24Portal
from esb_bus.ports import NativeMessage
from esb_standins.config import HostConfig, StandinConfig
from esb_standins.server import serve

ENDPOINT = "bitrix24.portal"
SELLERS = {"44": "romashka-retail", "45": "romashka-opt", "46": "romashka-service"}


class FakeCache:
    """Forgets nothing unless told to."""

    def __init__(self):
        self.values = {}

    async def get(self, key):
        return self.values.get(key)

    async def put(self, key, value, ttl_s):  # noqa: ARG002  it forgets nothing
        self.values[key] = value

    async def drop(self, key):
        self.values.pop(key, None)


class FakeSink:
    """Keeps what a broker would have stored."""

    def __init__(self):
        self.messages: list[NativeMessage] = []

    async def store(self, message, deadline_s=None):  # noqa: ARG002  it is never late
        self.messages.append(message)


class FakeGuard:
    """Lets every write pass and counts them."""

    def __init__(self):
        self.writes = 0

    def before_write(self, *, fenced=False):  # noqa: ARG002  nothing is ever in doubt here
        self.writes += 1

    @asynccontextmanager
    async def lock(self, *keys):  # noqa: ARG002  nobody else writes
        yield


class CountingBudget(LocalBudget):
    """A budget that never makes anybody wait, and knows how much was taken."""

    def __init__(self):
        super().__init__(drain=1e6, capacity=1e6)
        self.taken = 0

    async def take(self, cost=1):
        self.taken += cost
        await super().take(cost)


class PortalUnderTest:
    """The stand-in, the adapter in front of it, and short words for what tests do with both."""

    def __init__(self, host, settings):
        self.standin = host.standin(ENDPOINT)
        url = host.url(ENDPOINT).split("/rest/")[0]
        self.settings = Bitrix24Portal.model_validate(
            {"url": f"{url}/rest/", "secret": "portal", "sellers": SELLERS, "timeout_s": 2, **settings}
        )
        self.secret = SecretStr("1/standin0secret0code")
        self.budget = CountingBudget()
        self.client = open_client(self.settings, self.secret, self.budget)
        self.cache = FakeCache()
        self.sink = FakeSink()
        self.guard = FakeGuard()
        self.restart()

    def restart(self):
        self.adapter = parts(ENDPOINT, self.settings, self.client, self.cache)

    async def create_deal(self, **body):
        lines = [{"article": "RM-0001", "quantity": 2}, {"article": "RM-0201", "quantity": 3}]
        made = await self.standin.act("create_deal", {"entity": "romashka-opt", "lines": lines, "customer": 0, **body})
        return made["deal_id"]

    def deal(self, number):
        return self.standin.portal.store.get("deal", number)

    def comments(self, number):
        rows = self.standin.portal.store.all("timeline").values()
        return [row["COMMENT"] for row in rows if row["ENTITY_ID"] == number]

    def writes(self):
        return [row for row in self.standin.ledger(0, 100_000) if row["set"] in {"deal", "timeline"}]

    async def events(self, number, **changes):
        body = f'{{"id":{number}}}'.encode()
        message = NativeMessage(endpoint=ENDPOINT, kind="bitrix24.deal", body=body, **changes)
        return await self.adapter.mapper.events(message)

    async def publish(self, number, **changes):
        events = await self.events(number, **changes)
        await self.adapter.mapper.published(events)
        return events

    async def deliver(self, document):
        return await self.adapter.sender.deliver(document, self.guard)


@pytest.fixture
async def open_portal(tmp_path):
    """Return a function that opens a portal; keyword arguments are settings of the landscape.

    The portal's clock is an hour behind and goes on by a second with every look at it, so that no version of a deal is
    of this second and nobody has to wait; `real_clock` leaves it alone.
    """

    @asynccontextmanager
    async def opener(*, real_clock=False, options=None, **settings):
        config = HostConfig(tmp_path, {ENDPOINT: StandinConfig("bitrix24", options=options or {"capacity": 0})})
        async with serve(config) as host:
            portal = PortalUnderTest(host, settings)
            await portal.standin.seed({})
            if not real_clock:
                portal.standin.portal.clock = itertools.count(time.time() - 3600).__next__
            try:
                yield portal
            finally:
                await portal.client.close()

    return opener


@pytest.fixture
async def portal(open_portal):
    async with open_portal() as opened:
        yield opened
