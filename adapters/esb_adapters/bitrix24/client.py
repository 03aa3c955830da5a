"""Calls of one portal: moves bytes and takes from the rate budget, decides nothing."""

from collections.abc import Mapping
from typing import Any, Final

import httpx
from pydantic import SecretStr

from esb_adapters.bitrix24.protocol import (
    Answer,
    BatchAnswer,
    PortalUnreachable,
    batch,
    read_answer,
    read_batch,
)
from esb_bus.errors import EndpointDown, InDoubt
from esb_bus.landscape import Bitrix24Portal
from esb_bus.outgoing import open_http
from esb_bus.ports import RateBudget

CONNECT_S: Final = 5.0


class Client:
    """One portal through its inbound webhook. Close it when done.

    Redirects are not followed: a renamed portal answers 302, and following turns the POST into a GET.
    """

    def __init__(self, portal: Bitrix24Portal, secret: SecretStr, budget: RateBudget) -> None:
        self._base = f"{str(portal.url).rstrip('/')}/{secret.get_secret_value().strip('/')}"
        self._budget = budget
        self._http = open_http(timeout=httpx.Timeout(portal.timeout_s, connect=CONNECT_S))

    async def close(self) -> None:
        await self._http.aclose()

    async def call(self, method: str, params: Mapping[str, Any] | None = None, *, repeatable: bool = True) -> Answer:
        """Call one method.

        Args:
            method: for example `crm.deal.get`.
            params: its parameters.
            repeatable: False for a write: what is not known to have failed is then in doubt.
        """
        await self._budget.take()
        try:
            response = await self._http.post(f"{self._base}/{method}", json=dict(params or {}))
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:  # never sent
            raise PortalUnreachable(f"{method}: {_fault(error)}") from error
        except httpx.RequestError as error:
            raise _cut(method, error, repeatable=repeatable) from error
        location = response.headers.get("location", "")
        return read_answer(method, response.status_code, response.content, repeatable=repeatable, location=location)

    async def batch(self, commands: Mapping[str, str], *, repeatable: bool = True, halt: bool = False) -> BatchAnswer:
        """Send up to fifty commands as one request, executed in order; with `halt` the first refusal ends it."""
        answer = await self.call("batch", batch(commands, halt=halt), repeatable=repeatable)
        return read_batch(answer, repeatable=repeatable)


def _cut(method: str, error: httpx.RequestError, *, repeatable: bool) -> EndpointDown | InDoubt:
    text = f"{method}: {_fault(error)}"
    return PortalUnreachable(text) if repeatable else InDoubt(f"{text}; it may have been executed")


def _fault(error: httpx.RequestError) -> str:
    """Name the fault without the address, which holds the webhook's secret."""
    return type(error).__name__
