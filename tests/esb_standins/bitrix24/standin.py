"""The portal as a stand-in: its objects, its HTTP application with faults, its outgoing webhooks."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

import orjson
from starlette.types import ASGIApp, Receive, Scope, Send

from esb_standins.bitrix24.actions import ACTIONS
from esb_standins.bitrix24.app import JSON_HEADERS, RestApp, called_method
from esb_standins.bitrix24.errors import (
    RestError,
    invalid_credentials,
    operation_time_limit,
    overload_limit,
    query_limit,
)
from esb_standins.bitrix24.events import notification
from esb_standins.bitrix24.portal import Event, Portal, Settings
from esb_standins.bitrix24.registry import writes
from esb_standins.bitrix24.seed import fill, install
from esb_standins.bitrix24.store import Store
from esb_standins.effects import Canned, FaultyApp
from esb_standins.faults import FaultBox
from esb_standins.outgoing import Outgoing
from esb_standins.server import Standin, UnknownAction

_EVENT_TIMEOUT: Final = 5.0
_OBJECTS: Final = frozenset({
    "deal", "contact", "company", "invoice", "requisite", "row", "timeline", "product", "category", "status",
    "userfield", "user", "handler",
})  # fmt: skip


class PortalStandin:
    """One Bitrix24 portal."""

    kind = "bitrix24"

    def __init__(self, name: str, options: Mapping[str, Any], state_dir: Path) -> None:
        self.name = name
        self.faults = FaultBox()
        self.outgoing = Outgoing(self.faults, _EVENT_TIMEOUT)
        self._store = Store(state_dir / f"{name}.sqlite", name)
        self.portal = Portal(self._store, read_settings(options))
        self._handlers = list(options.get("handlers", ()))
        self._url = ""
        # the address of the inbound webhook below the host
        self.path = f"/rest/{self.portal.settings.user}/{self.portal.settings.code}/"
        install(self.portal)
        self.portal.send = self._notify
        self.portal.search_lag = self._search_lag
        faulty = FaultyApp(RestApp(self.portal), self.faults, called_method, _canned_answers())
        self.app: ASGIApp = _as_reads_and_writes(faulty)

    async def start(self, url: str) -> None:
        self._url = url
        self.outgoing.open()
        for raw in self._handlers:
            await ACTIONS["bind"](self.portal, raw)

    async def stop(self) -> None:
        await self.outgoing.close()
        self._store.close()

    def ledger(self, after: int, limit: int) -> list[dict[str, Any]]:
        return self._store.ledger(after, limit)

    def objects(self, subject: str) -> list[dict[str, Any]]:
        if subject == "sendings":
            return self.outgoing.sendings()
        if subject not in _OBJECTS:
            raise KeyError(subject)
        return list(self._store.all(subject).values())

    async def seed(self, _: Mapping[str, Any]) -> Mapping[str, Any]:
        return fill(self.portal)

    async def act(self, action: str, body: Mapping[str, Any]) -> Any:
        handler = ACTIONS.get(action)
        if handler is None:
            raise UnknownAction(action)
        try:
            return await handler(self.portal, body)
        except RestError as error:
            raise ValueError(error.description) from error

    def _search_lag(self) -> float:
        fault = self.faults.get("late_search")
        return fault.delay if fault else 0.0

    def _notify(self, event: Event) -> None:
        if event.name == "ONCRMDEALMOVETOCATEGORY" and not self.portal.settings.move_event_for_webhooks:
            return
        for handler in self._store.all("handler").values():
            if event.name in handler["EVENTS"]:
                self.outgoing.send(notification(handler, event, self.portal.clock, self._url))


def build(name: str, options: Mapping[str, Any], state_dir: Path) -> Standin:
    return PortalStandin(name, options, state_dir)


def read_settings(options: Mapping[str, Any]) -> Settings:
    """Read the options of the configuration file. Raises ValueError naming what is not one."""
    known = {field.name for field in fields(Settings)}
    unknown = set(options) - known - {"handlers"}
    if unknown:
        raise ValueError(f"a portal knows no option {sorted(unknown)}")
    given = {name: value for name, value in options.items() if name in known}
    return Settings(**{**given, "scopes": tuple(given["scopes"])} if "scopes" in given else given)


def _canned_answers() -> dict[str, Canned]:
    errors = {
        "query_limit": query_limit(),
        "overload_limit": overload_limit(),
        "401": invalid_credentials(),
        "operation_time_limit": operation_time_limit(),
    }
    return {kind: Canned(error.status, orjson.dumps(error.body()), JSON_HEADERS) for kind, error in errors.items()}


def _as_reads_and_writes(app: ASGIApp) -> ASGIApp:
    """Show reading methods to the fault machinery as GET: on this wire everything may be a POST."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope = {**scope, "method": "POST" if writes(called_method(scope)) else "GET"}
        await app(scope, receive, send)

    return serve
