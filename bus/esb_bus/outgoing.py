"""How any adapter speaks HTTP to the system of its endpoint: the address of the landscape, and nothing a partner says.

- No redirect is followed and no proxy, netrc or other variable of the environment is read: a request goes to the
  address in the landscape or nowhere. Links in answers are never called.
- Certificates and host names are verified (`esb_bus.tls`).
- An answer comes as it is: compression is not asked for, an answer that is compressed all the same is refused (a
  hundred kilobytes may unpack to as many megabytes), and none is read beyond 64 MB.
"""

from collections.abc import AsyncIterator, Mapping

import httpx

from esb_bus.tls import client_context

MAX_ANSWER_BYTES = 64 * 1024 * 1024
"""«$metadata» of a large configuration is about 20 MB; everything else is far smaller."""


def open_http(
    *,
    timeout: httpx.Timeout | float,
    limits: httpx.Limits | None = None,
    headers: Mapping[str, str] | None = None,
    auth: tuple[str, str] | None = None,
    base_url: str = "",
    transport: httpx.AsyncBaseTransport | None = None,
) -> httpx.AsyncClient:
    """Open a client for one endpoint; the adapter closes it. Faults of the rules above are `httpx.ReadError`."""
    inner = transport or httpx.AsyncHTTPTransport(
        verify=client_context(), trust_env=False, limits=limits or httpx.Limits()
    )
    return httpx.AsyncClient(
        transport=_Bounded(inner),
        headers={"Accept-Encoding": "identity", **(headers or {})},
        auth=auth,
        base_url=base_url,
        timeout=timeout,
        follow_redirects=False,
        trust_env=False,
    )


class _Bounded(httpx.AsyncBaseTransport):
    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            response = await self._inner.handle_async_request(request)
        except AttributeError as error:
            # anyio asks the socket of a transport that uvloop has taken it from: the connection was reset just now.
            raise httpx.ReadError("the connection was reset", request=request) from error
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in {"", "identity"}:
            await response.aclose()
            raise httpx.ReadError("the answer is compressed, which was not asked for", request=request)
        assert isinstance(response.stream, httpx.AsyncByteStream)
        response.stream = _BoundedStream(response.stream, request)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


class _BoundedStream(httpx.AsyncByteStream):
    def __init__(self, inner: httpx.AsyncByteStream, request: httpx.Request) -> None:
        self._inner = inner
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        taken = 0
        async for chunk in self._inner:
            taken += len(chunk)
            if taken > MAX_ANSWER_BYTES:
                raise httpx.ReadError(f"the answer is longer than {MAX_ANSWER_BYTES} bytes", request=self._request)
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()
