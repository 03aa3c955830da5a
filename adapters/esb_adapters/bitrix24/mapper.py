"""Bitrix24 in: a native message points at a deal; the deal is read, pinned to its legal entity, and mapped."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import orjson

from esb_adapters.bitrix24.client import Client
from esb_adapters.bitrix24.events import deal_number, order_key, read_event
from esb_adapters.bitrix24.mapping import Snapshot, field_name, is_order, order_events
from esb_adapters.bitrix24.protocol import DealMissing, command
from esb_adapters.bitrix24.reader import DealReader, read_deal_of
from esb_bus.cache import MemoryCache
from esb_bus.errors import PermanentError, PoisonMessageError
from esb_bus.landscape import Bitrix24Portal
from esb_bus.ports import Cache, NativeMessage
from esb_schemas.envelope import content_hash
from esb_schemas.registry import AnyEnvelope

EVENT_KIND: Final = "bitrix24.event"
DEAL_KIND: Final = "bitrix24.deal"
REMEMBER_S: Final = 90 * 86_400.0
REMEMBERED: Final = 10_000
SETTLING_S: Final = 1.0
"""A deal is read a second after its event: its version is final by then, and one read answers what follows."""


class DealDeleted(PermanentError):
    """A deal that is or may be an order was deleted; nobody can tell any more what was in it."""

    code = "deal_deleted"


class FieldMissing(PermanentError):
    """The portal lacks a deal field the bus writes; a write to it vanishes without an error."""

    code = "field_missing"


class Memory:
    """What was published last: in the cache, and in this process while the cache is gone, so that an echo stays one.

    A miss in both means "publish": the receivers compare, a repetition is only slower.
    """

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._own = MemoryCache()

    async def get(self, key: str) -> str:
        return await self._own.get(key) or await self._cache.get(key) or ""

    async def put(self, key: str, value: str) -> None:
        await self._own.put(key, value, REMEMBER_S)
        await self._cache.put(key, value, REMEMBER_S)


class Reads:
    """When each deal was read last: one user action causes several events, and one read answers all of them.

    What was received before a read began had happened before it, so the read has seen it. Should the clocks of two
    processes ever disagree, the poll brings the deal: what it finds is judged by the portal's own versions alone.
    """

    def __init__(self) -> None:
        self._begun: OrderedDict[str, datetime] = OrderedDict()
        self._finished: OrderedDict[str, datetime] = OrderedDict()

    def begin(self, key: str, now: datetime) -> None:
        _keep(self._begun, key, now)

    def finish(self, key: str) -> None:
        """Take note that what the read led to is confirmed, or that it led to nothing."""
        if key in self._begun:
            _keep(self._finished, key, self._begun.pop(key))

    def covers(self, key: str, received_at: datetime | None) -> bool:
        read_at = self._finished.get(key)
        return read_at is not None and received_at is not None and received_at < read_at


def _keep(moments: OrderedDict[str, datetime], key: str, moment: datetime) -> None:
    moments[key] = moment
    moments.move_to_end(key)
    if len(moments) > REMEMBERED:
        moments.popitem(last=False)


class Bitrix24Mapper:
    """Implements `Mapper` for one portal."""

    def __init__(self, endpoint: str, portal: Bitrix24Portal, client: Client, reader: DealReader, cache: Cache) -> None:
        self._endpoint = endpoint
        self._portal = portal
        self._client = client
        self._reader = reader
        self._memory = Memory(cache)
        self._reads = Reads()

    async def events(self, message: NativeMessage) -> Sequence[AnyEnvelope]:
        deal_id, modified, is_deletion = pointed_at(message)
        if is_deletion:
            return await self._deleted(deal_id)
        if modified is not None and modified <= await self._seen_version(deal_id):
            return ()
        key = order_key(self._endpoint, deal_id)
        if modified is None and self._reads.covers(key, message.received_at):
            return ()
        await asyncio.sleep(settling_s(message.received_at, datetime.now(UTC)))
        self._reads.begin(key, datetime.now(UTC))
        try:
            events = await self._events_of(await self._reader.read(deal_id))
        except DealMissing:
            return await self._deleted(deal_id)
        if not events:
            self._reads.finish(key)
        return events

    async def published(self, events: Sequence[AnyEnvelope]) -> None:
        for event in events:
            await self._memory.put(published_key(event.objectkey), remembered(event))
            self._reads.finish(event.thread)

    async def _events_of(self, snapshot: Snapshot) -> Sequence[AnyEnvelope]:
        if not is_order(snapshot.deal, snapshot.rows, self._portal):
            await self._note_no_order(snapshot)
            return ()
        events = order_events(snapshot, self._endpoint, self._portal)
        news = [event for event in events if await self._is_news(event)]
        if news:
            await self._pin(snapshot, events[0].legalentity)
        else:
            await self.published(events)  # the same content at a newer version: nothing is left to be confirmed
        return news

    async def _is_news(self, event: AnyEnvelope) -> bool:
        last = await self._memory.get(published_key(event.objectkey))
        return last.partition(" ")[2] != content_hash(event.data)

    async def _pin(self, snapshot: Snapshot, legal_entity: str) -> None:
        """Write the legal entity into the deal before its first publication: from now on it is fixed.

        Harmless to repeat at any time: until a person empties the field, only this value is ever written. The field
        is read back, because the portal answers true to a write into a field it does not have.
        """
        deal, name = snapshot.deal, field_name(self._portal, "entity")
        if deal.field(name) == legal_entity:
            return
        answer = await self._client.batch(
            {
                "pin": command("crm.deal.update", {"id": deal.id, "fields": {name: legal_entity}}),
                "deal": command("crm.deal.get", {"id": deal.id}),
            }
        )
        answer.result("pin")
        if read_deal_of(answer, str(deal.id)).field(name) != legal_entity:
            raise FieldMissing(
                f"deal {deal.id}: the portal did not keep {legal_entity!r} in the field {name}. Create it as a deal "
                f"field of type string (`esb check` lists all that is missing), or name another under fields of "
                f"[{self._endpoint}] in the landscape"
            )

    async def _seen_version(self, deal_id: str) -> int:
        seen = await self._memory.get(published_key(order_key(self._endpoint, deal_id)))
        version = seen.partition(" ")[0]
        return int(version) if version.isdecimal() else -1

    async def _note_no_order(self, snapshot: Snapshot) -> None:
        """Remember that a deal is none of our orders, unless it ever was one."""
        deal = snapshot.deal
        key = published_key(order_key(self._endpoint, str(deal.id)))
        was_order = deal.field(field_name(self._portal, "entity")) or _has_content(await self._memory.get(key))
        if not was_order:
            await self._memory.put(key, f"{deal.version} ")

    async def _deleted(self, deal_id: str) -> Sequence[AnyEnvelope]:
        """Let a deal go that is known never to have been an order; anything else is a person's decision.

        The portal says nothing about a deleted deal but its id, so there is no content to cancel an order with.
        """
        seen = await self._memory.get(published_key(order_key(self._endpoint, deal_id)))
        if seen and not _has_content(seen):
            return ()
        what = "was published as an order" if seen else "may have been an order"
        raise DealDeleted(
            f"deal {deal_id} was deleted in the portal and {what}. Look for order/{self._endpoint}/{deal_id} in 1C and "
            "cancel it there if it exists, or restore the deal from the recycle bin; then drop this letter"
        )


def settling_s(received_at: datetime | None, now: datetime) -> float:
    """Return how long to wait before the deal is read; nothing for what has waited in the queue anyway."""
    if received_at is None:
        return 0.0
    return min(SETTLING_S, max(0.0, SETTLING_S - (now - received_at).total_seconds()))


def pointed_at(message: NativeMessage) -> tuple[str, int | None, bool]:
    """Return the deal a native message is about, its version if known, and whether it was deleted.

    Raises:
        PoisonMessageError: it names no deal.
    """
    if message.kind == EVENT_KIND:
        event = read_event(message.body)
        if event.deal_id is None:
            raise PoisonMessageError(f"the event {event.name[:60]!r} names no deal in data[FIELDS][ID]")
        return event.deal_id, None, event.is_deletion
    if message.kind != DEAL_KIND:
        raise PoisonMessageError(f"a native message of kind {message.kind!r} is none of Bitrix24's")
    return _polled(message.body)


def _polled(body: bytes) -> tuple[str, int | None, bool]:
    try:
        wire = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise PoisonMessageError(f"not JSON: {error}") from error
    deal_id = deal_number(wire.get("id")) if isinstance(wire, dict) else None
    if deal_id is None:
        raise PoisonMessageError("the message names no deal in id")
    modified = wire.get("modified")
    return deal_id, modified if isinstance(modified, int) else None, False


def published_key(objectkey: str) -> str:
    return f"published:{objectkey}"


def remembered(event: AnyEnvelope) -> str:
    return f"{event.dataversion} {content_hash(event.data)}"


def _has_content(seen: str) -> bool:
    return bool(seen.partition(" ")[2])
