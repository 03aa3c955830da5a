"""Payments out of a base: through the exchange plan into the queue, and from there to canonical events."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from esb_adapters.onec import main as onec
from esb_adapters.onec.poller import NodeMissing
from esb_bus.errors import BrokerUnavailable, PoisonMessageError
from esb_bus.ports import NativeMessage
from factories import OPT, document, order_document, payment_received

ORDERS = "Document_ЗаказКлиента"
PAYMENTS = "Document_ПоступлениеБезналичныхДенежныхСредств"
NUMBER = "ИМ000010015"


@pytest.fixture
async def paid(trade, sink):
    """A base with an order of ours and one payment of 1000 for it, polled."""
    await trade.deliver(order_document(endpoint="onec.trade", legal_entity=OPT, delivery=None))
    await trade.act("add_payment", order=NUMBER, amount="1000.00", number="118")
    await trade.poller.poll(None, sink)
    return trade


async def events_of(world, sink):
    found = []
    for message in sink.messages:
        found.extend(await world.mapper.events(message))
    sink.messages.clear()
    return found


async def test_a_payment_reaches_the_queue_whole_and_orders_do_not(paid, sink):
    (message,) = sink.messages

    body = json.loads(message.body)
    assert (message.kind, message.endpoint) == ("onec.payment", "onec.trade")
    assert message.thread == f"payment/onec.trade/{body['Ref_Key']}"
    assert body["РасшифровкаПлатежа"][0]["Сумма"] == "1000" or float(body["РасшифровкаПлатежа"][0]["Сумма"]) == 1000
    assert message.version is not None


async def test_what_was_acknowledged_is_not_polled_again(paid, sink):
    sink.messages.clear()

    await paid.poller.poll("1", sink)

    assert sink.messages == []


async def test_what_the_broker_did_not_take_is_polled_again(trade, sink):
    await trade.deliver(order_document(endpoint="onec.trade", legal_entity=OPT, delivery=None))
    await trade.act("add_payment", order=NUMBER, amount="1000.00")
    sink.error = BrokerUnavailable("no confirm")
    with pytest.raises(BrokerUnavailable):
        await trade.poller.poll(None, sink)
    sink.error = None

    await trade.poller.poll(None, sink)

    assert len(sink.messages) == 1


async def test_a_payment_carries_order_payer_and_all_that_was_paid(paid, sink):
    (event,) = await events_of(paid, sink)

    payment = event.data
    assert (event.type, event.legalentity, event.thread) == ("payment.received", OPT, "order/website.shop/10015")
    assert payment.order_key == "order/website.shop/10015"
    assert (payment.amount, payment.order_paid_total, payment.order_total) == (
        Decimal("1000.00"),
        Decimal("1000.00"),
        Decimal("3229.00"),
    )
    assert (payment.payer_inn, payment.bank_number, payment.is_cancelled) == ("7812345675", "118", False)


async def test_a_second_payment_adds_up(paid, sink):
    await events_of(paid, sink)
    await paid.act("add_payment", order=NUMBER, amount="500.50", number="119")
    await paid.poller.poll("1", sink)

    (event,) = await events_of(paid, sink)

    assert (event.data.amount, event.data.order_paid_total) == (Decimal("500.50"), Decimal("1500.50"))


async def test_a_write_without_a_change_is_no_event(paid, sink):
    events = await events_of(paid, sink)
    await paid.mapper.published(events)
    (payment,) = await paid.objects(PAYMENTS)
    await paid.edit(PAYMENTS, payment["Number"], ДополнительнаяИнформация="")
    await paid.poller.poll("1", sink)

    assert len(sink.messages) == 1
    assert await events_of(paid, sink) == []


async def test_an_unposted_payment_is_taken_back(paid, sink):
    await paid.mapper.published(await events_of(paid, sink))
    (payment,) = await paid.objects(PAYMENTS)
    await paid.act("unpost", set=PAYMENTS, document=payment["Number"])
    await paid.poller.poll("1", sink)

    (event,) = await events_of(paid, sink)

    assert (event.data.is_cancelled, event.data.order_paid_total) == (True, Decimal("0.00"))


async def test_a_payment_the_bus_wrote_is_no_event(trade, sink):
    from esb_schemas.documents import IncomingPayment

    await trade.deliver(order_document(endpoint="onec.trade", legal_entity=OPT, delivery=None))
    event = payment_received(base="onec.buh", legal_entity=OPT)
    content = IncomingPayment(payment=event.data, waits_for="order")
    await trade.deliver(document(content, event=event, endpoint="onec.trade"))
    await trade.poller.poll(None, sink)

    assert len(sink.messages) == 1
    assert await events_of(trade, sink) == []


async def test_a_payment_for_an_order_made_by_hand_names_no_order(trade, sink):
    fields = {
        "Date": "2026-01-10T10:00:00",
        "Организация_Key": trade.seeded("Catalog_Организации", "7706123455"),
        "Контрагент_Key": trade.seeded("Catalog_Контрагенты", "7812345675"),
        "СуммаДокумента": 700,
    }
    made = await trade.act("create", set=ORDERS, fields=fields)
    await trade.act("add_payment", order=made["Ref_Key"])
    await trade.poller.poll(None, sink)

    (event,) = await events_of(trade, sink)

    assert event.data.order_key is None
    assert event.thread == event.data.payment_key


async def test_copies_that_people_make_of_our_documents_are_their_own(trade, sink):
    await trade.deliver(order_document(endpoint="onec.trade", legal_entity=OPT, delivery=None))
    ours = await trade.one(ORDERS)
    copied = ("Date", "Организация_Key", "Партнер_Key", "Контрагент_Key", "СуммаДокумента", "Комментарий")
    copy = await trade.act("create", set=ORDERS, fields={name: ours[name] for name in copied})
    await trade.act("add_payment", order=copy["Ref_Key"])
    await trade.poller.poll(None, sink)

    (event,) = await events_of(trade, sink)

    assert event.data.order_key is None


async def test_a_payment_of_an_invoice_in_accounting_belongs_to_its_order(open_world, sink):
    from factories import invoice_document

    buh = await open_world("onec.buh")
    await buh.deliver(invoice_document(delivery=None))
    await buh.act("add_payment", order=NUMBER)
    await buh.poller.poll(None, sink)

    (event,) = await events_of(buh, sink)

    assert event.data.order_key == "order/website.shop/10015"
    assert event.data.order_paid_total == event.data.order_total


@pytest.mark.parametrize("configuration", ["retail-2", "retail-3"])
async def test_payments_of_retail_belong_to_their_order(open_world, sink, configuration):
    retail = await open_world("onec.retail", landscape={"configuration": configuration})
    await retail.deliver(order_document(delivery=None))
    await retail.act("add_payment", order=NUMBER, amount="100.00")
    await retail.poller.poll(None, sink)

    (event,) = await events_of(retail, sink)

    assert (event.data.order_key, event.data.order_paid_total) == ("order/website.shop/10015", Decimal("100.00"))


async def test_a_message_that_is_no_payment_is_poison(trade):
    message = NativeMessage("onec.trade", "onec.payment", b"[]", received_at=datetime.now(UTC))

    with pytest.raises(PoisonMessageError):
        await trade.mapper.events(message)


async def test_a_missing_node_is_named(open_world, sink):
    trade = await open_world(landscape={"exchange_plan": {"name": "ОбменСШиной", "node": "НЕТ"}})

    with pytest.raises(NodeMissing, match="'НЕТ'"):
        await trade.poller.poll(None, sink)


@pytest.mark.parametrize("name", ["onec.trade", "onec.retail", "onec.buh"])
async def test_a_seeded_base_passes_the_check(open_world, name):
    world = await open_world(name)

    assert await onec.check(world.name, world.base, world.client) == []


async def test_the_check_names_everything_that_is_missing(open_world):
    settings = {
        "organisations": {"romashka-opt": "7707083893"},
        "warehouse": "Нет такого",
        "exchange_plan": {"name": "ОбменСШиной", "node": "НЕТ"},
    }
    world = await open_world(landscape=settings)

    problems = await onec.check(world.name, world.base, world.client)

    assert len(problems) == 3
    assert [part in "\n".join(problems) for part in ("7707083893", "Нет такого", "НЕТ")] == [True] * 3


async def test_the_check_of_a_base_that_is_down_says_only_that(open_world):
    world = await open_world()
    await world.fault("401")

    (problem,) = await onec.check(world.name, world.base, world.client)

    assert "unauthorised" in problem
