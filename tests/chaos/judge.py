"""What is left when all is mended: drained, replayed, and compared with what the bases themselves hold."""

import asyncio
import os
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from chaos.load import People
from chaos.stage import Stage
from esb_bus.errors import BrokerUnavailable
from esb_bus.wire import ChannelLost
from esb_cli.demo.children import python
from esb_cli.demo.company import BUH, INVOICE_SET, ORDER_BASE, ORDER_SETS, PORTAL
from esb_cli.demo.facts import DeadLetter, Evidence, Placement, Row
from esb_cli.demo.gather import BASES, evidence
from esb_cli.demo.reconcile import Report, reconcile

PLACEMENT: Final = Placement(ORDER_BASE, BUH)
HONEST: Final = frozenset({"unknown_product"})
"""What is a dead letter for a reason that no mending of machines takes away: the mistyped article of the demo."""
REFUSED: Final = frozenset({"posting_refused", "behind_another_letter"})
"""What a base refuses for a while, with words for a person: the only letters that broken machines may lead to."""
QUIET_S: Final = 4.0
STUCK_S: Final = 40.0
"""Longer than anything that waits: parked threads, probes of an endpoint, a poll."""
PATIENCE_S: Final = 600.0
REPLAYS: Final = 4
LOG_LINES: Final = 40


@dataclass(frozen=True, slots=True)
class Judgement:
    """`report` is the comparison; the rest is what it does not look at. Every finding is a sentence."""

    report: Report
    found: Evidence
    twins: tuple[str, ...]
    untold: tuple[str, ...]
    stuck: tuple[str, ...]
    letters: tuple[DeadLetter, ...]
    replayed: Mapping[str, int]
    seconds: float

    def findings(self) -> Iterator[tuple[str, str]]:
        """What is wrong: kind and sentence."""
        report = self.report
        for kind, sentences in (
            ("lost", report.missing),
            ("doubled", report.doubled),
            ("doubled", self.twins),
            ("out of order", report.out_of_order),
            ("wrong base", report.wrong_base),
            ("source not told", self.untold),
            ("nowhere to go", self.stuck),
        ):
            yield from ((kind, sentence) for sentence in sentences)
        for letter in self.letters:
            yield (
                "letter that stays",
                f"{letter.object or letter.thread}: {letter.reason} in {letter.queue}: {letter.error}",
            )


async def settle(stage: Stage, people: People, tell: Callable[[str], None]) -> Judgement:
    """Wait until nothing moves, replay what failed for reasons that are gone, and judge."""
    started = time.monotonic()
    replayed: Counter[str] = Counter()
    for _ in range(REPLAYS):
        waiting = await _come_to_rest(stage, people)
        letters = await _letters(stage)
        again = Counter(letter.reason for letter in letters if letter.reason not in HONEST)
        if not again:
            break
        tell(f"replaying {dict(again)}")
        replayed += again
        for reason in again:
            await _esb(stage, "dead", "replay", "--reason", reason, "--with-poison", "--yes")
    waiting = await _come_to_rest(stage, people)
    found = await _evidence(stage, people)
    return Judgement(
        report=reconcile(found, PLACEMENT),
        found=found,
        twins=tuple([sentence async for sentence in _twins(stage)]),
        untold=tuple(await _untold(stage, people)),
        stuck=tuple(f"{count} messages stay in {queue}" for queue, count in waiting.items()),
        letters=tuple(letter for letter in found.letters if letter.reason not in HONEST),
        replayed=replayed,
        seconds=time.monotonic() - started,
    )


async def _come_to_rest(stage: Stage, people: People) -> dict[str, int]:
    """Wait while anything moves. Returns what waits in queues and does not move any more."""
    deadline = time.monotonic() + PATIENCE_S
    state, since = None, time.monotonic()
    while time.monotonic() < deadline:
        await people.read_on()
        waiting = await _waiting(stage)
        now = len(people.ledgers.rows), tuple(sorted(waiting.items()))
        if now != state:
            state, since = now, time.monotonic()
        quiet = time.monotonic() - since
        if not waiting and people.is_done and quiet > QUIET_S and await _is_complete(stage, people):
            return {}
        if quiet > STUCK_S:
            return waiting
        await asyncio.sleep(0.5)
    return await _waiting(stage)


async def _is_complete(stage: Stage, people: People) -> bool:
    return not reconcile(await _evidence(stage, people), PLACEMENT).missing and not await _untold(stage, people)


