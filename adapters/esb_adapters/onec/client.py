"""HTTP to one base: moves bytes, decides nothing."""

from collections.abc import Mapping
from typing import Any

import httpx

from esb_adapters.onec.errors import NotOData, OneCBaseDown
from esb_adapters.onec.protocol import Json, address, body, entity, odata_root, read_answer
from esb_bus.errors import EsbError, InDoubt

JSON_HEADERS = {"Content-Type": "application/json; charset=utf-8", "Accept": "application/json"}


class ODataClient:
    """Requests to the OData interface of one base.

    Every write except posting is in doubt when the connection breaks after it was sent; posting twice is
    harmless, so `post_document` is treated like a read.
    """

    def __init__(self, http: httpx.AsyncClient, publication: str) -> None:
        self._http = http
        self.root = odata_root(publication)

    async def close(self) -> None:
        await self._http.aclose()

    async def get(self, path: str, options: Mapping[str, str] | None = None) -> Json:
        return await self._send("GET", path, options)

    async def rows(self, entity_set: str, **options: str) -> list[dict[str, Any]]:
        """Read a collection; `filter` becomes `$filter` and so on."""
        answer = await self.get(entity_set, {f"${name}": value for name, value in options.items()})
        if not isinstance(answer, dict) or "value" not in answer:
            raise NotOData(f"{entity_set}: the answer is not a collection")
        return list(answer["value"])

    async def create(self, entity_set: str, values: Mapping[str, Any]) -> dict[str, Any]:
        return _entity(await self._send("POST", entity_set, content=body(values), write=True))

    async def update(self, entity_set: str, ref: str, values: Mapping[str, Any]) -> dict[str, Any]:
        return _entity(await self._send("PATCH", entity(entity_set, ref), content=body(values), write=True))

    async def post_document(self, entity_set: str, ref: str) -> None:
        path = f"{entity(entity_set, ref)}/Post"
        await self._send("POST", path, {"PostingModeOperational": "false"}, content=b"", empty=True)

    async def unpost_document(self, entity_set: str, ref: str) -> None:
        await self._send("POST", f"{entity(entity_set, ref)}/Unpost", content=b"", empty=True)

    async def call(self, function: str, options: Mapping[str, str]) -> Json:
        """Call a function that is harmless to repeat (`SelectChanges`, `NotifyChangesReceived`)."""
        return await self._send("POST", function, options, content=b"", empty=True)

    async def text(self, path: str) -> str:
        """Read a resource that is not JSON (`$metadata`)."""
        response = await self._request("GET", f"{self.root}/{path}", write=False)
        if response.is_error:
            read_answer(response.status_code, response.content, write=False)
        return response.text

    async def _send(
        self,
        method: str,
        path: str,
        options: Mapping[str, str] | None = None,
        *,
        content: bytes | None = None,
        write: bool = False,
        empty: bool = False,
    ) -> Json:
        response = await self._request(method, address(self.root, path, options or {}), content=content, write=write)
        if empty and response.is_success and not response.content.strip():
            return None
        return read_answer(response.status_code, response.content, write=write)

    async def _request(self, method: str, url: str, *, content: bytes | None = None, write: bool) -> httpx.Response:
        try:
            return await self._http.request(method, url, content=content, headers=JSON_HEADERS)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:  # never sent
            raise OneCBaseDown(f"{method}: {_told(error)}") from error
        except httpx.TransportError as error:
            raise _broken(method, error, write=write) from error


def _broken(method: str, error: httpx.TransportError, *, write: bool) -> EsbError:
    """A silent base is a base that is down, not one slow message: it must not cost that message its attempts."""
    message = f"{method}: {_told(error)}"
    return InDoubt(message) if write else OneCBaseDown(message)


def _told(error: httpx.TransportError) -> str:
    return f"{type(error).__name__} {error}".strip()


def _entity(answer: Json) -> dict[str, Any]:
    """The written object, which 1C answers with in full."""
    if isinstance(answer, dict) and "Ref_Key" in answer:
        return answer
    raise InDoubt("the base answered a write without the object it wrote")
