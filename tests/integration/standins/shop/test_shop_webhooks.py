"""Webhooks of the shop: signed, sent once, switched off after failures."""

import base64
import hashlib
import hmac

from esb_standins.shop.webhooks import signature

SECRET = "p4ss & <secret>"


def topics(receiver):
    return [request.headers["x-wc-webhook-topic"] for request in receiver.requests]


async def test_a_new_webhook_is_pinged_by_an_unsigned_form(shop, receiver):
    await shop.act("add_webhook", topic="order.created", delivery_url=receiver.url, secret=SECRET)
    await shop.idle()

    ping = receiver.requests[0]
    assert ping.form.keys() == {"webhook_id"}
    assert "x-wc-webhook-signature" not in ping.headers


async def test_a_delivery_is_signed_over_its_raw_body(shop, listened):
    number = await shop.order()
    await shop.idle()

    delivery = listened.requests[0]
    expected = base64.b64encode(hmac.digest(SECRET.encode(), delivery.body, hashlib.sha256)).decode()
    assert delivery.headers["x-wc-webhook-signature"] == expected
    assert delivery.headers["x-wc-webhook-topic"] == "order.created"
    assert delivery.headers["content-type"] == "application/json"
    assert delivery.body.startswith(b'{"id":%d,' % number)


def test_a_secret_kept_as_html_signs_as_it_was_typed():
    body = b'{"id":7,"billing":{"first_name":"\\u041f\\u0440\\u043e\\u0431\\u0430"}}'

    assert signature(body, "a&amp;b") == signature(body, "a&b") == "RengkJIHGpxsHLDa5HP6AqG6T+0BVtXHDLI9zGlhVjg="


async def test_changes_fire_updates_and_a_deletion_carries_only_the_id(shop, listened):
    number = await shop.order()
    await shop.act("change_order", order_id=number, comment="Позвонить")
    await shop.act("delete_order", order_id=number)
    await shop.idle()

    by_topic = dict(zip(topics(listened), listened.requests, strict=True))
    assert set(by_topic) == {"order.created", "order.updated", "order.deleted"}
    assert by_topic["order.deleted"].body == b'{"id":%d}' % number


async def test_a_write_of_another_program_fires_as_well(shop, listened):
    number = await shop.order()
    await shop.put(f"orders/{number}", status="completed")
    await shop.put(f"orders/{number}", status="completed")
    await shop.idle()

    assert sorted(topics(listened)) == ["order.created", "order.updated"]


async def test_a_failed_delivery_is_never_repeated(shop, listened):
    listened.statuses = [500]

    await shop.order()
    await shop.idle()

    assert topics(listened) == ["order.created"]


async def test_more_than_five_failures_in_a_row_disable_a_webhook(shop, listened):
    listened.status = 500
    await shop.act("place_orders", count=5)
    await shop.idle()
    before = await shop.get("webhooks")

    await shop.act("place_orders", count=3)
    await shop.idle()

    after = await shop.get("webhooks")
    assert [webhook["status"] for webhook in before] == ["active"] * 3
    assert [webhook["status"] for webhook in after] == ["disabled", "active", "active"]


async def test_a_success_starts_the_failure_counter_anew(shop, listened):
    listened.statuses = [500, 500, 500, 500, 500, 302]
    for _ in range(9):
        await shop.order()
        await shop.idle()

    assert [webhook["status"] for webhook in await shop.get("webhooks")] == ["active"] * 3


async def test_a_disabled_webhook_is_switched_on_by_rest(shop, listened):
    number = (await shop.get("webhooks"))[0]["id"]
    await shop.put(f"webhooks/{number}", status="disabled")
    await shop.order()
    await shop.idle()
    silent = topics(listened)

    await shop.put(f"webhooks/{number}", status="active")
    await shop.order()
    await shop.idle()

    assert (silent, topics(listened)) == ([], ["order.created"])


async def test_deliveries_can_be_dropped_doubled_and_reordered(shop, listened):
    await shop.fault("events_dropped", share=0.5, seed=2)
    await shop.act("place_orders", count=20)
    await shop.idle()
    dropped = len(listened.requests)
    await shop.fault("events_dropped", share=0.0)
    await shop.fault("events_duplicated", count=1)
    await shop.order()
    await shop.idle()

    assert 0 < dropped < 20
    assert len(listened.requests) == dropped + 2


async def test_a_noisy_checkout_fires_an_update_too(open_shop, receiver):
    shop = await open_shop(noisy=True)
    for topic in ("order.created", "order.updated"):
        await shop.act("add_webhook", topic=topic, delivery_url=receiver.url)
    await shop.idle()
    receiver.requests.clear()

    await shop.order()
    await shop.idle()

    assert sorted(topics(receiver)) == ["order.created", "order.updated"]


async def test_webhooks_of_the_configuration_are_made_once(open_shop, receiver):
    webhooks = [{"topic": "order.created", "delivery_url": receiver.url, "secret": SECRET}]

    for _ in range(2):
        shop = await open_shop(webhooks=webhooks)
        await shop.idle()

    assert len(await shop.get("webhooks")) == 1
    assert [request.form.keys() for request in receiver.requests] == [{"webhook_id"}]


async def test_a_body_may_be_made_at_delivery(open_shop, receiver):
    shop = await open_shop(body_at="at_delivery")
    await shop.act("add_webhook", topic="order.created", delivery_url=receiver.url)
    await shop.idle()
    await shop.fault("events_delayed", seconds=0.2)

    number = await shop.order()
    await shop.act("change_order", order_id=number, status="cancelled")
    await shop.idle()

    assert b'"status":"cancelled"' in receiver.requests[-1].body
