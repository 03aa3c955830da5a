"""Works with a shop through WooCommerce's own client; run by its own interpreter: woocommerce_shop.py <url>."""

import json
import sys

from woocommerce import API


def work(url):
    shop = API(url=url, consumer_key="ck_standin", consumer_secret="cs_standin", version="wc/v3")
    product = shop.get("products", params={"per_page": 5}).json()[0]
    made = shop.post("orders", {"line_items": [{"product_id": product["id"], "quantity": 2}]})
    order = made.json()
    changed = shop.put(f"orders/{order['id']}", {"status": "completed", "customer_note": "Звоните & пишите"})
    listed = shop.get("orders", params={"status": "completed", "per_page": 10})
    note = shop.post(f"orders/{order['id']}/notes", {"note": "принят"})
    missing = shop.get("orders/999999")
    deleted = shop.delete(f"orders/{order['id']}", params={"force": True})
    stranger = API(url=url, consumer_key="ck_standin", consumer_secret="another", version="wc/v3").get("orders")
    return {
        "statuses": [made.status_code, changed.status_code, note.status_code, deleted.status_code],
        "quantity": order["line_items"][0]["quantity"],
        "note": changed.json()["customer_note"],
        "listed": [one["id"] for one in listed.json()] == [order["id"]],
        "total": listed.headers.get("X-WP-Total"),
        "missing": [missing.status_code, missing.json()["code"]],
        "stranger": stranger.status_code,
    }


print(json.dumps(work(sys.argv[1])))  # noqa: T201  its answer
