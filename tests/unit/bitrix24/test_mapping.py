from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from esb_adapters.bitrix24.mapping import (
    ArticleMissing,
    BuyerUnknown,
    EntityChanged,
    SellerUnknown,
    Snapshot,
    TotalDiffers,
    UnmappedVatRate,
    is_order,
    order_events,
)
from esb_adapters.bitrix24.shapes import Company, Requisite, Row, read_deal, read_list, read_one
from esb_bus.errors import EsbError, InvalidData
from esb_schemas.envelope import content_hash
from esb_schemas.parties import PartyKind
from esb_schemas.registry import Registry, write
from esb_schemas.values import VatRate

ENDPOINT = "bitrix24.portal"
ROW = {"PRODUCT_ID": 1001, "PRODUCT_NAME": "Лейка", "PRICE": Decimal(100), "QUANTITY": 1, "TAX_RATE": 22}


def one_row(**changes):
    row = {**ROW, **changes}
    total = (Decimal(str(row["PRICE"])) * Decimal(str(row["QUANTITY"]))).quantize(Decimal("0.01"))
    return {"rows": [row], "deal": {"OPPORTUNITY": str(total)}}


def test_deal_becomes_the_whole_order(snapshot, portal):
    order, invoice = order_events(snapshot(), ENDPOINT, portal())

    data = order.data
    assert (order.type, order.objectkey, order.thread) == ("order.placed", "order/bitrix24.portal/731", order.objectkey)
    assert order.dataversion == 1_767_610_700_000
    assert (data.legal_entity, data.number, data.total, data.currency) == (
        "romashka-opt", "731", Decimal("1400.00"), "RUB",
    )  # fmt: skip
    assert [(line.article, line.quantity, line.amount, line.vat_amount) for line in data.lines] == [
        ("RM-0001", Decimal(2), Decimal("1298.00"), Decimal("234.07")),
        ("RM-0201", Decimal(3), Decimal("102.00"), Decimal("9.27")),
    ]
    assert (data.buyer.kind, data.buyer.inn, data.buyer.kpp) == (PartyKind.ORGANISATION, "7812345675", "781201001")
    assert data.buyer.email == "zakaz@zeldvor.example"
    assert data.comment == "Срочно, до пятницы"
    assert (invoice.type, invoice.objectkey) == ("invoice.requested", "invoice/bitrix24.portal/731")


def test_events_survive_the_wire(snapshot, portal):
    for event in order_events(snapshot(), ENDPOINT, portal()):
        assert Registry().read(write(event)) == event


def test_type_tells_a_change_but_the_content_stays_equal(snapshot, portal):
    placed, _ = order_events(snapshot(), ENDPOINT, portal())
    changed, _ = order_events(snapshot({"UF_CRM_ESB_NUMBER": "РО00-000001"}), ENDPOINT, portal())

    assert (placed.type, changed.type) == ("order.placed", "order.changed")
    assert content_hash(placed.data) == content_hash(changed.data)


def test_what_the_bus_writes_is_no_content(snapshot, portal):
    before, _ = order_events(snapshot(), ENDPOINT, portal())
    written = {"UF_CRM_ESB_STATUS": "Принят", "UF_CRM_ESB_PAID": "5|RUB", "DATE_MODIFY": "2026-01-06T10:00:00+03:00"}
    after, _ = order_events(snapshot(written), ENDPOINT, portal())

    assert content_hash(before.data) == content_hash(after.data)


@pytest.mark.parametrize(
    ("deal", "settings_", "expected"),
    [
        pytest.param({}, {}, True, id="any stage"),
        pytest.param({}, {"stages": ["C5:EXECUTING"]}, True, id="its stage"),
        pytest.param({}, {"stages": ["C5:WON"]}, False, id="not yet"),
        pytest.param({"STAGE_SEMANTIC_ID": "F"}, {}, False, id="lost before anything"),
        pytest.param({"STAGE_SEMANTIC_ID": "F", "UF_CRM_ESB_NUMBER": "1"}, {}, True, id="lost after acceptance"),
        pytest.param({"ORIGINATOR_ID": "site"}, {"shops": {"site": "website.shop"}}, False, id="the shop's"),
        pytest.param({"IS_RECURRING": "Y"}, {}, False, id="a template"),
        pytest.param({"ORIGINATOR_ID": "other"}, {"shops": {"site": "website.shop"}}, True, id="some other import"),
    ],
)
def test_which_deals_are_orders(snapshot, portal, deal, settings_, expected):
    read = snapshot(deal)

    assert is_order(read.deal, read.rows, portal(**settings_)) is expected


