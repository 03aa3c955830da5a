"""httpx calls to the WooCommerce REST API, nothing decided here."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any

import httpx

from esb_adapters.website.protocol import SecretUnusable
from esb_adapters.website.rest import Answer, ShopDown, rest_root
from esb_bus.outgoing import open_http

_MAX_CONNECTIONS = 5


class ShopClient(AbstractAsyncContextManager["ShopClient"]):
    """One shop's REST API. Close it by leaving the block.

    Args:
        url: address of the shop, or of its REST API.
        key: `consumer key:consumer secret`.
        timeout_s: for each of connect, write and read.
    """

    def __init__(self, url: str, key: str, timeout_s: float, transport: httpx.AsyncBaseTransport | None = None) -> None:
        user, colon, password = key.partition(":")
        if not (user and colon and password):
            raise SecretUnusable("the secret of a WooCommerce shop is consumer key:consumer secret")
        self._http = open_http(
            base_url=rest_root(url),
            auth=(user, password),
            timeout=timeout_s,
            transport=transport,
            limits=httpx.Limits(max_connections=_MAX_CONNECTIONS),
        )

    async def get(self, path: str, query: Mapping[str, str]) -> Answer:
        """Raises ShopDown when no answer came."""
        return await self._sent("GET", path, params=dict(query))

    async def put(self, path: str, body: Mapping[str, Any]) -> Answer:
        """Raises ShopDown when no answer came. Only for writes that may be repeated."""
        return await self._sent("PUT", path, json=dict(body))

    async def close(self) -> None:
        await self._http.aclose()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _sent(self, method: str, path: str, **parts: Any) -> Answer:
        try:
            response = await self._http.request(method, path, **parts)
        except httpx.HTTPError as error:
            raise ShopDown(f"{method} {path}: {type(error).__name__} {error}") from error
        return Answer(response.status_code, response.headers, response.content)
