"""The poll that brings what no webhook brought: WooCommerce sends each delivery once and switches off what fails.

The cursor is the newest `date_modified_gmt` seen, by the shop's own clock. A window reaches `overlap_s` further back,
because an order may become visible later than its date says, and is read to its end before the cursor moves.
"""

import hashlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import structlog

from esb_adapters.receiving import webhook_path
from esb_adapters.website.client import ShopClient
from esb_adapters.website.protocol import WOO_ORDER, utc
from esb_adapters.website.rest import (
    PAGE,
    ListedOrder,
    Page,
    ShopBusy,
    ShopDown,
    ShopMoved,
    check_answer,
    disabled_webhooks,
    orders_query,
    read_page,
    read_webhooks,
    webhooks_query,
)
from esb_bus.ports import NativeMessage, Polled, RawSink

_log = structlog.get_logger(__name__)


def _clock() -> datetime:
    return datetime.now(UTC)


class WebsitePoller:
    """Polls one WooCommerce shop.

    What the overlap shows again is not stored again; that memory is only a saving and may be empty.
    """

    def __init__(
        self, endpoint: str, client: ShopClient, overlap_s: float, now: Callable[[], datetime] = _clock
    ) -> None:
        self._endpoint = endpoint
        self._client = client
        self._overlap = timedelta(seconds=overlap_s + 1)  # modified_after is exclusive, dates are whole seconds
        self._now = now
        self._stored: dict[int, bytes] = {}

    async def poll(self, cursor: str | None, sink: RawSink) -> Polled:
        newest = utc(cursor) if cursor else self._now()
        seen: dict[int, bytes] = {}
        async for order in self._window(newest - self._overlap):
            digest = hashlib.sha256(order.body).digest()
            if self._stored.get(order.native_id) != digest:
                await sink.store(self._message(order))
            seen[order.native_id] = digest
            newest = max(newest, self._reached(order) or newest)
        self._stored = seen
        await self._reactivate()
        return Polled(newest.isoformat())

    def _reached(self, order: ListedOrder) -> datetime | None:
        """A date in the future (a shop's clock set wrong for a while) must not carry the cursor past real changes."""
        return min(order.modified, self._now()) if order.modified else None

    async def _window(self, modified_after: datetime) -> AsyncIterator[ListedOrder]:
        """Read every page.

        Raises:
            ShopMoved: an order left the list meanwhile, so what followed it moved to a page already read.
        """
        number, total = 1, 0
        while True:
            page = await self._page(modified_after, number)
            if page.total < total:
                raise ShopMoved(f"the shop listed {total} orders, then {page.total}")
            for order in page.orders:
                yield order
            if number >= page.pages:
                return
            number, total = number + 1, page.total

    async def _page(self, modified_after: datetime, number: int) -> Page:
        return read_page(await self._client.get("orders", orders_query(modified_after, number)))

    def _message(self, order: ListedOrder) -> NativeMessage:
        thread = order.thread(self._endpoint)
        return NativeMessage(
            self._endpoint,
            WOO_ORDER,
            order.body,
            thread=thread,
            version=order.version,
            received_at=self._now(),
            correlation_id=thread,
            headers={"x-esb-poll": "1"},
        )

    async def _reactivate(self) -> None:
        """Switch our webhooks on again. A REST key without that right must not stop the poll itself."""
        try:
            for webhook in await self._disabled():
                check_answer(await self._client.put(f"webhooks/{webhook}", {"status": "active"}))
                _log.warning("webhook_reactivated", endpoint=self._endpoint, webhook=webhook)
        except (ShopDown, ShopBusy) as error:
            _log.warning("webhooks_not_checked", endpoint=self._endpoint, code=error.code, error=str(error))

    async def _disabled(self) -> list[int]:
        found: list[int] = []
        number = 1
        while True:
            hooks = read_webhooks(await self._client.get("webhooks", webhooks_query(number)))
            found += disabled_webhooks(hooks, webhook_path(self._endpoint))
            if len(hooks) < PAGE:
                return found
            number += 1
