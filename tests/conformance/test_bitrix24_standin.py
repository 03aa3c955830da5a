"""The Bitrix24 stand-in answers with the members the vendor's examples show."""

import httpx
import pytest

from esb_standins.bitrix24.registry import METHODS
from esb_standins.config import parse_config
from esb_standins.server import serve

UNLISTED = {"batch", "server.time", "crm.contact.fields", "crm.requisite.fields"}
"""Methods of real portals that the recorded list leaves out."""
ADDRESSES = ("ADDRESS", "REG_ADDRESS", "UTM_", "UF_", "PARENT_ID")
"""Members of portals with addresses in companies, analytics and own fields."""
NOT_IMITATED = {"LOGO", "HAS_IMOL", "LAST_COMMUNICATION_TIME"}


@pytest.fixture
async def portal(reference, tmp_path):
    config = parse_config({"state_dir": str(tmp_path), "standins": {"bitrix24.portal": {"capacity": 0}}})
    async with serve(config) as host:
        standin = host.standin("bitrix24.portal")
        await standin.seed({})
        deal = await standin.act(
            "create_deal", {"entity": "romashka-retail", "lines": [{"article": "RM-0001", "quantity": 2}]}
        )
        async with httpx.AsyncClient(base_url=host.url("bitrix24.portal"), trust_env=False) as http:
            yield http, deal


def test_every_method_of_the_stand_in_is_documented(recorded):
    documented = {name.lower() for name in recorded("bitrix24-samples/methods.json")}

    assert METHODS.keys() - documented <= UNLISTED


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("crm.deal.get", {"id": "deal_id"}),
        ("crm.deal.productrows.get", {"id": "deal_id"}),
        ("crm.company.get", {"id": "company_id"}),
        ("crm.item.productrow.list", {"filter": {"=ownerType": "D", "=ownerId": 1}}),
        ("crm.requisite.list", {}),
        ("crm.status.list", {}),
        ("crm.category.list", {"entityTypeId": 2}),
        ("catalog.measure.list", {}),
        ("profile", {}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_an_answer_has_the_members_of_the_documented_one(portal, recorded, method, params):
    http, deal = portal
    documented = recorded("bitrix24-samples/methods.json")[method]["ok"]["result"]

    answer = (await http.post(method, json=filled(params, deal))).json()

    lacking = members(documented) - members(answer["result"])
    assert {name for name in lacking if not name.startswith((*ADDRESSES, "property"))} <= NOT_IMITATED


def filled(params, known):
    return {name: known.get(value, value) if isinstance(value, str) else value for name, value in params.items()}


def members(answer):
    """Names of the innermost first object: answers wrap it in lists and envelopes."""
    while isinstance(answer, list) or (isinstance(answer, dict) and len(answer) == 1):
        answer = (answer if isinstance(answer, list) else list(answer.values()))[0]
    return set(answer)