def test_deal_without_rows_is_an_order_only_where_its_stage_says_so(snapshot, portal):
    empty = snapshot(rows=[])

    assert not is_order(empty.deal, empty.rows, portal())
    assert is_order(empty.deal, empty.rows, portal(stages=["C5:EXECUTING"]))


def test_order_stage_without_rows_is_told_plainly(snapshot, portal):
    with pytest.raises(InvalidData, match=r"deal 731.*lines"):
        order_events(snapshot({"OPPORTUNITY": "0.00"}, rows=[]), ENDPOINT, portal())


def test_lost_order_is_cancelled_without_an_invoice(snapshot, portal):
    lost = {"STAGE_SEMANTIC_ID": "F", "STAGE_ID": "C5:LOSE", "UF_CRM_ESB_NUMBER": "РО00-000001"}

    (event,) = order_events(snapshot(lost), ENDPOINT, portal())

    assert (event.type, event.data.reason) == ("order.cancelled", "deal stage C5:LOSE")


@pytest.mark.parametrize("value", ["", None, "0", False, []])
def test_empty_seller_field_names_itself(snapshot, portal, value):
    with pytest.raises(SellerUnknown, match="deal 731: the seller field UF_CRM_SELLER: it is empty"):
        order_events(snapshot({"UF_CRM_SELLER": value}), ENDPOINT, portal())


def test_unknown_seller_names_item_and_place_to_fix(snapshot, portal):
    with pytest.raises(SellerUnknown, match=r"'99'.*44 = romashka-retail.*\[bitrix24\.portal\]"):
        order_events(snapshot({"UF_CRM_SELLER": "99"}), ENDPOINT, portal())


def test_seller_of_a_multiple_field_with_one_item_is_that_item(snapshot, portal):
    order, _ = order_events(snapshot({"UF_CRM_SELLER": ["44"]}), ENDPOINT, portal())

    assert order.legalentity == "romashka-retail"


def test_funnel_can_be_the_seller(snapshot, portal):
    settings_ = {"seller_field": "CATEGORY_ID", "sellers": {"5": "romashka-opt"}}

    order, _ = order_events(snapshot(), ENDPOINT, portal(**settings_))

    assert order.legalentity == "romashka-opt"


def test_pinned_entity_and_another_seller_need_a_person(snapshot, portal):
    with pytest.raises(EntityChanged, match=r"'romashka-retail'.*UF_CRM_ESB_ENTITY.*'romashka-opt'"):
        order_events(snapshot({"UF_CRM_ESB_ENTITY": "romashka-retail"}), ENDPOINT, portal())


@pytest.mark.parametrize(
    ("rate", "expected", "vat"),
    [(None, VatRate.NONE, "0.00"), (0, VatRate.VAT_0, "0.00"), (Decimal("20.0"), VatRate.VAT_20, "16.67"),
     ("10", VatRate.VAT_10, "9.09")],
)  # fmt: skip
def test_missing_tax_is_without_vat_and_not_zero(snapshot, portal, rate, expected, vat):
    order, _ = order_events(snapshot(**one_row(TAX_RATE=rate)), ENDPOINT, portal())

    (line,) = order.data.lines
    assert (line.vat_rate, line.vat_amount) == (expected, Decimal(vat))


def test_foreign_tax_rate_names_the_row(snapshot, portal):
    with pytest.raises(UnmappedVatRate, match="row 1 «Лейка»: tax rate 19 %"):
        order_events(snapshot(**one_row(TAX_RATE=19)), ENDPOINT, portal())


@pytest.mark.parametrize(("product", "named"), [(0, "a free text"), (5, "product 5")])
def test_row_without_article_names_what_to_fix(snapshot, portal, product, named):
    with pytest.raises(ArticleMissing, match=f"row 1 «Лейка»: {named} has no article"):
        order_events(snapshot(**one_row(PRODUCT_ID=product)), ENDPOINT, portal())


@pytest.mark.parametrize(("code", "unit"), [(796, "796"), (6, "006"), ("", "796"), (None, "796"), ("0876", "0876")])
def test_unit_has_at_least_three_digits(snapshot, portal, code, unit):
    order, _ = order_events(snapshot(**one_row(MEASURE_CODE=code)), ENDPOINT, portal())

    assert order.data.lines[0].unit == unit


def test_noise_of_binary_fractions_is_rounded_away(snapshot, portal):
    rows = one_row(PRICE=Decimal("649.89999999999998"), QUANTITY=Decimal("1.5000000000000001"))

    order, _ = order_events(snapshot(**rows), ENDPOINT, portal())

    (line,) = order.data.lines
    assert (line.price, line.quantity, line.amount) == (Decimal("649.9"), Decimal("1.5"), Decimal("974.85"))


