"""Which endpoints are paused now, and since when: the bus tells it in the stream of what all legal entities share."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from esb_bus.history import read_stream
from esb_bus.topology import log_stream
from esb_bus.wire import Delivery, Link
from esb_cli.story import read_event
from esb_schemas.endpoints import EndpointPaused, EndpointResumed
from esb_schemas.identifiers import SHARED


@dataclass(frozen=True, slots=True)
class Paused:
    """One endpoint that did not answer when it was last heard of."""

    endpoint: str
    code: str
    reason: str
    since: str

    def __str__(self) -> str:
        return f"{self.endpoint} is paused since {self.since[:19].replace('T', ' ')} UTC ({self.code}: {self.reason})"


class Pauses:
    """The present state of all endpoints, from everything that was told about them, oldest first."""

    def __init__(self) -> None:
        self._paused: dict[str, Paused] = {}

    def take(self, delivery: Delivery) -> None:
        if delivery.type not in {EndpointPaused.type, EndpointResumed.type}:
            return
        event = read_event(delivery.body)
        if event is None:
            return
        told = {name: str(event["data"].get(name, "")) for name in ("endpoint", "code", "reason", "since")}
        if event["type"] == EndpointPaused.type:
            self._paused[told["endpoint"]] = Paused(**told)
        else:
            self._paused.pop(told["endpoint"], None)

    def of(self, endpoint: str) -> Paused | None:
        return self._paused.get(endpoint)

    def all(self) -> tuple[Paused, ...]:
        return tuple(self._paused.values())


async def read_pauses(link: Link) -> Pauses:
    """Read the present state from the broker."""
    pauses = Pauses()
    told: AsyncIterator[Delivery] = read_stream(link, log_stream(SHARED))
    async for delivery in told:
        pauses.take(delivery)
    return pauses
