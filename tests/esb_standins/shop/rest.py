"""The shop's REST interface, `/wp-json/wc/v3/`: orders, their notes and refunds, webhooks, products."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

import orjson
from starlette.types import Receive, Scope, Send

from esb_standins.effects import Canned, answer, read_body
from esb_standins.php import encode
from esb_standins.shop.auth import authorise
from esb_standins.shop.errors import (
    ShopError,
    invalid_parameter,
    no_product,
    no_route,
    no_webhook,
)
from esb_standins.shop.query import OrderQuery, read_query
from esb_standins.shop.shop import Shop
from esb_standins.shop.webhooks import STATUSES as WEBHOOK_STATUSES
from esb_standins.shop.webhooks import TOPICS

ROOT: Final = "/wp-json/wc/v3"
_HEADERS: Final = {"content-type": "application/json; charset=UTF-8"}


@dataclass(frozen=True)
class Call:
    """One authorised request: the pieces of its path, its parameters and its body."""

    method: str
    parts: tuple[str, ...]
    query: Mapping[str, str]
    body: Mapping[str, Any]

    @property
    def number(self) -> int:
        """The id in the second piece of the path."""
        return int(self.parts[1]) if self.parts[1].isdigit() else 0


@dataclass(frozen=True)
class Reply:
    """What to answer."""

    content: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class RestApp:
    """Serves the REST interface of `shop`.

    Args:
        on_webhook: told of every webhook that was created, so that it can be pinged.
        base_url: gives the address used in links.
    """

    def __init__(
        self, shop: Shop, on_webhook: Callable[[Mapping[str, Any]], None], base_url: Callable[[], str]
    ) -> None:
        self._shop = shop
        self._on_webhook = on_webhook
        self._base_url = base_url
        self._routes: Mapping[tuple[str, str], Callable[[Call], Reply]] = {
            ("GET", "orders"): self._list_orders,
            ("POST", "orders"): self._create_order,
            ("GET", "orders/*"): lambda call: Reply(self.shown(self._shop.must_exist(call.number))),
            ("PUT", "orders/*"): lambda call: Reply(self.shown(self._shop.put(call.number, call.body))),
            ("POST", "orders/*"): lambda call: Reply(self.shown(self._shop.put(call.number, call.body))),
            ("DELETE", "orders/*"): lambda call: Reply(self.shown(self._shop.trash(call.number, "rest"))),
            ("GET", "orders/*/refunds"): lambda call: self._children(call, "refunds"),
            ("POST", "orders/*/refunds"): self._refund,
            ("GET", "orders/*/notes"): lambda call: self._children(call, "notes"),
            ("POST", "orders/*/notes"): lambda call: Reply(self._shop.note(call.number, call.body, "rest"), 201),
            ("GET", "webhooks"): lambda call: self._page(call, self._shop.store.webhooks(), _shown_webhook),
            ("POST", "webhooks"): self._create_webhook,
            ("GET", "webhooks/*"): lambda call: Reply(_shown_webhook(self._webhook(call))),
            ("PUT", "webhooks/*"): self._change_webhook,
            ("POST", "webhooks/*"): self._change_webhook,
            ("DELETE", "webhooks/*"): self._delete_webhook,
            ("GET", "products"): self._products,
            ("GET", "products/*"): self._product,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raw = await read_body(receive)
        try:
            reply = self._serve(scope, raw)
        except ShopError as error:
            reply = Reply(error.body(), error.status)
        await answer(Canned(reply.status, encode(reply.content), {**_HEADERS, **reply.headers}), send)

    def shown(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """Return an order as REST and webhooks show it: with everything that follows from it."""
        base = f"{self._base_url()}{ROOT}/orders"
        return {
            **order,
            "payment_url": f"{self._base_url()}/checkout/order-pay/{order['id']}/?pay_for_order=true",
            "is_editable": order["status"] in {"pending", "on-hold"},
            "needs_payment": order["status"] in {"pending", "failed"},
            "needs_processing": True,
            "currency_symbol": "₽",
            "_links": {"self": [{"href": f"{base}/{order['id']}"}], "collection": [{"href": base}]},
        }

    def _serve(self, scope: Scope, raw: bytes) -> Reply:
        path, method = str(scope["path"]), str(scope["method"])
        if not path.startswith(ROOT):
            raise no_route()
        query = dict(parse_qsl(scope.get("query_string", b"").decode(), keep_blank_values=True))
        settings = self._shop.settings
        authorise(scope, query, self._base_url() + path, settings.key, settings.secret)
        parts = tuple(part for part in path.removeprefix(ROOT).split("/") if part)
        pattern = "/".join("*" if position == 1 else part for position, part in enumerate(parts))
        route = self._routes.get((method, pattern))
        if route is None:
            raise no_route()
        return route(Call(method, parts, query, _json_object(raw)))

    def _list_orders(self, call: Call) -> Reply:
        query = read_query(call.query, self._shop.settings.offset_hours)
        rows, total = self._shop.store.select(query.where, query.values, query.order, query.per_page, query.offset)
        return Reply([self.shown(order) for order in rows], headers=self._paging(call, query, total))

    def _create_order(self, call: Call) -> Reply:
        """Create an order from lines with sku or product_id, as another program would."""
        skus = {product["id"]: product["sku"] for product in self._shop.store.products()}
        lines = [
            {"sku": line.get("sku") or skus.get(line.get("product_id"), ""), "quantity": line.get("quantity", 1)}
            for line in call.body.get("line_items") or []
        ]
        billing = call.body.get("billing") or {}
        order = self._shop.place({
            "lines": lines, "customer": {**billing, "name": billing.get("company", "")},
            "payment": call.body.get("payment_method") or "bacs", "paid": call.body.get("set_paid"),
            "status": call.body.get("status"), "comment": call.body.get("customer_note"),
        })  # fmt: skip
        if call.body.get("meta_data"):
            order = self._shop.put(order["id"], {"meta_data": call.body["meta_data"]})
        return Reply(self.shown(order), 201, {"location": f"{self._base_url()}{ROOT}/orders/{order['id']}"})

    def _children(self, call: Call, kind: str) -> Reply:
        self._shop.must_exist(call.number)
        return self._page(call, self._shop.store.children(kind, call.number), dict)

    def _refund(self, call: Call) -> Reply:
        try:
            amount = Decimal(str(call.body.get("amount")))
        except InvalidOperation as error:
            raise invalid_parameter("amount") from error
        return Reply(self._shop.refund(call.number, amount, str(call.body.get("reason") or ""), "rest"), 201)

    def _create_webhook(self, call: Call) -> Reply:
        webhook = new_webhook(self._shop, call.body)
        self._on_webhook(webhook)
        return Reply(_shown_webhook(webhook), 201)

    def _change_webhook(self, call: Call) -> Reply:
        webhook = self._webhook(call)
        status = call.body.get("status", webhook["status"])
        if status not in WEBHOOK_STATUSES:
            raise invalid_parameter("status")
        values = {name: call.body[name] for name in ("name", "delivery_url", "secret") if name in call.body}
        # switching a webhook on again starts its failure counter anew
        count = 0 if status == "active" else webhook["failure_count"]
        webhook = {**webhook, **values, "status": status, "failure_count": count, **self._shop.now()}
        with self._shop.store.writing():
            self._shop.store.save_webhook(webhook, "update")
        return Reply(_shown_webhook(webhook))

    def _delete_webhook(self, call: Call) -> Reply:
        webhook = self._webhook(call)
        with self._shop.store.writing():
            self._shop.store.delete_webhook(webhook["id"])
        return Reply(_shown_webhook(webhook))

    def _webhook(self, call: Call) -> dict[str, Any]:
        webhook = self._shop.store.webhook(call.number)
        if webhook is None:
            raise no_webhook()
        return webhook

    def _products(self, call: Call) -> Reply:
        sku = call.query.get("sku")
        rows = [product for product in self._shop.store.products() if sku is None or product["sku"] == sku]
        return self._page(call, rows, dict)

    def _product(self, call: Call) -> Reply:
        found = next((product for product in self._shop.store.products() if product["id"] == call.number), None)
        if found is None:
            raise no_product()
        return Reply(found)

    def _page(self, call: Call, rows: list[Any], show: Callable[[Any], dict[str, Any]]) -> Reply:
        query = read_query(call.query, self._shop.settings.offset_hours)
        page = rows[query.offset : query.offset + query.per_page]
        return Reply([show(row) for row in page], headers=self._paging(call, query, len(rows)))

    def _paging(self, call: Call, query: OrderQuery, total: int) -> dict[str, str]:
        pages = math.ceil(total / query.per_page)
        headers = {"x-wp-total": str(total), "x-wp-totalpages": str(pages)}
        links = []
        for number, name in ((query.page - 1, "prev"), (query.page + 1, "next")):
            if 1 <= number <= pages:
                address = f"{self._base_url()}{ROOT}/{'/'.join(call.parts)}?{urlencode({**call.query, 'page': number})}"
                links.append(f'<{address}>; rel="{name}"')
        return headers | ({"link": ", ".join(links)} if links else {})


def new_webhook(shop: Shop, body: Mapping[str, Any]) -> dict[str, Any]:
    """Store a webhook; without a secret the shop makes one up."""
    topic = str(body.get("topic") or "")
    if topic not in TOPICS:
        raise ShopError(
            400, "woocommerce_rest_shop_webhook_invalid_topic", "Webhook topic is required and must be valid."
        )
    if not str(body.get("delivery_url") or "").startswith(("http://", "https://")):
        raise ShopError(
            400, "woocommerce_rest_shop_webhook_invalid_delivery_url", "Webhook delivery URL must be valid."
        )
    resource, _, event = topic.partition(".")
    with shop.store.writing():
        number = shop.store.next_id()
        moments = {name.replace("modified", "created"): value for name, value in shop.now().items()} | shop.now()
        webhook = {
            "id": number, "name": str(body.get("name") or f"Webhook {number}"),
            "status": str(body.get("status") or "active"),
            "topic": topic, "resource": resource, "event": event, "hooks": [],
            "delivery_url": str(body["delivery_url"]), "secret": str(body.get("secret") or f"shop-secret-{number}"),
            "failure_count": 0, **moments,
        }  # fmt: skip
        shop.store.save_webhook(webhook, "create")
    return webhook


def _shown_webhook(webhook: Mapping[str, Any]) -> dict[str, Any]:
    """Show a webhook; neither its secret nor its failure counter leaves the shop."""
    return {name: value for name, value in webhook.items() if name not in {"secret", "failure_count"}}


def _json_object(raw: bytes) -> dict[str, Any]:
    if not raw.strip():
        return {}
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise ShopError(400, "rest_invalid_json", "Invalid JSON body passed.") from error
    return value if isinstance(value, dict) else {}
