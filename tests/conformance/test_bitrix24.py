"""The Bitrix24 adapter and stand-in against the documented methods, events, errors and a small portal."""

import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
from pydantic import SecretStr

import esb_adapters.bitrix24 as adapter
from esb_adapters.bitrix24 import check, poller, protocol, reader
from esb_adapters.bitrix24.events import read_event
from esb_adapters.bitrix24.mapping import BuyerUnknown, SellerUnknown, Snapshot, is_order, order_events
from esb_adapters.bitrix24.reader import REQUISITE_FIELDS, article_names, article_of
from esb_adapters.bitrix24.shapes import Company, Contact, Requisite, Row, read_deal, read_list, read_one
from esb_adapters.bitrix24.webhook import event_check
from esb_adapters.receiving import Accepted, Refused
from esb_bus.errors import EsbError, InDoubt
from esb_bus.landscape import Bitrix24Portal
from esb_schemas.orders import OrderCancelled, OrderPlaced
from esb_standins.bitrix24.arithmetic import row_prices

SAMPLES = "bitrix24-samples"
SOURCE = Path(next(iter(adapter.__path__)))
METHOD = re.compile(r'"((?:crm|catalog|server)\.[a-zA-Z.]+|batch|scope|profile)"')
UNDOCUMENTED = {"batch", "server.time"}
"""General methods, which the recorded list leaves out; their pages describe them in prose."""
PAGING = {"select", "filter", "order", "start"}
"""What the list marks as needed for every list method; real portals have defaults for all of it."""


@pytest.fixture(scope="module")
def methods(recorded):
    return recorded(f"{SAMPLES}/methods.json")


@pytest.fixture(scope="module")
def example(recorded):
    return lambda name: recorded(f"{SAMPLES}/examples/{name}.json")


@pytest.fixture(scope="module")
def dataset(recorded):
    return recorded(f"{SAMPLES}/portal-dataset.json")["entities"]


@pytest.fixture
def portal():
    settings = {"url": "https://portal.example/rest/", "secret": "portal", "sellers": {"44": "romashka"}}
    return Bitrix24Portal.model_validate(settings)


def named_methods():
    """Every method the adapter's source names in code; descriptions name more."""
    for path in sorted(SOURCE.glob("*.py")):
        code = "".join(line for line in path.read_text("utf-8").splitlines(keepends=True) if "Source" not in line)
        yield from METHOD.findall(re.sub(r'""".*?"""', "", code, flags=re.DOTALL))


def calls():
    """Every read the adapter sends, as method and the names of its parameters."""
    commands = [
        *reader.deal_commands("410").values(),
        *reader.product_commands({1: 1, 2: reader.VARIATION, 3: reader.SERVICE}, reader.ARTICLE_CODE).values(),
        *check._commands(reader.ARTICLE_CODE).values(),
        protocol.command("crm.deal.list", poller.page_query(datetime(2026, 1, 5, tzinfo=UTC), 0)),
    ]
    for command in commands:
        method, _, query = command.partition("?")
        yield method, {name.partition("[")[0] for name, _ in parse_qsl(query, keep_blank_values=True)}


def test_every_method_the_adapter_calls_is_documented(methods):
    named = set(named_methods())

    assert {"crm.deal.get", "crm.deal.update", "crm.timeline.comment.add", "catalog.product.get"} <= named
    assert named - methods.keys() == UNDOCUMENTED


def test_every_call_gives_what_is_needed_and_nothing_unknown(methods):
    for method, given in calls():
        documented = {entry["n"] for entry in methods[method]["params"]}
        needed = {entry["n"] for entry in methods[method]["params"] if entry.get("req")}
        assert needed - PAGING <= given, method
        assert given <= documented, method


def test_comments_have_every_field_the_portal_needs(methods):
    needed = {entry["n"] for entry in methods["crm.timeline.comment.add"]["defs"]["fieldsFields"] if entry.get("req")}
    written = set(re.findall(r'"([A-Z_]+)": ', (SOURCE / "sender.py").read_text("utf-8")))

    assert needed <= written


def test_fields_of_requisites_are_known_to_the_portal(methods):
    assert set(REQUISITE_FIELDS) <= methods["crm.requisite.get"]["ok"]["result"].keys()


