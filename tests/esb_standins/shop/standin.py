"""The shop as a stand-in: its orders, its REST interface with faults, its webhooks."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

from starlette.types import ASGIApp

from esb_standins.effects import Canned, FaultyApp, first_path_segment_after
from esb_standins.faults import FaultBox
from esb_standins.outgoing import Notification, Outgoing
from esb_standins.php import encode
from esb_standins.server import Standin, UnknownAction
from esb_standins.shop.actions import ACTIONS
from esb_standins.shop.errors import ShopError, wrong_key
from esb_standins.shop.rest import ROOT, RestApp, new_webhook
from esb_standins.shop.shop import Settings, Shop
from esb_standins.shop.store import ShopStore
from esb_standins.shop.webhooks import after_delivery, delivery, ping

_WEBHOOK_TIMEOUT: Final = 60.0


class ShopStandin:
    """One WooCommerce-like shop."""

    kind = "website"

    def __init__(self, name: str, options: Mapping[str, Any], state_dir: Path) -> None:
        self.name = name
        self.path = ROOT + "/"
        self.faults = FaultBox()
        self.store = ShopStore(state_dir / f"{name}.sqlite", name)
        self.shop = Shop(self.store, read_settings(options))
        self.shop.fire = self._fire
        self.outgoing = Outgoing(self.faults, _WEBHOOK_TIMEOUT, self._count)
        self._rest = RestApp(self.shop, self._ping, self._base_url)
        self._webhooks = list(options.get("webhooks", ()))
        self._url = ""
        unauthorised = Canned(401, encode(wrong_key().body()), {"content-type": "application/json; charset=UTF-8"})
        subject = first_path_segment_after(ROOT)
        self.app: ASGIApp = FaultyApp(self._rest, self.faults, subject, {"401": unauthorised})

    async def start(self, url: str) -> None:
        self._url = url
        self.outgoing.open()
        known = {(webhook["topic"], webhook["delivery_url"]) for webhook in self.store.webhooks()}
        for raw in self._webhooks:
            if (raw["topic"], raw["delivery_url"]) not in known:
                self._ping(new_webhook(self.shop, raw))

    async def stop(self) -> None:
        await self.outgoing.close()
        self.store.close()

    def ledger(self, after: int, limit: int) -> list[dict[str, Any]]:
        return self.store.ledger(after, limit)

    def objects(self, subject: str) -> list[dict[str, Any]]:
        sources = {
            "orders": self.store.orders,
            "placed": self.store.versions,
            "webhooks": self.store.webhooks,
            "products": self.store.products,
            "sendings": self.outgoing.sendings,
        }
        return sources[subject]()

    async def seed(self, _: Mapping[str, Any]) -> Mapping[str, Any]:
        return self.shop.stock()

    async def act(self, action: str, body: Mapping[str, Any]) -> Any:
        if action == "add_webhook":
            webhook = new_webhook(self.shop, body)
            self._ping(webhook)
            return webhook
        handler = ACTIONS.get(action)
        if handler is None:
            raise UnknownAction(action)
        try:
            return await handler(self.shop, body)
        except ShopError as error:
            raise ValueError(error.message) from error

    def _base_url(self) -> str:
        return (self.shop.settings.public_url or self._url).rstrip("/")

    def _fire(self, topic: str, order: dict[str, Any]) -> None:
        """Deliver a topic to every active webhook that listens to it."""
        for webhook in self.store.webhooks():
            if webhook["topic"] == topic and webhook["status"] == "active":
                self.outgoing.send(self._delivery(webhook, topic, order))

    def _delivery(self, webhook: dict[str, Any], topic: str, order: dict[str, Any]) -> Notification:
        def body() -> bytes:
            if topic == "order.deleted":
                return encode({"id": order["id"]})
            fresh = self.shop.settings.body_at == "at_delivery"
            return encode(self._rest.shown(self.shop.must_exist(order["id"]) if fresh else order))

        return delivery(webhook, self._base_url() + "/", str(order["id"]), body, self.shop.clock)

    def _ping(self, webhook: Mapping[str, Any]) -> None:
        self.outgoing.send(ping(webhook))

    def _count(self, notification: Notification, status: int | None) -> None:
        """Note the outcome of a delivery on its webhook; a ping changes nothing."""
        for webhook in self.store.webhooks() if notification.subject != "ping" else ():
            if webhook["topic"] == notification.subject and webhook["delivery_url"] == notification.url:
                counted = after_delivery(webhook, status)
                if counted != webhook:
                    with self.store.writing():
                        self.store.save_webhook(counted)


def build(name: str, options: Mapping[str, Any], state_dir: Path) -> Standin:
    return ShopStandin(name, options, state_dir)


def read_settings(options: Mapping[str, Any]) -> Settings:
    """Read the options of the configuration file. Raises ValueError naming what is not one."""
    known = {field.name for field in fields(Settings)}
    unknown = set(options) - known - {"webhooks"}
    if unknown:
        raise ValueError(f"a shop knows no option {sorted(unknown)}")
    return Settings(**{name: value for name, value in options.items() if name in known})
