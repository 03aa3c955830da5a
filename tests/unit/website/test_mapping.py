from datetime import UTC, datetime
from decimal import Decimal

import pytest

from esb_adapters.website.mapping import MissingArticle, UnmappedFee, UnmappedVat, order_events, unit_price
from esb_adapters.website.shapes import read_json, read_order
from esb_bus.errors import InvalidData, PoisonMessageError
from esb_bus.landscape import UnknownLegalEntity
from esb_schemas.parties import PartyKind
from esb_schemas.registry import Registry, write
from esb_schemas.values import VatRate


def events_of(wire, shop):
    return order_events(read_order(wire), shop)


def untaxed(order, lines):
    """Make the order one of a shop that computes no taxes."""
    order |= {"tax_lines": [], "shipping_lines": [], "shipping_total": "0.00", "shipping_tax": "0.00"}
    template = {**order["line_items"][0], "taxes": [], "total_tax": "0.00"}
    order["line_items"] = [{**template, **line} for line in lines]
    return order


def test_order_of_an_organisation_becomes_an_order_and_a_wish_for_an_invoice(firm_order, shop):
    placed, wish = events_of(firm_order(), shop())

    state = placed.data
    assert (placed.type, wish.type) == ("order.placed", "invoice.requested")
    assert placed.objectkey == placed.thread == wish.thread == wish.correlationid == "order/website.shop/10015"
    assert wish.objectkey == wish.data.invoice_key == "invoice/website.shop/10015"
    assert placed.dataversion == int(datetime(2026, 3, 2, 9, 10, 5, tzinfo=UTC).timestamp()) * 1000
    assert placed.legalentity == "romashka-retail"
    assert (state.total, state.delivery.amount, state.delivery.vat_rate) == (
        Decimal("1888.00"),
        Decimal("490.00"),
        VatRate.VAT_20,
    )
    assert (state.buyer.kind, state.buyer.inn, state.buyer.kpp) == (PartyKind.ORGANISATION, "7812345675", "781201001")
    assert state.placed_at == datetime(2026, 3, 2, 9, 10, tzinfo=UTC)
    line = state.lines[0]
    assert (line.article, line.name, line.quantity) == ("RM-0001", "Лейка садовая 10 л – зелёная", Decimal(2))
    assert (line.price, line.amount, line.vat_amount) == (Decimal("649.00"), Decimal("1298.00"), Decimal("216.33"))


def test_events_can_be_read_back(firm_order, shop):
    found = events_of(firm_order(), shop())

    assert [Registry().read(write(event)) for event in found] == found


def test_zero_order_of_a_guest_with_a_coupon_is_mapped(sample, shop):
    (event,) = events_of(read_json(sample("order_zero_coupon.json")), shop())

    assert event.data.total == event.data.lines[0].amount == event.data.lines[0].price == 0
    assert (event.data.buyer.kind, event.data.buyer.name) == (PartyKind.PERSON, "podarok@sadovod.example")
    assert event.data.delivery is None


def test_the_same_state_gives_the_same_event_id_through_every_door(firm_order, shop):
    first, second = (events_of(firm_order(), shop()) for _ in range(2))

    assert [event.id for event in first] == [event.id for event in second]


@pytest.mark.parametrize(
    ("status", "modified", "types"),
    [
        ("processing", "2026-03-02T09:11:00", ["order.placed", "invoice.requested"]),
        ("processing", "2026-03-02T09:11:01", ["order.changed", "invoice.requested"]),
        ("cancelled", "2026-03-02T09:10:05", ["order.cancelled"]),
        ("checkout-draft", "2026-03-02T09:10:05", []),
        ("trash", "2026-03-02T09:10:05", []),
    ],
)
def test_status_and_dates_alone_decide_the_type(firm_order, shop, status, modified, types):
    found = events_of(firm_order(status=status, date_modified_gmt=modified), shop())

    assert [event.type for event in found] == types


def test_prices_of_a_shop_without_taxes_have_vat_inside(firm_order, shop):
    order = untaxed(firm_order(total="100.00"), [{"quantity": 3, "total": "100.00"}])

    line = events_of(order, shop())[0].data.lines[0]

    assert (line.price, line.amount, line.vat_amount) == (Decimal("33.333333"), Decimal("100.00"), Decimal("16.67"))


def test_rounding_difference_goes_into_the_largest_line(firm_order, shop):
    order = untaxed(firm_order(total="100.01"), [{"total": "33.33"}, {"total": "66.67"}])

    amounts = [line.amount for line in events_of(order, shop())[0].data.lines]

    assert amounts == [Decimal("33.33"), Decimal("66.68")]


def test_total_that_is_not_the_sum_is_refused_with_both_sums(firm_order, shop):
    with pytest.raises(InvalidData, match=r"total: order 10015 is 1900\.00, but .* 1888\.00"):
        events_of(firm_order(total="1900.00"), shop())


