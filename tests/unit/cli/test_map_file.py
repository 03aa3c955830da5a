"""What would be sent where, told without sending."""

from pathlib import Path
from typing import Any

import orjson
import pytest

import factories
from esb_bus.landscape import Landscape
from esb_cli.map_file import Mapped, Unmappable, map_bytes, map_file
from esb_schemas.documents import write_document
from esb_schemas.registry import write
from esb_schemas.values import VatRate

COMPANY = factories.landscape()
DEAL = factories.SAMPLES / "map" / "deal.json"


def with_shop(**changes: Any) -> Landscape:
    shop = COMPANY.website["shop"].model_copy(update=changes)
    return COMPANY.model_copy(update={"website": {"shop": shop}})


def targets(mapped: Mapped) -> list[tuple[str, str | None]]:
    """Endpoint and 1C object of every document."""
    return [
        (planned.document.endpoint, planned.request["POST"] if planned.request else None) for planned in mapped.planned
    ]


def changed_deal(**changes: Any) -> bytes:
    wire = orjson.loads(DEAL.read_bytes())
    return orjson.dumps({**wire, "deal": {**wire["deal"], **changes}})


def test_deal_is_shown_with_its_events_and_the_base_of_its_legal_entity() -> None:
    mapped = map_file(DEAL, COMPANY)

    assert (mapped.source, [event.type for event in mapped.events]) == (
        "bitrix24.portal",
        ["order.placed", "invoice.requested"],
    )
    assert targets(mapped) == [
        ("onec.trade", "Document_ЗаказКлиента"),
        ("onec.buh", "Document_СчетНаОплатуПокупателю"),
    ]
    assert not mapped.failures


def test_request_names_what_only_the_base_can_resolve() -> None:
    request = map_file(DEAL, COMPANY).planned[0].request

    assert request is not None
    assert request["body"]["Контрагент_Key"] == "‹ИНН 6612345676 КПП 661201001›"
    assert request["body"]["Товары"][0]["Номенклатура_Key"] == "‹Артикул RM-0302›"
    assert request["body"]["Number"] == "ПБ000000410"


def test_seller_nobody_mapped_is_told_as_the_dead_letter_it_would_be() -> None:
    mapped = map_bytes(changed_deal(UF_CRM_SELLER="99"), COMPANY)

    (failure,) = mapped.failures
    assert (failure.step, failure.code) == ("mapping", "unknown_seller")
    assert "'99'" in failure.reason


def test_deal_of_a_shop_becomes_nothing() -> None:
    mapped = map_bytes(changed_deal(ORIGINATOR_ID="shop", ORIGIN_ID="10015"), COMPANY)

    assert [*mapped.events, *mapped.planned, *mapped.failures] == []


def test_woocommerce_order_is_mapped_by_the_settings_of_its_shop() -> None:
    landscape = with_shop(
        legal_entity=factories.RETAIL, seller_meta=None, tax_classes={"": VatRate.VAT_20, "zero-rate": VatRate.VAT_0}
    )

    mapped = map_file(factories.SAMPLES / "website" / "order_firm_with_tax.json", landscape)

    assert mapped.events[0].source == "/website/shop"
    assert ("onec.retail", "Document_ЗаказПокупателя") in targets(mapped)


def test_body_of_a_signing_site_is_mapped() -> None:
    landscape = with_shop(protocol="standard", legal_entity=factories.RETAIL, seller_meta=None)

    mapped = map_file(factories.SAMPLES / "website" / "standard_order_placed.json", landscape)

    assert mapped.events[0].type == "order.placed"
    assert ("onec.retail", "Document_ЗаказПокупателя") in targets(mapped)


def test_canonical_event_is_shown_with_its_documents() -> None:
    mapped = map_bytes(write(factories.payment_received()), COMPANY)

    assert (mapped.shape, mapped.source) == ("event", "onec.retail")
    assert targets(mapped) == [("onec.buh", "Document_ПоступлениеНаРасчетныйСчет"), ("bitrix24.portal", None)]


def test_event_without_route_is_told_once() -> None:
    path = factories.SAMPLES / "events" / "stock.changed.v1.json"

    mapped = map_file(path, COMPANY)

    assert [(failure.step, failure.code) for failure in mapped.failures] == [("routing", "unrouted")]


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"type": "order.plased"}, "poison"), ({"dataschema": "urn:onec-esb:order.placed:2"}, "needs_upgrade")],
)
def test_event_this_release_cannot_read_is_told_as_the_bus_would_treat_it(changes: dict[str, str], code: str) -> None:
    wire = {**orjson.loads(write(factories.order_placed())), **changes}

    mapped = map_bytes(orjson.dumps(wire), COMPANY)

    assert [(failure.step, failure.code) for failure in mapped.failures] == [("mapping", code)]


def test_document_of_a_dead_letter_is_shown_as_its_request() -> None:
    mapped = map_bytes(write_document(factories.order_document()), COMPANY)

    assert targets(mapped) == [("onec.retail", "Document_ЗаказПокупателя")]


def test_base_without_such_a_document_is_told() -> None:
    mapped = map_bytes(write_document(factories.order_document(endpoint="onec.buh")), COMPANY)

    assert [failure.step for failure in mapped.failures] == ["onec.buh"]


@pytest.mark.parametrize(
    ("content", "source", "expected"),
    [
        pytest.param(b"{", None, "not JSON", id="broken"),
        pytest.param(b"[1]", None, "a message is one object", id="list"),
        pytest.param(b'{"a": 1}', None, "nothing we know has the members a", id="something else"),
        pytest.param(b'{"line_items": []}', "bitrix24.portal", "cannot have sent it", id="wrong source"),
        pytest.param(b'{"line_items": []}', "website.outlet", "cannot have sent it", id="unknown source"),
        pytest.param(b'{"type": "order.placed", "data": {}}', None, "no endpoint sends such", id="nobody sends it"),
        pytest.param(b" " * (8 * 1024 * 1024 + 1), None, "at most", id="too large"),
    ],
)
def test_file_that_is_nothing_we_know_is_refused(content: bytes, source: str | None, expected: str) -> None:
    with pytest.raises(Unmappable, match=expected):
        map_bytes(content, COMPANY, source)


def test_file_that_does_not_exist_is_refused_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(Unmappable, match=r"none\.json: No such file"):
        map_file(tmp_path / "none.json", COMPANY)


def test_everything_can_be_printed_as_json() -> None:
    wire = orjson.loads(orjson.dumps(map_file(DEAL, COMPANY).as_json()))

    assert wire["documents"][0]["endpoint"] == "onec.trade"
    assert wire["events"][0]["data"]["number"] == "410"
