"""Several stand-ins in one process: each on its own port, all steered over one control port.

How to plug in a stand-in
-------------------------
Write `esb_standins/<kind>/standin.py` with a function `build`, and name it in `KINDS` below:

    class Portal:                                         # satisfies the protocol `Standin`
        def __init__(self, name: str, options: Mapping[str, Any], state_dir: Path) -> None:
            self.name, self.kind = name, "bitrix24"
            self.faults = FaultBox()
            self._db = open_database(state_dir / f"{name}.sqlite", SCHEMA)    # storage.py: WAL, ledger table
            self.app = FaultyApp(self._serve, self.faults, subject=..., answers={"overload": Canned(...)})

        path = "/rest"                                    # appended to the address that is shown
        def ledger(self, after, limit): return read_ledger(self._db, after, limit)
        ...

    def build(name: str, options: Mapping[str, Any], state_dir: Path) -> Standin:
        return Portal(name, options, state_dir)

Inside a write: `with transaction(db): <change the object>; append_ledger(db, name, LedgerEntry(...))`.
`options` is the table `[standins."<name>"]` of the configuration file without `kind` and `port`.
Faults that only move bytes come from `FaultyApp`; the stand-in asks `self.faults.pick(("my_kind",), method,
subject)` for those of its own. An action is an `async` method reached by `POST /actions/<name>/<action>`.
"""

import asyncio
import importlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol

from starlette.types import ASGIApp

from esb_standins.config import HostConfig
from esb_standins.control import control_app
from esb_standins.faults import FaultBox
from esb_standins.listener import Listener

KINDS: Final = {
    "onec": "esb_standins.onec.standin",
    "bitrix24": "esb_standins.bitrix24.standin",
    "website": "esb_standins.shop.standin",
}


class UnknownAction(LookupError):
    """The stand-in has no such action."""


class Standin(Protocol):
    """One imitated system. All methods are called on the event loop; none may block it for long."""

    name: str
    kind: str
    path: str
    faults: FaultBox

    @property
    def app(self) -> ASGIApp:
        """The application, misbehaving as the fault box says."""

    async def start(self, url: str) -> None:
        """Begin background work; `url` is the address the stand-in is served at, without `path`."""

    async def stop(self) -> None:
        """End background work and close the state."""

    def ledger(self, after: int, limit: int) -> list[dict[str, Any]]:
        """Return committed writes with a sequence number above `after`, oldest first."""

    def objects(self, subject: str) -> list[dict[str, Any]]:
        """Return every object of one set. Raises KeyError for an unknown set."""

    async def seed(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Fill an empty stand-in with the company of the demo; doing it twice changes nothing."""

    async def act(self, action: str, body: Mapping[str, Any]) -> Any:
        """Do what a person would do in the imitated system. Raises UnknownAction, or ValueError for bad input."""


class Seat:
    """A stand-in in its place: it, and the socket that the fault `down` closes."""

    def __init__(self, standin: Standin, port: int, host: str) -> None:
        self.standin = standin
        self.listener = Listener(standin.app, port, host)
        self._reopening: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        return self.listener.url + self.standin.path

    async def open(self) -> None:
        await self.listener.open()
        await self.standin.start(self.listener.url)
        self.standin.faults.on_change(self._obey)
        self._obey()

    async def close(self) -> None:
        if self._reopening:
            self._reopening.cancel()
        self.listener.close()
        await self.listener.finished()
        await self.standin.stop()

    def _obey(self) -> None:
        """Close or reopen the socket as the fault `down` says."""
        if self._reopening:
            self._reopening.cancel()
        down = self.standin.faults.get("down")
        if down:
            self.listener.close()
        if not self.listener.is_open and (down is None or down.duration is not None):
            self._reopening = asyncio.create_task(self._open_again(down.duration or 0.0 if down else 0.0))

    async def _open_again(self, delay: float) -> None:
        await asyncio.sleep(delay)
        await self.listener.open()


class Host:
    """All seats and the control port."""

    def __init__(self, config: HostConfig) -> None:
        config.state_dir.mkdir(parents=True, exist_ok=True)
        self._config = config
        self.seats = {name: self._seat(name) for name in config.standins}
        self.control = Listener(control_app(self.seats), config.control_port, config.host)

    def standin(self, name: str) -> Standin:
        return self.seats[name].standin

    def url(self, name: str) -> str:
        """Return the address of a stand-in, with its path."""
        return self.seats[name].url

    async def open(self) -> None:
        for seat in self.seats.values():
            await seat.open()
        await self.control.open()

    async def close(self) -> None:
        self.control.close()
        await self.control.finished()
        for seat in self.seats.values():
            await seat.close()

    def _seat(self, name: str) -> Seat:
        entry = self._config.standins[name]
        module = importlib.import_module(KINDS[entry.kind])
        standin: Standin = module.build(name, entry.options, self._config.state_dir)
        return Seat(standin, entry.port, self._config.host)


@asynccontextmanager
async def serve(config: HostConfig) -> AsyncIterator[Host]:
    """Serve every stand-in of `config` on this event loop until the block is left."""
    host = Host(config)
    try:
        await host.open()
        yield host
    finally:
        await host.close()
