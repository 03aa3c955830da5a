"""A shop served on a free port, with a client that speaks to it as an adapter would."""

import httpx
import pytest

from esb_standins.config import parse_config
from esb_standins.receiver import Receiver
from esb_standins.server import serve

NAME = "website.shop"
SECRET = "p4ss & <secret>"


class Rest:
    """One shop under test."""

    def __init__(self, host):
        self.standin = host.standin(NAME)
        self.url = host.url(NAME)
        self.http = httpx.AsyncClient(base_url=self.url, auth=("ck_standin", "cs_standin"), timeout=5, trust_env=False)
        self.control = httpx.AsyncClient(base_url=host.control.url, timeout=5, trust_env=False)

    async def close(self):
        await self.http.aclose()
        await self.control.aclose()

    async def get(self, path, **params):
        response = await self.http.get(path, params=params)
        assert response.status_code == 200, response.text
        return response.json()

    async def put(self, path, **body):
        response = await self.http.put(path, json=body)
        assert response.status_code == 200, response.text
        return response.json()

    async def act(self, action, **body):
        response = await self.control.post(f"/actions/{NAME}/{action}", json=body)
        assert response.status_code == 200, response.text
        return response.json()

    async def fault(self, kind, **details):
        response = await self.control.put(f"/faults/{NAME}", json={"kind": kind, **details})
        assert response.status_code == 200, response.text

    async def objects(self, subject):
        return (await self.control.get(f"/objects/{NAME}/{subject}")).json()

    async def order(self, **wish):
        default = {"seller": "romashka-opt", "customer": 1, "lines": [{"sku": "RM-0001", "quantity": 3}]}
        return (await self.act("place_order", **default | wish))["order_id"]

    async def idle(self):
        await self.standin.outgoing.idle()


@pytest.fixture
async def open_shop(tmp_path):
    """Return a function that serves a stocked shop."""
    opened = []

    async def opener(**options):
        context = serve(parse_config({"state_dir": str(tmp_path), "standins": {NAME: options}}))
        shop = Rest(await context.__aenter__())
        opened.append((shop, context))
        await shop.control.post(f"/seed/{NAME}")
        return shop

    yield opener

    for shop, context in opened:
        await shop.close()
        await context.__aexit__(None, None, None)


@pytest.fixture
async def shop(open_shop):
    return await open_shop()


@pytest.fixture
async def receiver():
    """A receiver of webhooks."""
    receiver = Receiver()
    await receiver.open()
    yield receiver
    receiver.close()


@pytest.fixture
async def listened(shop, receiver):
    """Make webhooks of all order topics that call the receiver; the pings are over."""
    for topic in ("order.created", "order.updated", "order.deleted"):
        body = {"topic": topic, "delivery_url": receiver.url, "secret": SECRET}
        assert (await shop.http.post("webhooks", json=body)).status_code == 201
    await shop.idle()
    receiver.requests.clear()
    return receiver
