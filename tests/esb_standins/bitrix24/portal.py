"""What every method handler works on: the objects, the clock, the settings and the events to be sent."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from esb_standins.bitrix24.schema import Field, Kind, user_field
from esb_standins.bitrix24.store import Record, Store
from esb_standins.bitrix24.values import stamp


@dataclass(frozen=True)
class Settings:
    """What a portal's owner decides, and what differs between portals or is not confirmed.

    Attributes:
        user: number of the user the inbound webhook belongs to.
        code: secret of the inbound webhook.
        scopes: what the webhook may use.
        capacity: size of the request bucket; 0 switches the limit off.
        drain: requests that leave the bucket per second.
        operating: put the optional `operating` members into `time`.
        article_in: where a catalogue product carries the article: "property" (code CML2_ARTICLE) or "xml_id".
        old_update_always_saves: `crm.deal.update` without a difference still moves DATE_MODIFY and fires an event.
        move_event_for_webhooks: outgoing webhooks receive ONCRMDEALMOVETOCATEGORY (the docs name it for apps only).
    """

    user: int = 1
    code: str = "standin0secret0code"
    scopes: tuple[str, ...] = ("crm", "catalog", "user_brief", "user", "userfieldconfig")
    capacity: int = 50
    drain: float = 2.0
    operating: bool = True
    article_in: str = "property"
    old_update_always_saves: bool = True
    move_event_for_webhooks: bool = True


@dataclass(frozen=True)
class Answer:
    """The `result` of a method and, for lists, the members beside it."""

    result: Any
    total: int | None = None
    next: int | None = None


@dataclass(frozen=True)
class Event:
    """Something subscribers are told: a name in upper case and the members of `data[FIELDS]`."""

    name: str
    fields: Mapping[str, Any]


Params = dict[str, Any]
Handler = Callable[["Portal", Params], Answer]


@dataclass
class Portal:
    """One portal.

    Attributes:
        send: receives events after the write that caused them is committed.
        search_lag: seconds until a new object appears in lists; by id it is there at once.
    """

    store: Store
    settings: Settings = field(default_factory=Settings)
    send: Callable[[Event], None] = lambda _: None
    clock: Callable[[], float] = time.time
    search_lag: Callable[[], float] = lambda: 0.0
    _pending: list[Event] = field(default_factory=list)
    _depth: int = 0

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Commit everything inside, then send its events; nested blocks belong to the outermost."""
        self._depth += 1
        try:
            with self.store.writing():
                yield
        except BaseException:
            self._pending.clear()
            raise
        finally:
            self._depth -= 1
        if not self._depth:
            events, self._pending = self._pending, []
            for event in events:
                self.send(event)

    def fire(self, name: str, fields: Mapping[str, Any]) -> None:
        """Send an event once the current write is committed."""
        self._pending.append(Event(name, fields))

    def listed(self, records: Iterable[Record]) -> Iterable[Record]:
        """Leave out what the portal's search does not show yet."""
        lag = self.search_lag()
        if not lag:
            return records
        newest = stamp(self.clock() - lag)
        return [record for record in records if record.get("DATE_CREATE", "") <= newest]

    def now(self) -> str:
        return stamp(self.clock())

    def fields(self, kind: Kind) -> dict[str, Field]:
        """Return the fields of a kind by their old names, user fields last."""
        return {entry.name: entry for entry in (*kind.fields, *self.user_fields(kind))}

    def item_fields(self, kind: Kind) -> dict[str, Field]:
        """Return the fields of a kind by every name `crm.item.*` accepts; clients also send `ID` for `id`."""
        found = {}
        for entry in self.fields(kind).values():
            found[entry.item_name] = found[entry.name] = entry
        return found

    def user_fields(self, kind: Kind) -> list[Field]:
        records = self.store.all("userfield").values()
        return [user_field(record) for record in records if record["ENTITY_ID"] == kind.user_field_entity]

    def statuses(self, entity_id: str) -> list[Record]:
        return sorted(self.store.lookup("status", "ENTITY_ID", entity_id), key=lambda record: int(record["SORT"]))
