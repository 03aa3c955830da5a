"""Website webhook → document posted in the stand-in 1C, everything on this one machine; and the memory of the bus.

Measured from the shop's record of the accepted webhook to the posting in the base's own ledger.
"""

import asyncio
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from esb_cli.demo.company import ORDER_BASE, SHOP
from esb_cli.demo.facts import Placement
from esb_cli.demo.gather import Ledgers, evidence
from esb_cli.demo.reconcile import reconcile
from esb_cli.demo.stage import Stage, stage
from esb_standins import company

RATE_PER_S = 20
WARM_UP = 40
PATIENCE_S = 60


@dataclass(frozen=True)
class Latency:
    """Milliseconds, and the largest resident memory of the bus in MB."""

    p50_ms: float
    p99_ms: float
    orders: int
    rss_mb: float


async def measure(run_dir: Path, orders: int) -> Latency:
    async with stage(run_dir / "stage", run_dir / "nodes", poll_s=5) as running:
        dice = random.Random(11)
        warm = await _send(running, WARM_UP, dice)
        counted = await _send(running, orders, dice)
        report = reconcile(await _evidence_of(running, counted), Placement(ORDER_BASE, "onec.buh"))
        assert len(warm) == WARM_UP
        spread = report.latency.by_source[SHOP]
        assert spread.count == orders, f"{orders - spread.count} orders were not measured"
        return Latency(spread.p50 or 0, spread.p99 or 0, orders, running.bus.resident_bytes() / 1e6)


async def _send(running: Stage, count: int, dice: random.Random) -> set[str]:
    """Place orders at a steady rate and wait until the bases hold them all."""
    clock = asyncio.get_running_loop().time
    started = clock()
    placing = []
    for number in range(count):
        await asyncio.sleep(max(0.0, started + number / RATE_PER_S - clock()))
        placing.append(asyncio.create_task(running.control.act(SHOP, "place_order", _order(dice))))
    keys = {f"order/{SHOP}/{placed['order_id']}" for placed in await asyncio.gather(*placing)}
    ledgers = Ledgers(running.control, running.entities)
    async with asyncio.timeout(PATIENCE_S):
        while not keys <= ledgers.posted().keys():
            await asyncio.sleep(0.5)
            await ledgers.read_on()
    return keys


def _order(dice: random.Random) -> dict[str, Any]:
    goods = [product.article for product in company.PRODUCTS if not product.is_service]
    return {
        "seller": dice.choice(company.ENTITIES).code,
        "customer": dice.randrange(len(company.CUSTOMERS)),
        "lines": [{"sku": sku, "quantity": dice.randint(1, 9)} for sku in dice.sample(goods, dice.randint(1, 4))],
        "payment": "cod",
    }


async def _evidence_of(running: Stage, keys: set[str]) -> Any:
    from dataclasses import replace

    found = await evidence(running, Ledgers(running.control, running.entities), ())
    return replace(found, orders=tuple(order for order in found.orders if order.key in keys))
