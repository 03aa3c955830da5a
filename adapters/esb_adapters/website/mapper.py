"""The port `Mapper` of a website: picks the mapping by the kind of body and drops what says nothing new."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

from esb_adapters.website import protocol
from esb_adapters.website.client import ShopClient
from esb_adapters.website.contract import read_site_event, site_events
from esb_adapters.website.mapping import Shop, order_events
from esb_adapters.website.rest import ShopBusy, ShopDown, read_single
from esb_adapters.website.shapes import read_json, read_order
from esb_bus.errors import PermanentError
from esb_bus.ports import Cache, NativeMessage
from esb_schemas.envelope import content_hash, new_event
from esb_schemas.orders import OrderChanged, OrderPlaced
from esb_schemas.registry import AnyEnvelope

REMEMBERED_S = 30 * 24 * 3600
SECOND = 1000
"""Versions of a shop are milliseconds."""

_STATES = frozenset({OrderPlaced.type, OrderChanged.type})


class OrderDeletedInShop(PermanentError):
    """The shop says only that the order is gone; what becomes of its documents is for a person to decide."""

    code = "order_deleted_in_shop"


class UnknownNativeKind(PermanentError):
    """The queue holds a kind of message that this release does not map."""

    code = "unknown_native_kind"


def native_events(message: NativeMessage, shop: Shop) -> Sequence[AnyEnvelope]:
    """Return the events of one native message, whether or not they are news.

    Raises:
        PermanentError, PoisonMessageError: with a reason a person understands.
    """
    match message.kind:
        case protocol.WOO_ORDER:
            return order_events(read_order(read_json(message.body)), shop)
        case protocol.WOO_ORDER_DELETED:
            raise _deleted(message)
        case protocol.WOO_OTHER:
            return ()
        case protocol.STANDARD_EVENT:
            return site_events(read_site_event(message.body), shop)
    raise UnknownNativeKind(f"x-esb-native-kind: {message.kind!r} is nothing a website sends")


@dataclass(frozen=True, slots=True)
class _Last:
    """What was published last of one object."""

    version: int
    digest: str

    def is_same_second(self, event: AnyEnvelope) -> bool:
        return self.version // SECOND == event.dataversion // SECOND


class WebsiteMapper:
    """Remembers in the cache what was published last of each object; a forgotten one is published again.

    A shop dates its orders in whole seconds. Two different states of one second cannot be put in order, so the shop
    is asked for the present one, and it gets the next free millisecond as its version.
    """

    def __init__(self, shop: Shop, cache: Cache, source: ShopClient | None = None) -> None:
        self._shop = shop
        self._cache = cache
        self._source = source

    async def events(self, message: NativeMessage) -> Sequence[AnyEnvelope]:
        found = native_events(message, self._shop)
        if message.kind == protocol.WOO_ORDER and await self._is_ambiguous(found):
            found = native_events(await self._present(message), self._shop)
            return [event async for event in self._renumbered(found)]
        return [event for event in found if await self._is_news(event)]

    async def published(self, events: Sequence[AnyEnvelope]) -> None:
        for event in events:
            last = await self._last(event)
            if last is None or last.version <= event.dataversion:
                entry = f"{event.dataversion} {_digest(event)}"
                await self._cache.put(_key(event), entry, REMEMBERED_S)

    async def _is_news(self, event: AnyEnvelope) -> bool:
        last = await self._last(event)
        return last is None or last.digest != _digest(event)

    async def _is_ambiguous(self, events: Sequence[AnyEnvelope]) -> bool:
        for event in events:
            last = await self._last(event)
            if last and last.is_same_second(event) and last.digest != _digest(event):
                return True
        return False

    async def _renumbered(self, events: Sequence[AnyEnvelope]) -> AsyncIterator[AnyEnvelope]:
        for event in events:
            last = await self._last(event)
            if last is None or not last.is_same_second(event):
                yield event
            elif last.digest != _digest(event):
                yield _with_version(event, last.version + 1)

    async def _present(self, message: NativeMessage) -> NativeMessage:
        """Return the order as the shop holds it now; without a way to ask, what arrived last counts."""
        if self._source is None:
            return message
        native_id = int(read_json(message.body)["id"])
        try:
            body = read_single(await self._source.get(f"orders/{native_id}", {}))
        except ShopDown as error:
            # Not "endpoint down": the queue of the shop's messages can go on without its REST API.
            raise ShopBusy(f"order {native_id} has two states in one second: {error}") from error
        return message if body is None else replace(message, body=body)

    async def _last(self, event: AnyEnvelope) -> _Last | None:
        version, _, digest = (await self._cache.get(_key(event)) or "").partition(" ")
        return _Last(int(version), digest) if version.isdecimal() else None


def _with_version(event: AnyEnvelope, version: int) -> AnyEnvelope:
    return new_event(
        event.data,
        endpoint=event.source[1:].replace("/", ".", 1),
        objectkey=event.objectkey,
        dataversion=version,
        thread=event.thread,
        time=event.time,
        correlationid=event.correlationid,
    )


def _digest(event: AnyEnvelope) -> str:
    """Placed and changed say the same of an order; cancelled says something else, even with the same content."""
    said = "order" if event.type in _STATES else event.type
    return f"{said}:{content_hash(event.data)}"


def _key(event: AnyEnvelope) -> str:
    return f"published:{event.objectkey}"


def _deleted(message: NativeMessage) -> OrderDeletedInShop:
    return OrderDeletedInShop(
        f"{message.thread or 'an order'} was deleted in {message.endpoint} (perhaps only moved to the trash). "
        "Decide what becomes of its documents in 1C, then drop this letter; a restored order comes by itself"
    )
