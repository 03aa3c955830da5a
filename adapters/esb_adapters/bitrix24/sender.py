"""Bitrix24 out: outcomes and payments become fields of the deal, then one comment in its timeline."""

from collections.abc import Sequence
from typing import Any, Final

from esb_adapters.bitrix24.client import Client
from esb_adapters.bitrix24.events import deal_number, split_key
from esb_adapters.bitrix24.mapper import FieldMissing
from esb_adapters.bitrix24.outcome import Change, change_of, comment_text, marker
from esb_adapters.bitrix24.protocol import DealMissing, PortalBusy, PortalUnreachable, command
from esb_adapters.bitrix24.reader import read_deal_of
from esb_adapters.bitrix24.shapes import Deal, read_deal
from esb_adapters.bitrix24.shared import SharedReads
from esb_bus.errors import InvalidData, PermanentError, RetryableError
from esb_bus.landscape import Bitrix24Portal
from esb_bus.ports import Delivered, WriteGuard
from esb_schemas.documents import DealOutcome, DealPayment, Document

DEAL: Final = "deal"


class DealDoubled(PermanentError):
    """Several deals carry the origin key of one shop order; a person has to say which one counts."""

    code = "deal_doubled"


class NotForPortals(PermanentError):
    """A document of a kind that no deal can show."""

    code = "no_transform"


class Bitrix24Sender:
    """Implements `Sender` for one portal. Two requests for a document, one when the deal says all of it already."""

    def __init__(self, endpoint: str, portal: Bitrix24Portal, client: Client, shared: SharedReads) -> None:
        self._endpoint = endpoint
        self._portal = portal
        self._client = client
        self._shared = shared

    async def deliver(self, document: Document, guard: WriteGuard) -> Delivered:
        content = document.content
        if not isinstance(content, DealOutcome | DealPayment):
            raise NotForPortals(f"a document of kind {content.kind!r} cannot be written to {self._endpoint}")
        deal = await self._deal_of(content.order_key)
        if deal is None:
            return Delivered("ignored")
        change = change_of(document, content, deal, self._portal)
        if change is None:
            return Delivered("stale")
        if change.fields:
            await self._write(document, deal, change, guard)
            return Delivered("updated")
        if change.is_repeat and not await self._is_commented(deal, document.event_id):
            guard.before_write()
            await self._client.call(
                "crm.timeline.comment.add", {"fields": _comment(deal, document, change)}, repeatable=False
            )
        return Delivered("unchanged")

    async def probe(self) -> None:
        try:
            await self._client.call("profile")
        except PortalBusy:
            return  # it answers; the budget takes care of the rest
        except (RetryableError, PermanentError) as error:
            raise PortalUnreachable(f"{self._endpoint}: {error}") from error

    # --- finding the deal ---

    async def _deal_of(self, order_key: str) -> Deal | None:
        """Find the deal of an order. None: nobody here wants to know."""
        origin, native_id = split_key(order_key)
        if origin != self._endpoint:
            return await self._shops_deal(origin, native_id)
        deal_id = deal_number(native_id)
        if deal_id is None:
            raise InvalidData(f"order key {order_key!r}: {native_id!r} is not the id of a deal")
        try:
            answer = await self._shared.read(
                lambda prefix: {f"{prefix}{DEAL}": command("crm.deal.get", {"id": deal_id})}
            )
            return read_deal_of(answer, deal_id)
        except DealMissing:
            return None

    async def _shops_deal(self, shop: str, native_id: str) -> Deal | None:
        originators = [originator for originator, endpoint in self._portal.shops.items() if endpoint == shop]
        if not originators:
            return None
        query = {
            "filter": {"@ORIGINATOR_ID": originators, "=ORIGIN_ID": native_id},
            "select": ["*", "UF_*"],
            "order": {"ID": "ASC"},
        }
        answer = await self._client.call("crm.deal.list", query)
        deals = own_deals(answer.result, originators, native_id)
        if len(deals) > 1:
            ids = ", ".join(str(deal.id) for deal in deals)
            raise DealDoubled(
                f"the deals {ids} all carry the origin key of order {native_id} of {shop} (ORIGINATOR_ID and "
                "ORIGIN_ID). Keep it in one of them"
            )
        return deals[0] if deals else None

    # --- writing ---

    async def _write(self, document: Document, deal: Deal, change: Change, guard: WriteGuard) -> None:
        """Write the fields, read them back, then comment: one request that stops at the first refusal."""
        commands = {
            "update": command("crm.deal.update", {"id": deal.id, "fields": change.fields}),
            DEAL: command("crm.deal.get", {"id": deal.id}),
        }
        if not (change.is_repeat and await self._is_commented(deal, document.event_id)):
            commands["comment"] = command("crm.timeline.comment.add", {"fields": _comment(deal, document, change)})
        guard.before_write()
        answer = await self._client.batch(commands, repeatable=False, halt=True)
        answer.result("update")
        self._check_kept(read_deal_of(answer, str(deal.id)), change)
        if "comment" in commands:
            answer.result("comment")

    def _check_kept(self, deal: Deal, change: Change) -> None:
        """Refuse to call it written when the portal dropped a field: it answers true to fields it does not have."""
        dropped = [name for name, value in change.fields.items() if value and not deal.field(name)]
        if dropped:
            raise FieldMissing(
                f"deal {deal.id}: the portal did not keep the fields {', '.join(dropped)}. Create them "
                f"(`esb check` says with which type), or name others under fields of [{self._endpoint}]"
            )

    async def _is_commented(self, deal: Deal, event_id: str) -> bool:
        query = {
            "filter": {"ENTITY_ID": deal.id, "ENTITY_TYPE": DEAL},
            "order": {"ID": "DESC"},
            "select": ["ID", "COMMENT"],
        }
        answer = await self._client.call("crm.timeline.comment.list", query)
        rows = answer.result if isinstance(answer.result, list) else []
        return any(marker(event_id) in str(row.get("COMMENT")) for row in rows if isinstance(row, dict))


def own_deals(wire: Any, originators: Sequence[str], native_id: str) -> list[Deal]:
    """Keep exact matches: the portal compares without regard to case, and ignores filters it does not know."""
    deals = [read_deal(row) for row in wire] if isinstance(wire, list) else []
    return [deal for deal in deals if deal.originator_id in originators and deal.origin_id == native_id]


def _comment(deal: Deal, document: Document, change: Change) -> dict[str, object]:
    return {"ENTITY_ID": deal.id, "ENTITY_TYPE": DEAL, "COMMENT": comment_text(change, document.event_id)}
