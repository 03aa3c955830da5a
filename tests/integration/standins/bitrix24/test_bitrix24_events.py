"""Outgoing webhooks: what they carry, and all the ways in which they get lost."""

from pathlib import Path

from esb_standins.bitrix24.standin import PortalStandin


def names(receiver):
    return [request.form["event"] for request in receiver.requests]


async def test_an_event_is_a_form_with_an_id_and_the_token(portal, listened):
    number = await portal.deal()
    await portal.idle()

    form = listened.requests[0].form
    assert form["event"] == "ONCRMDEALADD"
    assert form["data[FIELDS][ID]"] == str(number)
    assert form["auth[application_token]"] == "0utgoing0token"
    assert "auth[access_token]" not in form
    assert listened.requests[0].headers["content-type"] == "application/x-www-form-urlencoded"


async def test_a_write_through_rest_fires_as_well(portal, listened):
    number = await portal.deal()
    await portal.idle()
    listened.requests.clear()

    await portal.call("crm.deal.update", id=number, fields={"UF_CRM_ESB_NUMBER": "РО-1"})
    await portal.idle()

    assert names(listened) == ["ONCRMDEALUPDATE"]


async def test_a_move_between_funnels_replaces_the_update(portal, listened):
    number = await portal.deal()
    await portal.idle()
    listened.requests.clear()

    await portal.act("move_deal", deal_id=number, entity="romashka-retail")
    await portal.idle()

    assert names(listened) == ["ONCRMDEALMOVETOCATEGORY"]
    assert listened.requests[0].form["data[FIELDS][STAGE_ID]"] == "C3:NEW"


async def test_an_item_update_without_a_difference_fires_nothing(portal, listened):
    number = await portal.deal()
    await portal.idle()
    listened.requests.clear()

    await portal.call("crm.item.update", entityTypeId=2, id=number, fields={"categoryId": 5})
    await portal.idle()

    assert names(listened) == []


async def test_a_refused_event_is_not_sent_again(portal, listened):
    listened.status = 500

    await portal.call("crm.deal.add", fields={})
    await portal.idle()

    assert names(listened) == ["ONCRMDEALADD"]


async def test_events_can_be_dropped_and_doubled(portal, listened):
    await portal.fault("events_dropped", count=1)
    await portal.call("crm.deal.add", fields={})
    await portal.fault("events_duplicated", count=1)
    await portal.call("crm.deal.add", fields={})
    await portal.idle()

    assert [request.form["data[FIELDS][ID]"] for request in listened.requests] == ["2", "2"]


async def test_reordered_events_overtake_one_another(portal, listened):
    await portal.fault("events_reordered", seconds=0.2)

    for _ in range(8):
        await portal.call("crm.deal.add", fields={})
    await portal.idle()

    arrived = [request.form["data[FIELDS][ID]"] for request in listened.requests]
    assert sorted(arrived, key=int) == [str(number) for number in range(1, 9)]
    assert arrived != sorted(arrived, key=int)


async def test_a_failed_write_fires_nothing(portal, listened):
    await portal.refused("crm.item.add", entityTypeId=2, fields="nothing")
    await portal.idle()

    assert names(listened) == []


async def test_the_outgoing_webhook_survives_a_restart(portal, listened, tmp_path: Path):
    again = PortalStandin("bitrix24.portal", {}, tmp_path)

    assert [handler["URL"] for handler in again.objects("handler")] == [listened.url]
    await again.stop()


async def test_a_webhook_of_the_configuration_is_bound_at_the_start(open_portal, receiver):
    portal = await open_portal(handlers=[{"url": receiver.url, "token": "t", "events": ["onCrmDealDelete"]}])
    number = await portal.deal()

    await portal.act("delete_deal", deal_id=number)
    await portal.idle()

    assert [(request.form["event"], request.form["auth[application_token]"]) for request in receiver.requests] == [
        ("ONCRMDEALDELETE", "t")
    ]


async def test_nobody_listening_costs_the_event_and_nothing_else(portal, receiver):
    await portal.act("bind", url=receiver.url, token="t", events=["ONCRMDEALADD"])
    receiver.close()

    number = await portal.call("crm.deal.add", fields={})
    await portal.idle()

    sendings = (await portal.control.get("/objects/bitrix24.portal/sendings")).json()
    assert [(sending["ref"], sending["status"]) for sending in sendings] == [(str(number), None)]
