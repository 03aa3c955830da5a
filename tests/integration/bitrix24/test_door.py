"""Events of the portal at our door: sent once, in a form, proved by a token."""

import asyncio

import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.routing import Route

from esb_adapters.bitrix24.webhook import event_check
from esb_adapters.receiving import Intake
from esb_standins.listener import Listener

ENDPOINT = "bitrix24.portal"
PATH = "/webhooks/bitrix24/portal"
TOKEN = "token0of0the0outgoing0webhook"


@pytest.fixture
async def door(portal):
    receive = Intake(portal.sink).receiver(ENDPOINT, event_check(ENDPOINT, SecretStr(TOKEN)))
    listener = Listener(Starlette(routes=[Route(PATH, receive, methods=["POST"])]), 0, "127.0.0.1")
    await listener.open()
    yield listener.url + PATH
    await portal.standin.outgoing.idle()
    listener.close()
    await listener.finished()


async def test_event_of_a_new_deal_leads_to_its_order(portal, door):
    await portal.standin.act("bind", {"url": door, "token": TOKEN})

    number = await portal.create_deal()
    await _until(lambda: portal.sink.messages)
    message = portal.sink.messages[0]
    events = await portal.adapter.mapper.events(message)

    assert message.thread == f"deal/{ENDPOINT}/{number}"
    assert message.kind == "bitrix24.event"
    assert TOKEN.encode() not in message.body
    assert next(event.objectkey for event in events) == f"order/{ENDPOINT}/{number}"


async def test_event_with_another_token_leaves_nothing(portal, door):
    await portal.standin.act("bind", {"url": door, "token": "somebody elses"})

    await portal.create_deal()
    await _until(lambda: any(sending["status"] == 401 for sending in portal.standin.outgoing.sendings()))

    assert portal.sink.messages == []


async def _until(condition):
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  the stand-in has no event to await
            await asyncio.sleep(0.02)
