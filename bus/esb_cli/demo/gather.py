"""Reads the evidence of a run from the systems themselves, over their control port and the broker."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from decimal import Decimal
from typing import Any, Final

from esb_bus.deadletter import Letter
from esb_cli.demo.company import BUH, INVOICE_SET, ORDER_SETS, PORTAL, RETAIL, SHOP, TRADE
from esb_cli.demo.control import Control
from esb_cli.demo.facts import DeadLetter, Evidence, Outage, Row, SentOrder, SentPayment
from esb_cli.demo.stage import Stage

BASES: Final = (RETAIL, TRADE, BUH)
SELLERS: Final = {"44": "romashka-retail", "45": "romashka-opt", "46": "romashka-service"}
LOST_STAGES: Final = ("LOSE", "APOLOGY")
HTTP_OK: Final = 200
INN_OF_FIRM: Final = 10
"""Digits; a sole proprietor («ИП») has twelve, and the portal asks for invoices of firms only."""


class Ledgers:
    """The ledgers of all bases, read on from where the last look ended."""

    def __init__(self, control: Control, entities: Mapping[tuple[str, str], str]) -> None:
        self._control = control
        self._entities = entities
        self._seen = dict.fromkeys(BASES, 0)
        self.rows: list[Row] = []

    async def read_on(self) -> list[Row]:
        """Return what has been written since the last call."""
        pages = await asyncio.gather(*(self._control.ledger(base, self._seen[base]) for base in BASES))
        news = [self._row(base, raw) for base, page in zip(BASES, pages, strict=True) for raw in page]
        for row in news:
            self._seen[row.base] = max(self._seen[row.base], row.sequence)
        self.rows += news
        return news

    def posted(self) -> dict[str, Row]:
        """Posted documents by key."""
        return {row.key: row for row in self.rows if row.key is not None and row.is_posted}

    def _row(self, base: str, raw: Mapping[str, Any]) -> Row:
        return Row(
            base=base,
            sequence=int(raw["seq"]),
            time=float(raw["time"]),
            set=str(raw["set"]),
            ref=str(raw["ref"]),
            number=str(raw["number"] or ""),
            key=raw["key"],
            version=raw["version"],
            legal_entity=self._entities.get((base, str(raw["organisation"]))),
            is_deleted=bool(raw["deletion_mark"]),
            is_posted=bool(raw["posted"]),
        )


async def sent_orders(control: Control) -> tuple[SentOrder, ...]:
    """Every order and deal there is, as shop and portal hold it now."""
    names = ((SHOP, "orders"), (SHOP, "sendings"), (PORTAL, "deal"), (PORTAL, "sendings"), (PORTAL, "requisite"))
    orders, shop_calls, deals, portal_calls, requisites = await asyncio.gather(
        *(control.objects(*name) for name in names)
    )
    firms = {row["ENTITY_ID"] for row in requisites if len(str(row.get("RQ_INN") or "")) == INN_OF_FIRM}
    by_webhook = _accepted(shop_calls, "order.created")
    by_event = _accepted(portal_calls, "ONCRMDEALADD")
    return (
        *(_shop_order(order, by_webhook) for order in orders),
        *(_deal_order(deal, by_event, firms) for deal in deals),
    )


def _accepted(calls: Iterable[Mapping[str, Any]], subject: str) -> dict[str, float]:
    """Time of the first call answered with 200, by the number of its object."""
    times: dict[str, float] = {}
    for call in calls:
        if call["subject"] == subject and call["status"] == HTTP_OK:
            times.setdefault(str(call["ref"]), float(call["time"]))
    return times


def _shop_order(order: Mapping[str, Any], accepted: Mapping[str, float]) -> SentOrder:
    meta = {entry["key"]: entry["value"] for entry in order["meta_data"]}
    return SentOrder(
        key=f"order/{SHOP}/{order['id']}",
        legal_entity=str(meta["_seller"]),
        total=Decimal(order["total"]),
        is_cancelled=order["status"] == "cancelled",
        wants_invoice=order["payment_method"] == "bacs",
        accepted_at=accepted.get(str(order["id"])),
    )


def _deal_order(deal: Mapping[str, Any], accepted: Mapping[str, float], firms: AbstractSet[Any]) -> SentOrder:
    return SentOrder(
        key=f"order/{PORTAL}/{deal['ID']}",
        legal_entity=SELLERS[str(deal["UF_CRM_SELLER"])],
        total=Decimal(str(deal["OPPORTUNITY"])),
        is_cancelled=str(deal["STAGE_ID"]).rpartition(":")[2] in LOST_STAGES,
        wants_invoice=deal.get("COMPANY_ID") in firms,
        accepted_at=accepted.get(str(deal["ID"])),
    )


async def document_totals(control: Control) -> dict[tuple[str, str], Decimal]:
    """Sum of every order and invoice document, by (base, reference)."""
    places = (*ORDER_SETS.items(), (BUH, INVOICE_SET))
    found = await asyncio.gather(*(control.objects(base, name) for base, name in places))
    return {
        (base, str(row["Ref_Key"])): Decimal(str(row["СуммаДокумента"]))
        for (base, _), rows in zip(places, found, strict=True)
        for row in rows
    }


async def evidence(
    running: Stage, ledgers: Ledgers, payments: Sequence[SentPayment], outages: Sequence[Outage] = ()
) -> Evidence:
    """Everything there is to judge by, now."""
    await ledgers.read_on()
    orders, totals, letters = await asyncio.gather(
        sent_orders(running.control), document_totals(running.control), running.queues.letters()
    )
    return Evidence(
        orders=orders,
        payments=tuple(payments),
        rows=tuple(ledgers.rows),
        totals=totals,
        letters=tuple(_letter(letter) for letter in letters),
        outages=tuple(outages),
    )


def _letter(letter: Letter) -> DeadLetter:
    thread = letter.thread
    if thread.startswith("deal/"):  # a native message knows only the deal
        thread = "order/" + thread.partition("/")[2]
    return DeadLetter(
        id=letter.id,
        queue=letter.queue,
        reason=letter.reason,
        error=letter.error,
        thread=thread,
        object=letter.object.rpartition(":")[2],  # a document's carries its kind before the key
    )
