import base64
import hashlib
import hmac
import html
import json
from datetime import UTC, datetime, timedelta

import pytest

from esb_adapters.receiving import Accepted, Refused
from esb_adapters.website.protocol import (
    STANDARD_EVENT,
    WOO_ORDER,
    WOO_ORDER_DELETED,
    WOO_OTHER,
    SecretUnusable,
    check_standard,
    check_woocommerce,
    standard_keys,
    woocommerce_kind,
)

NOW = datetime(2026, 3, 2, 9, 10, 10, tzinfo=UTC)
PUBLIC_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
"""The test vector of the Standard Webhooks specification."""


def woo_headers(secret, body, topic="order.updated"):
    signature = base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()
    return {"x-wc-webhook-signature": signature, "x-wc-webhook-topic": topic}


def standard_headers(key, body, at=NOW, message_id="msg_1", extra=""):
    signed = f"{message_id}.{int(at.timestamp())}.".encode() + body
    signature = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": f"{extra}v1,{signature}",
    }


def test_delivery_in_the_form_of_php_is_accepted_with_its_order_and_version(sample, secrets):
    body, headers = sample("order_zero_coupon.json"), json.loads(sample("order_zero_coupon.headers.json"))

    verdict = check_woocommerce("website.shop", secrets["woocommerce"], headers, body, NOW)

    assert isinstance(verdict, Accepted)
    assert verdict.message is not None
    assert verdict.message.body == body
    assert (verdict.message.kind, verdict.message.thread) == (WOO_ORDER, "order/website.shop/20417")
    assert verdict.message.version == int(datetime(2026, 2, 11, 12, 40, 8, tzinfo=UTC).timestamp() * 1000)
    assert verdict.message.headers["x-wc-webhook-topic"] == "order.updated"
    assert "x-wc-webhook-signature" not in verdict.message.headers


def test_the_same_json_written_again_does_not_fit_its_signature(sample, secrets):
    body, headers = sample("order_zero_coupon.json"), json.loads(sample("order_zero_coupon.headers.json"))
    rewritten = json.dumps(json.loads(body)).encode()

    verdict = check_woocommerce("website.shop", secrets["woocommerce"], headers, rewritten, NOW)

    assert isinstance(verdict, Refused)
    assert (verdict.status, verdict.reason) == (401, "bad_signature")


def test_secret_shown_with_html_entities_signs_like_the_decoded_one(sample, secrets):
    body, headers = sample("order_zero_coupon.json"), json.loads(sample("order_zero_coupon.headers.json"))

    verdict = check_woocommerce("website.shop", html.escape(secrets["woocommerce"]), headers, body, NOW)

    assert isinstance(verdict, Accepted)


@pytest.mark.parametrize("signature", ["", "мимо", "AAAA", "v1,", "=" * 5000], ids=ascii)
def test_signature_that_is_none_is_refused(signature):
    headers = {"x-wc-webhook-signature": signature}

    verdict = check_woocommerce("website.shop", "secret", headers, b"{}", NOW)

    assert isinstance(verdict, Refused)


def test_unsigned_ping_is_answered_and_creates_nothing():
    verdict = check_woocommerce("website.shop", "secret", {}, b"webhook_id=17", NOW)

    assert verdict == Accepted(None)


@pytest.mark.parametrize("body", [b'{"id":5}', b"webhook_id=17&x=1", b"webhook_id=", b""])
def test_anything_else_unsigned_is_refused(body):
    verdict = check_woocommerce("website.shop", "secret", {}, body, NOW)

    assert isinstance(verdict, Refused)


@pytest.mark.parametrize(
    ("body", "thread"),
    [
        (b'{"id":142,"total":"10', "order/website.shop/142"),
        (b'{"total":"1.00","id":142}', "order/website.shop/142"),
        (b'{"id":"142"}', None),
        (b'{"id":-1}', None),
        (b'{"id":true}', None),
        (b"[1]", None),
        (b"\xff\xfe", None),
        (b"", None),
    ],
    ids=["cut off", "id later", "text", "negative", "boolean", "list", "not text", "nothing"],
)
def test_correctly_signed_rubbish_is_accepted_with_the_thread_it_shows(body, thread):
    verdict = check_woocommerce("website.shop", "secret", woo_headers("secret", body), body, NOW)

    assert isinstance(verdict, Accepted)
    assert verdict.message is not None
    assert verdict.message.thread == thread


