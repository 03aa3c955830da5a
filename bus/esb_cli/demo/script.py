"""What happens in the demo and when: a list of steps, the same in every run. Pure."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from esb_standins import company

RATE: Final = 20.0
"""Orders a second, shop and portal together."""
PORTAL_EVERY: Final = 3
CHANGE_EVERY: Final = 11
CHANGE_AFTER_S: Final = 2.5
CANCEL_EVERY: Final = 37
CANCEL_AFTER_S: Final = 6.0
"""Longer than the poll takes to bring an order whose webhook was lost: a cancelled order has a document."""
PAY_EVERY: Final = 7
ENOUGH: Final = 10
"""A shorter demo has no order that fails."""
MISTYPED: Final = "RM-0401"
"""The article that somebody typed with Cyrillic letters in one base: nothing else in the demo orders it."""

Kind = Literal["order", "deal", "change_order", "change_deal", "cancel_order", "lose_deal"]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing a person does, `at` seconds after the start. `order` is the place of the order in the script."""

    at: float
    kind: Kind
    order: int
    body: Mapping[str, Any] = field(default_factory=dict)
    is_paid: bool = False
    """Whether an accountant enters a payment for it: an invoiced order that nobody changes or cancels."""


def script(orders: int, seed: int = 7) -> list[Step]:
    """Return all steps in the order of their time."""
    dice = random.Random(seed)  # noqa: S311  invented orders, not secrets
    return sorted(_steps(orders, dice), key=lambda step: step.at)


def _steps(orders: int, dice: random.Random) -> Iterator[Step]:
    codes = [entity.code for entity in company.ENTITIES]
    for number in range(orders):
        at, is_deal = number / RATE, number % PORTAL_EVERY == PORTAL_EVERY - 1
        entity = dice.choice(codes)
        if orders >= ENOUGH and number == orders // 2:
            yield _mistyped(at, number)
            continue
        yield _deal(at, number, entity, dice) if is_deal else _order(at, number, entity, dice)
        if number and number % CANCEL_EVERY == 0:
            yield Step(at + CANCEL_AFTER_S, "lose_deal" if is_deal else "cancel_order", number)
        elif number and number % CHANGE_EVERY == 0:
            lines = _lines(dice, "article" if is_deal else "sku")
            yield Step(at + CHANGE_AFTER_S, "change_deal" if is_deal else "change_order", number, {"lines": lines})


def _order(at: float, number: int, entity: str, dice: random.Random) -> Step:
    body = {
        "seller": entity,
        "customer": dice.randrange(len(company.CUSTOMERS)),
        "lines": _lines(dice, "sku"),
        "payment": dice.choice(("bacs", "cod")),
        "comment": dice.choice(("", "", "Позвонить за час", "Пропуск заказан")),
    }
    return Step(at, "order", number, body, is_paid=_may_be_paid(number) and body["payment"] == "bacs")


def _deal(at: float, number: int, entity: str, dice: random.Random) -> Step:
    customer = dice.randrange(len(company.CUSTOMERS))
    body = {"entity": entity, "customer": customer, "lines": _lines(dice, "article")}
    is_firm = bool(company.CUSTOMERS[customer].kpp)
    return Step(at, "deal", number, body, is_paid=_may_be_paid(number) and is_firm)


def _may_be_paid(number: int) -> bool:
    return number % PAY_EVERY in {1, 2} and number % CHANGE_EVERY != 0 and number % CANCEL_EVERY != 0


def _mistyped(at: float, number: int) -> Step:
    lines = [{"article": MISTYPED, "quantity": 2}]
    return Step(at, "deal", number, {"entity": "romashka-opt", "customer": 1, "lines": lines})


def _lines(dice: random.Random, name: str) -> list[dict[str, Any]]:
    goods = [product.article for product in company.PRODUCTS if not product.is_service and product.article != MISTYPED]
    return [{name: article, "quantity": dice.randint(1, 20)} for article in dice.sample(goods, dice.randint(1, 5))]
