from datetime import UTC, datetime
from decimal import Decimal
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esb_adapters.bitrix24.events import deal_number, is_genuine, read_event, split_key, without_secrets
from esb_adapters.bitrix24.protocol import (
    PortalBlocked,
    PortalBusy,
    PortalMoved,
    PortalRefused,
    PortalTroubled,
    PortalUnauthorised,
    PortalUnreachable,
    command,
    read_answer,
    read_batch,
)
from esb_bus.errors import EsbError, InDoubt

TOKEN = "q9w8e7r6t5y4u3i2o1p0a1s2d3f4g5h6"
HTML = b"<html><h1>502 Bad Gateway</h1></html>"


def error(code):
    return f'{{"error":"{code}","error_description":"text"}}'.encode()


def test_answer_keeps_exact_numbers_and_the_portals_clock():
    body = b'{"result":{"PRICE":649.90},"time":{"start":1767610805.25,"finish":1767610807.5}}'

    answer = read_answer("m", 200, body, repeatable=True)

    assert answer.result == {"PRICE": Decimal("649.90")}
    assert answer.at == datetime(2026, 1, 5, 11, 0, 5, 250_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "body", "on_read", "on_write"),
    [
        pytest.param(503, error("QUERY_LIMIT_EXCEEDED"), PortalBusy, PortalBusy, id="bucket full"),
        pytest.param(429, error("OPERATION_TIME_LIMIT"), PortalBusy, PortalBusy, id="running time used up"),
        pytest.param(503, error("OVERLOAD_LIMIT"), PortalBlocked, PortalBlocked, id="blocked by hand"),
        pytest.param(401, error("INVALID_CREDENTIALS"), PortalUnauthorised, PortalUnauthorised, id="webhook gone"),
        pytest.param(403, error("INVALID_CREDENTIALS"), PortalUnauthorised, PortalUnauthorised, id="also as 403"),
        pytest.param(403, error("insufficient_scope"), PortalUnauthorised, PortalUnauthorised, id="scope"),
        pytest.param(403, HTML, PortalUnauthorised, PortalUnauthorised, id="403 of a proxy"),
        pytest.param(410, error("PORTAL_DELETED"), PortalUnreachable, PortalUnreachable, id="portal deleted"),
        pytest.param(500, error("INTERNAL_SERVER_ERROR"), PortalTroubled, InDoubt, id="trouble inside"),
        pytest.param(500, b"", PortalTroubled, InDoubt, id="empty 500"),
        pytest.param(502, HTML, PortalUnreachable, InDoubt, id="proxy"),
        pytest.param(504, HTML, PortalUnreachable, InDoubt, id="cut after a minute"),
        pytest.param(200, HTML, PortalUnreachable, InDoubt, id="log-in page"),
        pytest.param(200, b'{"time":{}}', PortalUnreachable, InDoubt, id="no result"),
        pytest.param(400, error(""), PortalRefused, PortalRefused, id="business error"),
        pytest.param(404, error("ERROR_METHOD_NOT_FOUND"), PortalRefused, PortalRefused, id="no such method"),
        pytest.param(400, b'{"error":0,"error_description":"x"}', PortalRefused, PortalRefused, id="numeric code"),
    ],
)
def test_the_answer_decides_what_happens_next(status, body, on_read, on_write):
    with pytest.raises(on_read):
        read_answer("m", status, body, repeatable=True)
    with pytest.raises(on_write):
        read_answer("m", status, body, repeatable=False)


def test_full_bucket_is_waited_for(sample):
    with pytest.raises(PortalBusy) as busy:
        read_answer("m", 503, sample("query_limit.json"), repeatable=False)

    assert busy.value.retry_after == 2


def test_renamed_portal_is_named_and_never_followed():
    with pytest.raises(PortalMoved, match=r"romashka-new\.example\.test"):
        read_answer("m", 302, b"", repeatable=True, location="https://romashka-new.example.test/rest/1/secret/m")


