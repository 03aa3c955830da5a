"""A 1C base served on a free port, with a client that speaks to it as an adapter would."""

import asyncio
import base64
import time
from collections.abc import Callable
from urllib.parse import quote

import httpx
import pytest

from esb_standins.config import parse_config
from esb_standins.onec.rules import NODE_CODE, PLAN
from esb_standins.onec.seed import ref_of
from esb_standins.server import serve

USER, PASSWORD = "Шина", "секрет"
ROOT = "/odata/standard.odata"


class Base:
    """One base under test: raw requests, and short words for those that recur."""

    def __init__(self, host, name):
        self.host = host
        self.name = name
        self.standin = host.standin(name)
        token = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        headers = {"Authorization": f"Basic {token}", "Accept": "application/json"}
        self.http = httpx.AsyncClient(base_url=host.url(name) + ROOT + "/", headers=headers, timeout=5, trust_env=False)
        self.control = httpx.AsyncClient(base_url=host.control.url, timeout=5, trust_env=False)

    async def close(self):
        await self.http.aclose()
        await self.control.aclose()

    def seeded(self, set_name, key):
        return ref_of(self.name, set_name, key)

    async def get(self, path, **options):
        query = "&".join(f"${name}={quote(str(value))}" for name, value in options.items())
        return await self.http.get(f"{path}?{query}")

    async def find(self, set_name, condition, **options):
        response = await self.get(set_name, filter=condition, **options)
        assert response.status_code == 200, response.text
        return response.json()["value"]

    async def post(self, path, body=None):
        return await self.http.post(path, json=body) if body is not None else await self.http.post(path)

    async def create(self, set_name, **fields):
        response = await self.post(set_name, fields)
        assert response.status_code == 201, response.text
        return response.json()

    async def patch(self, set_name, ref, **fields):
        return await self.http.patch(f"{set_name}(guid'{ref}')", json=fields)

    async def fault(self, kind, **details):
        response = await self.control.put(f"/faults/{self.name}", json={"kind": kind, **details})
        assert response.status_code == 200, response.text

    async def clear(self):
        await self.control.delete(f"/faults/{self.name}")

    async def act(self, action, **body):
        return await self.control.post(f"/actions/{self.name}/{action}", json=body)

    async def ledger(self, after=0):
        return (await self.control.get(f"/ledger/{self.name}", params={"after": after})).json()

    async def node(self, code=NODE_CODE):
        nodes = (await self.get(PLAN)).json()["value"]
        return next(node for node in nodes if node["Code"] == code)

    async def exchange(self, call, message_no, code=NODE_CODE):
        node = await self.node(code)
        point = f"{self.host.url(self.name)}{ROOT}/{PLAN}(guid'{node['Ref_Key']}')"
        return await self.http.post(f"{call}?DataExchangePoint='{quote(point)}'&MessageNo={message_no}")

    async def order(self, **fields):
        """Create a complete order of УТ."""
        product = self.seeded("Catalog_Номенклатура", "RM-0001")
        row = {"LineNumber": "1", "Номенклатура_Key": product, "Количество": 2, "Цена": 649, "Сумма": 1298}
        order = {
            "Date": "2026-11-20T10:00:00",
            "Организация_Key": self.seeded("Catalog_Организации", "7706123455"),
            "Партнер_Key": self.seeded("Catalog_Партнеры", "7812345675"),
            "Контрагент_Key": self.seeded("Catalog_Контрагенты", "7812345675"),
            "СуммаДокумента": 1298,
            "Товары": [row],
        }
        return await self.create("Document_ЗаказКлиента", **order | fields)


@pytest.fixture
async def open_base(tmp_path):
    """Return a function that serves a base of a profile; several may run in one test."""
    opened = []

    async def opener(name="onec.trade", profile="ut-11.5", seeded=True, **options):
        table = {"profile": profile, "user": USER, "password": PASSWORD, **options}
        context = serve(parse_config({"state_dir": str(tmp_path), "standins": {name: table}}))
        base = Base(await context.__aenter__(), name)
        opened.append((base, context))
        if seeded:
            await base.control.post(f"/seed/{name}")
        return base

    yield opener

    for base, context in opened:
        await base.close()
        await context.__aexit__(None, None, None)


@pytest.fixture
async def trade(open_base):
    return await open_base()


@pytest.fixture
def eventually() -> Callable:
    """Return a function that awaits a condition until it is truthy, and fails after a deadline."""

    async def wait(condition, seconds=5.0):
        deadline = time.monotonic() + seconds
        while not (result := await condition()):
            assert time.monotonic() < deadline, "the condition did not come true in time"
            await asyncio.sleep(0.02)
        return result

    return wait
