"""A Bitrix24 portal served on a free port, with a client that speaks to it as an adapter would."""

import httpx
import pytest

from esb_standins.config import parse_config
from esb_standins.receiver import Receiver
from esb_standins.server import serve

NAME = "bitrix24.portal"
TOKEN = "0utgoing0token"


class Rest:
    """One portal under test."""

    def __init__(self, host):
        self.host = host
        self.standin = host.standin(NAME)
        self.url = host.url(NAME)
        self.http = httpx.AsyncClient(base_url=self.url, timeout=5, trust_env=False)
        self.control = httpx.AsyncClient(base_url=host.control.url, timeout=5, trust_env=False)

    async def close(self):
        await self.http.aclose()
        await self.control.aclose()

    async def raw(self, method, **params):
        return await self.http.post(method, json=params)

    async def call(self, method, **params):
        response = await self.raw(method, **params)
        assert response.status_code == 200, response.text
        return response.json()["result"]

    async def refused(self, method, **params):
        response = await self.raw(method, **params)
        assert response.status_code >= 400, response.text
        return response.status_code, response.json()["error"]

    async def act(self, action, **body):
        response = await self.control.post(f"/actions/{NAME}/{action}", json=body)
        assert response.status_code == 200, response.text
        return response.json()

    async def fault(self, kind, **details):
        response = await self.control.put(f"/faults/{NAME}", json={"kind": kind, **details})
        assert response.status_code == 200, response.text

    async def ledger(self, subject=None):
        rows = (await self.control.get(f"/ledger/{NAME}")).json()
        return [row for row in rows if subject in {None, row["set"]}]

    async def deal(self, **body):
        order = {"entity": "romashka-opt", "customer": 1, "lines": [{"article": "RM-0001", "quantity": 2}]}
        return (await self.act("create_deal", **order | body))["deal_id"]

    async def idle(self):
        await self.standin.outgoing.idle()


@pytest.fixture
async def open_portal(tmp_path):
    """Return a function that serves a seeded portal; the request limit is off unless asked for."""
    opened = []

    async def opener(**options):
        table = {"capacity": 0, **options}
        context = serve(parse_config({"state_dir": str(tmp_path), "standins": {NAME: table}}))
        portal = Rest(await context.__aenter__())
        opened.append((portal, context))
        await portal.control.post(f"/seed/{NAME}")
        return portal

    yield opener

    for portal, context in opened:
        await portal.close()
        await context.__aexit__(None, None, None)


@pytest.fixture
async def portal(open_portal):
    return await open_portal()


@pytest.fixture
async def receiver():
    """A receiver of outgoing webhooks."""
    receiver = Receiver()
    await receiver.open()
    yield receiver
    receiver.close()


@pytest.fixture
async def listened(portal, receiver):
    """Bind the receiver to the portal's events."""
    await portal.act("bind", url=receiver.url, token=TOKEN)
    return receiver
