"""The website adapter against signatures and bodies that others made."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from esb_adapters.receiving import Accepted
from esb_adapters.website.mapper import native_events
from esb_adapters.website.mapping import Shop
from esb_adapters.website.protocol import (
    WOO_ORDER,
    check_standard,
    check_woocommerce,
    standard_keys,
    woocommerce_kind,
    woocommerce_signature_fits,
)
from esb_bus.errors import PermanentError
from esb_bus.landscape import Website
from esb_bus.ports import NativeMessage
from esb_standins.php import encode

SECRET = "p & <q>"
DELIVERY = "website-samples/woocommerce-webhook-order-updated-10.2.1.json"
DELIVERY_BYTES = range(3000, 4000)
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@pytest.fixture
def shop():
    site = {
        "protocol": "woocommerce",
        "url": "https://shop.example",
        "webhook_secret": "hook",
        "legal_entity": "romashka",
    }
    return Shop("website.shop", Website.model_validate(site))


@pytest.fixture
def delivery(reference):
    """Headers and body of a recorded delivery, the body as PHP wrote it and signed for our secret."""
    recording = json.loads((reference / DELIVERY).read_text("utf-8"))
    body = encode(recording["body"])
    signature = base64.b64encode(hmac.new(SECRET.encode(), body, hashlib.sha256).digest()).decode()
    return {**recording["headers"], "x-wc-webhook-signature": signature}, body


def test_signatures_of_woocommerce_fit(recorded):
    vectors = recorded("website-samples/signature-vectors.json")["woocommerce"]

    fits = [
        woocommerce_signature_fits(vector["secret"], vector["raw_body"].encode(), vector["x-wc-webhook-signature"])
        for vector in vectors
    ]

    assert fits
    assert all(fits)


def test_signatures_of_standard_webhooks_are_accepted(recorded):
    vectors = recorded("website-samples/signature-vectors.json")["standard_webhooks"]

    verdicts = [
        check_standard(
            "website.shop",
            standard_keys(vector["secret"]),
            {name: value for name, value in vector.items() if name.startswith("webhook-")},
            vector["raw_body"].encode(),
            datetime.fromtimestamp(int(vector["webhook-timestamp"]), UTC),
        )
        for vector in vectors
    ]

    assert verdicts
    assert all(isinstance(verdict, Accepted) for verdict in verdicts)


def test_a_recorded_delivery_is_accepted_and_becomes_a_placed_order_of_nothing(delivery, shop):
    headers, body = delivery

    verdict = check_woocommerce("website.shop", SECRET, headers, body, NOW)
    assert isinstance(verdict, Accepted)
    assert verdict.message is not None
    (event,) = native_events(verdict.message, shop)

    assert len(body) in DELIVERY_BYTES
    wire = json.loads(body)
    assert verdict.message.thread == f"order/website.shop/{wire['id']}"
    assert (event.type, event.data.total) == ("order.placed", 0)
    assert [(line.article, line.amount) for line in event.data.lines] == [
        (item["sku"], 0) for item in wire["line_items"]
    ]


def test_a_recorded_delivery_written_again_by_another_language_does_not_fit_its_signature(delivery):
    headers, body = delivery
    rewritten = json.dumps(json.loads(body)).encode()

    assert not woocommerce_signature_fits(SECRET, rewritten, headers["x-wc-webhook-signature"])


def test_the_documented_order_is_refused_for_the_line_without_an_article(reference, shop):
    body = (reference / "website-samples/wc-v3-order.json").read_bytes()

    with pytest.raises(PermanentError, match=r"line_items\.0\.sku: order \d+, line .* has no SKU"):
        native_events(NativeMessage("website.shop", WOO_ORDER, body), shop)


def test_the_documented_order_with_articles_is_refused_for_a_tax_that_is_no_russian_vat(reference, shop):
    order = json.loads((reference / "website-samples/wc-v3-order.json").read_bytes())
    order["line_items"][0]["sku"] = "A-1"

    with pytest.raises(PermanentError, match=r"line_items\.0\.total_tax: order \d+ has the tax"):
        native_events(NativeMessage("website.shop", WOO_ORDER, json.dumps(order).encode()), shop)


def test_the_documented_order_without_tax_becomes_an_order(reference, shop):
    order = json.loads((reference / "website-samples/wc-v3-order.json").read_bytes())
    total = Decimal(order["total"]) - Decimal(order["total_tax"])
    order |= {"tax_lines": [], "total": str(total)}
    order["line_items"] = [{**line, "sku": line["sku"] or "A-1", "total_tax": "0.00"} for line in order["line_items"]]

    events = native_events(NativeMessage("website.shop", WOO_ORDER, json.dumps(order).encode()), shop)

    assert [event.type for event in events] == ["order.placed", "invoice.requested"]
    assert (events[0].data.total, events[0].data.delivery.amount) == (total, Decimal(order["shipping_total"]))


@pytest.mark.parametrize(
    "name", ["wc-v3-order-refund", "wc-v3-product", "wc-v3-product-variation", "wc-v3-customer", "wc-v3-webhook"]
)
def test_another_resource_sent_as_an_order_gives_a_plain_reason(reference, shop, name):
    body = (reference / f"website-samples/{name}.json").read_bytes()

    with pytest.raises(PermanentError, match=r"WooCommerce order .*Field required"):
        native_events(NativeMessage("website.shop", WOO_ORDER, body), shop)


@pytest.mark.parametrize(("name", "topic"), [("product", "product.updated"), ("customer", "customer.created")])
def test_another_resource_under_its_own_topic_says_nothing(reference, shop, name, topic):
    body = (reference / f"website-samples/wc-v3-{name}.json").read_bytes()

    assert native_events(NativeMessage("website.shop", woocommerce_kind(topic), body), shop) == ()


@pytest.mark.parametrize("name", ["b24-sale-order-get", "b24-sale-payment-get", "b24-event-onsaleordersaved"])
def test_a_body_of_another_system_gives_a_plain_reason(reference, shop, name):
    body = (reference / f"website-samples/{name}.json").read_bytes()

    with pytest.raises(PermanentError, match="WooCommerce order"):
        native_events(NativeMessage("website.shop", WOO_ORDER, body), shop)