def test_deletion_carries_its_arrival_as_version():
    body = b'{"id":142}'

    verdict = check_woocommerce("website.shop", "s", woo_headers("s", body, "order.deleted"), body, NOW)

    assert isinstance(verdict, Accepted)
    assert verdict.message is not None
    assert verdict.message.version == int(NOW.timestamp() * 1000)


@pytest.mark.parametrize(
    ("topic", "kind"),
    [
        ("order.created", WOO_ORDER),
        ("order.restored", WOO_ORDER),
        ("order.deleted", WOO_ORDER_DELETED),
        ("product.updated", WOO_OTHER),
        ("action.woocommerce_add_to_cart", WOO_OTHER),
        ("", WOO_ORDER),
    ],
)
def test_topic_names_the_shape_of_the_body(topic, kind):
    assert woocommerce_kind(topic) == kind


def test_public_vector_of_standard_webhooks_is_accepted():
    body = b'{"test": 2432232314}'
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }

    verdict = check_standard(
        "website.site", standard_keys(PUBLIC_SECRET), headers, body, datetime.fromtimestamp(1614265330, UTC)
    )

    assert isinstance(verdict, Accepted)


def test_site_delivery_is_accepted_with_its_order_and_version(sample, secrets):
    body, headers = sample("standard_order_placed.json"), json.loads(sample("standard_order_placed.headers.json"))

    verdict = check_standard("website.site", standard_keys(secrets["standard"]), headers, body, NOW)

    assert isinstance(verdict, Accepted)
    assert verdict.message is not None
    assert verdict.message.kind == STANDARD_EVENT
    assert (verdict.message.thread, verdict.message.version) == ("order/website.site/A-77", 1)


def test_one_fitting_signature_of_several_is_enough():
    body, keys = b"{}", standard_keys(PUBLIC_SECRET)
    headers = standard_headers(keys[0], body, extra="v1a,AAAA v1,BBBB v1 , ")

    assert isinstance(check_standard("website.site", keys, headers, body, NOW), Accepted)


def test_while_a_secret_is_replaced_both_are_accepted():
    old, new = b"o" * 32, b"n" * 32
    secret = " ".join("whsec_" + base64.b64encode(key).decode() for key in (new, old))

    verdicts = [
        check_standard("website.site", standard_keys(secret), standard_headers(key, b"{}"), b"{}", NOW)
        for key in (old, new)
    ]

    assert all(isinstance(verdict, Accepted) for verdict in verdicts)


@pytest.mark.parametrize("minutes", [-6, 6])
def test_clock_skew_is_refused_with_a_text_that_says_so(minutes):
    keys = standard_keys(PUBLIC_SECRET)
    headers = standard_headers(keys[0], b"{}", at=NOW + timedelta(minutes=minutes))

    verdict = check_standard("website.site", keys, headers, b"{}", NOW)

    assert isinstance(verdict, Refused)
    assert (verdict.status, verdict.reason) == (401, "clock_skew")
    assert "360 s in the " in verdict.text


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_standard_delivery_without_one_of_its_headers_is_refused(missing):
    keys = standard_keys(PUBLIC_SECRET)
    headers = standard_headers(keys[0], b"{}")
    del headers[missing]

    verdict = check_standard("website.site", keys, headers, b"{}", NOW)

    assert isinstance(verdict, Refused)
    assert verdict.reason == "bad_signature"


@pytest.mark.parametrize("timestamp", ["١٢٣", "1e9", "-1", "9" * 400, "nan"])
def test_timestamp_that_is_no_number_is_refused(timestamp):
    keys = standard_keys(PUBLIC_SECRET)
    headers = {**standard_headers(keys[0], b"{}"), "webhook-timestamp": timestamp}

    assert isinstance(check_standard("website.site", keys, headers, b"{}", NOW), Refused)


@pytest.mark.parametrize("secret", ["whsec_!!!!", "whsec_AAAA"], ids=["not base64", "too short"])
def test_unusable_secret_is_said_at_the_start(secret):
    with pytest.raises(SecretUnusable):
        standard_keys(secret)
