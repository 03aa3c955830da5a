"""What a 1C base makes of what it is sent: silent cuts, numbers, sections, posting."""

import base64

import pytest

ORDERS = "Document_ЗаказКлиента"


async def test_over_long_text_is_cut_without_a_word(trade):
    order = await trade.order(НомерПоДаннымКлиента="9" * 60)

    assert order["НомерПоДаннымКлиента"] == "9" * 50


async def test_an_own_number_longer_than_the_attribute_is_cut_and_may_collide(trade):
    await trade.order(Number="WS-00000012A")

    response = await trade.post(ORDERS, {"Number": "WS-00000012B", "Date": "2026-11-21T00:00:00"})

    assert response.status_code == 500
    assert "не уникально" in response.json()["odata.error"]["message"]["value"]


async def test_unknown_names_and_a_sent_key_are_ignored(trade):
    order = await trade.order(НетТакого=1, Ref_Key="11111111-1111-1111-1111-111111111111", Posted=True)

    assert "НетТакого" not in order
    assert order["Ref_Key"] != "11111111-1111-1111-1111-111111111111"
    assert order["Posted"] is False


async def test_created_objects_are_answered_whole_with_their_address(trade):
    response = await trade.post("Catalog_Партнеры", {"Description": "Новый партнёр"})

    partner = response.json()
    assert response.status_code == 201
    assert response.headers["location"].endswith(f"Catalog_Партнеры(guid'{partner['Ref_Key']}')")
    assert partner["Code"] == "УТ-00000012"


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"Контрагент_Key": "абв"}, 400, "1"),
        ({"Согласован": "да"}, 400, "1"),
        ({"Date": "20.11.2026"}, 400, "1"),
        ({"СуммаДокумента": "много"}, 400, "1"),
        ({"Статус": "НетТакого"}, 400, "1"),
        ({"Комментарий": ["a"]}, 500, "-1"),
        ({"Товары": {"Цена": 1}}, 500, "-1"),
        ({"Товары": [{"Цена": 1}]}, 500, "-1"),
        ({"Товары": [{"LineNumber": 2, "Цена": 1}]}, 400, "5"),
    ],
)
async def test_refused_values(trade, fields, status, code):
    response = await trade.post(ORDERS, fields)

    assert (response.status_code, response.json()["odata.error"]["code"]) == (status, code)


async def test_garbage_in_a_wide_integer_becomes_zero(trade):
    order = await trade.order(МаксимальныйКодСтроки="мусор")

    assert order["МаксимальныйКодСтроки"] == "0"


async def test_money_is_rounded_to_the_attribute(trade):
    order = await trade.order(СуммаДокумента="10.1249999")

    assert order["СуммаДокумента"] == 10.12


async def test_broken_json_is_an_internal_error(trade):
    response = await trade.http.post(ORDERS, content=b"{")

    assert (response.status_code, response.json()["odata.error"]["code"]) == (500, "-1")


async def test_rows_cannot_be_created_alone(trade):
    response = await trade.post(f"{ORDERS}_Товары", {"LineNumber": 1})

    assert response.json()["odata.error"]["code"] == "13"


async def test_patch_changes_what_is_listed_and_replaces_a_section_whole(trade):
    order = await trade.order(НомерПоДаннымКлиента="1")
    rows = [{"LineNumber": str(number), "Количество": number} for number in (1, 2)]

    response = await trade.patch(ORDERS, order["Ref_Key"], Товары=rows)

    changed = response.json()
    assert response.status_code == 200
    assert changed["НомерПоДаннымКлиента"] == "1"
    assert [(row["LineNumber"], row["Количество"], row["Цена"]) for row in changed["Товары"]] == [
        ("1", 1, 0),
        ("2", 2, 0),
    ]


async def test_data_version_counts_every_write(trade):
    order = await trade.order()

    once, twice = [(await trade.patch(ORDERS, order["Ref_Key"], Комментарий="")).json() for _ in range(2)]

    versions = [base64.b64decode(item["DataVersion"]) for item in (order, once, twice)]
    assert [int.from_bytes(item[:4], "big") for item in versions] == [0, 1, 2]


async def test_numbers_carry_prefixes_of_organisation_and_base_and_start_anew_each_year(trade):
    other = trade.seeded("Catalog_Организации", "5032123452")

    numbers = [
        (await trade.order())["Number"],
        (await trade.order())["Number"],
        (await trade.order(Организация_Key=other))["Number"],
        (await trade.order(Date="2027-01-10T00:00:00"))["Number"],
    ]

    assert numbers == ["РОУТ-000001", "РОУТ-000002", "РСУТ-000001", "РОУТ-000001"]


async def test_numbers_that_differ_in_case_only_are_the_same_number(trade):
    await trade.order(Number="WS-00000ABC")

    response = await trade.post(ORDERS, {"Number": "ws-00000abc", "Date": "2026-11-20T12:00:00"})

    assert response.status_code == 500


async def test_a_number_may_repeat_in_another_year(trade):
    await trade.order(Number="WS-00000001")

    again = await trade.order(Number="WS-00000001", Date="2025-06-01T00:00:00")

    assert again["Number"] == "WS-00000001"


