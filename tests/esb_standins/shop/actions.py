"""What buyers and the shop's managers do."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from esb_standins.shop.orders import generate
from esb_standins.shop.shop import Shop

Body = Mapping[str, Any]


async def place_order(shop: Shop, body: Body) -> dict[str, Any]:
    """Place one order; the body is a wish (see `orders`)."""
    return _short(shop.place(body))


async def place_orders(shop: Shop, body: Body) -> dict[str, Any]:
    """Place `count` generated orders (`seed`, `sellers`, `persons`), at `rate` per second or at once."""
    rate = float(body.get("rate") or 0)
    started = asyncio.get_running_loop().time()
    placed = []
    wishes = generate(int(body.get("seed", 1)), int(body["count"]), body.get("sellers"), float(body.get("persons", 0)))
    for position, wish in enumerate(wishes):
        due = started + position / rate if rate else 0.0
        await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
        placed.append(_short(shop.place(wish)))
    return {"orders": placed}


async def change_order(shop: Shop, body: Body) -> dict[str, Any]:
    """Change order `order_id`: `lines`, `customer`, `comment`, `status`, `paid` with `transaction_id`."""
    return _short(shop.edited(_number(body), _without_number(body)))


async def cancel_order(shop: Shop, body: Body) -> dict[str, Any]:
    """Cancel order `order_id`."""
    return _short(shop.edited(_number(body), {"status": "cancelled"}))


async def pay_order(shop: Shop, body: Body) -> dict[str, Any]:
    """Pay order `order_id` (`transaction_id` of the payment service)."""
    return _short(shop.edited(_number(body), {"paid": True, "transaction_id": body.get("transaction_id", "")}))


async def refund_order(shop: Shop, body: Body) -> dict[str, Any]:
    """Refund `amount` of order `order_id` for a `reason`."""
    refund = shop.refund(_number(body), Decimal(str(body["amount"])), str(body.get("reason", "")), "shop")
    return {"refund_id": refund["id"]}


async def delete_order(shop: Shop, body: Body) -> dict[str, Any]:
    """Put order `order_id` into the bin."""
    return _short(shop.trash(_number(body), "shop"))


ACTIONS: Final[Mapping[str, Callable[[Shop, Body], Awaitable[dict[str, Any]]]]] = {
    "place_order": place_order,
    "place_orders": place_orders,
    "change_order": change_order,
    "cancel_order": cancel_order,
    "pay_order": pay_order,
    "refund_order": refund_order,
    "delete_order": delete_order,
}


def _short(order: Mapping[str, Any]) -> dict[str, Any]:
    names = ("number", "status", "total", "date_modified_gmt")
    return {"order_id": order["id"], **{name: order[name] for name in names}}


def _number(body: Body) -> int:
    return int(body["order_id"])


def _without_number(body: Body) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name != "order_id"}