def test_line_without_sku_is_refused_with_the_product_and_the_cure(firm_order, shop):
    order = firm_order()
    order["line_items"][1]["sku"] = None

    with pytest.raises(MissingArticle, match=r"line_items\.1\.sku: .*'Грунт' \(product 22.*save the order"):
        events_of(order, shop())


def test_unknown_tax_class_is_refused_with_the_setting_to_change(firm_order, shop):
    order = firm_order()
    order["line_items"][0]["tax_class"] = "luxury"

    with pytest.raises(UnmappedVat, match=r"line_items\.0\.tax_class: .*'luxury'.*\[website\.shop\] tax_classes"):
        events_of(order, shop())


def test_tax_that_contradicts_the_mapped_rate_is_refused(firm_order, shop):
    with pytest.raises(UnmappedVat, match=r"line_items\.0\.total_tax: .*216\.33 on 1081\.67.*VAT 22"):
        events_of(firm_order(), shop(tax_classes={"": "22"}))


def test_fee_is_refused_and_a_fee_of_nothing_is_not(firm_order, shop):
    harmless, costly = {"name": "Бонус", "total": "0.00"}, {"name": "Упаковка", "total": "150.00"}

    assert events_of(firm_order(fee_lines=[harmless]), shop())
    with pytest.raises(UnmappedFee, match=r"fee_lines\.1: .*'Упаковка' of 150\.00"):
        events_of(firm_order(fee_lines=[harmless, costly]), shop())


@pytest.mark.parametrize(
    ("member", "value", "named"),
    [
        ("line_items", [], "lines"),
        ("line_items", {}, "line_items"),
        ("total", 12.5, "total"),
        ("total", "много", "total"),
        ("total", "1_888.00", "total"),
        ("total", "１８８８.00", "total"),
        ("total", "1e99", "total"),
        ("currency", "рубль", "currency"),
        ("date_modified_gmt", "вчера", "date_modified_gmt"),
        ("id", "10015", "id"),
        ("billing", None, "billing"),
    ],
)
def test_wrong_content_is_refused_naming_the_field(firm_order, shop, member, value, named):
    with pytest.raises(InvalidData, match=named):
        events_of(firm_order(**{member: value}), shop())


@pytest.mark.parametrize(
    ("member", "value", "named"),
    [("quantity", -1, "quantity"), ("quantity", 0, "quantity"), ("name", "л" * 1001, "name"), ("sku", "9" * 51, "art")],
)
def test_wrong_line_is_refused_naming_its_place(firm_order, shop, member, value, named):
    order = firm_order()
    order["line_items"][1][member] = value

    with pytest.raises(InvalidData, match=rf"line_items\.1: .*{named}"):
        events_of(order, shop())


def test_emoji_and_long_names_pass(firm_order, shop):
    order = firm_order()
    order["line_items"][0]["name"] = "🌼" * 1000

    assert events_of(order, shop())[0].data.lines[0].name == "🌼" * 1000


def test_inn_with_a_wrong_checksum_is_refused_naming_the_meta_field(firm_order, shop):
    order = firm_order(meta_data=[{"key": "_billing_inn", "value": "7812345678"}])

    with pytest.raises(InvalidData, match=r"INN from _billing_inn.*inn: .*not an INN.*7812345678"):
        events_of(order, shop())


def test_sole_proprietor_is_known_by_the_length_of_the_inn(firm_order, shop):
    order = firm_order(meta_data=[{"key": "_billing_inn", "value": "771234567859"}])

    assert events_of(order, shop())[0].data.buyer.kind is PartyKind.SOLE_PROPRIETOR


def test_seller_decides_the_legal_entity_and_an_unknown_one_is_refused(firm_order, shop):
    market = shop(legal_entity=None, seller_meta="_seller", sellers={"opt": "romashka-opt"})
    known = firm_order(meta_data=[{"key": "_seller", "value": "opt"}])
    unknown = firm_order(meta_data=[{"key": "_seller", "value": "кто-то"}])

    assert events_of(known, market)[0].legalentity == "romashka-opt"
    with pytest.raises(UnknownLegalEntity, match=r"meta_data\._seller: .*'кто-то'.*\[website\.shop\] sellers"):
        events_of(unknown, market)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"NaN", b'{"id":NaN}', b"\xff", b"[" * 100_000, b"9" * 5000])
def test_bytes_that_are_no_json_object_are_poison(body):
    with pytest.raises(PoisonMessageError):
        read_json(body)


@pytest.mark.parametrize(
    ("amount", "quantity", "price"),
    [("100.00", "3", "33.333333"), ("649.00", "1", "649.00"), ("0.00", "2", "0.00"), ("10.00", "0", "0")],
)
def test_price_of_one_unit_keeps_six_decimals(amount, quantity, price):
    assert unit_price(Decimal(amount), Decimal(quantity)) == Decimal(price)
