"""Rules of the shop that need no server: taxes, queries, the failure counter, generated orders."""

from decimal import Decimal

import pytest

from esb_standins import company
from esb_standins.php import encode
from esb_standins.shop.errors import ShopError
from esb_standins.shop.money import split
from esb_standins.shop.orders import generate
from esb_standins.shop.query import read_query
from esb_standins.shop.webhooks import after_delivery


@pytest.mark.parametrize(
    ("gross", "rate", "net", "tax"),
    [
        ("1220", "22", "1000.00", "220.00"),
        ("34.00", "10", "30.91", "3.09"),
        ("5", "none", "5.00", "0"),
        ("5", None, "5.00", "0"),
    ],
)
def test_tax_is_taken_out_of_a_sum_to_the_cent(gross, rate, net, tax):
    amount = split(Decimal(gross), rate)

    assert (str(amount.net), amount.tax) == (net, Decimal(tax))
    assert amount.gross == Decimal(gross)


def test_php_writes_json_its_own_way():
    assert encode({"a": "а/б", "b": {}, "c": 3.0, "d": 1.5, "e": None}) == (
        rb'{"a":"\u0430\/\u0431","b":[],"c":3,"d":1.5,"e":null}'
    )


def test_local_windows_are_moved_to_utc():
    raw = {"modified_after": "2026-01-05T03:00:00", "status": "on-hold,processing", "order": "asc", "orderby": "id"}

    local, gmt = read_query(raw, 3), read_query({**raw, "dates_are_gmt": "true"}, 3)

    assert local.values == ("2026-01-05T00:00:00", "on-hold", "processing")
    assert gmt.values[0] == "2026-01-05T03:00:00"
    assert local.order == "id asc, id asc"


@pytest.mark.parametrize("raw", [{"per_page": "0"}, {"page": "x"}, {"order": "up"}, {"after": "yesterday"}], ids=str)
def test_parameters_out_of_range_are_refused(raw):
    with pytest.raises(ShopError) as refused:
        read_query(raw, 3)

    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("failures", "status", "expected"),
    [(4, 500, ("active", 5)), (5, None, ("disabled", 6)), (5, 302, ("active", 0)), (0, 303, ("active", 1))],
)
def test_the_sixth_failure_in_a_row_disables_a_webhook(failures, status, expected):
    webhook = after_delivery({"status": "active", "failure_count": failures}, status)

    assert (webhook["status"], webhook["failure_count"]) == expected


def test_generated_wishes_depend_only_on_the_seed():
    assert list(generate(5, 20)) == list(generate(5, 20))
    assert list(generate(5, 20)) != list(generate(6, 20))


def test_generated_wishes_are_spread_over_sellers_and_name_goods_of_the_company():
    wishes = list(generate(1, 30, persons=0.5))

    articles = {product.article for product in company.PRODUCTS}
    assert {wish["seller"] for wish in wishes} == {entity.code for entity in company.ENTITIES}
    assert {line["sku"] for wish in wishes for line in wish["lines"]} <= articles
    assert {isinstance(wish["customer"], int) for wish in wishes} == {True, False}
