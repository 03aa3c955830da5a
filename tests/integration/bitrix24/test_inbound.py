import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from esb_adapters.bitrix24.mapper import DealDeleted, FieldMissing
from esb_adapters.bitrix24.mapping import BuyerUnknown, EntityChanged, SellerUnknown
from esb_adapters.bitrix24.poller import PollRefused
from esb_adapters.bitrix24.protocol import PortalRefused
from esb_bus.errors import EndpointDown
from esb_standins.faults import Fault
from factories import Where, deal_outcome_document

PIN = "UF_CRM_ESB_ENTITY"
NUMBER = "UF_CRM_ESB_NUMBER"


async def test_deal_of_a_company_becomes_an_order_and_a_wish_for_an_invoice(portal):
    number = await portal.create_deal()

    order, invoice = await portal.events(number)

    assert (order.type, order.objectkey, order.legalentity) == (
        "order.placed", f"order/bitrix24.portal/{number}", "romashka-opt",
    )  # fmt: skip
    assert [line.article for line in order.data.lines] == ["RM-0001", "RM-0201"]
    assert order.data.total == Decimal("1400.00")
    assert order.data.buyer.inn == "7812345675"
    assert order.data.lines[0].vat_amount == Decimal("234.07")
    assert (invoice.type, invoice.thread) == ("invoice.requested", order.objectkey)


async def test_legal_entity_is_pinned_before_the_first_publication(portal):
    number = await portal.create_deal()

    await portal.events(number)

    assert portal.deal(number)[PIN] == "romashka-opt"


async def test_order_costs_three_requests_and_two_once_its_products_are_known(portal):
    first, second = await portal.create_deal(), await portal.create_deal()

    await portal.events(first)
    after_first = portal.budget.taken
    await portal.events(second)

    assert (after_first, portal.budget.taken - after_first) == (3, 2)


async def test_echo_of_our_own_writes_publishes_nothing(portal):
    number = await portal.create_deal()
    await portal.publish(number)

    await portal.client.call("crm.deal.update", {"id": number, "fields": {NUMBER: "РО00-000001"}})
    echo = await portal.publish(number)

    assert list(echo) == []


async def test_repeat_before_the_confirmation_gives_the_same_events(portal):
    number = await portal.create_deal()

    before = await portal.events(number)
    portal.restart()
    after = await portal.events(number)

    assert [event.data for event in before] == [event.data for event in after]
    assert {event.type for event in before} == {event.type for event in after}


async def test_other_rows_of_an_accepted_order_are_a_change(portal):
    number = await portal.create_deal()
    first, _ = await portal.publish(number)
    await portal.client.call("crm.deal.update", {"id": number, "fields": {NUMBER: "РО00-000001"}})

    await portal.standin.act("change_deal", {"deal_id": number, "lines": [{"article": "RM-0003", "quantity": 1}]})
    changed, _ = await portal.publish(number)

    assert changed.type == "order.changed"
    assert changed.dataversion > first.dataversion
    assert [line.article for line in changed.data.lines] == ["RM-0003"]


async def test_two_contents_of_one_second_never_share_a_version(open_portal):
    async with open_portal(real_clock=True) as portal:
        number = await portal.create_deal()
        first, *_ = await portal.publish(number)
        await portal.standin.act("change_deal", {"deal_id": number, "lines": [{"article": "RM-0003", "quantity": 1}]})
        second, *_ = await portal.publish(number)

    assert second.dataversion > first.dataversion


async def test_lost_deal_that_was_accepted_is_a_cancellation(portal):
    number = await portal.create_deal()
    await portal.publish(number)
    await portal.client.call("crm.deal.update", {"id": number, "fields": {NUMBER: "РО00-000001"}})

    await portal.standin.act("move_deal", {"deal_id": number, "stage": "LOSE"})
    events = await portal.publish(number)

    assert [event.type for event in events] == ["order.cancelled"]


async def test_lost_deal_that_no_base_accepted_says_nothing(portal):
    number = await portal.create_deal(stage="LOSE")

    assert list(await portal.events(number)) == []


async def test_deal_before_its_stage_is_no_order(open_portal):
    async with open_portal(stages=["C5:EXECUTING"]) as portal:
        number = await portal.create_deal()
        before = await portal.publish(number)
        await portal.standin.act("move_deal", {"deal_id": number, "stage": "EXECUTING"})
        after = await portal.publish(number)

    assert list(before) == []
    assert [event.type for event in after] == ["order.placed", "invoice.requested"]


async def test_deal_made_by_a_shop_belongs_to_the_shop(open_portal):
    async with open_portal(shops={"site": "website.shop"}) as portal:
        number = await portal.create_deal(fields={"ORIGINATOR_ID": "site", "ORIGIN_ID": "10015"})

        assert list(await portal.events(number)) == []


async def test_another_seller_after_publication_needs_a_person(portal):
    number = await portal.create_deal()
    await portal.publish(number)

    await portal.standin.act("move_deal", {"deal_id": number, "entity": "romashka-service"})

    with pytest.raises(EntityChanged, match=r"romashka-opt.*romashka-service"):
        await portal.events(number)


async def test_deal_without_seller_names_the_field(portal):
    number = await portal.create_deal(fields={"UF_CRM_SELLER": ""})

    with pytest.raises(SellerUnknown, match=f"deal {number}.*UF_CRM_SELLER.*empty"):
        await portal.events(number)


async def test_portal_that_lacks_our_field_is_told_so_before_anything_is_published(open_portal):
    async with open_portal(fields={"entity": "UF_CRM_NOT_THERE"}) as portal:
        number = await portal.create_deal()

        with pytest.raises(FieldMissing, match="UF_CRM_NOT_THERE"):
            await portal.events(number)


