"""Behaviour of a 1C base that nobody could confirm, and is therefore a switch; people at work in it."""

import pytest

ORDERS = "Document_ЗаказКлиента"


async def test_a_stale_version_is_refused_only_where_if_match_is_enforced(open_base):
    strict, lenient = await open_base(if_match=True), await open_base("onec.other", "ut-11.5")

    statuses = []
    for base in (strict, lenient):
        partner = await base.create("Catalog_Партнеры", Description="Партнёр")
        address = f"Catalog_Партнеры(guid'{partner['Ref_Key']}')"
        stale = {"If-Match": "AAAACQAAAAA="}
        statuses.append((await base.http.patch(address, json={}, headers=stale)).status_code)

    assert statuses == [412, 200]


async def test_posting_may_answer_with_the_document(open_base):
    base = await open_base(post_answers_entity=True)
    order = await base.order()

    response = await base.post(f"{ORDERS}(guid'{order['Ref_Key']}')/Post")

    assert response.json()["Posted"] is True


async def test_links_of_filled_references_may_be_shown(open_base):
    base = await open_base(navigation_links=True)

    order = await base.order()

    assert order["Контрагент@navigationLinkUrl"] == f"{ORDERS}(guid'{order['Ref_Key']}')/Контрагент"
    assert "Договор@navigationLinkUrl" not in order


async def test_counting_may_void_paging(open_base):
    base = await open_base(inlinecount_ignores_paging=True)

    answer = (await base.get("Catalog_Валюты", top=0, inlinecount="allpages")).json()

    assert (answer["odata.count"], len(answer["value"])) == ("1", 1)


async def test_text_of_unlimited_length_may_be_searched(open_base):
    base = await open_base(substring_of_unlimited=True)
    order = await base.order(Комментарий="[esb order/website.shop/7 v1]")

    found = await base.find(ORDERS, "substringof('[esb order/website.shop/7 ', Комментарий)")

    assert [item["Ref_Key"] for item in found] == [order["Ref_Key"]]


async def test_a_prohibition_date_closes_what_lies_before(open_base):
    base = await open_base(prohibition_date="2026-10-31")

    old = await base.post(ORDERS, {"Date": "2026-10-31T10:00:00"})
    new = await base.post(ORDERS, {"Date": "2026-11-01T10:00:00"})

    assert (old.status_code, new.status_code) == (500, 201)


async def test_no_metadata_means_no_metadata(trade):
    response = await trade.http.get("Catalog_Валюты", headers={"Accept": "application/json;odata=nometadata"})

    assert list(response.json()) == ["value"]


@pytest.mark.parametrize(
    ("type_name", "status", "kept"),
    [
        ("StandardODATA.Catalog_Контрагенты", 201, "StandardODATA.Catalog_Контрагенты"),
        (None, 201, "StandardODATA.Undefined"),
    ],
)
async def test_a_composite_value_needs_its_type(open_base, type_name, status, kept):
    books = await open_base("onec.buh", "bp-3.0")
    body = {"Контрагент": books.seeded("Catalog_Контрагенты", "7812345675"), "Контрагент_Type": type_name}

    response = await books.post("Document_ПоступлениеНаРасчетныйСчет", body)

    assert (response.status_code, response.json()["Контрагент_Type"]) == (status, kept)


async def test_a_type_outside_the_list_of_a_closed_composite_is_refused(open_base):
    unf = await open_base("onec.unf", "retail-3", entities=["romashka-retail"])
    row = {"LineNumber": 1, "ЕдиницаИзмерения": unf.seeded("Catalog_Валюты", "643")}

    response = await unf.post(
        "Document_ЗаказПокупателя", {"Запасы": [row | {"ЕдиницаИзмерения_Type": "StandardODATA.Catalog_Валюты"}]}
    )

    assert (response.status_code, response.json()["odata.error"]["code"]) == (400, "1")


async def test_a_manager_edits_an_order_and_the_ledger_shows_what_was_written(trade):
    order = await trade.order(Комментарий="[esb order/website.shop/7 v1]")

    await trade.act("edit", set=ORDERS, document=order["Number"], fields={"СуммаДокумента": 1})

    row = (await trade.ledger())[-1]
    assert (row["action"], row["key"], row["fields"]) == ("update", "order/website.shop/7", {"СуммаДокумента": 1})


async def test_a_person_marks_a_posted_order_for_deletion(trade):
    order = await trade.order()
    await trade.act("post", set=ORDERS, document=order["Number"])

    response = await trade.act("mark_deleted", set=ORDERS, document=order["Ref_Key"])

    assert (response.json()["DeletionMark"], response.json()["Posted"]) == (True, False)
    assert [row["action"] for row in await trade.ledger()] == ["create", "post", "unpost", "mark"]


async def test_a_payment_may_be_entered_without_posting(trade):
    order = await trade.order()

    payment = await trade.act("add_payment", order=order["Number"], amount="10.50", number="77", post=False)

    assert (payment.json()["Posted"], payment.json()["НомерВходящегоДокумента"]) == (False, "77")


async def test_dates_are_the_servers_wall_clock(open_base):
    moscow, vladivostok = await open_base(), await open_base("onec.east", "ut-11.5", timezone="Asia/Vladivostok")

    here, there = [(await base.create(ORDERS))["Date"] for base in (moscow, vladivostok)]

    assert here[:16] < there[:16]
