"""The port `Mapper` of a website: picks the mapping by the kind of body and drops what says nothing new."""

from collections.abc import Sequence

from esb_adapters.website import protocol
from esb_adapters.website.contract import read_site_event, site_events
from esb_adapters.website.mapping import Shop, order_events
from esb_adapters.website.shapes import read_json, read_order
from esb_bus.errors import PermanentError
from esb_bus.ports import Cache, NativeMessage
from esb_schemas.envelope import content_hash
from esb_schemas.registry import AnyEnvelope

REMEMBERED_S = 30 * 24 * 3600


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


class WebsiteMapper:
    """Remembers in the cache what was published last of each object; a forgotten one is published again."""

    def __init__(self, shop: Shop, cache: Cache) -> None:
        self._shop = shop
        self._cache = cache

    async def events(self, message: NativeMessage) -> Sequence[AnyEnvelope]:
        found = native_events(message, self._shop)
        return [event for event in found if await self._is_news(event)]

    async def published(self, events: Sequence[AnyEnvelope]) -> None:
        for event in events:
            last = await self._last(event)
            if last is None or last[0] <= event.dataversion:
                entry = f"{event.dataversion} {content_hash(event.data)}"
                await self._cache.put(_key(event), entry, REMEMBERED_S)

    async def _is_news(self, event: AnyEnvelope) -> bool:
        last = await self._last(event)
        return last is None or last[1] != content_hash(event.data)

    async def _last(self, event: AnyEnvelope) -> tuple[int, str] | None:
        version, _, digest = (await self._cache.get(_key(event)) or "").partition(" ")
        return (int(version), digest) if version.isdecimal() else None


def _key(event: AnyEnvelope) -> str:
    return f"published:{event.objectkey}"


def _deleted(message: NativeMessage) -> OrderDeletedInShop:
    return OrderDeletedInShop(
        f"{message.thread or 'an order'} was deleted in {message.endpoint} (perhaps only moved to the trash). "
        "Decide what becomes of its documents in 1C, then drop this letter; a restored order comes by itself"
    )