async def test_deleted_order_needs_a_person(portal):
    number = await portal.create_deal()
    await portal.publish(number)
    await portal.standin.act("delete_deal", {"deal_id": number})

    with pytest.raises(DealDeleted, match="was published as an order"):
        await portal.events(number)


async def test_deleted_deal_that_never_was_an_order_is_let_go(open_portal):
    async with open_portal(stages=["C5:EXECUTING"]) as portal:
        number = await portal.create_deal()
        await portal.publish(number)
        await portal.standin.act("delete_deal", {"deal_id": number})

        assert list(await portal.events(number)) == []


async def test_cursor_nobody_can_read_is_no_dead_letter(portal):
    with pytest.raises(PollRefused, match="yesterday"):
        await portal.adapter.poller.poll("yesterday", portal.sink)


async def test_company_with_two_requisites_and_no_choice_needs_a_person(portal):
    number = await portal.create_deal()
    fields = {"ENTITY_TYPE_ID": 4, "ENTITY_ID": portal.deal(number)["COMPANY_ID"], "PRESET_ID": 1, "NAME": "Филиал"}
    branch = {**fields, "RQ_INN": "7812345675", "RQ_KPP": "781243001"}
    await portal.client.call("crm.requisite.add", {"fields": branch})

    with pytest.raises(BuyerUnknown, match=r"781201001.*781243001"):
        await portal.events(number)


async def test_portal_that_cannot_show_a_part_names_deal_and_part(portal):
    number = await portal.create_deal()
    portal.standin.portal.store.delete("company", portal.deal(number)["COMPANY_ID"])

    with pytest.raises(PortalRefused, match=f"deal {number}: company: Not found"):
        await portal.events(number)


async def test_many_deals_at_once_share_their_requests(portal):
    numbers = [await portal.create_deal() for _ in range(25)]

    orders = await asyncio.gather(*(portal.events(number) for number in numbers))

    assert [order[0].objectkey for order in orders] == [f"order/bitrix24.portal/{number}" for number in numbers]
    reads = portal.budget.taken - len(numbers)  # each deal is pinned by a write of its own
    assert reads <= 10  # the first alone, the others by ten; likewise the products of those that came together


async def test_reader_that_goes_away_leaves_the_others_alone(portal):
    numbers = [await portal.create_deal() for _ in range(5)]
    portal.standin.faults.switch_on(Fault("slow", seconds=0.3))

    readers = [asyncio.create_task(portal.events(number)) for number in numbers]
    while portal.budget.taken == 0:  # noqa: ASYNC110  until the first one sends for all
        await asyncio.sleep(0)
    readers[0].cancel()
    results = await asyncio.gather(*readers, return_exceptions=True)

    assert isinstance(results[0], asyncio.CancelledError)
    assert all(result[0].type == "order.placed" for result in results[1:])


async def test_events_of_one_action_are_answered_by_one_read(portal):
    number = await portal.create_deal()
    received = datetime.now(UTC) - timedelta(seconds=5)
    await portal.publish(number, received_at=received)
    taken = portal.budget.taken

    again = await portal.publish(number, received_at=received + timedelta(seconds=1))
    later = await portal.publish(number, received_at=datetime.now(UTC))

    assert (list(again), list(later)) == ([], [])
    assert portal.budget.taken == taken + 1


async def test_after_one_order_and_its_outcome_nothing_is_written_any_more(portal):
    number = await portal.create_deal()
    await portal.publish(number)
    outcome = deal_outcome_document(where=Where(endpoint="bitrix24.portal", native_id=str(number)))
    await portal.deliver(outcome)
    written = portal.writes()

    echo = await portal.publish(number)
    portal.cache.values.clear()  # the cache is gone and the process is a new one: the order goes out once more
    portal.restart()
    repeated = await portal.publish(number)
    newer = Where(endpoint="bitrix24.portal", native_id=str(number), version=repeated[0].dataversion)
    delivered = await portal.deliver(deal_outcome_document(where=newer))
    last = await portal.publish(number)

    assert (list(echo), delivered.outcome, list(last)) == ([], "unchanged", [])
    assert portal.writes() == written


@pytest.mark.parametrize("kind", ["html_502", "overload_limit", "401", "down"])
async def test_sick_portal_stops_the_queue_and_not_the_message(portal, kind):
    number = await portal.create_deal()
    portal.standin.faults.switch_on(Fault(kind))

    with pytest.raises(EndpointDown):
        await portal.events(number)
    with pytest.raises(EndpointDown):
        await portal.adapter.sender.probe()


async def test_poll_finds_every_deal_of_its_window_once(open_portal):
    async with open_portal(real_clock=True) as portal:
        first = await portal.adapter.poller.poll(None, portal.sink)
        numbers = [await portal.create_deal() for _ in range(60)]
        second = await portal.adapter.poller.poll(first.cursor, portal.sink)
        third = await portal.adapter.poller.poll(second.cursor, portal.sink)

    assert [message.thread for message in portal.sink.messages] == [f"deal/bitrix24.portal/{one}" for one in numbers]
    assert third.cursor >= second.cursor > first.cursor


async def test_what_the_poll_brings_after_the_event_costs_no_request(open_portal):
    async with open_portal(real_clock=True) as portal:
        number = await portal.create_deal()
        await portal.publish(number)
        await portal.publish(number)  # the echo of the pin
        await portal.adapter.poller.poll(None, portal.sink)
        taken = portal.budget.taken
        events = [await portal.adapter.mapper.events(message) for message in portal.sink.messages]

    assert (events, portal.budget.taken) == ([()], taken)
