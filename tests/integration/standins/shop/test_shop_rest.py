"""The REST interface of the shop: lists, windows, writes, faults."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import httpx
import pytest

from esb_standins.shop.auth import oauth_signature


async def test_an_order_adds_up(shop):
    lines = [{"sku": "RM-0001", "quantity": 3}, {"sku": "RM-0201", "quantity": 7}, {"sku": "NOPE", "price": "9.99"}]

    order = await shop.get(f"orders/{await shop.order(lines=lines, delivery='490.00')}")

    net = sum(Decimal(line["total"]) for line in order["line_items"])
    tax = sum(Decimal(line["total_tax"]) for line in order["line_items"])
    shipping = Decimal(order["shipping_total"]) + Decimal(order["shipping_tax"])
    assert net + tax + shipping == Decimal(order["total"]) == Decimal("2684.99")
    assert [line["product_id"] for line in order["line_items"]] == [1001, 1021, 0]
    assert [line["rate_percent"] for line in order["tax_lines"]] == [22, 10]


async def test_a_shop_without_taxes_shows_what_the_buyer_pays(open_shop):
    shop = await open_shop(taxes="off")

    order = await shop.get(f"orders/{await shop.order()}")

    assert (order["line_items"][0]["total"], order["total_tax"], order["tax_lines"]) == ("1947.00", "0.00", [])


async def test_a_firm_leaves_its_inn_and_kpp_in_the_meta_data(shop):
    order = await shop.get(f"orders/{await shop.order()}")

    meta = {entry["key"]: entry["value"] for entry in order["meta_data"]}
    assert meta == {"_seller": "romashka-opt", "_billing_inn": "6612345676", "_billing_kpp": "661201001"}
    assert order["billing"]["company"] == "Уральские сады ООО"


async def test_the_wire_is_encoded_the_php_way(shop):
    response = await shop.http.get(f"orders/{await shop.order()}")

    assert b"\\/wp-json\\/wc\\/v3\\/orders" in response.content
    assert b"\\u0423" in response.content
    assert b'"quantity":3,' in response.content


async def test_a_window_by_modification_is_open_and_in_utc_on_request(shop):
    number = await shop.order()
    modified = (await shop.get(f"orders/{number}"))["date_modified_gmt"]
    second_before = (datetime.fromisoformat(modified) - timedelta(seconds=1)).isoformat()

    at_once = await shop.get("orders", modified_after=modified, dates_are_gmt="true")
    before = await shop.get("orders", modified_after=second_before, dates_are_gmt="true")
    as_local = await shop.get("orders", modified_after=second_before)

    assert (at_once, [order["id"] for order in before], len(as_local)) == ([], [number], 1)


async def test_pages_are_counted_in_headers(shop):
    await shop.act("place_orders", count=5, seed=1)

    response = await shop.http.get("orders", params={"per_page": 2, "page": 2, "orderby": "id", "order": "asc"})

    assert (response.headers["x-wp-total"], response.headers["x-wp-totalpages"]) == ("5", "3")
    assert 'page=3&orderby=id&order=asc>; rel="next"' in response.headers["link"]
    assert [order["id"] for order in response.json()] == sorted(order["id"] for order in response.json())


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("orders?per_page=101", 400, "rest_invalid_param"),
        ("orders?orderby=modified", 400, "rest_invalid_param"),
        ("orders?status=lost", 400, "rest_invalid_param"),
        ("orders/1", 404, "woocommerce_rest_shop_order_invalid_id"),
        ("nothing", 404, "rest_no_route"),
    ],
)
async def test_bad_requests_are_refused_as_wordpress_does(shop, path, status, code):
    response = await shop.http.get(path)

    assert (response.status_code, response.json()["code"]) == (status, code)


@pytest.mark.parametrize("auth", [None, ("ck_other", "cs_standin"), ("ck_standin", "cs_other")])
async def test_nobody_is_let_in_without_key_and_secret(shop, auth):
    async with httpx.AsyncClient(auth=auth, trust_env=False) as stranger:
        response = await stranger.get(shop.url + "orders")

    assert response.status_code == 401


async def test_a_signature_of_oauth_opens_the_door_for_one_request(shop):
    params = {
        "oauth_consumer_key": "ck_standin",
        "oauth_nonce": "n",
        "oauth_signature_method": "HMAC-SHA256",
        "oauth_timestamp": "1",
        "per_page": "3",
    }
    signature = oauth_signature("GET", shop.url + "orders", params, "cs_standin", "HMAC-SHA256")

    async with httpx.AsyncClient(trust_env=False) as client:
        signed = await client.get(shop.url + "orders", params={**params, "oauth_signature": signature})
        other = await client.get(shop.url + "orders", params={**params, "per_page": "4", "oauth_signature": signature})

    assert (signed.status_code, other.status_code) == (200, 401)


async def test_meta_with_an_id_is_replaced_and_without_doubled(shop):
    number = await shop.order()

    first = await shop.put(f"orders/{number}", meta_data=[{"key": "_bus_1c_number", "value": "1"}])
    known = next(entry["id"] for entry in first["meta_data"] if entry["key"] == "_bus_1c_number")
    await shop.put(f"orders/{number}", meta_data=[{"id": known, "value": "2"}])
    last = await shop.put(f"orders/{number}", meta_data=[{"key": "_bus_1c_number", "value": "3"}])

    assert [entry["value"] for entry in last["meta_data"] if entry["key"] == "_bus_1c_number"] == ["2", "3"]


async def test_a_put_without_a_difference_is_no_version(shop):
    number = await shop.order()

    for _ in range(3):
        await shop.put(f"orders/{number}", status="completed")

    versions = [(version["version"], version["actor"], version["status"]) for version in await shop.objects("placed")]
    assert versions == [(1, "shop", "on-hold"), (2, "rest", "completed")]


async def test_paying_sets_the_date_and_the_status_once(shop):
    number = await shop.order()

    paid = await shop.put(f"orders/{number}", set_paid=True, transaction_id="T-1")
    again = await shop.put(f"orders/{number}", set_paid=True, transaction_id="T-1")

    assert (paid["status"], paid["transaction_id"]) == ("processing", "T-1")
    assert paid["date_paid_gmt"] == again["date_paid_gmt"] != None  # noqa: E711 - one comparison for both


async def test_refunds_and_notes_belong_to_their_order(shop):
    number = await shop.order()
    await shop.act("refund_order", order_id=number, amount="100.00", reason="Брак")
    await shop.http.post(f"orders/{number}/notes", json={"note": "Счёт готов", "customer_note": True})

    order = await shop.get(f"orders/{number}")
    refunds = await shop.get(f"orders/{number}/refunds")
    notes = await shop.get(f"orders/{number}/notes")

    assert order["refunds"] == [{"id": refunds[0]["id"], "reason": "Брак", "total": "-100.00"}]
    assert (refunds[0]["amount"], order["status"]) == ("100.00", "on-hold")
    assert [note["note"] for note in notes] == ["Счёт готов"]


async def test_a_trashed_order_leaves_the_list(shop):
    number = await shop.order()

    await shop.act("delete_order", order_id=number)

    assert await shop.get("orders") == []
    assert (await shop.get(f"orders/{number}"))["status"] == "trash"


async def test_the_same_seed_generates_the_same_orders(open_shop, tmp_path):
    one = await open_shop()
    placed = (await one.act("place_orders", count=4, seed=7))["orders"]
    again = (await one.act("place_orders", count=4, seed=7))["orders"]

    assert [order["total"] for order in placed] == [order["total"] for order in again]


async def test_the_ledger_names_number_version_and_seller(shop):
    number = await shop.order()
    await shop.act("change_order", order_id=number, lines=[{"sku": "RM-0002", "quantity": 1}])

    rows = [row for row in (await shop.control.get("/ledger/website.shop")).json() if row["set"] == "orders"]

    assert [(row["key"], row["version"], row["organisation"], row["action"]) for row in rows] == [
        (str(number), 1, "romashka-opt", "create"),
        (str(number), 2, "romashka-opt", "update"),
    ]


async def test_an_answer_lost_after_the_commit_leaves_the_write(shop):
    number = await shop.order()
    await shop.fault("502_after_commit", count=1)

    response = await shop.http.put(f"orders/{number}", json={"status": "completed"})

    assert response.status_code == 502
    assert (await shop.get(f"orders/{number}"))["status"] == "completed"


async def test_times_are_the_shops_and_utc(shop):
    order = await shop.get(f"orders/{await shop.order()}")

    local, utc = (datetime.fromisoformat(order[name]) for name in ("date_created", "date_created_gmt"))
    assert local - utc == timedelta(hours=3)
    assert abs(datetime.now(UTC) - utc.replace(tzinfo=UTC)) < timedelta(seconds=10)
