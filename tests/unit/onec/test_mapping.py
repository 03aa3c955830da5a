"""Documents as objects of a base, and the rows people have worked on."""

from decimal import Decimal

import pytest

from esb_adapters.onec.mapping import Product, Ref, Resolved, new_object, order_content, vat_within
from esb_adapters.onec.owned import header_change, lines_change, owned_of_content, owned_of_object
from esb_adapters.onec.tables_bp import BP_INVOICE
from esb_adapters.onec.tables_retail import RETAIL_3_ORDER
from esb_adapters.onec.tables_ut import UT_ORDER
from esb_schemas.orders import Delivery
from esb_schemas.values import VatRate
from factories import ARTICLES, order_line, order_state

ZONE = "Europe/Moscow"
COURIER = Delivery(method="Курьер", address="Садовая 1", amount=Decimal("490.00"), vat_rate=VatRate.VAT_22)


def ref(entity_set, number):
    return Ref(entity_set, f"00000000-0000-0000-0000-{number:012d}")


PRODUCTS = {
    article: Product(ref("Catalog_Номенклатура", place), ref("Catalog_КлассификаторЕдиницИзмерения", 90))
    for place, article in enumerate((*ARTICLES, "Курьер"), start=1)
}
KNOWN = Resolved(
    organisation=ref("Catalog_Организации", 11),
    counterparty=ref("Catalog_Контрагенты", 12),
    partner=ref("Catalog_Партнеры", 13),
    currency=ref("Catalog_Валюты", 14),
    products=PRODUCTS,
    vat_rates={rate: ref("Catalog_СтавкиНДС", 20) for rate in VatRate},
)


def content(order, facts=UT_ORDER, **changes):
    return order_content(order, facts, KNOWN, ZONE, **changes)


def stored(order, **fields):
    return {**new_object(content(order), UT_ORDER), **fields}


@pytest.mark.parametrize(
    ("amount", "rate", "vat"),
    [("5200", VatRate.VAT_20, "866.67"), ("136375", VatRate.VAT_20, "22729.17"), ("100", VatRate.NONE, "0")],
)
def test_vat_is_rounded_as_1c_rounds_it(amount, rate, vat):
    assert vat_within(Decimal(amount), rate) == Decimal(vat)


def test_dates_are_the_wall_clock_of_the_base():
    made = new_object(content(order_state()), UT_ORDER)

    assert (made["Date"], made["ДатаОтгрузки"]) == ("2026-01-05T12:00:00", "2026-01-05T00:00:00")


def test_delivery_is_a_line_where_the_document_has_no_fields_for_it():
    made = new_object(content(order_state(1, delivery=COURIER)), UT_ORDER)

    goods, delivery = made["Товары"]
    assert delivery["Номенклатура_Key"] == PRODUCTS["Курьер"].product.ref
    assert (delivery["Сумма"], delivery["СуммаНДС"]) == (Decimal("490.00"), Decimal("88.36"))
    assert made["СуммаДокумента"] == goods["Сумма"] + delivery["Сумма"]


def test_delivery_is_in_the_header_where_there_are_fields_for_it():
    made = new_object(content(order_state(1, delivery=COURIER), RETAIL_3_ORDER), RETAIL_3_ORDER)

    assert len(made["Запасы"]) == 1
    assert (made["СтоимостьДоставки"], made["СуммаНДСДоставки"]) == (Decimal("490.00"), Decimal("88.36"))


def test_free_delivery_needs_no_service():
    free = Delivery(method="Самовывоз", amount=Decimal(0))

    assert len(new_object(content(order_state(2, delivery=free)), UT_ORDER)["Товары"]) == 2


def test_references_in_composite_properties_name_their_type():
    (row,) = new_object(content(order_state(1, delivery=None), BP_INVOICE), BP_INVOICE)["Товары"]

    assert row["Номенклатура_Type"] == "StandardODATA.Catalog_Номенклатура"


def test_sales_without_vat_are_taxed_as_such():
    untaxed = order_state(lines=1, delivery=None, total=Decimal("649.00"))
    untaxed = untaxed.model_copy(update={"lines": (order_line(vat_rate=VatRate.NONE),)})

    made = new_object(content(untaxed), UT_ORDER)

    assert made["НалогообложениеНДС"] == "ПродажаНеОблагаетсяНДС"


def test_long_texts_are_cut_by_us():
    long = Delivery(method="Курьер", address="у" * 900, amount=Decimal(0))

    assert len(new_object(content(order_state(delivery=long)), UT_ORDER)["АдресДоставки"]) == 500


def test_rows_are_numbered_from_one():
    rows = new_object(content(order_state(3, delivery=None)), UT_ORDER)["Товары"]

    assert [(row["LineNumber"], row["КодСтроки"]) for row in rows] == [(1, 1), (2, 2), (3, 3)]


def test_what_we_wrote_is_what_we_find():
    order = order_state(2, delivery=COURIER)
    wanted = owned_of_content(content(order), UT_ORDER)

    assert owned_of_object(stored(order), wanted, UT_ORDER).hashes == wanted.hashes


def test_only_changed_properties_of_the_header_are_written():
    before, after = order_state(), order_state(number="10015/2")
    new = content(after)
    wanted = owned_of_content(new, UT_ORDER)

    changes = header_change(new, wanted, owned_of_object(stored(before), wanted, UT_ORDER), UT_ORDER)

    assert changes == {"НомерПоДаннымКлиента": "10015/2"}


def test_a_row_keeps_what_people_added_and_its_code():
    before, after = order_state(2, delivery=None), order_state(3, delivery=None)
    held = stored(before)
    held["Товары"] = [{**row, "Серия_Key": "серия", "КодСтроки": str(row["КодСтроки"] + 6)} for row in held["Товары"]]
    new = content(after)

    rows = lines_change(new, owned_of_content(new, UT_ORDER), held, UT_ORDER)["Товары"]

    assert [row.get("Серия_Key") for row in rows] == ["серия", "серия", None]
    assert [int(row["КодСтроки"]) for row in rows] == [7, 8, 9]


def test_codes_of_deleted_rows_are_not_used_again():
    before = order_state(3, delivery=None)
    held = stored(before) | {"МаксимальныйКодСтроки": "3"}
    held["Товары"] = held["Товары"][:1]
    new = content(order_state(2, delivery=None))

    changes = lines_change(new, owned_of_content(new, UT_ORDER), held, UT_ORDER)

    assert [row["КодСтроки"] for row in changes["Товары"]] == [1, 4]
    assert changes["МаксимальныйКодСтроки"] == 4


def test_a_cancelled_order_is_closed_line_by_line():
    new = content(order_state(), is_cancelled=True)
    wanted = owned_of_content(new, UT_ORDER)
    held = stored(order_state())

    changes = header_change(new, wanted, owned_of_object(held, wanted, UT_ORDER), UT_ORDER)
    rows = lines_change(new, wanted, held, UT_ORDER)["Товары"]

    assert changes == {"Статус": "Закрыт"}
    assert all(row["Отменено"] for row in rows)
