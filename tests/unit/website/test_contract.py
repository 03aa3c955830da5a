import json
from decimal import Decimal
from pathlib import Path

import pytest

from esb_adapters.website.contract import UnknownSiteEvent, read_site_event, site_events
from esb_bus.errors import InvalidData, PoisonMessageError
from esb_bus.landscape import UnknownLegalEntity
from esb_schemas.parties import PartyKind

LINE = {"article": "RM-0003", "name": "Секатор", "quantity": "1", "price": "1290.00", "vat_rate": "22"}


@pytest.fixture
def site(shop):
    return lambda **settings: shop(protocol="standard", url=None, **settings)


def events_of(wire, shop):
    return site_events(read_site_event(json.dumps(wire).encode()), shop)


def test_order_of_a_site_becomes_an_order_and_a_wish_for_an_invoice(site_order, site):
    placed, wish = events_of(site_order(), site())

    assert (placed.type, placed.objectkey, placed.dataversion) == ("order.placed", "order/website.shop/A-77", 1)
    assert (wish.type, wish.thread) == ("invoice.requested", "order/website.shop/A-77")
    line = placed.data.lines[0]
    assert (line.amount, line.vat_amount) == (Decimal("2580.00"), Decimal("465.25"))
    assert placed.data.buyer.kind is PartyKind.PERSON


def test_cancelled_order_carries_its_reason_and_wants_no_invoice(site_order, site):
    (event,) = events_of(site_order("order.cancelled", reason="Передумал"), site())

    assert (event.type, event.data.reason) == ("order.cancelled", "Передумал")


def test_numeric_id_and_moment_of_change_serve_as_key_and_version(site_order, site):
    event = events_of(site_order(id=77, version=None, occurred_at="2026-03-02T09:10:05.250Z"), site())[0]

    assert (event.objectkey, event.dataversion) == ("order/website.shop/77", 1772442605250)


def test_seller_decides_the_legal_entity(site_order, site):
    market = site(legal_entity=None, seller_meta="seller", sellers={"opt": "romashka-opt"})

    assert events_of(site_order(seller="opt"), market)[0].legalentity == "romashka-opt"
    with pytest.raises(UnknownLegalEntity, match=r"data\.seller: .*None"):
        events_of(site_order(), market)


@pytest.mark.parametrize(
    ("members", "named"),
    [
        ({"lines": [{**LINE, "price": "1290.1234567"}]}, r"data\.lines\.0\.price: .*6 decimal"),
        ({"lines": [{**LINE, "quantity": "-1"}]}, r"data\.lines\.0\.quantity: .*greater than 0"),
        ({"lines": [{**LINE, "price": 1290}]}, r"data\.lines\.0\.price: .*as a string"),
        ({"lines": [{**LINE, "qty": "1"}]}, r"data\.lines\.0\.qty: .*Extra"),
        ({"lines": [{**LINE, "vat_rate": "19"}]}, r"data\.lines\.0\.vat_rate"),
        ({"lines": []}, "lines: .*at least 1"),
        ({"total": "1.00"}, r"the total 1\.00 is not the sum"),
        ({"buyer": {"name": "ООО «Тест»", "inn": "7812345678"}}, r"data\.buyer\.inn: .*not an INN"),
        ({"version": None}, "version .* or occurred_at"),
        ({"placed_at": "2026-03-02T09:10:00"}, r"data\.placed_at"),
        ({"id": "с пробелом"}, r"data\.id"),
        ({"buyer": {"name": ""}}, "buyer: name"),
    ],
)
def test_breach_of_the_contract_is_refused_naming_the_member(site_order, site, members, named):
    with pytest.raises(InvalidData, match=named):
        events_of(site_order(**members), site())


def test_unknown_type_is_refused_with_the_known_ones():
    with pytest.raises(UnknownSiteEvent, match=r"'order\.created' is none of order\.placed"):
        read_site_event(b'{"type":"order.created"}')


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"NaN", b"null"])
def test_bytes_that_are_no_json_object_are_poison(body):
    with pytest.raises(PoisonMessageError):
        read_site_event(body)


def test_example_of_the_documentation_keeps_the_contract(site):
    page = (Path(__file__).parents[3] / "docs" / "website-webhooks.md").read_text("utf-8")
    example = page.split("```json\n", 1)[1].split("```", 1)[0]

    events = site_events(read_site_event(example.encode()), site())

    assert [event.type for event in events] == ["order.placed", "invoice.requested"]
