"""The stand-in refuses what a real base refuses, with the same status and code."""

import base64
import json

import httpx
import pytest

from esb_standins.config import parse_config
from esb_standins.onec.seed import ref_of
from esb_standins.server import serve

USER, PASSWORD = "Шина", "секрет"
NOBODY = "41aa6331-954f-11e3-814b-005056c00008"
ORDERS = "Document_ЗаказКлиента"
PRODUCTS = "Catalog_Номенклатура"
JSON = "?$format=json"

CASES = {
    "entity set unknown or not published": ("GET", f"Catalog_Нет{JSON}", None),
    "no instance with this key": ("GET", f"{PRODUCTS}(guid'{NOBODY}'){JSON}", None),
    "bad $filter (Russian base)": ("GET", f"{PRODUCTS}{JSON}&$filter=Артикул = 'A'", None),
    "misspelt option": ("GET", f"{PRODUCTS}{JSON}&$expan=Parent", None),
    "unknown field in $select": ("GET", f"{PRODUCTS}{JSON}&$select=НетТакого", None),
    "text in a Guid property": ("POST", f"{PRODUCTS}{JSON}", {"Parent_Key": "абв"}),
    "array in a string property, missing LineNumber": ("POST", f"{ORDERS}{JSON}", {"Товары": [{"Количество": 1}]}),
    "broken JSON": ("POST", f"{PRODUCTS}{JSON}", b"{"),
    "reference compared with gt": ("GET", f"{PRODUCTS}{JSON}&$filter=Ref_Key gt guid'{NOBODY}'", None),
    "posting refused": ("POST", f"{ORDERS}(guid'DRAFT')/Post{JSON}", None),
    "managed lock timeout": ("POST", f"{PRODUCTS}{JSON}", {}),
    "prohibition date": ("POST", f"{ORDERS}{JSON}", {"Date": "2020-01-01T00:00:00"}),
}
FAULTS = {"managed lock timeout": "lock_conflict", "prohibition date": "period_closed"}


@pytest.fixture
async def base(reference, tmp_path):
    table = {"profile": "ut-11.5", "user": USER, "password": PASSWORD}
    config = parse_config({"state_dir": str(tmp_path), "standins": {"onec.trade": table}})
    token = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    async with serve(config) as host:
        await host.standin("onec.trade").seed({})
        root = f"{host.url('onec.trade')}/odata/standard.odata/"
        headers = {"Authorization": f"Basic {token}", "Accept": "application/json"}
        async with (
            httpx.AsyncClient(base_url=root, headers=headers, trust_env=False) as http,
            httpx.AsyncClient(base_url=host.control.url, trust_env=False) as control,
        ):
            yield http, control


@pytest.fixture
async def draft(base):
    """An order that nothing but its buyer is known of, so it cannot be posted."""
    http, _ = base
    fields = {
        "Date": "2026-03-20T10:00:00",
        "Контрагент_Key": ref_of("onec.trade", "Catalog_Контрагенты", "7812345675"),
    }
    response = await http.post(f"{ORDERS}{JSON}", json=fields)
    assert response.status_code == 201, response.text
    return response.json()["Ref_Key"]


@pytest.mark.parametrize("when", CASES)
async def test_the_stand_in_refuses_as_a_real_base_does(base, recorded, draft, when):
    http, control = base
    real = next(error for error in recorded("onec-samples/errors.json")["errors"] if error["when"] == when)
    method, path, body = CASES[when]
    if when in FAULTS:
        await control.put("/faults/onec.trade", json={"kind": FAULTS[when]})
    content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()

    answer = await http.request(method, path.replace("DRAFT", draft), content=content)

    told = real["body"]["odata.error"]
    ours = answer.json()["odata.error"]
    assert (answer.status_code, ours["code"]) == (real["http"], told["code"])
    assert ours.keys() == told.keys()
    assert ours["message"].keys() == told["message"].keys()
