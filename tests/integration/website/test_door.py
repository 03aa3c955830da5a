import asyncio
import json

import httpx
import pytest
from prometheus_client import REGISTRY

from esb_adapters.door import door
from esb_adapters.receiving import Intake, Limits
from esb_adapters.website.main import routes
from esb_bus.landscape import parse_landscape
from esb_bus.settings import Secrets

LANDSCAPE = {
    "legal_entities": {"romashka": {"name": "ООО «Ромашка»", "inn": "7701234560"}},
    "website": {
        "shop": {
            "protocol": "woocommerce",
            "url": "https://sad.example",
            "webhook_secret": "shop_hook",
            "legal_entity": "romashka",
        },
        "site": {"protocol": "standard", "webhook_secret": "site_hook", "legal_entity": "romashka"},
    },
}


@pytest.fixture
def serve(sink, sample):
    """Build the door with its own limits, and a client that speaks to it."""
    values = json.loads(sample("secrets.json"))
    secrets = Secrets(None, {"ESB_SECRET_SHOP_HOOK": values["woocommerce"], "ESB_SECRET_SITE_HOOK": values["standard"]})

    def build(is_ready=lambda: True, **limits):
        intake = Intake(sink, Limits(**limits))
        app = door(routes(parse_landscape(LANDSCAPE), secrets, intake), is_ready=is_ready)
        return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://door"), intake

    return build


@pytest.fixture
def delivery(sample):
    """A correctly signed delivery of the shop."""
    return {
        "content": sample("order_zero_coupon.json"),
        "headers": json.loads(sample("order_zero_coupon.headers.json")),
    }


def counted(endpoint, outcome):
    return REGISTRY.get_sample_value("esb_webhooks_total", {"endpoint": endpoint, "outcome": outcome}) or 0


async def test_signed_delivery_is_stored_as_it_came_before_it_is_answered(serve, sink, delivery):
    client, _ = serve()

    answer = await client.post("/webhooks/website/shop", **delivery)

    assert answer.status_code == 200
    (message,) = sink.messages
    assert message.body == delivery["content"]
    assert (message.endpoint, message.thread) == ("website.shop", "order/website.shop/20417")


async def test_duplicate_delivery_is_stored_too(serve, sink, delivery):
    client, _ = serve()

    answers = [await client.post("/webhooks/website/shop", **delivery) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert len(sink.messages) == 2


async def test_wrong_signature_leaves_nothing_but_a_counter(serve, sink, delivery):
    client, _ = serve()
    before = counted("website.shop", "bad_signature")

    answer = await client.post("/webhooks/website/shop", content=b"{}", headers=delivery["headers"])

    assert answer.status_code == 401
    assert sink.messages == []
    assert counted("website.shop", "bad_signature") == before + 1


async def test_ping_is_answered_and_not_stored(serve, sink):
    client, _ = serve()

    answer = await client.post("/webhooks/website/shop", data={"webhook_id": "3"})

    assert answer.status_code == 200
    assert sink.messages == []


async def test_old_delivery_of_a_site_is_refused_with_a_text_about_the_clock(serve, sink, sample):
    client, _ = serve()

    answer = await client.post(
        "/webhooks/website/site",
        content=sample("standard_order_placed.json"),
        headers=json.loads(sample("standard_order_placed.headers.json")),
    )

    assert answer.status_code == 401
    assert "webhook-timestamp" in answer.text
    assert sink.messages == []


@pytest.mark.parametrize("is_declared", [True, False], ids=["declared", "undeclared"])
async def test_body_above_the_limit_is_refused_and_not_held(serve, sink, delivery, is_declared):
    client, intake = serve(body=1000)
    body = delivery["content"]

    async def chunks():
        for start in range(0, len(body), 100):
            yield body[start : start + 100]
            assert intake.bytes_in_hand <= 1000

    answer = await client.post(
        "/webhooks/website/shop", content=body if is_declared else chunks(), headers=delivery["headers"]
    )

    assert answer.status_code == 413
    assert (sink.messages, intake.bytes_in_hand) == ([], 0)


async def test_bodies_in_hand_are_limited_altogether(serve, sink, delivery):
    client, _ = serve(in_hand=3000)
    sink.hangs = True
    first = asyncio.create_task(client.post("/webhooks/website/shop", **delivery))
    async with asyncio.timeout(5):
        await sink.was_asked.wait()

    second = await client.post("/webhooks/website/shop", **delivery)
    first.cancel()

    assert second.status_code == 503
    assert int(second.headers["Retry-After"]) > 0


@pytest.mark.parametrize("state", ["is_gone", "hangs"])
async def test_without_the_broker_the_answer_is_503_in_time_and_nothing_stays_in_hand(serve, sink, delivery, state):
    client, intake = serve(store_s=0.05)
    setattr(sink, state, True)

    async with asyncio.timeout(3):
        answer = await client.post("/webhooks/website/shop", **delivery)

    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert intake.bytes_in_hand == 0


async def test_sender_that_stops_in_the_middle_is_let_go(serve, sink):
    client, intake = serve(read_s=0.05)

    async def chunks():
        yield b'{"id":1'
        await asyncio.Event().wait()

    answer = await client.post("/webhooks/website/shop", content=chunks())

    assert answer.status_code == 408
    assert (sink.messages, intake.bytes_in_hand) == ([], 0)


async def test_health_tells_whether_webhooks_can_be_stored(serve):
    well, _ = serve()
    ill, _ = serve(is_ready=lambda: False)

    assert (await well.get("/healthz")).status_code == 200
    assert (await ill.get("/healthz")).status_code == 503


async def test_metrics_show_the_counter_of_refused_signatures(serve):
    client, _ = serve()
    await client.post("/webhooks/website/shop", content=b"{}")

    text = (await client.get("/metrics")).text

    assert 'esb_webhooks_total{endpoint="website.shop",outcome="bad_signature"}' in text
