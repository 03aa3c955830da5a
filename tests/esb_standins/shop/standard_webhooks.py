"""A sender for «any site»: Standard Webhooks with a shortened schedule of retries.

Source: Standard Webhooks specification, "Webhook Headers", "Signature scheme", "Retries".
"""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

import httpx

SCHEDULE: Final = (0.0, 0.2, 1.0, 3.0)
"""Seconds before each attempt; the specification suggests a schedule that ends after days."""

_GONE: Final = 410
_SLOW_DOWN: Final = frozenset({429, 502, 503, 504})


@dataclass(frozen=True)
class Attempt:
    """One try: the status of the answer, None when there was none."""

    status: int | None
    note: str = ""


@dataclass(frozen=True)
class Outcome:
    """What became of one event."""

    webhook_id: str
    attempts: tuple[Attempt, ...]

    @property
    def is_delivered(self) -> bool:
        return bool(self.attempts) and _is_success(self.attempts[-1].status)


@dataclass
class Sender:
    """Sends events of one site.

    Attributes:
        url: where to.
        secrets: `whsec_…` texts; while a secret is being replaced there are two, and two signatures.
        schedule: seconds before each attempt.
        clock: Unix seconds; another clock imitates a site whose clock is wrong.
    """

    url: str
    secrets: Sequence[str]
    schedule: Sequence[float] = SCHEDULE
    clock: Callable[[], float] = time.time
    timeout: float = 15.0
    headers: Mapping[str, str] = field(default_factory=dict)

    async def send(self, kind: str, data: Mapping[str, Any], webhook_id: str | None = None) -> Outcome:
        """Send one event until it is accepted, refused for good (410) or the schedule ends.

        The id stays the same in every attempt: it is the receiver's key against doubles.
        """
        body = encode_event(kind, data, self.clock())
        return await self.send_raw(body, webhook_id or f"msg_{uuid4().hex}")

    async def send_raw(self, body: bytes, webhook_id: str) -> Outcome:
        """Send bytes as they are, for bodies that are not what they should be."""
        attempts: list[Attempt] = []
        async with httpx.AsyncClient(timeout=self.timeout, trust_env=False) as client:
            for delay in self.schedule:
                await asyncio.sleep(delay)
                attempt, wait = await self._attempt(client, body, webhook_id)
                attempts.append(attempt)
                if _is_success(attempt.status) or attempt.status == _GONE:
                    break
                await asyncio.sleep(wait)
        return Outcome(webhook_id, tuple(attempts))

    async def _attempt(self, client: httpx.AsyncClient, body: bytes, webhook_id: str) -> tuple[Attempt, float]:
        """Return the attempt and how many seconds the receiver asked us to wait beyond the schedule."""
        signed = signed_headers(self.secrets, webhook_id, int(self.clock()), body)
        try:
            answer = await client.post(self.url, content=body, headers={**self.headers, **signed})
        except httpx.HTTPError as error:
            return Attempt(None, f"{type(error).__name__}: {error}"), 0.0
        asked = answer.headers.get("retry-after", "")
        return Attempt(answer.status_code), float(
            asked
        ) if answer.status_code in _SLOW_DOWN and asked.isdigit() else 0.0


def encode_event(kind: str, data: Mapping[str, Any], moment: float) -> bytes:
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))
    return json.dumps({"type": kind, "timestamp": stamp, "data": data}, ensure_ascii=False).encode()


def signed_headers(secrets: Sequence[str], webhook_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the three headers; one signature per secret, separated by spaces."""
    return {
        "content-type": "application/json",
        "webhook-id": webhook_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signature(secret, webhook_id, timestamp, body) for secret in secrets),
    }


def signature(secret: str, webhook_id: str, timestamp: int, body: bytes) -> str:
    """Sign `<id>.<timestamp>.<body>` with the key behind `whsec_`."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = b".".join((webhook_id.encode(), str(timestamp).encode(), body))
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def _is_success(status: int | None) -> bool:
    return status is not None and 200 <= status < 300
