"""A receiver of notifications that keeps what came and answers as it is told: the other end in rehearsals."""

from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from starlette.types import Receive, Scope, Send

from esb_standins.effects import Canned, answer, read_body
from esb_standins.listener import Listener


@dataclass(frozen=True)
class Received:
    """One request: headers in lower case, the raw body."""

    headers: dict[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))


@dataclass
class Receiver:
    """Listens on a free loopback port. `statuses` are given one by one, then `status` for ever."""

    status: int = 200
    statuses: list[int] = field(default_factory=list)
    answer_headers: dict[str, str] = field(default_factory=dict)
    requests: list[Received] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._listener = Listener(self)

    @property
    def url(self) -> str:
        return self._listener.url + "/hook"

    async def open(self) -> None:
        await self._listener.open()

    def close(self) -> None:
        self._listener.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.requests.append(Received(headers, await read_body(receive)))
        status = self.statuses.pop(0) if self.statuses else self.status
        await answer(Canned(status, b"", self.answer_headers), send)