def test_documented_answers_are_read(methods):
    def answered(method):
        body = json.dumps(methods[method]["ok"], default=float).encode()
        return protocol.read_answer(method, 200, body, repeatable=True).result

    deal = read_deal(answered("crm.deal.get"))
    rows = read_list(Row, answered("crm.deal.productrows.get"))
    product = answered("catalog.product.get")["product"]

    assert (str(deal.id), deal.version % 1000) == (methods["crm.deal.get"]["ok"]["result"]["ID"], 0)
    assert deal.date_modify.utcoffset() is not None
    assert [row.tax_rate for row in rows] == [None] * len(rows)
    assert all(row.price > 0 and row.measure_code for row in rows)
    assert read_one(Company, answered("crm.company.get")).title
    assert read_one(Contact, answered("crm.contact.get")).full_name
    assert read_list(Requisite, answered("crm.requisite.list"))[0].entity_type_id
    assert article_of(product, ["xmlId"]) == str(product["xmlId"])
    assert article_of(answered("catalog.product.service.get")["service"], ["code"])
    assert read_one(Requisite, {"ID": answered("crm.requisite.link.get")["REQUISITE_ID"]}).id


def test_recorded_events_are_read_as_the_portal_decodes_them(example):
    for name, event in example("online-events").items():
        if "wire_body" not in event:
            continue
        found = read_event(event["wire_body"].encode())
        decoded = event["decoded"]
        fields = decoded["data"].get("FIELDS", {})
        assert found.name == decoded["event"].upper(), name
        assert found.deal_id == (str(fields["ID"]) if "ID" in fields else None), name
        assert found.token == decoded.get("auth", {}).get("application_token", ""), name
        assert found.is_about_deals == decoded["event"].startswith("ONCRMDEAL"), name


def test_recorded_events_are_let_in_by_their_token_and_lose_their_tokens(example):
    for name, event in example("online-events").items():
        body = event.get("wire_body", "").encode()
        token = event["decoded"].get("auth", {}).get("application_token")
        if not body or not token:
            continue
        verdict = event_check("bitrix24.portal", SecretStr(token))({}, body)
        stranger = event_check("bitrix24.portal", SecretStr("another"))({}, body)
        assert isinstance(verdict, Accepted), name
        assert isinstance(stranger, Refused), name
        assert (verdict.message is None) != read_event(body).is_about_deals, name
        assert verdict.message is None or token.encode() not in verdict.message.body, name


EXPECTED = {
    "QUERY_LIMIT_EXCEEDED": protocol.PortalBusy,
    "OPERATION_TIME_LIMIT": protocol.PortalBusy,
    "OVERLOAD_LIMIT": protocol.PortalBlocked,
    "expired_token": protocol.PortalUnauthorised,
    "NO_AUTH_FOUND": protocol.PortalUnauthorised,
    "INVALID_CREDENTIALS": protocol.PortalUnauthorised,
    "insufficient_scope": protocol.PortalUnauthorised,
    "INTERNAL_SERVER_ERROR": protocol.PortalTroubled,
    "invalid_client": protocol.PortalUnauthorised,
}
"""What is not simply refused; an `ACCESS_DENIED` of the system (403) is no access, one of an object (400) a refusal."""


@pytest.mark.parametrize("group", ["system", "crm_old", "crm_item", "catalog", "oauth_server"])
def test_every_recorded_error_is_judged_by_its_meaning(example, group):
    for error in example("errors")[group]:
        code = str(error["body"]["error"])
        forbidden = protocol.PortalUnauthorised if error["http"] == 403 else protocol.PortalRefused
        body = json.dumps(error["body"]).encode()

        with pytest.raises(EsbError) as caught:
            protocol.read_answer("crm.deal.get", error["http"], body, repeatable=True)

        assert type(caught.value) is EXPECTED.get(code, forbidden), error
        assert error["body"]["error_description"].rstrip(".") in str(caught.value)


def test_a_server_error_leaves_only_a_write_in_doubt(example):
    (error,) = [error for error in example("errors")["system"] if error["http"] == 500]

    with pytest.raises(InDoubt):
        protocol.read_answer("crm.deal.update", 500, json.dumps(error["body"]).encode(), repeatable=False)


def batch_answer(example, name):
    body = json.dumps(example("batch")[name], default=float).encode()
    return protocol.read_batch(protocol.read_answer("batch", 200, body, repeatable=True), repeatable=True)


def test_a_recorded_batch_gives_its_results_and_refusals_by_name(example):
    answer = batch_answer(example, "answer")

    assert answer.result("deal")["item"]["id"] == 15
    with pytest.raises(protocol.PortalRefused, match="Not found"):
        answer.result("bad")


def test_a_recorded_batch_that_was_stopped_says_what_did_not_run(example):
    answer = batch_answer(example, "answer_halt")

    assert answer.result("a") is True
    with pytest.raises(protocol.PortalRefused, match="ERROR_METHOD_NOT_FOUND"):
        answer.result("b")
    with pytest.raises(protocol.PortalRefused, match="not executed"):
        answer.result("c")


def test_a_recorded_batch_with_numbered_commands_loses_their_results_so_names_are_words(example):
    assert batch_answer(example, "answer_numeric_keys_become_list").results == {}
    assert not any(name.isdecimal() for name in reader.deal_commands("410"))


def test_prices_of_rows_equal_the_recorded_ones(example):
    cases = example("productrow-arithmetic")

    for case in (*cases["from_docs"], *cases["computed_by_same_formula_unverified"]):
        found = row_prices(Decimal(case["price"]), Decimal(case["discountRate"]), Decimal(case["taxRate"]))
        told = tuple(Decimal(case[name]) for name in ("priceExclusive", "priceNetto", "priceBrutto", "discountSum"))
        assert (found.exclusive, found.netto, found.brutto, found.discount_sum) == told


def snapshot(wire, dataset, **fields):
    """A deal of the recorded portal with its buyer; it has no rows, so one is made that comes to its sum."""
    deal = read_deal({**wire, **fields})
    row = {"PRODUCT_ID": 7, "PRODUCT_NAME": "Товар", "PRICE": wire["OPPORTUNITY"], "QUANTITY": 1, "TAX_RATE": 20}
    buyers = {kind: {one["ID"]: one for one in dataset[kind]} for kind in ("companies", "contacts")}
    company = buyers["companies"].get(wire["COMPANY_ID"])
    contact = buyers["contacts"].get(wire["CONTACT_ID"])
    return Snapshot(
        deal,
        [read_one(Row, row)],
        read_one(Company, company) if company else None,
        read_one(Contact, contact) if contact else None,
        articles={7: "A-7"},
    )


def test_recorded_deals_without_rows_are_no_orders(dataset, portal):
    assert not any(is_order(read_deal(deal), (), portal) for deal in dataset["deals"])


def test_recorded_deals_without_a_seller_say_so(dataset, portal):
    for deal in dataset["deals"]:
        with pytest.raises(SellerUnknown, match=rf"deal {deal['ID']}: the seller field .*it is empty"):
            order_events(snapshot(deal, dataset), "bitrix24.portal", portal)


def test_recorded_deals_with_a_company_ask_for_its_requisites(dataset, portal):
    for deal in dataset["deals"]:
        if not deal["COMPANY_ID"]:
            continue
        with pytest.raises(BuyerUnknown, match="has no requisites with an ИНН"):
            order_events(snapshot(deal, dataset, **{portal.seller_field: "44"}), "bitrix24.portal", portal)


def test_recorded_deals_of_contacts_become_orders(dataset, portal):
    sold = [deal for deal in dataset["deals"] if Decimal(deal["OPPORTUNITY"]) > 0]

    events = [
        order_events(snapshot(deal, {**dataset, "companies": []}, **{portal.seller_field: "44"}), "bitrix24.p", portal)
        for deal in sold
    ]

    assert events
    for deal, (event,) in zip(sold, events, strict=True):
        is_lost = deal["STAGE_SEMANTIC_ID"] == "F"
        assert isinstance(event.data, OrderCancelled if is_lost else OrderPlaced)
        assert event.data.total == Decimal(deal["OPPORTUNITY"])


def test_articles_are_found_in_the_documented_form_of_a_property(methods):
    product = methods["catalog.product.get"]["ok"]["result"]["product"]
    name = next(name for name, value in product.items() if name.startswith("property") and isinstance(value, dict))
    properties = {"productProperties": [{"id": int(name.removeprefix("property")), "code": reader.ARTICLE_CODE}]}
    answer = protocol.BatchAnswer({"properties": properties}, {})

    assert article_of(product, article_names(answer, reader.ARTICLE_CODE)) == product[name]["value"]
