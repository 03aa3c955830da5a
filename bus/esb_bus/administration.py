"""RabbitMQ's management API: users, rights and what the queues hold. Needs an account with the tag it is used for.

Source: RabbitMQ manual, "Management Plugin", "HTTP API Reference".
"""

import secrets
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import httpx

from esb_bus.addresses import addresses_of
from esb_bus.errors import EsbError
from esb_bus.outgoing import open_http
from esb_bus.permissions import SUBSCRIBER_PREFIX, Grant
from esb_bus.topology import EVENTS_EXCHANGE, Queue

PATIENCE_S = 10.0
NO_LOGIN = {"password_hash": "", "tags": ""}
"""A user with an empty hash exists and has rights, and no password lets anybody in."""

HandOut = Callable[[str, str], None]
"""(user, password): keep it where the subscriber's operator finds it."""


class AdministrationFailed(EsbError):
    """The management API does not answer, or refuses."""

    code = "administration_failed"


@dataclass(frozen=True, slots=True)
class Backlog:
    """What rests in one queue, as the plugin last counted it (every five seconds)."""

    queue: str
    messages: int
    size_bytes: int
    acknowledged: int


class Administration(AbstractAsyncContextManager["Administration"]):
    """One virtual host of one broker.

    Args:
        url: of the management plugin, with user and password.
        amqp_url: names the virtual host.
    """

    def __init__(self, url: str, amqp_url: str) -> None:
        self._http = open_http(base_url=url, timeout=PATIENCE_S)
        self._vhost = quote(unquote(urlsplit(addresses_of(amqp_url)[0]).path[1:]) or "/", safe="")

    async def close(self) -> None:
        await self._http.aclose()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # -- subscribers -----------------------------------------------------------------------------------------------

    async def users(self) -> list[str]:
        """Subscribers' users that have rights in this virtual host."""
        rows = await self._asked("GET", f"/api/vhosts/{self._vhost}/permissions")
        return sorted(row["user"] for row in rows if row["user"].startswith(SUBSCRIBER_PREFIX))

    async def apply(self, grant: Grant, hand_out: HandOut, *, new_password: bool = False) -> bool:
        """Make one user, its rights and its queue what they shall be; True when a password was handed out.

        A new user gets its rights before its password: at no moment it may do more than it shall. When rights were
        taken away, its queue (which may hold what it no longer may see) is emptied and its connections are closed.
        """
        known = await self._known(grant.user)
        if known is None:
            await self._asked("PUT", self._user(grant.user), NO_LOGIN)
        is_narrower = known is not None and await self._allow_less(grant)
        await self._allow(grant)
        if grant.queue is not None:
            await self._make_queue(grant.queue)
        if is_narrower:
            await self._disconnect(grant.user)
        if known is not None and known.get("password_hash") and not new_password:
            return False
        password = secrets.token_urlsafe(24)
        hand_out(grant.user, password)
        await self._asked("PUT", self._user(grant.user), {"password": password, "tags": ""})
        return True

    async def revoke(self, user: str) -> None:
        """Take a subscriber's rights, its way in, its connections, its queue with the bindings, and the user itself."""
        for path in ("permissions", "topic-permissions"):
            await self._gone(f"/api/{path}/{self._vhost}/{quote(user, safe='')}")
        if await self._known(user) is not None:
            await self._asked("PUT", self._user(user), NO_LOGIN)
        await self._disconnect(user)
        await self._gone(f"/api/queues/{self._vhost}/{quote(user, safe='')}")
        await self._gone(self._user(user))

    async def _known(self, user: str) -> dict[str, Any] | None:
        found: dict[str, Any] | None = await self._asked("GET", self._user(user), missing=True)
        return found

    async def _allow_less(self, grant: Grant) -> bool:
        """Whether it could read something before that it may not read now; if so, its queue is deleted."""
        before = await self._bindings(grant.user)
        rights = await self._asked("GET", f"/api/permissions/{self._vhost}/{quote(grant.user, safe='')}", missing=True)
        wanted = set() if grant.queue is None else set(grant.queue.bindings)
        if before <= wanted and (rights is None or rights["read"] == grant.read):
            return False
        await self._gone(f"/api/queues/{self._vhost}/{quote(grant.user, safe='')}")
        return True

    async def _bindings(self, queue: str) -> set[str]:
        path = f"/api/bindings/{self._vhost}/e/{EVENTS_EXCHANGE}/q/{quote(queue, safe='')}"
        rows = await self._asked("GET", path, missing=True)
        return {row["routing_key"] for row in rows or ()}

    async def _allow(self, grant: Grant) -> None:
        user = quote(grant.user, safe="")
        topic = {"exchange": EVENTS_EXCHANGE, "write": grant.topic_write, "read": grant.topic_read}
        rights = {"configure": grant.configure, "write": grant.write, "read": grant.read}
        await self._asked("PUT", f"/api/topic-permissions/{self._vhost}/{user}", topic)
        await self._asked("PUT", f"/api/permissions/{self._vhost}/{user}", rights)

    async def _make_queue(self, queue: Queue) -> None:
        exchange = {"type": "topic", "durable": True}
        await self._asked("PUT", f"/api/exchanges/{self._vhost}/{EVENTS_EXCHANGE}", exchange)
        name = quote(queue.name, safe="")
        await self._asked("PUT", f"/api/queues/{self._vhost}/{name}", {"durable": True, "arguments": queue.arguments})
        for key in queue.bindings:
            path = f"/api/bindings/{self._vhost}/e/{EVENTS_EXCHANGE}/q/{name}"
            await self._asked("POST", path, {"routing_key": key})

    async def _disconnect(self, user: str) -> None:
        # By user and not by name: names come from statistics, which learn of a connection seconds after it was opened.
        await self._gone(f"/api/connections/username/{quote(user, safe='')}")

    # -- queues ----------------------------------------------------------------------------------------------------

    async def backlogs(self) -> list[Backlog]:
        columns = "name,messages,message_bytes,message_stats.ack"
        rows = await self._asked("GET", f"/api/queues/{self._vhost}?columns={columns}")
        return [_backlog(row) for row in rows]

    # -- requests --------------------------------------------------------------------------------------------------

    def _user(self, user: str) -> str:
        return f"/api/users/{quote(user, safe='')}"

    async def _gone(self, path: str) -> None:
        await self._asked("DELETE", path, missing=True)

    async def _asked(self, method: str, path: str, body: object = None, *, missing: bool = False) -> Any:
        try:
            response = await self._http.request(method, path, json=body)
        except httpx.TransportError as error:
            raise AdministrationFailed(f"{method} {path}: {type(error).__name__}") from error
        if missing and response.status_code == httpx.codes.NOT_FOUND:
            return None
        if not response.is_success:
            raise AdministrationFailed(f"{method} {path}: {response.status_code} {response.text[:300]}")
        return response.json() if response.content else None


def _backlog(row: dict[str, Any]) -> Backlog:
    """A queue that was declared a moment ago has no numbers yet."""
    acknowledged = (row.get("message_stats") or {}).get("ack", 0)
    return Backlog(row["name"], int(row.get("messages", 0)), int(row.get("message_bytes", 0)), int(acknowledged))
