"""Hosts whose clocks disagree: what the events lose by it, the poll brings."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from esb_adapters.bitrix24.poller import native_deal
from esb_adapters.bitrix24.shapes import read_deal


async def test_a_polled_deal_is_read_however_early_the_polling_host_believes_it_is(open_portal):
    async with open_portal() as portal:
        number = await portal.create_deal()
        await portal.publish(number, received_at=datetime.now(UTC))
        await portal.standin.act("change_deal", {"deal_id": number, "lines": [{"article": "RM-0001", "quantity": 7}]})
        polled = native_deal("bitrix24.portal", read_deal(portal.deal(number)))
        hour_behind = datetime.now(UTC) - timedelta(hours=1)

        events = await portal.adapter.mapper.events(replace(polled, received_at=hour_behind))

    assert events
