"""The shop itself: placing and changing orders, with the webhooks each change fires."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, Final

from esb_standins import company
from esb_standins.shop.errors import invalid_id, invalid_parameter
from esb_standins.shop.money import text
from esb_standins.shop.orders import Order, ShopRules, Wish, build, customer_meta, goods_of
from esb_standins.shop.store import ShopStore, content_hash

STATUSES: Final = frozenset({
    "pending", "processing", "on-hold", "completed", "cancelled", "refunded", "failed", "trash",
})  # fmt: skip
_PAID: Final = frozenset({"processing", "completed"})


@dataclass(frozen=True)
class Settings:
    """What a shop's owner decides, and what is not confirmed about WooCommerce.

    Attributes:
        key: REST consumer key.
        secret: REST consumer secret.
        public_url: address in links and in X-WC-Webhook-Source; empty means the real one.
        taxes: "inside" or "off", see `orders.ShopRules`.
        offset_hours: the shop's local time against UTC.
        meta_without_id: what a meta entry without `id` does to an existing key: "double" or "replace".
        noisy: a new order also fires order.updated, as checkouts of real shops do.
        body_at: a webhook's body is the order "at_event" or "at_delivery".
    """

    key: str = "ck_standin"
    secret: str = "cs_standin"
    public_url: str = ""
    taxes: str = "inside"
    offset_hours: int = 3
    meta_without_id: str = "double"
    noisy: bool = False
    body_at: str = "at_event"


Fire = Callable[[str, Order], None]


class Shop:
    """Orders of one shop. `fire` receives (topic, order) after the write is committed."""

    def __init__(self, store: ShopStore, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self.store = store
        self.settings = settings
        self.clock = clock
        self.fire: Fire = lambda _, __: None
        self._zone = timezone(timedelta(hours=settings.offset_hours))

    def place(self, wish: Wish) -> Order:
        """Let a buyer order. The number is the id, as in a shop without a numbering plugin, unless the wish has one."""
        with self.store.writing():
            order = build(wish, self._rules(), self.store.next_id())
            order["number"] = str(wish.get("number") or order["number"])
            order |= {"created_via": "checkout", "version": "10.2.1", "order_key": f"wc_order_{order['id']:013x}"}
            order |= {"cart_hash": content_hash(order)[:32], "customer_ip_address": "", "customer_user_agent": ""}
            order |= (
                self._dates("created") | self._dates("modified") | self._no_dates("paid") | self._no_dates("completed")
            )
            if wish.get("paid"):
                order |= self._payment(order, "")
            self.store.save_order(order, "create", "shop", dict(wish))
        self.fire("order.created", order)
        if self.settings.noisy:
            self.fire("order.updated", order)
        return order

    def change(self, number: int, values: Mapping[str, Any], actor: str, asked: Mapping[str, Any]) -> Order:
        """Put `values` into an order. Without a difference nothing is saved and nothing fires."""
        current = self.must_exist(number)
        order = {**current, **values}
        if content_hash(order) == content_hash(current):
            return current
        order |= self._dates("modified")
        if order["status"] != current["status"] and order["status"] == "completed":
            order |= self._dates("completed")
        with self.store.writing():
            self.store.save_order(order, "update", actor, asked)
        self.fire("order.updated", order)
        return order

    def edited(self, number: int, wish: Wish) -> Order:
        """Apply what the shop's manager changes: lines, buyer, comment, status."""
        current = self.must_exist(number)
        values: Order = {}
        if "lines" in wish:
            with self.store.writing():
                values |= goods_of(wish, self._rules())
        if "customer" in wish:
            fresh = customer_meta(wish["customer"])
            values["meta_data"] = [
                {**meta, "value": fresh.get(meta["key"], meta["value"])} for meta in current["meta_data"]
            ]
        if "comment" in wish:
            values["customer_note"] = str(wish["comment"])
        if "status" in wish:
            values["status"] = checked_status(wish["status"])
        if wish.get("paid"):
            values |= self._payment(current, str(wish.get("transaction_id", "")))
        return self.change(number, values, "shop", dict(wish))

    def trash(self, number: int, actor: str) -> Order:
        """Put an order into the bin: order.deleted carries only its id, and it may come back."""
        current = self.must_exist(number)
        order = {**current, "status": "trash", **self._dates("modified")}
        with self.store.writing():
            self.store.save_order(order, "delete", actor, {})
        self.fire("order.deleted", order)
        return order

    def refund(self, number: int, amount: Decimal, reason: str, actor: str) -> Order:
        """Give money back; the order lists the refund with a negative sum."""
        order = self.must_exist(number)
        with self.store.writing():
            refund = {
                "id": self.store.next_id(), **self._dates("created"), "amount": text(amount), "reason": reason,
                "refunded_by": 1, "refunded_payment": False, "meta_data": [], "line_items": [],
            }  # fmt: skip
            self.store.add_child("refunds", number, refund, actor)
        refunds = [*order["refunds"], {"id": refund["id"], "reason": reason, "total": text(-amount)}]
        returned = -sum((Decimal(entry["total"]) for entry in refunds), Decimal(0))
        status = "refunded" if returned >= Decimal(order["total"]) else order["status"]
        self.change(number, {"refunds": refunds, "status": status}, actor, {"amount": text(amount), "reason": reason})
        return refund

    def note(self, number: int, body: Mapping[str, Any], actor: str) -> Order:
        """Add a note; it is not a change of the order."""
        self.must_exist(number)
        if not body.get("note"):
            raise invalid_parameter("note", "is missing")
        with self.store.writing():
            note = {
                "id": self.store.next_id(), "author": "shop manager", **self._dates("created"),
                "note": str(body["note"]), "customer_note": bool(body.get("customer_note")),
            }  # fmt: skip
            self.store.add_child("notes", number, note, actor)
        return note

    def put(self, number: int, body: Mapping[str, Any]) -> Order:
        """Apply a PUT of the REST interface; members it does not know are ignored."""
        current = self.must_exist(number)
        values: Order = {name: body[name] for name in ("customer_note", "transaction_id") if name in body}
        if "status" in body:
            values["status"] = checked_status(body["status"])
        if "meta_data" in body:
            with self.store.writing():
                values["meta_data"] = self._merged_meta(current["meta_data"], body["meta_data"])
        if body.get("set_paid") and not current["date_paid"]:
            values |= self._payment(current, str(body.get("transaction_id") or ""))
        return self.change(number, values, "rest", dict(body))

    def must_exist(self, number: int) -> Order:
        order = self.store.order(number)
        if order is None:
            raise invalid_id()
        return order

    def stock(self) -> dict[str, int]:
        """Put the company's goods into an empty shop."""
        with self.store.writing():
            for product in company.PRODUCTS if not self.store.products() else ():
                self.store.add_product({
                    "id": self.store.next_id(), "name": product.name, "sku": product.article, "type": "simple",
                    "status": "publish", "price": text(product.price), "regular_price": text(product.price),
                    "manage_stock": False, "stock_quantity": None, "stock_status": "instock", "meta_data": [],
                    **self._dates("created"), **self._dates("modified"),
                })  # fmt: skip
        return {"products": len(self.store.products())}

    def now(self) -> dict[str, str]:
        return self._dates("modified")

    def _rules(self) -> ShopRules:
        return ShopRules(self.settings.taxes, self._product_id, self.store.next_id)

    def _product_id(self, sku: str) -> int:
        return int((self.store.product_of(sku) or {"id": 0})["id"])

    def _payment(self, order: Order, transaction_id: str) -> Order:
        status = order["status"] if order["status"] in _PAID else "processing"
        return {"status": status, "transaction_id": transaction_id or order["transaction_id"], **self._dates("paid")}

    def _dates(self, what: str) -> dict[str, str]:
        """Return a moment twice: in the shop's own time without a zone, and in UTC. Whole seconds."""
        moment = datetime.fromtimestamp(int(self.clock()), UTC)
        local = moment.astimezone(self._zone).replace(tzinfo=None)
        return {f"date_{what}": local.isoformat(), f"date_{what}_gmt": moment.replace(tzinfo=None).isoformat()}

    @staticmethod
    def _no_dates(what: str) -> dict[str, None]:
        return {f"date_{what}": None, f"date_{what}_gmt": None}

    def _merged_meta(self, current: list[Order], asked: list[Mapping[str, Any]]) -> list[Order]:
        """Replace by id; what an entry without id does to an existing key is a setting."""
        entries = {meta["id"]: meta for meta in current}
        for given in asked:
            number = given.get("id") or self._id_of_key(entries, str(given.get("key")))
            if number in entries:
                entries[number] = {**entries[number], "value": given.get("value")}
            elif given.get("key"):
                fresh = self.store.next_id()
                entries[fresh] = {"id": fresh, "key": str(given["key"]), "value": given.get("value")}
        return [meta for meta in entries.values() if meta["value"] is not None]

    def _id_of_key(self, entries: Mapping[int, Order], key: str) -> int | None:
        if self.settings.meta_without_id != "replace":
            return None
        return next((number for number, meta in entries.items() if meta["key"] == key), None)


def checked_status(raw: Any) -> str:
    if raw not in STATUSES:
        raise invalid_parameter("status")
    return str(raw)
