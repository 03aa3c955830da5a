"""Relay rate: our transform worker beside a bare aio-pika loop, same job, same guarantees, alternating rounds.

The job: consume a 600-byte event from a quorum queue with a single active consumer, validate, transform, route,
publish to the receiver's quorum queue with a confirm and mandatory, then acknowledge.
"""

import asyncio
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial

import aio_pika
from aio_pika.abc import AbstractIncomingMessage

from esb_bus.broker import Declarer
from esb_bus.consumer import LinkSource, QueueConsumer
from esb_bus.landscape import Landscape, parse_landscape
from esb_bus.publisher import EventPublisher, Publisher, document_message
from esb_bus.session import Options
from esb_bus.topology import (
    H_LEGAL_ENTITY,
    H_OBJECT,
    H_THREAD,
    H_VERSION,
    dead_queue,
    parked_queue,
    store_queue,
    transform_queue,
    work_queue,
)
from esb_bus.wire import Outgoing
from esb_bus.workers import TransformWorker
from esb_schemas.envelope import CONTENT_TYPE, new_event
from esb_schemas.orders import OrderLine, OrderPlaced
from esb_schemas.parties import Party, PartyKind
from esb_schemas.registry import Registry, write
from esb_schemas.values import VatRate
from esb_transformers.routing import documents

PREFETCH = 128
_AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
QUEUE, OUT = transform_queue("onec"), "out.onec.trade"

LANDSCAPE: Landscape = parse_landscape(
    {
        "legal_entities": {"opt": {"name": "Опт", "inn": "7706123455"}},
        "onec": {
            "trade": {
                "configuration": "ut-11.5",
                "url": "http://127.0.0.1/",
                "secret": "none",
                "organisations": {"opt": "7706123455"},
            }
        },
        "routes": [{"event": ["order.placed"], "to": ["onec.trade"]}],
    }
)


@dataclass(frozen=True)
class Rates:
    """Messages per second of one round."""

    ours: float
    bare: float


def event(number: int) -> Outgoing:
    line = OrderLine(
        article="A-1",
        name="Лейка",
        quantity=Decimal(2),
        price=Decimal("100.00"),
        amount=Decimal("200.00"),
        vat_rate=VatRate.VAT_22,
        vat_amount=Decimal("36.07"),
    )
    key = f"order/website.shop/{number}"
    order = OrderPlaced(
        legal_entity="opt",
        order_key=key,
        number=str(number),
        placed_at=_AT,
        buyer=Party(kind=PartyKind.PERSON, name="Покупатель"),
        lines=(line,),
        total=Decimal("200.00"),
    )
    envelope = new_event(order, endpoint="website.shop", objectkey=key, dataversion=1, time=_AT)
    headers = {H_THREAD: key, H_OBJECT: key, H_VERSION: 1, H_LEGAL_ENTITY: "opt"}
    return Outgoing(
        write(envelope), QUEUE, f"{envelope.id}/{uuid.uuid4()}", headers, type="order.placed", content_type=CONTENT_TYPE
    )


async def measure(url: str, count: int, rounds: int) -> list[Rates]:
    queues = [work_queue(QUEUE, ""), store_queue(parked_queue(QUEUE), ""), store_queue(dead_queue(QUEUE), "")]
    declarer = Declarer(url, [*queues, store_queue(OUT, "")])
    await declarer.declare_all()
    publisher = Publisher(url, "bench feeder")
    rates = []
    try:
        for number in range(rounds + 1):
            pair = {}
            for name, relay in sorted((("ours", _ours), ("bare", _bare)), reverse=bool(number % 2)):
                await _feed(publisher, count)
                pair[name] = count / await relay(url, declarer, count)
                await _purge(url)
            if number:  # the first round warms up
                rates.append(Rates(**pair))
    finally:
        await publisher.close()
    return rates


async def _feed(publisher: Publisher, count: int) -> None:
    for start in range(0, count, 500):
        await publisher.publish_all(event(number) for number in range(start, min(start + 500, count)))


async def _ours(url: str, declarer: Declarer, count: int) -> float:
    links = LinkSource(url, "bench consumer")
    publisher = Publisher(url, "bench publisher")
    registry = Registry()
    documents_of = partial(documents, kind="onec", landscape=LANDSCAPE)
    done = asyncio.Event()
    counting = _Counting(
        TransformWorker(QUEUE, registry, documents_of, EventPublisher(publisher, LANDSCAPE.targets)), count, done
    )
    consumer = QueueConsumer(Options(QUEUE, prefetch=PREFETCH, max_parallel=64), counting, links, publisher, declarer)
    stop = asyncio.Event()
    await publisher.publish(Outgoing(b"{}", OUT, "warm"))
    started = time.perf_counter()
    task = asyncio.create_task(consumer.run(stop))
    await done.wait()
    seconds = time.perf_counter() - started
    stop.set()
    await task
    await links.close()
    await publisher.close()
    return seconds


class _Counting:
    def __init__(self, worker: TransformWorker, count: int, done: asyncio.Event) -> None:
        self._worker = worker
        self._left = count
        self._done = done
        self.buried = worker.buried
        self.probe = worker.probe

    async def handle(self, delivery, guard) -> str:
        outcome = await self._worker.handle(delivery, guard)
        self._left -= 1
        if not self._left:
            self._done.set()
        return outcome


async def _bare(url: str, _: Declarer, count: int) -> float:
    incoming = await aio_pika.connect(url)
    outgoing = await aio_pika.connect(url)
    registry = Registry()
    done = asyncio.Event()
    left = count
    async with incoming, outgoing:
        channel = await incoming.channel()
        await channel.set_qos(prefetch_count=PREFETCH)
        publishing = await outgoing.channel(publisher_confirms=True, on_return_raises=True)
        queue = await channel.get_queue(QUEUE)
        exchange = publishing.default_exchange

        async def on_message(message: AbstractIncomingMessage) -> None:
            nonlocal left
            for document in documents(registry.read(message.body), "onec", LANDSCAPE):
                out = document_message(document)
                await exchange.publish(
                    aio_pika.Message(
                        out.body,
                        headers=out.headers,
                        message_id=out.message_id,
                        type=out.type,
                        content_type=out.content_type,
                        correlation_id=out.correlation_id,
                        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
                    ),
                    routing_key=out.routing_key,
                    mandatory=True,
                )
            await message.ack()
            left -= 1
            if not left:
                done.set()

        started = time.perf_counter()
        await queue.consume(on_message)
        await done.wait()
        return time.perf_counter() - started


async def _purge(url: str) -> None:
    connection = await aio_pika.connect(url)
    async with connection:
        channel = await connection.channel()
        for name in (OUT, QUEUE):
            await (await channel.get_queue(name)).purge()