async def test_a_number_marked_for_deletion_stays_taken(trade):
    order = await trade.order(Number="WS-00000001")
    await trade.patch(ORDERS, order["Ref_Key"], DeletionMark=True)

    response = await trade.post(ORDERS, {"Number": "WS-00000001", "Date": "2026-11-20T12:00:00"})

    assert response.status_code == 500


async def test_moving_a_document_to_a_year_where_its_number_is_taken_is_refused(trade):
    await trade.order(Number="WS-00000001")
    order = await trade.order(Number="WS-00000001", Date="2025-06-01T00:00:00")

    response = await trade.patch(ORDERS, order["Ref_Key"], Date="2026-06-01T00:00:00")

    assert response.status_code == 500


async def test_a_base_without_uniqueness_takes_the_same_number_twice(open_base):
    base = await open_base(number_uniqueness=False)

    numbers = [(await base.order(Number="WS-00000001"))["Number"] for _ in range(2)]

    assert numbers == ["WS-00000001", "WS-00000001"]


async def test_posting_and_unposting(trade):
    order = await trade.order()
    address = f"{ORDERS}(guid'{order['Ref_Key']}')"

    posted = await trade.post(f"{address}/Post?PostingModeOperational=false")
    is_posted = (await trade.get(address)).json()["Posted"]
    unposted = await trade.post(f"{address}/Unpost()")

    assert (posted.status_code, is_posted, unposted.status_code) == (200, True, 200)
    assert [row["action"] for row in await trade.ledger()] == ["create", "post", "unpost"]


async def test_an_incomplete_document_is_accepted_but_cannot_be_posted(trade):
    order = await trade.order(Контрагент_Key="00000000-0000-0000-0000-000000000000")

    response = await trade.post(f"{ORDERS}(guid'{order['Ref_Key']}')/Post")

    error = response.json()["odata.error"]
    assert (response.status_code, error["code"]) == (500, "-1")
    assert error["message"]["value"] == 'Не удалось провести "Заказ клиента РОУТ-000001 от 20.11.2026 10:00:00"!'


async def test_a_document_marked_for_deletion_cannot_be_posted_nor_a_posted_one_marked(trade):
    order = await trade.order()
    address = f"{ORDERS}(guid'{order['Ref_Key']}')"
    await trade.post(f"{address}/Post")

    refused_mark = await trade.patch(ORDERS, order["Ref_Key"], DeletionMark=True)
    await trade.post(f"{address}/Unpost")
    await trade.patch(ORDERS, order["Ref_Key"], DeletionMark=True)
    refused_post = await trade.post(f"{address}/Post")

    assert (refused_mark.status_code, refused_post.status_code) == (500, 500)


async def test_the_operation_decides_which_section_survives_in_accounting(open_base):
    books = await open_base("onec.buh", "bp-3.0")
    row = {"LineNumber": 1, "Сумма": 5}

    sale = await books.create("Document_РеализацияТоваровУслуг", ВидОперации="Услуги", Товары=[row], Услуги=[row])

    assert (len(sale["Товары"]), len(sale["Услуги"])) == (0, 1)


async def test_the_ledger_knows_the_mark_of_the_bus_and_the_organisation(trade):
    order = await trade.order(Комментарий="[esb order/website.shop/10015 v1767600000000] звонить до 18:00")

    row = (await trade.ledger())[0]

    assert (row["key"], row["version"]) == ("order/website.shop/10015", 1767600000000)
    assert row["organisation"] == trade.seeded("Catalog_Организации", "7706123455")
    assert row["fields"]["СуммаДокумента"] == 1298
    assert (row["ref"], row["number"], row["action"]) == (order["Ref_Key"], order["Number"], "create")


@pytest.mark.parametrize(
    ("name", "profile", "organisation", "order"),
    [
        ("onec.retail", "retail-2", "7701234560", "Document_ЗаказПокупателя"),
        ("onec.unf", "retail-3", "7701234560", "Document_ЗаказПокупателя"),
        ("onec.buh", "bp-3.0", "7701234560", "Document_СчетНаОплатуПокупателю"),
    ],
)
async def test_an_accountant_enters_a_payment_in_every_configuration(open_base, name, profile, organisation, order):
    base = await open_base(name, profile, entities=["romashka-retail"])
    paid = await base.create(
        order,
        Организация_Key=base.seeded("Catalog_Организации", organisation),
        Контрагент_Key=base.seeded("Catalog_Контрагенты", "7812345675"),
        СуммаДокумента=500,
    )

    response = await base.act("add_payment", order=paid["Number"], amount="200.00")

    payment = response.json()
    assert response.status_code == 200, response.text
    assert (payment["Posted"], payment["СуммаДокумента"]) == (True, 200)
    assert paid["Ref_Key"] in str(payment)


async def test_a_payment_in_trade_refers_to_its_order(trade):
    order = await trade.order()

    payment = (await trade.act("add_payment", order=order["Number"])).json()

    row = payment["РасшифровкаПлатежа"][0]
    assert payment["СуммаДокумента"] == 1298
    assert (row["ОснованиеПлатежа"], row["ОснованиеПлатежа_Type"]) == (
        order["Ref_Key"],
        "StandardODATA.Document_ЗаказКлиента",
    )
