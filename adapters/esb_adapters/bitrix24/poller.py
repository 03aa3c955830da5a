"""The reconcile poll: events are sent once and never again, so deals are also found by their modification time."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson

from esb_adapters.bitrix24.client import Client
from esb_adapters.bitrix24.events import native_thread
from esb_adapters.bitrix24.mapper import DEAL_KIND
from esb_adapters.bitrix24.protocol import PAGE, Answer
from esb_adapters.bitrix24.shapes import Deal, read_deal
from esb_bus.errors import InvalidData, PermanentError, RetryableError
from esb_bus.landscape import Bitrix24Portal
from esb_bus.ports import Cache, NativeMessage, Polled, RawSink

SEEN_S: Final = 86_400.0
COLUMNS: Final = ("ID", "DATE_CREATE", "DATE_MODIFY")


class PollRefused(RetryableError):
    """The portal's answer to the poll cannot be used; the cursor stays where it is."""

    code = "poll_refused"


class DealPoller:
    """Implements `Poller`: one round reads a whole window, and only then the cursor moves.

    Windows overlap, because a deal may become visible in lists some time after its stamp. What the overlap shows again
    is recognised by the cache; without a cache it is stored again, and the mapper finds nothing new in it.
    """

    def __init__(self, endpoint: str, portal: Bitrix24Portal, client: Client, cache: Cache) -> None:
        self._endpoint = endpoint
        self._overlap = timedelta(seconds=portal.overlap_s)
        self._client = client
        self._cache = cache

    async def poll(self, cursor: str | None, sink: RawSink) -> Polled:
        """Store every deal changed since `cursor` (the portal's time at the start of the round before)."""
        try:
            return await self._round(cursor, sink)
        except PermanentError as error:
            raise PollRefused(f"{self._endpoint}: {error}") from error

    async def _round(self, cursor: str | None, sink: RawSink) -> Polled:
        now = await self._now()
        since = (read_cursor(cursor) or now) - self._overlap
        last_id = 0
        while True:
            deals = read_page(await self._client.call("crm.deal.list", page_query(since, last_id)), since, last_id)
            for deal in deals:
                await self._store(deal, sink)
            if len(deals) < PAGE:
                return Polled(now.isoformat())
            last_id = deals[-1].id

    async def _now(self) -> datetime:
        """Ask the portal: its clock stamps the deals, ours may differ."""
        answer = await self._client.call("server.time")
        return answer.at or datetime.now(UTC)

    async def _store(self, deal: Deal, sink: RawSink) -> None:
        key = f"seen:{self._endpoint}:{deal.id}"
        if await self._cache.get(key) == str(deal.version):
            return
        await sink.store(native_deal(self._endpoint, deal))
        await self._cache.put(key, str(deal.version), SEEN_S)


def read_cursor(cursor: str | None) -> datetime | None:
    """Read a cursor; None for the first round of all.

    Raises:
        InvalidData: somebody put something else into the lease.
    """
    if not cursor:
        return None
    try:
        moment = datetime.fromisoformat(cursor)
    except ValueError as error:
        raise InvalidData(f"cursor: {cursor[:60]!r} is not a time") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def page_query(since: datetime, last_id: int) -> dict[str, Any]:
    """Ask for one page. `start = -1` spares the portal the counting, `>ID` skips nothing while the set changes.

    Source: Bitrix24 REST docs, "Working with large data volumes".
    """
    return {
        "order": {"ID": "ASC"},
        "filter": {">=DATE_MODIFY": since.replace(microsecond=0).isoformat(), ">ID": last_id},
        "select": COLUMNS,
        "start": -1,
    }


def read_page(answer: Answer, since: datetime, last_id: int) -> Sequence[Deal]:
    """Read one page of the list.

    Raises:
        InvalidData: not a page in order; going on from it could skip deals or run in a circle.
    """
    rows = answer.result if isinstance(answer.result, list) else []
    deals = [read_deal(row) for row in rows]
    ids = [last_id, *(deal.id for deal in deals)]
    if ids != sorted(set(ids)):
        raise InvalidData(f"crm.deal.list: the ids after {last_id} are not ascending (changed since {since})")
    return deals


def native_deal(endpoint: str, deal: Deal) -> NativeMessage:
    thread = native_thread(endpoint, str(deal.id))
    return NativeMessage(
        endpoint=endpoint,
        kind=DEAL_KIND,
        body=orjson.dumps({"id": deal.id, "modified": deal.version}),
        thread=thread,
        version=deal.version,
        received_at=datetime.now(UTC),
        correlation_id=thread,
    )