@given(st.integers(100, 599), st.binary(max_size=200) | st.text(max_size=80).map(str.encode), st.booleans())
def test_no_answer_raises_anything_the_bus_does_not_know(status, body, repeatable):
    try:
        read_answer("m", status, body, repeatable=repeatable)
    except EsbError:
        return


def test_batch_tells_results_from_refusals(sample):
    answer = read_batch(read_answer("batch", 200, sample("deal_batch.json"), repeatable=True), repeatable=True)

    assert answer.result("deal")["ID"] == "731"
    with pytest.raises(PortalRefused, match="ID is not defined"):
        answer.result("contact")


def test_batch_whose_sections_are_all_empty_lists_is_understood():
    body = b'{"result":{"result":[],"result_error":[],"result_total":[]},"time":{}}'

    answer = read_batch(read_answer("batch", 200, body, repeatable=True), repeatable=True)

    with pytest.raises(PortalRefused, match="not executed"):
        answer.result("deal")


def test_limit_inside_a_batch_is_still_a_limit():
    body = b'{"result":{"result":[],"result_error":{"deal":{"error":"OPERATION_TIME_LIMIT","error_description":"x"}}}}'

    with pytest.raises(PortalBusy):
        read_batch(read_answer("batch", 200, body, repeatable=True), repeatable=True)


def test_command_writes_nested_values_in_brackets():
    written = command("crm.deal.list", {"filter": {">=ID": 5, "@A": ["x", "y"]}, "select": ("ID",), "start": -1})

    method, _, query = written.partition("?")
    assert method == "crm.deal.list"
    assert parse_qsl(query) == [
        ("filter[>=ID]", "5"), ("filter[@A][0]", "x"), ("filter[@A][1]", "y"), ("select[0]", "ID"), ("start", "-1"),
    ]  # fmt: skip


def test_event_names_its_deal_and_its_sender(sample):
    event = read_event(sample("deal_update.event"))

    assert (event.name, event.deal_id, event.is_about_deals) == ("ONCRMDEALUPDATE", "731", True)
    assert is_genuine(event, TOKEN)
    assert not is_genuine(event, TOKEN + "x")


@pytest.mark.parametrize("name", ["ONCRMCOMPANYUPDATE", "ONCRMDEALRECURRINGADD", "ONCRMDEALUSERFIELDADD", "ONAPPTEST"])
def test_events_about_other_things_are_not_about_deals(name):
    assert not read_event(f"event={name}&data[FIELDS][ID]=1".encode()).is_about_deals


def test_stored_event_has_no_tokens_and_everything_else(sample):
    raw = sample("deal_update.event")

    kept = without_secrets(raw)

    assert TOKEN.encode() not in kept
    assert dict(parse_qsl(kept.decode())) == {
        name: value for name, value in parse_qsl(raw.decode()) if name != "auth[application_token]"
    }


def test_form_of_a_stranger_with_too_many_fields_is_not_even_read():
    body = b"&".join([f"auth[application_token]={TOKEN}".encode(), *(b"a%d=1" % number for number in range(1000))])

    assert not is_genuine(read_event(body), TOKEN)


@given(st.binary(max_size=300))
def test_any_bytes_can_be_read_as_an_event(body):
    event = read_event(body)

    assert not is_genuine(event, TOKEN) or TOKEN.encode() in body
    assert without_secrets(body) is not None


@pytest.mark.parametrize("text", ["", "0", "-1", "1.0", "x", "٣", None, True, "9" * 16, {"ID": 1}])
def test_what_is_no_deal_number_is_none(text):
    assert deal_number(text) is None


def test_deal_number_has_one_spelling():
    assert (deal_number(" 007 "), deal_number(7)) == ("7", "7")


def test_order_key_splits_into_birthplace_and_native_id():
    assert split_key("order/website.shop/10015/a") == ("website.shop", "10015/a")
