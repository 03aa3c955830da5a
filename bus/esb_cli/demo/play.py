"""The demo as it goes: people do what the script says, a base goes down and comes back, accountants enter payments."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from esb_cli.demo.company import BUH, ORDER_BASE, PORTAL, SHOP, TRADE
from esb_cli.demo.facts import Outage, Placement, SentPayment
from esb_cli.demo.gather import Ledgers, evidence
from esb_cli.demo.reconcile import Report, reconcile
from esb_cli.demo.script import MISTYPED, RATE, Step
from esb_cli.demo.stage import Stage

PLACEMENT: Final = Placement(ORDER_BASE, BUH)
DOWN_S: Final = 5.0
"""How long the base `trade` is away, at most; a short demo breaks it for less."""
LOST_SHARE: Final = 0.05
DOUBLED_SHARE: Final = 0.05
LOOK_S: Final = 0.5
QUIET_S: Final = 2.0
"""Nothing written for so long, and nothing waiting: the run has come to rest."""
PATIENCE_S: Final = 90.0
MISTYPED_AS: Final = MISTYPED.replace("RM", "РМ")


class Watcher(Protocol):
    """Shows how it goes."""

    def sent(self, count: int) -> None: ...
    def found(self, count: int) -> None: ...
    def paid(self, count: int) -> None: ...
    def tell(self, text: str) -> None: ...


@dataclass
class Play:
    """One run on a stage."""

    running: Stage
    watcher: Watcher
    ledgers: Ledgers = field(init=False)
    payments: list[SentPayment] = field(default_factory=list)
    outages: list[Outage] = field(default_factory=list)
    resident_bytes: int = 0
    _keys: dict[int, str] = field(default_factory=dict)
    _sent: int = 0
    _to_pay: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.ledgers = Ledgers(self.running.control, self.running.entities)

    async def perform(self, steps: list[Step]) -> Report:
        """Act, wait until the bus has come to rest, and judge."""
        await self._prepare()
        looking = asyncio.create_task(self._look_on())
        try:
            async with asyncio.TaskGroup() as people:
                people.create_task(self._outage(steps[-1].at))
                people.create_task(self._act(steps))
            await self._rest()
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
        found = await evidence(self.running, self.ledgers, self.payments, self.outages)
        return reconcile(found, PLACEMENT)

    async def _prepare(self) -> None:
        """Make this a company of the real world: lost and doubled notifications, a mistyped article."""
        control = self.running.control
        for system, subject in ((SHOP, "order.created"), (PORTAL, "ONCRMDEALADD")):
            await control.break_(system, "events_dropped", share=LOST_SHARE, sets=[subject], seed=3)
            await control.break_(system, "events_duplicated", share=DOUBLED_SHARE, seed=5)
        await self.retype_article(MISTYPED, MISTYPED_AS)

    async def retype_article(self, old: str, new: str) -> None:
        """Correct, or spoil, the article of a product in the base `trade`."""
        products = await self.running.control.objects(TRADE, "Catalog_Номенклатура")
        ref = next(str(row["Ref_Key"]) for row in products if row.get("Артикул") == old)
        body = {"set": "Catalog_Номенклатура", "document": ref, "fields": {"Артикул": new}}
        await self.running.control.act(TRADE, "edit", body)

    async def _act(self, steps: Iterable[Step]) -> None:
        """Do every step at its time; none waits for an earlier one of another order."""
        clock = asyncio.get_running_loop().time
        started = clock()
        async with asyncio.TaskGroup() as people:
            for step in steps:
                await asyncio.sleep(max(0.0, started + step.at - clock()))
                people.create_task(self._do(step))

    async def _do(self, step: Step) -> None:
        match step.kind:
            case "order":
                answer = await self._in(SHOP, "place_order", step.body)
                self._placed(step, f"order/{SHOP}/{answer['order_id']}")
            case "deal":
                answer = await self._in(PORTAL, "create_deal", step.body)
                self._placed(step, f"order/{PORTAL}/{answer['deal_id']}")
            case "change_order" | "cancel_order":
                await self._in(SHOP, step.kind, {**step.body, "order_id": self._native(step.order)})
            case "change_deal":
                await self._in(PORTAL, step.kind, {**step.body, "deal_id": self._native(step.order)})
            case "lose_deal":
                await self._in(PORTAL, "move_deal", {"deal_id": self._native(step.order), "stage": "LOSE"})

    async def _in(self, system: str, action: str, body: Any) -> Any:
        return await self.running.control.act(system, action, body)

    def _native(self, order: int) -> int:
        return int(self._keys[order].rpartition("/")[2])

    def _placed(self, step: Step, key: str) -> None:
        self._keys[step.order] = key
        if step.is_paid:
            self._to_pay.add(key)
        self._sent += 1
        self.watcher.sent(self._sent)

    async def _outage(self, length: float) -> None:
        """Take the base `trade` away in the middle of the traffic."""
        down = min(DOWN_S, max(1.0, length / 3))
        await asyncio.sleep(min(length / 4, 3.0))
        began = time.time()
        await self.running.control.break_(TRADE, "down", seconds=down)
        self.watcher.tell(f"the base [bold]trade[/] is down for {down:.0f} s: its orders wait, the others go on")
        await asyncio.sleep(down)
        self.outages.append(Outage(TRADE, began, time.time() + 1 / RATE))
        self.watcher.tell("the base [bold]trade[/] is back")

    async def _look_on(self) -> None:
        """Read the ledgers while it goes; enter payments for the documents that have arrived."""
        while True:
            await self.ledgers.read_on()
            posted = self.ledgers.posted()
            self.watcher.found(sum(1 for key in posted if key.startswith("order/")))
            for key in self._to_pay & posted.keys():
                self._to_pay.discard(key)
                await self._pay(key, posted[key].base, posted[key].ref)
            self.resident_bytes = max(self.resident_bytes, self.running.bus.resident_bytes())
            await asyncio.sleep(LOOK_S)

    async def _pay(self, key: str, base: str, ref: str) -> None:
        entered = await self._in(base, "add_payment", {"order": ref, "number": str(len(self.payments) + 1)})
        self.payments.append(SentPayment(f"payment/{base}/{entered['Ref_Key']}", key))
        self.watcher.paid(len(self.payments))

    async def _rest(self) -> None:
        """Wait until nothing is missing and nothing moves, or nothing has moved for very long."""
        self.watcher.tell("all is sent; waiting until nothing is under way")
        await wait_for(self._is_at_rest, PATIENCE_S)

    async def _is_at_rest(self) -> bool:
        before = len(self.ledgers.rows)
        await asyncio.sleep(QUIET_S)
        if self._to_pay or len(self.ledgers.rows) != before or await self.running.queues.waiting():
            return False
        found = await evidence(self.running, self.ledgers, self.payments, self.outages)
        return not reconcile(found, PLACEMENT).missing and await self.untold_deals() == 0

    async def untold_deals(self) -> int:
        """Deals that neither know their number in 1C nor why there is none."""
        deals = await self.running.control.objects(PORTAL, "deal")
        return sum(1 for deal in deals if not (deal.get("UF_CRM_ESB_NUMBER") or deal.get("UF_CRM_ESB_STATUS")))


async def wait_for(is_so: Callable[[], Awaitable[bool]], seconds: float) -> bool:
    """Ask until the answer is yes; False when it never was in time."""
    deadline = time.monotonic() + seconds
    while not await is_so():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(LOOK_S / 5)
    return True
