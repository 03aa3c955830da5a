"""The faults that need no knowledge of the stand-in: they only delay, drop or replace bytes around a request.

`FaultyApp` wraps the application of a stand-in. Kinds it does not know are the stand-in's own business.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from esb_standins.faults import Fault, FaultBox
from esb_standins.listener import TRANSPORT, reset

_HTML: Final = {"content-type": "text/html;charset=utf-8"}
BEFORE: Final = ("blackhole", "slow", "cut_before_commit")
AFTER: Final = ("502_after_commit", "cut_after_commit", "timeout_after_commit", "late_commit")


@dataclass(frozen=True)
class Canned:
    """A fixed answer given instead of serving the request."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=lambda: _HTML)


def html_page(status: int, title: str, text: str = "") -> Canned:
    page = f"<html><head><title>{status} {title}</title></head><body><h1>{title}</h1><p>{text}</p></body></html>"
    return Canned(status, page.encode())


DEFAULT_ANSWERS: Final[Mapping[str, Canned]] = {
    "503": html_page(503, "Service Unavailable", "The server is temporarily unable to service your request."),
    "html_502": html_page(502, "Bad Gateway"),
}
BAD_GATEWAY: Final = html_page(502, "Bad Gateway", "The proxy server received an invalid response.")


def first_path_segment_after(root: str) -> Callable[[Scope], str]:
    """Return a function that names the subject of a request: the path segment that follows `root`."""

    def subject(scope: Scope) -> str:
        tail = str(scope["path"]).partition(root)[2].lstrip("/")
        return tail.partition("/")[0].partition("(")[0]

    return subject


class FaultyApp:
    """An ASGI application that misbehaves as its fault box says.

    Args:
        app: the stand-in itself.
        faults: what is switched on.
        subject: names what a request is about, for faults limited to some `sets`.
        answers: canned answers by fault kind, besides the default ones.
    """

    def __init__(
        self,
        app: ASGIApp,
        faults: FaultBox,
        subject: Callable[[Scope], str],
        answers: Mapping[str, Canned] | None = None,
    ) -> None:
        self._app = app
        self._faults = faults
        self._subject = subject
        self._answers = {**DEFAULT_ANSWERS, **(answers or {})}
        self._kinds = (*BEFORE, *self._answers, *AFTER)
        self._late: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        method, subject = str(scope["method"]), self._subject(scope)
        delay = self._faults.pick(("slow",), method, subject)
        if delay:
            await asyncio.sleep(delay.delay)
        fault = self._faults.pick((kind for kind in self._kinds if kind != "slow"), method, subject)
        if fault is None:
            await self._app(scope, receive, send)
        else:
            await self._misbehave(fault, scope, receive, send)

    async def close(self) -> None:
        """Forget writes that were to be committed later, as the end of the server's process would."""
        for task in self._late:
            task.cancel()
        await asyncio.gather(*self._late, return_exceptions=True)

    async def _misbehave(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        match fault.kind:
            case "blackhole":
                await until_gone(receive)
            case "cut_before_commit":
                await read_body(receive)
                await cut(scope, receive)
            case "late_commit":
                await self._commit_late(fault, scope, receive)
            case kind if kind in AFTER:
                await self._spoil_answer(fault, scope, receive, send)
            case kind:
                await read_body(receive)
                await answer(self._answers[kind], send)

    async def _commit_late(self, fault: Fault, scope: Scope, receive: Receive) -> None:
        """Take the request, let its client go without an answer, and commit on our own time."""
        body = await read_body(receive)
        task = asyncio.create_task(self._run_later(fault.delay, scope, body))
        self._late.add(task)
        task.add_done_callback(self._late.discard)
        await until_gone(receive)

    async def _run_later(self, delay: float, scope: Scope, body: bytes) -> None:
        await asyncio.sleep(delay)
        await self._app(scope, _replayed(body), _Recorder())

    async def _spoil_answer(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        recorder = _Recorder()
        await self._app(scope, receive, recorder)
        if recorder.refused:
            await recorder.play(send)
        elif fault.kind == "timeout_after_commit":
            await asyncio.sleep(fault.delay)
            await recorder.play(send)
        elif fault.kind == "cut_after_commit":
            await cut(scope, receive)
        else:
            await answer(BAD_GATEWAY, send)


class _Recorder:
    """Keeps an answer instead of sending it."""

    def __init__(self) -> None:
        self._messages: list[Message] = []

    async def __call__(self, message: Message) -> None:
        self._messages.append(message)

    @property
    def refused(self) -> bool:
        """True when the application refused the request, so that nothing was committed."""
        return not self._messages or int(self._messages[0].get("status", 500)) >= 400

    async def play(self, send: Send) -> None:
        for message in self._messages:
            await send(message)


async def read_body(receive: Receive) -> bytes:
    """Return the whole body of a request; a client that left early gives what it had sent."""
    parts = []
    while (message := await receive())["type"] == "http.request":
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            break
    return b"".join(parts)


async def until_gone(receive: Receive) -> None:
    """Wait until the client has closed the connection."""
    while (await receive())["type"] != "http.disconnect":
        continue


async def cut(scope: Scope, receive: Receive) -> None:
    """Reset the connection of this request."""
    reset(scope["extensions"][TRANSPORT]["transport"])
    await until_gone(receive)


async def answer(canned: Canned, send: Send) -> None:
    headers = [(name.encode(), value.encode()) for name, value in canned.headers.items()]
    headers.append((b"content-length", str(len(canned.body)).encode()))
    await send({"type": "http.response.start", "status": canned.status, "headers": headers})
    await send({"type": "http.response.body", "body": canned.body})


def _replayed(body: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive
