"""Webhooks and poll together against the shop stand-in, through real sockets."""

import json

import pytest
from pydantic import SecretStr

from esb_adapters.door import door
from esb_adapters.receiving import Intake, webhook_path
from esb_adapters.website.check import check_shop
from esb_adapters.website.client import ShopClient
from esb_adapters.website.mapper import native_events
from esb_adapters.website.mapping import Shop
from esb_adapters.website.poller import WebsitePoller
from esb_adapters.website.webhook import webhook_route
from esb_bus.landscape import Website
from esb_standins.config import parse_config
from esb_standins.faults import Fault
from esb_standins.listener import Listener
from esb_standins.server import serve

SECRET = 'лейка & "грабли"'
ENDPOINT = "website.shop"
SITE = Website.model_validate(
    {
        "protocol": "woocommerce",
        "url": "https://sad.example",
        "webhook_secret": "hook",
        "seller_meta": "_seller",
        "sellers": {code: code for code in ("romashka-retail", "romashka-opt", "romashka-service")},
        "tax_classes": {"": "22", "reduced-rate": "10", "zero-rate": "0", "no-vat": "none"},
    }
)


@pytest.fixture
async def bus_door(sink):
    """The door of the bus on a socket of its own."""
    route = webhook_route(ENDPOINT, SITE, SecretStr(SECRET), Intake(sink))
    listener = Listener(door([route]))
    await listener.open()
    yield listener
    listener.close()


@pytest.fixture
async def shop(bus_door, tmp_path):
    """The shop, with webhooks for new and changed orders that point at our door."""
    url = bus_door.url + webhook_path(ENDPOINT)
    hooks = [
        {"topic": topic, "delivery_url": url, "secret": SECRET}
        for topic in ("order.created", "order.updated", "order.deleted")
    ]
    config = parse_config({"state_dir": tmp_path, "standins": {ENDPOINT: {"webhooks": hooks}}})
    async with serve(config) as host:
        standin = host.standin(ENDPOINT)
        standin.address = host.url(ENDPOINT)
        await standin.seed({})
        await standin.outgoing.idle()
        yield standin


@pytest.fixture
async def poller(shop):
    async with ShopClient(shop.address, "ck_standin:cs_standin", 5) as client:
        yield WebsitePoller(ENDPOINT, client, 300)


def ids(sink):
    return {body["id"] for body in sink.bodies()}


async def placed(shop, count):
    orders = (await shop.act("place_orders", {"count": count, "persons": 0.2}))["orders"]
    await shop.outgoing.idle()
    return {order["order_id"] for order in orders}


async def test_every_order_of_the_shop_arrives_and_can_be_mapped(shop, sink):
    expected = await placed(shop, 40)

    events = [event for message in sink.messages for event in native_events(message, Shop(ENDPOINT, SITE))]

    assert ids(sink) == expected
    assert {event.thread for event in events} == {f"order/{ENDPOINT}/{number}" for number in expected}
    assert {event.legalentity for event in events} == set(SITE.sellers)


async def test_shop_without_taxes_can_be_mapped_too(shop, sink):
    shop.shop.settings = shop.shop.settings.__class__(taxes="off")
    await placed(shop, 10)

    events = [event for message in sink.messages for event in native_events(message, Shop(ENDPOINT, SITE))]

    assert all(any(line.vat_amount > 0 for line in event.data.lines) for event in events)


async def test_poll_brings_the_orders_whose_webhooks_were_lost(shop, poller, sink):
    cursor = (await poller.poll(None, sink)).cursor
    shop.faults.switch_on(Fault("events_dropped", share=0.2))
    expected = await placed(shop, 120)
    assert ids(sink) < expected

    await poller.poll(cursor, sink)

    assert ids(sink) == expected


async def test_webhook_and_poll_show_the_same_events(shop, poller, sink):
    cursor = (await poller.poll(None, sink)).cursor
    await placed(shop, 5)
    by_webhook = list(sink.messages)
    sink.messages.clear()
    await poller.poll(cursor, sink)

    mapped = [
        {event.id for message in messages for event in native_events(message, Shop(ENDPOINT, SITE))}
        for messages in (by_webhook, sink.messages)
    ]

    assert mapped[0] == mapped[1]


async def test_webhooks_that_failed_while_the_broker_was_gone_are_switched_on_again(shop, poller, sink):
    cursor = (await poller.poll(None, sink)).cursor
    sink.is_gone = True
    lost = await placed(shop, 7)
    sink.is_gone = False
    assert "disabled" in {hook["status"] for hook in shop.objects("webhooks")}

    await poller.poll(cursor, sink)
    later = await placed(shop, 1)

    assert {hook["status"] for hook in shop.objects("webhooks")} == {"active"}
    assert ids(sink) == lost | later


async def test_check_names_the_webhooks_that_are_missing_or_off(shop):
    async with ShopClient(shop.address, "ck_standin:cs_standin", 5) as client:
        before = await check_shop(ENDPOINT, client)
        hook = shop.objects("webhooks")[0]
        await client.put(f"webhooks/{hook['id']}", {"status": "paused"})
        after = await check_shop(ENDPOINT, client)

    assert [line.split(":")[1] for line in before] == [" no webhook for order.restored leads to /webhooks/website/shop"]
    assert any("order.created is paused" in line for line in after)


async def test_check_names_a_key_the_shop_does_not_take(shop):
    async with ShopClient(shop.address, "ck_standin:wrong", 5) as client:
        (problem,) = await check_shop(ENDPOINT, client)

    assert problem.startswith("website.shop: shop_down: the shop answers 401 'woocommerce_rest_authentication_error'")


async def test_deleted_order_arrives_with_its_thread(shop, sink):
    (number,) = await placed(shop, 1)
    await shop.act("delete_order", {"order_id": number})
    await shop.outgoing.idle()

    deleted = sink.messages[-1]

    assert (deleted.kind, deleted.thread) == ("woocommerce.order_deleted", f"order/{ENDPOINT}/{number}")
    assert json.loads(deleted.body) == {"id": number}
