"""The traffic under which the bus is attacked: people order, change, cancel and pay, whatever happens to the bus."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from chaos.schedule import BASES, SYSTEMS
from chaos.stage import Stage
from esb_cli.demo.company import PORTAL, SHOP
from esb_cli.demo.control import StandinRefused
from esb_cli.demo.facts import SentPayment
from esb_cli.demo.gather import Ledgers
from esb_cli.demo.script import RATE, Step, script

LOOK_S: Final = 1.0
CHANGES_EVERY: Final = 4
NEWCOMER_EVERY: Final = 5
ORDERS_OF_NEWCOMER: Final = 3
INN_WEIGHTS: Final = (2, 4, 10, 3, 5, 9, 4, 6, 8)


def steps(events: int, seed: int, rate: float) -> list[Step]:
    """The steps of the demo at another rate, with more changes, and with buyers that no base knows yet."""
    dice = random.Random(seed)
    plain = [replace(step, at=step.at + step.order / rate - step.order / RATE) for step in script(events, seed)]
    return sorted((*map(_of_newcomer, plain), *_changes(plain, dice)), key=lambda step: step.at)


def _of_newcomer(step: Step) -> Step:
    """Every so often some orders in a row come from one new buyer, so that two threads want to create it at once."""
    place = step.order % (NEWCOMER_EVERY * ORDERS_OF_NEWCOMER)
    if step.kind not in {"order", "deal"} or place >= ORDERS_OF_NEWCOMER:
        return step
    number = step.order // (NEWCOMER_EVERY * ORDERS_OF_NEWCOMER)
    newcomer = {"name": f"ООО «Новосёл {number}»", "inn": inn(number), "kpp": "770101001"}
    return replace(step, body={**step.body, "customer": newcomer})


def inn(number: int) -> str:
    """An invented INN whose check digit is right."""
    digits = f"99{number:07}"
    control = sum(int(digit) * weight for digit, weight in zip(digits, INN_WEIGHTS, strict=True)) % 11 % 10
    return f"{digits}{control}"


def _changes(plain: Sequence[Step], dice: random.Random) -> Iterator[Step]:
    """Several changes of one order, some of them close together."""
    touched = {step.order for step in plain if step.kind not in {"order", "deal"}}
    for step in plain:
        if step.kind not in {"order", "deal"} or step.is_paid or step.order in touched:
            continue
        if step.order % CHANGES_EVERY:
            continue
        name, kind = ("sku", "change_order") if step.kind == "order" else ("article", "change_deal")
        articles = [line[name] for line in step.body["lines"]]
        if "RM-0401" in articles:
            continue
        at = step.at
        for _ in range(dice.randint(1, 4)):
            at += dice.choice((0.05, 0.5, 2.0, 5.0))
            lines = [{name: article, "quantity": dice.randint(1, 30)} for article in articles]
            yield Step(at, kind, step.order, {"lines": lines})  # type: ignore[arg-type]  # one of two literals


@dataclass
class People:
    """Everybody who works in the five systems. While a system is away, its people wait."""

    stage: Stage
    tell: Callable[[str], None]
    payments: list[SentPayment] = field(default_factory=list)
    sent: int = 0
    _keys: dict[int, str] = field(default_factory=dict)
    _to_pay: set[str] = field(default_factory=set)
    _locks: dict[str, asyncio.Lock] = field(default_factory=lambda: {name: asyncio.Lock() for name in SYSTEMS})

    def __post_init__(self) -> None:
        self.ledgers = Ledgers(self.stage.control, self.stage.entities)  # type: ignore[arg-type]  # it acts alike

    @contextlib.asynccontextmanager
    async def away(self, system: str) -> AsyncIterator[None]:
        """Nobody acts in the system inside this block."""
        async with self._locks[system]:
            yield

    async def act(self, plan: Sequence[Step]) -> None:
        """Do every step at its time, or as soon as its system is back."""
        clock = asyncio.get_running_loop().time
        started = clock()
        placed: dict[int, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as group:
            for step in plan:
                await asyncio.sleep(max(0.0, started + step.at - clock()))
                before = placed.get(step.order)
                # What happens to one order happens in its order, however long its system is away.
                placed[step.order] = group.create_task(self._do(step, before))

    async def _do(self, step: Step, before: "asyncio.Task[None] | None") -> None:
        if before is not None:
            await before
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
        async with self._locks[system]:
            return await self.stage.control.act(system, action, body)

    def _native(self, order: int) -> int:
        return int(self._keys[order].rpartition("/")[2])

    def _placed(self, step: Step, key: str) -> None:
        self._keys[step.order] = key
        if step.is_paid:
            self._to_pay.add(key)
        self.sent += 1

    async def look_on(self) -> None:
        """Enter payments for documents that have arrived."""
        while True:
            await self.read_on()
            posted = self.ledgers.posted()
            for key in sorted(self._to_pay & posted.keys()):
                with contextlib.suppress(StandinRefused):  # locks, licences: the accountant tries again
                    await self._pay(key, posted[key].base, posted[key].ref)
                    self._to_pay.discard(key)
            await asyncio.sleep(LOOK_S)

    async def read_on(self) -> None:
        """Read the ledgers, one base after the other: a base that is away is waited for."""
        async with contextlib.AsyncExitStack() as stack:
            for base in BASES:
                await stack.enter_async_context(self.away(base))
            await self.ledgers.read_on()

    async def _pay(self, key: str, base: str, ref: str) -> None:
        number = str(len(self.payments) + 1)
        entered = await self._in(base, "add_payment", {"order": ref, "number": number})
        self.payments.append(SentPayment(f"payment/{base}/{entered['Ref_Key']}", key))

    @property
    def is_done(self) -> bool:
        return not self._to_pay
