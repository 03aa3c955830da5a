"""Change capture through the exchange plan: a set of dirty objects with a message number."""


async def changed(base, message_no):
    response = await base.exchange("SelectChanges", message_no)
    assert response.status_code == 200, response.text
    return [item["Number"] for item in response.json()["value"]]


async def test_a_change_is_handed_out_until_it_is_acknowledged(trade):
    order = await trade.order()

    first = await changed(trade, 1)
    repeated = await changed(trade, 1)
    await trade.exchange("NotifyChangesReceived", 1)
    afterwards = await changed(trade, 2)

    assert (first, repeated, afterwards) == ([order["Number"]], [order["Number"]], [])


async def test_what_is_acknowledged_is_forgotten_even_under_its_own_number(trade):
    await trade.order()
    await changed(trade, 1)

    await trade.exchange("NotifyChangesReceived", 1)

    assert await changed(trade, 1) == []


async def test_an_object_written_again_after_the_read_survives_the_acknowledgement(trade):
    order = await trade.order()
    await changed(trade, 1)
    await trade.patch("Document_ЗаказКлиента", order["Ref_Key"], Комментарий="ещё раз")

    await trade.exchange("NotifyChangesReceived", 1)

    assert await changed(trade, 2) == [order["Number"]]


async def test_repeating_a_number_brings_the_old_and_the_new(trade):
    first = await trade.order()
    await changed(trade, 1)

    second = await trade.order()

    assert await changed(trade, 1) == [first["Number"], second["Number"]]


async def test_the_current_state_is_handed_out_once_however_often_it_changed(trade):
    order = await trade.order()
    for sum_ in (1, 2, 3):
        await trade.patch("Document_ЗаказКлиента", order["Ref_Key"], СуммаДокумента=sum_)

    response = await trade.exchange("SelectChanges", 1)

    value = response.json()["value"]
    assert [item["СуммаДокумента"] for item in value] == [3]
    assert value[0]["odata.type"] == "StandardODATA.Document_ЗаказКлиента"


async def test_writes_without_a_change_and_posting_register_too(trade):
    order = await trade.order()
    await changed(trade, 1)
    await trade.exchange("NotifyChangesReceived", 1)

    await trade.patch("Document_ЗаказКлиента", order["Ref_Key"])
    after_patch = await changed(trade, 2)
    await trade.exchange("NotifyChangesReceived", 2)
    await trade.post(f"Document_ЗаказКлиента(guid'{order['Ref_Key']}')/Post")

    assert (after_patch, await changed(trade, 3)) == ([order["Number"]], [order["Number"]])


async def test_the_node_counts_messages_as_text(trade):
    await trade.order()
    await changed(trade, 1)
    await trade.exchange("NotifyChangesReceived", 1)

    node = await trade.node()

    assert (node["SentNo"], node["ReceivedNo"]) == ("1", "1")


async def test_seeded_objects_and_sets_outside_the_plan_are_not_registered(trade):
    await trade.create("Catalog_Партнеры", Description="Партнёр")

    response = await trade.exchange("SelectChanges", 1)

    assert response.json()["value"] == []


async def test_two_nodes_do_not_share_their_changes(trade):
    await trade.act("add_node", code="BI")
    order = await trade.order()

    await trade.exchange("SelectChanges", 1)
    await trade.exchange("NotifyChangesReceived", 1)
    others = (await trade.exchange("SelectChanges", 1, code="BI")).json()["value"]

    assert [item["Number"] for item in others] == [order["Number"]]
    assert await changed(trade, 2) == []


async def test_an_unknown_node_is_refused(trade):
    point = "ExchangePlan_ОбменСШиной(guid'00000000-0000-0000-0000-000000000001')"

    response = await trade.http.post(f"SelectChanges?DataExchangePoint='{point}'&MessageNo=1")

    assert (response.status_code, response.json()["odata.error"]["code"]) == (404, "9")
