import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal

import pytest

from esb_adapters.bitrix24.main import open_client, rate_budget
from esb_adapters.bitrix24.mapper import FieldMissing
from esb_adapters.bitrix24.sender import DealDoubled, NotForPortals
from esb_bus.errors import EndpointDown, InDoubt, RetryableError
from esb_standins.faults import Fault
from factories import NOON, Where, deal_outcome_document, deal_payment_document, document_ref, order_document

STATUS = "UF_CRM_ESB_STATUS"


def of(number, version=1_767_603_600_000):
    return Where(endpoint="bitrix24.portal", native_id=str(number), version=version)


async def test_accepted_order_gets_its_number_its_status_and_one_comment(portal):
    number = await portal.create_deal()

    delivered = await portal.deliver(deal_outcome_document(where=of(number)))

    deal = portal.deal(number)
    assert delivered.outcome == "updated"
    assert deal["UF_CRM_ESB_NUMBER"] == "РР000010015"
    assert deal[STATUS] == "Принят в 1С: № РР000010015 от 05.01.2026 на сумму 3719.00"
    assert len(portal.comments(number)) == 1


async def test_same_document_twice_writes_once(portal):
    number = await portal.create_deal()
    document = deal_outcome_document(where=of(number))
    await portal.deliver(document)
    written = portal.writes()

    delivered = await portal.deliver(document)

    assert delivered.outcome == "unchanged"
    assert portal.writes() == written


async def test_same_outcome_of_a_newer_version_writes_nothing_so_echoes_end(portal):
    number = await portal.create_deal()
    await portal.deliver(deal_outcome_document(where=of(number, 1000)))
    written = portal.writes()

    delivered = await portal.deliver(deal_outcome_document(where=of(number, 2000)))

    assert delivered.outcome == "unchanged"
    assert portal.writes() == written


async def test_older_outcome_is_stale(portal):
    number = await portal.create_deal()
    await portal.deliver(deal_outcome_document(where=of(number, 2000)))
    written = portal.writes()

    older = deal_outcome_document(where=of(number, 1000), document=document_ref(number="РР000000001"))

    assert (await portal.deliver(older)).outcome == "stale"
    assert portal.writes() == written


async def test_refusal_says_why_and_acceptance_removes_it(portal):
    number = await portal.create_deal()
    refused = deal_outcome_document(status="refused", where=of(number, 9_999_999_999_999), reason="нет товара RM-9999")

    await portal.deliver(refused)
    said = portal.deal(number)[STATUS]
    await portal.deliver(deal_outcome_document(where=of(number)))

    assert said == "Не принят в 1С: нет товара RM-9999"
    assert portal.deal(number)[STATUS].startswith("Принят в 1С")


async def test_status_shows_order_and_invoice_whichever_came_last(portal):
    number = await portal.create_deal()
    invoice = document_ref(number="СЧ-7")

    await portal.deliver(deal_outcome_document(status="invoiced", where=of(number), document=invoice))
    await portal.deliver(deal_outcome_document(where=of(number)))

    status = portal.deal(number)[STATUS]
    assert "Принят в 1С: № РР000010015" in status
    assert "Выставлен счёт: № СЧ-7" in status


async def test_payment_shows_paid_debt_and_date(portal):
    number = await portal.create_deal()

    await portal.deliver(deal_payment_document(where=of(number)))

    deal = portal.deal(number)
    assert (deal["UF_CRM_ESB_PAID"], deal["UF_CRM_ESB_DEBT"]) == ("1000.00|RUB", "2719.00|RUB")
    assert deal["UF_CRM_ESB_PAID_AT"]
    assert "Оплата 1000.00 RUB от 05.01.2026" in portal.comments(number)[0]


async def test_older_sum_of_payments_never_overwrites_a_newer_one(portal):
    number = await portal.create_deal()
    newer = deal_payment_document(
        where=of(number), version=8, paid_total=Decimal("3719.00"), as_of=NOON + timedelta(minutes=5)
    )

    await portal.deliver(newer)
    late = await portal.deliver(deal_payment_document(where=of(number)))

    assert late.outcome == "stale"
    assert portal.deal(number)["UF_CRM_ESB_DEBT"] == "0.00|RUB"


async def test_shop_order_is_shown_in_the_deal_that_carries_its_key(open_portal):
    async with open_portal(shops={"site": "website.shop"}) as portal:
        number = await portal.create_deal(fields={"ORIGINATOR_ID": "site", "ORIGIN_ID": "10015"})
        await portal.create_deal(fields={"ORIGINATOR_ID": "SITE", "ORIGIN_ID": "10015"})

        delivered = await portal.deliver(deal_outcome_document(where=Where(native_id="10015")))

        assert delivered.outcome == "updated"
        assert portal.deal(number)["UF_CRM_ESB_NUMBER"] == "РР000010015"


