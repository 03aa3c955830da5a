"""The control port of the stand-ins, as the demo uses it: seed, act, break, read what was really written."""

from collections.abc import Mapping
from typing import Any, Self

import httpx

PAGE = 10_000


class StandinRefused(RuntimeError):
    """A stand-in did not do what it was asked; the demo itself is wrong."""


class Control:
    """Requests to one control port. Close it by leaving the block."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = httpx.AsyncClient(base_url=url, timeout=60, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def seed(self, name: str) -> Any:
        return await self._sent("POST", f"/seed/{name}")

    async def act(self, name: str, action: str, body: Mapping[str, Any]) -> Any:
        """Do what a person does in the system `name`."""
        return await self._sent("POST", f"/actions/{name}/{action}", dict(body))

    async def break_(self, name: str, kind: str, **fault: Any) -> None:
        """Switch a fault on."""
        await self._sent("PUT", f"/faults/{name}", {"kind": kind, **fault})

    async def mend(self, name: str, kind: str | None = None) -> None:
        """Switch a fault off, or all of them."""
        await self._sent("DELETE", f"/faults/{name}" + (f"?kind={kind}" if kind else ""))

    async def objects(self, name: str, subject: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await self._sent("GET", f"/objects/{name}/{subject}")
        return found

    async def ledger(self, name: str, after: int = 0) -> list[dict[str, Any]]:
        """Return every committed write with a sequence number above `after`, oldest first."""
        rows: list[dict[str, Any]] = []
        while True:
            page = await self._sent("GET", f"/ledger/{name}?after={after}&limit={PAGE}")
            rows += page
            if len(page) < PAGE:
                return rows
            after = page[-1]["seq"]

    async def _sent(self, method: str, path: str, body: Any = None) -> Any:
        response = await self._http.request(method, path, json=body)
        if not response.is_success:
            raise StandinRefused(f"{method} {path}: {response.status_code} {response.text[:500]}")
        return response.json()
