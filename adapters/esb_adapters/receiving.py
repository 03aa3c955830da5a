"""How any webhook is taken in: limited body, a pure check, stored by the broker, and only then 200.

An adapter brings the check; everything that has to hold for every door stands here once. The rules:

- a wrong signature is 401 and leaves no trace but a counter; what is correctly signed is stored, however bad it is;
- no body above 8 MB is ever held, nor 64 MB of bodies altogether, whatever their senders declare; none is unpacked;
- the answer comes within the deadline: what the broker has not confirmed by then is 503, and the poll brings it later.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import structlog
from prometheus_client import Counter
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response

from esb_bus.errors import BrokerUnavailable, MessageTooLarge
from esb_bus.ports import NativeMessage, RawSink
from esb_bus.topology import MAX_BODY_BYTES

WEBHOOKS = Counter("esb_webhooks_total", "Webhook requests by endpoint and outcome", ["endpoint", "outcome"])

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Accepted:
    """The sender is who it says. None: there is nothing to keep (a ping)."""

    message: NativeMessage | None


@dataclass(frozen=True, slots=True)
class Refused:
    """The request gets `status` and `text`; `reason` is the slug it is counted under."""

    status: int
    reason: str
    text: str
    retry_after_s: int | None = None


Verdict = Accepted | Refused
Check = Callable[[Mapping[str, str], bytes], Verdict]
"""Headers (names in lower case) and raw body → what to do. Never raises: these are a stranger's bytes."""

Receiver = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes, times in seconds."""

    body: int = MAX_BODY_BYTES
    in_hand: int = 64 * 1024 * 1024
    read_s: float = 10
    store_s: float = 2.5
    retry_after_s: int = 5


class _Stopped(Exception):
    """Ends the intake with an answer."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.reason)
        self.refused = refused


class Intake:
    """Takes webhooks in for one process: one instance, because the memory they may hold is shared."""

    def __init__(self, sink: RawSink, limits: Limits | None = None) -> None:
        self._sink = sink
        self._limits = limits or Limits()
        self._in_hand = 0

    @property
    def bytes_in_hand(self) -> int:
        return self._in_hand

    def receiver(self, endpoint: str, check: Check) -> Receiver:
        """Return the Starlette endpoint that takes in webhooks of `endpoint`."""

        async def receive(request: Request) -> Response:
            with self._held() as held:
                try:
                    outcome = await self._taken_in(endpoint, check, request, held)
                except _Stopped as stop:
                    return _refusal(endpoint, stop.refused)
            WEBHOOKS.labels(endpoint, outcome).inc()
            return PlainTextResponse("accepted\n")

        return receive

    async def _taken_in(self, endpoint: str, check: Check, request: Request, held: list[int]) -> str:
        if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
            raise _Stopped(Refused(415, "compressed", "Send the body as it is: a compressed one is not unpacked."))
        body = await self._body(request, held)
        verdict = check(request.headers, body)
        if isinstance(verdict, Refused):
            raise _Stopped(verdict)
        if verdict.message is None:
            return "nothing_to_store"
        await self._stored(endpoint, verdict.message)
        return "stored"

    async def _body(self, request: Request, held: list[int]) -> bytes:
        declared = request.headers.get("content-length", "")
        if declared.isdecimal() and int(declared[:12]) > self._limits.body:
            raise _Stopped(self._too_large())
        chunks = bytearray()
        try:
            async with asyncio.timeout(self._limits.read_s):
                async for chunk in self._limited(request, held):
                    chunks += chunk
        except (TimeoutError, ClientDisconnect) as error:
            raise _Stopped(Refused(408, "body_not_sent", "The body did not arrive in time.")) from error
        return bytes(chunks)

    async def _limited(self, request: Request, held: list[int]) -> AsyncIterator[bytes]:
        """Count every chunk before it is kept: a declared length is only a claim."""
        async for chunk in request.stream():
            if held[0] + len(chunk) > self._limits.body:
                raise _Stopped(self._too_large())
            if self._in_hand + len(chunk) > self._limits.in_hand:
                raise _Stopped(self._busy("too_many_bodies", "Too much is being received at once."))
            held[0] += len(chunk)
            self._in_hand += len(chunk)
            yield chunk

    @contextmanager
    def _held(self) -> Iterator[list[int]]:
        held = [0]
        try:
            yield held
        finally:
            self._in_hand -= held[0]

    async def _stored(self, endpoint: str, message: NativeMessage) -> None:
        try:
            async with asyncio.timeout(self._limits.store_s):
                await self._sink.store(message, self._limits.store_s)
        except (BrokerUnavailable, TimeoutError) as error:
            _log.warning("webhook_not_stored", endpoint=endpoint, thread=message.thread, code="broker_unavailable")
            raise _Stopped(self._busy("broker_unavailable", "The message could not be stored now.")) from error
        except MessageTooLarge as error:
            raise _Stopped(self._too_large()) from error

    def _too_large(self) -> Refused:
        return Refused(413, "too_large", f"The body is larger than {self._limits.body} bytes.")

    def _busy(self, reason: str, text: str) -> Refused:
        return Refused(503, reason, text, retry_after_s=self._limits.retry_after_s)


def webhook_path(endpoint: str) -> str:
    """The path under which an endpoint's webhooks arrive: `/webhooks/website/shop`."""
    return "/webhooks/" + endpoint.replace(".", "/", 1)


def _refusal(endpoint: str, refused: Refused) -> Response:
    WEBHOOKS.labels(endpoint, refused.reason).inc()
    _log.info("webhook_refused", endpoint=endpoint, status=refused.status, code=refused.reason)
    headers = {} if refused.retry_after_s is None else {"Retry-After": str(refused.retry_after_s)}
    return PlainTextResponse(refused.text + "\n", refused.status, headers)