async def test_two_deals_of_one_shop_order_need_a_person(open_portal):
    async with open_portal(shops={"site": "website.shop"}) as portal:
        first = await portal.create_deal(fields={"ORIGINATOR_ID": "site", "ORIGIN_ID": "10015"})
        second = await portal.create_deal(fields={"ORIGINATOR_ID": "site", "ORIGIN_ID": "10015"})

        with pytest.raises(DealDoubled, match=f"{first}, {second}"):
            await portal.deliver(deal_outcome_document(where=Where(native_id="10015")))


@pytest.mark.parametrize("where", [of(99_999), Where(native_id="10015")], ids=["deleted deal", "order of a shop"])
async def test_outcome_nobody_waits_for_is_ignored(portal, where):
    delivered = await portal.deliver(deal_outcome_document(where=where))

    assert delivered.outcome == "ignored"
    assert portal.guard.writes == 0


@pytest.mark.parametrize("kind", ["502_after_commit", "cut_after_commit", "timeout_after_commit"])
async def test_write_that_happened_without_an_answer_is_not_repeated(portal, kind):
    number = await portal.create_deal()
    document = deal_outcome_document(where=of(number))
    await portal.events(number)
    portal.guard.before_write = _after_first_look(portal, Fault(kind, seconds=3, sets=("batch",), count=1))

    with pytest.raises(InDoubt):
        await portal.deliver(document)
    portal.standin.faults.clear()
    delivered = await portal.deliver(document)

    assert delivered.outcome == "unchanged"
    assert len(portal.comments(number)) == 1


async def test_write_that_commits_after_the_client_has_gone_is_found(portal):
    number = await portal.create_deal()
    document = deal_outcome_document(where=of(number))
    portal.guard.before_write = _after_first_look(portal, Fault("late_commit", seconds=2.5, sets=("batch",), count=1))

    with pytest.raises(InDoubt):
        await portal.deliver(document)
    portal.standin.faults.clear()
    await _until(lambda: portal.comments(number))
    delivered = await portal.deliver(document)

    assert delivered.outcome == "unchanged"
    assert len(portal.comments(number)) == 1


async def test_comment_that_was_lost_between_two_writes_is_added_by_the_repeat(portal):
    number = await portal.create_deal()
    document = deal_outcome_document(where=of(number))
    await portal.deliver(document)
    for comment in list(portal.standin.portal.store.all("timeline")):
        portal.standin.portal.store.delete("timeline", comment)

    delivered = [(await portal.deliver(document)).outcome for _ in range(2)]

    assert delivered == ["unchanged", "unchanged"]
    assert len(portal.comments(number)) == 1


async def test_busy_portal_is_not_down(portal):
    portal.standin.faults.switch_on(Fault("query_limit", count=1))

    await portal.adapter.sender.probe()

    assert portal.budget.taken == 1


async def test_document_no_deal_can_show_is_refused(portal):
    with pytest.raises(NotForPortals, match="customer_order"):
        await portal.deliver(order_document(endpoint="bitrix24.portal"))


async def test_limit_of_requests_is_waited_for(portal):
    number = await portal.create_deal()
    portal.standin.faults.switch_on(Fault("query_limit", count=1))

    with pytest.raises(RetryableError) as busy:
        await portal.deliver(deal_outcome_document(where=of(number)))

    assert busy.value.retry_after
    assert (await portal.deliver(deal_outcome_document(where=of(number)))).outcome == "updated"


async def test_budget_keeps_a_crowd_within_the_portals_limit(open_portal):
    limits = {"capacity": 10, "drain": 20}
    async with open_portal(options=limits, requests_per_s=20, burst=10) as portal:
        client = open_client(portal.settings, portal.secret, rate_budget("bitrix24.portal", portal.settings))
        async with aclosing_client(client):
            answers = await asyncio.gather(*(client.call("profile") for _ in range(30)))

    assert len(answers) == 30


async def test_portal_that_lacks_a_field_is_told_which(open_portal):
    async with open_portal(fields={"number": "UF_CRM_NOT_THERE"}) as portal:
        number = await portal.create_deal()

        with pytest.raises(FieldMissing, match="UF_CRM_NOT_THERE"):
            await portal.deliver(deal_outcome_document(where=of(number)))


async def test_wrong_secret_pauses_the_endpoint(portal):
    portal.client._base = portal.client._base.replace("standin0secret0code", "reissued")

    with pytest.raises(EndpointDown):
        await portal.adapter.sender.probe()


@asynccontextmanager
async def aclosing_client(client):
    try:
        yield
    finally:
        await client.close()


def _after_first_look(portal, fault):
    """Let the look-up pass and hit the write: the guard is asked between the two."""

    def before_write(*, fenced=False):
        portal.standin.faults.switch_on(fault)
        portal.guard.before_write = lambda **_: None

    return before_write


async def _until(condition):
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  the stand-in has no event to await
            await asyncio.sleep(0.05)
