"""The HTTP side of the portal: addresses, credentials, the request limit, the answer around a result."""

import time
from typing import Any, Final
from urllib.parse import parse_qsl

from starlette.types import Receive, Scope, Send

from esb_standins.bitrix24.batch import run_batch
from esb_standins.bitrix24.errors import RestError, invalid_credentials, no_auth, query_limit, unknown_method
from esb_standins.bitrix24.limits import LeakyBucket
from esb_standins.bitrix24.params import from_json, from_pairs, from_query
from esb_standins.bitrix24.portal import Answer, Params, Portal
from esb_standins.bitrix24.registry import run
from esb_standins.bitrix24.values import stamp
from esb_standins.effects import Canned, answer, read_body
from esb_standins.php import encode

JSON_HEADERS: Final = {"content-type": "application/json; charset=utf-8"}
_LAST_PARTS: Final = (".json", ".xml")
_WEBHOOK_PARTS: Final = 3
_BILLING_WINDOW: Final = 600


class RestApp:
    """Serves `/rest/{user}/{code}/{method}`; methods work on `portal`."""

    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._bucket = LeakyBucket(portal.settings.capacity, portal.settings.drain)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.time()
        body = await read_body(receive)
        try:
            status, content = 200, self._serve(scope, body, started)
        except RestError as error:
            status, content = error.status, error.body()
        await answer(Canned(status, encode(content), JSON_HEADERS), send)

    def _serve(self, scope: Scope, body: bytes, started: float) -> dict[str, Any]:
        address = (scope.get("client") or ("", 0))[0]
        if not self._bucket.admits(address, time.monotonic()):
            raise query_limit()
        method = self._admitted(str(scope["path"]))
        params = read_params(scope, body)
        found = self._run(method, params, started)
        beside = {"total": found.total, "next": found.next}
        return {
            "result": found.result,
            **{name: value for name, value in beside.items() if value is not None},
            "time": self._time(started),
        }

    def _run(self, method: str, params: Params, started: float) -> Answer:
        if method == "batch":
            return run_batch(params, lambda name, given: run(self._portal, name, given), lambda: self._time(started))
        return run(self._portal, method, params)

    def _admitted(self, path: str) -> str:
        """Return the method in the path once the webhook's user and code fit."""
        parts = rest_parts(path)
        if len(parts) == 1:
            raise no_auth()
        if len(parts) != _WEBHOOK_PARTS:
            raise unknown_method()
        settings = self._portal.settings
        if parts[:2] != [str(settings.user), settings.code]:
            raise invalid_credentials()
        return method_name(parts[2])

    def _time(self, started: float) -> dict[str, Any]:
        finished = time.time()
        block: dict[str, Any] = {
            "start": started,
            "finish": finished,
            "duration": finished - started,
            "processing": finished - started,
            "date_start": stamp(started),
            "date_finish": stamp(finished),
        }
        if self._portal.settings.operating:
            block |= {"operating_reset_at": int(started) + _BILLING_WINDOW, "operating": 0}
        return block


def rest_parts(path: str) -> list[str]:
    """Return what follows `/rest/`, piece by piece."""
    return [part for part in path.partition("/rest/")[2].split("/") if part]


def method_name(part: str) -> str:
    """Return the method of a path piece in lower case, without `.json`."""
    name = part.lower()
    return next((name.removesuffix(ending) for ending in _LAST_PARTS if name.endswith(ending)), name)


def called_method(scope: Scope) -> str:
    """Return the method a request is about, for faults limited to some methods."""
    parts = rest_parts(str(scope["path"]))
    return method_name(parts[-1]) if parts else ""


def read_params(scope: Scope, body: bytes) -> Params:
    """Merge the parameters of address and body; the body wins."""
    params = from_query(scope.get("query_string", b"").decode())
    if _content_type(scope).startswith("application/json"):
        return params | from_json(body)
    return params | from_pairs(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


def _content_type(scope: Scope) -> str:
    headers: dict[bytes, bytes] = dict(scope["headers"])
    return headers.get(b"content-type", b"").decode("latin-1").lower()