@pytest.mark.parametrize("quantity", [Decimal("1.0005"), 0, -1])
def test_impossible_quantity_is_refused_with_its_field(snapshot, portal, quantity):
    with pytest.raises(InvalidData, match="quantity"):
        order_events(snapshot(**one_row(QUANTITY=quantity)), ENDPOINT, portal())


def test_sum_set_by_hand_is_refused_with_both_sums(snapshot, portal):
    with pytest.raises(TotalDiffers, match=r"1350\.00.*1400\.00"):
        order_events(snapshot({"OPPORTUNITY": "1350.00"}), ENDPOINT, portal())


def test_contact_buys_as_a_person_without_invoice(snapshot, portal):
    contact = {"ID": "5", "NAME": "Иван", "LAST_NAME": "Образцов", "PHONE": [{"VALUE": "+7 495 555-01-99"}]}

    (order,) = order_events(snapshot(contact=contact), ENDPOINT, portal())

    buyer = order.data.buyer
    assert (buyer.kind, buyer.name, buyer.phone) == (PartyKind.PERSON, "Образцов Иван", "+7 495 555-01-99")


def test_sole_proprietor_is_told_by_the_length_of_the_inn(snapshot, portal, wire):
    requisite = {**wire["requisites"][0], "RQ_INN": "771234567859", "RQ_KPP": "", "RQ_OGRN": None}

    order, *_ = order_events(snapshot(requisites=read_list(Requisite, [requisite])), ENDPOINT, portal())

    assert (order.data.buyer.kind, order.data.buyer.kpp) == (PartyKind.SOLE_PROPRIETOR, None)


def test_company_without_inn_names_the_company(snapshot, portal):
    with pytest.raises(BuyerUnknown, match=r"Зелёный Двор ООО.*no requisites"):
        order_events(snapshot(requisites=[]), ENDPOINT, portal())


def test_requisites_of_other_companies_are_not_taken(snapshot, portal, wire):
    foreign = {**wire["requisites"][0], "ENTITY_ID": "18"}

    with pytest.raises(BuyerUnknown):
        order_events(snapshot(requisites=read_list(Requisite, [foreign])), ENDPOINT, portal())


def test_of_several_requisites_the_deals_choice_counts(snapshot, portal, wire):
    branch = {**wire["requisites"][0], "ID": "10", "RQ_KPP": "781201002"}
    both = read_list(Requisite, [wire["requisites"][0], branch])

    order, _ = order_events(snapshot(requisites=both, chosen_requisite=10), ENDPOINT, portal())

    assert order.data.buyer.kpp == "781201002"
    with pytest.raises(BuyerUnknown, match=r"781201001.*781201002"):
        order_events(snapshot(requisites=both), ENDPOINT, portal())


def test_inn_with_a_wrong_checksum_is_refused_with_its_value(snapshot, portal, wire):
    requisite = {**wire["requisites"][0], "RQ_INN": "7812345676"}

    with pytest.raises(InvalidData, match=r"inn.*7812345676"):
        order_events(snapshot(requisites=read_list(Requisite, [requisite])), ENDPOINT, portal())


def test_nobody_to_bill_is_told(snapshot, portal):
    with pytest.raises(BuyerUnknown, match="neither a company nor a contact"):
        order_events(snapshot(company=None), ENDPOINT, portal())


def test_long_name_with_emoji_is_kept_as_far_as_it_fits(snapshot, portal):
    order, _ = order_events(snapshot(**one_row(PRODUCT_NAME="🌼" * 1200)), ENDPOINT, portal())

    assert order.data.lines[0].name == "🌼" * 1000


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=12)
    | st.sampled_from(["NaN", "sNaN", "Infinity", "1e999999", "-0", "0001-01-01T00:00:00+23:59"])
    | st.decimals(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_mapping_raises_nothing_but_our_errors(wire, portal, data):
    deal = {
        **wire["deal"],
        **data.draw(st.dictionaries(st.sampled_from(sorted(wire["deal"])), json_values, max_size=4)),
    }
    row = {**wire["rows"][0], **data.draw(st.dictionaries(st.sampled_from(sorted(ROW)), json_values, max_size=3))}

    try:
        requisites = read_list(Requisite, data.draw(st.just(wire["requisites"]) | json_values))
        company = read_one(Company, data.draw(st.just(wire["company"]) | json_values))
        rows = read_list(Row, data.draw(st.just([row]) | json_values))
        snapshot = Snapshot(read_deal(deal), rows, company, None, requisites, {1001: "RM-0001"})
        if is_order(snapshot.deal, snapshot.rows, portal()):
            order_events(snapshot, ENDPOINT, portal())
    except EsbError:
        return


@given(json_values)
def test_anything_can_be_refused_as_a_deal(wire):
    try:
        read_deal(wire)
    except EsbError:
        return