async def _evidence(stage: Stage, people: People) -> Evidence:
    return await evidence(stage, people.ledgers, people.payments)  # type: ignore[arg-type]  # has what it needs


async def _waiting(stage: Stage) -> dict[str, int]:
    """What is ready or in a consumer's hands, ticks aside; the management plugin counts every five seconds."""
    try:
        ready = await stage.queues.waiting()
    except (BrokerUnavailable, ChannelLost):
        return {"broker": -1}
    return ready


async def _letters(stage: Stage) -> list[DeadLetter]:
    return [
        DeadLetter(one.id, one.queue, one.reason, one.error, one.thread, one.object)
        for one in await stage.queues.letters()
    ]


async def _esb(stage: Stage, *arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *python("-m", "esb_cli.main", *arguments),
        env={**os.environ, **stage.environment()},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return output.decode()


async def _untold(stage: Stage, people: People) -> list[str]:
    """Deals whose managers do not see what became of them: no number, no reason, or a payment that is not there."""
    paid = {payment.order_key.rpartition("/")[2] for payment in people.payments if PORTAL in payment.order_key}
    deals = await stage.control.objects(PORTAL, "deal")
    return [
        *(
            f"deal {deal['ID']} knows neither its number in 1C nor why there is none"
            for deal in deals
            if not (deal.get("UF_CRM_ESB_NUMBER") or deal.get("UF_CRM_ESB_STATUS"))
            # A deal that was lost before anybody read it never was an order.
            and not str(deal["STAGE_ID"]).endswith(("LOSE", "APOLOGY"))
        ),
        *(
            f"deal {deal['ID']} does not know of its payment"
            for deal in deals
            if str(deal["ID"]) in paid and not deal.get("UF_CRM_ESB_PAID")
        ),
    ]


async def _twins(stage: Stage) -> Any:
    """Things the bus creates beside documents with keys: buyers, partners, contracts; and documents without a key."""
    for base in BASES:
        for name, fields in (
            ("Catalog_Контрагенты", ("ИНН", "КПП")),
            ("Catalog_Партнеры", ("Description",)),
            ("Catalog_ДоговорыКонтрагентов", ("Owner", "Owner_Key", "Организация_Key", "Description")),
        ):
            try:
                rows = await stage.control.objects(base, name)
            except RuntimeError:  # this configuration has no such catalogue
                continue
            groups: dict[tuple[str, ...], int] = Counter(
                tuple(str(row.get(field) or "") for field in fields) for row in rows if not row["DeletionMark"]
            )
            for values, count in groups.items():
                if count > 1 and any(values):
                    yield f"{name} {' '.join(values)}: {count} in {base}"
        documents = {**ORDER_SETS, BUH: INVOICE_SET}
        for row in await stage.control.objects(base, documents[base]):
            if "[esb " not in str(row.get("Комментарий", "")):
                yield f"{documents[base]} {row['Number']} in {base} carries no key"


def story(sentence: str, judgement: Judgement, logs: Sequence[Path]) -> Iterator[str]:
    """Everything known about the order a finding is about: rows of ledgers, letters, lines of the logs."""
    number = _subject(sentence)
    if number is None:
        return
    for row in sorted(judgement.found.rows, key=lambda row: row.time):
        if row.key is not None and row.key.endswith(number):
            yield f"ledger  {_told(row)}"
    for letter in judgement.found.letters:
        if letter.thread.endswith(number):
            yield f"letter  {letter.queue} {letter.reason}: {letter.error}"
    lines: dict[str, list[str]] = defaultdict(list)
    for log in logs:
        with log.open(encoding="utf-8", errors="replace") as file:
            lines[log.parent.name] = [line.rstrip() for line in file if number in line][-LOG_LINES:]
    for name, found in lines.items():
        yield from (f"{name}  {line[:600]}" for line in found)


def _subject(sentence: str) -> str | None:
    """`order/website.shop/10015: …` → `/website.shop/10015`."""
    key = sentence.split(":", 1)[0]
    return "/" + key.partition("/")[2] if "/" in key else None


def _told(row: Row) -> str:
    state = "deleted" if row.is_deleted else "posted" if row.is_posted else "written"
    return f"{row.time:.3f} {row.base} {row.sequence} {row.set} {row.number} {row.key} v{row.version} {state} {row.ref}"
