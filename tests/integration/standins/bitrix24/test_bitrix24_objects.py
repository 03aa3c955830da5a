"""Deals, items, rows and requisites: what the two generations do with the same objects."""


async def test_the_old_generation_shows_text_and_the_new_one_types(portal):
    number = await portal.deal()

    old = await portal.call("crm.deal.get", id=number)
    new = (await portal.call("crm.item.get", entityTypeId=2, id=number))["item"]

    assert (old["ID"], old["OPPORTUNITY"], old["COMPANY_ID"], old["UF_CRM_SELLER"]) == (
        str(number),
        "1298.00",
        "5",
        "45",
    )
    assert (new["id"], new["opportunity"], new["companyId"], new["ufCrmSeller"]) == (number, 1298, 5, 45)
    assert (old["STAGE_ID"], old["STAGE_SEMANTIC_ID"], old["CLOSED"]) == ("C5:NEW", "P", "N")


async def test_two_adds_with_one_origin_make_two_deals(portal):
    fields = {"ORIGINATOR_ID": "shop", "ORIGIN_ID": "10015"}

    made = [await portal.call("crm.deal.add", fields=fields) for _ in range(2)]

    found = await portal.call("crm.deal.list", filter={"ORIGIN_ID": "10015"}, select=["ID"])
    assert [int(deal["ID"]) for deal in found] == made
    assert [row["key"] for row in await portal.ledger("deal")] == ["shop/10015"] * 2


async def test_an_unknown_filter_field_returns_everything_in_the_old_generation(portal):
    await portal.deal()

    rows = await portal.call("crm.deal.list", filter={"NO_SUCH_FIELD": "x"})

    assert len(rows) == 1


async def test_an_unknown_filter_field_is_refused_by_items(portal):
    refusal = await portal.refused("crm.item.list", entityTypeId=2, filter={"noSuchField": "x"})

    assert refusal == (400, "INVALID_ARG_VALUE")


async def test_lists_have_pages_of_fifty(portal):
    await portal.call("batch", cmd={f"c{number}": "crm.deal.add?fields[TITLE]=A" for number in range(50)})
    await portal.call("batch", cmd={f"c{number}": "crm.deal.add?fields[TITLE]=B" for number in range(30)})

    first = (await portal.raw("crm.deal.list")).json()
    second = (await portal.raw("crm.deal.list", start=50)).json()
    uncounted = (await portal.raw("crm.deal.list", start=-1, filter={">ID": 50}, order={"ID": "ASC"})).json()

    assert (len(first["result"]), first["total"], first["next"]) == (50, 80, 50)
    assert (len(second["result"]), "next" in second) == (30, False)
    assert (len(uncounted["result"]), uncounted["total"], "next" in uncounted) == (30, 0, False)
    assert uncounted["result"][0]["ID"] == "51"


async def test_item_filters_know_groups_and_prefixes(portal):
    one, two, three = [await portal.deal(title=title) for title in ("Первая", "Вторая", "Третья")]

    groups = {"0": {"logic": "OR", "0": {"title": "первая"}, "1": {"%title": "торая"}}, "<=id": three}
    found = await portal.call("crm.item.list", entityTypeId=2, filter=groups, select=["id", "title"])
    excluded = await portal.call("crm.item.list", entityTypeId=2, filter={"!@id": [one, two]}, select=["id"])

    assert found["items"] == [{"id": one, "title": "Первая"}, {"id": two, "title": "Вторая"}]
    assert excluded["items"] == [{"id": three}]


async def test_only_items_move_between_funnels(portal):
    number = await portal.deal()

    await portal.call("crm.deal.update", id=number, fields={"CATEGORY_ID": 3, "STAGE_ID": "C3:WON", "TITLE": "T"})
    unmoved = await portal.call("crm.deal.get", id=number)
    fields = {"categoryId": 3, "stageId": "C3:WON"}
    moved = (await portal.call("crm.item.update", entityTypeId=2, id=number, fields=fields))["item"]

    assert (unmoved["TITLE"], unmoved["CATEGORY_ID"], unmoved["STAGE_ID"]) == ("T", "5", "C5:NEW")
    assert (moved["categoryId"], moved["stageId"], moved["closed"]) == (3, "C3:WON", "Y")


async def test_an_item_refuses_the_stage_of_another_funnel(portal):
    number = await portal.deal()

    refusal = await portal.refused("crm.item.update", entityTypeId=2, id=number, fields={"stageId": "C3:NEW"})

    assert refusal == (400, "CRM_FIELD_ERROR_VALUE_NOT_VALID")


async def test_an_item_update_without_a_difference_saves_nothing(portal):
    number = await portal.deal()
    before = len(await portal.ledger("deal"))

    await portal.call("crm.item.update", entityTypeId=2, id=number, fields={"categoryId": 5, "opportunity": 1298})

    assert len(await portal.ledger("deal")) == before


async def test_user_fields_keep_money_dates_and_only_known_items(portal):
    number = await portal.deal()
    fields = {
        "UF_CRM_ESB_PAID": "100.50|RUB",
        "UF_CRM_ESB_PAID_AT": "2026-11-20T07:00:00+00:00",
        "UF_CRM_SELLER": "Опт",
    }

    await portal.call("crm.deal.update", id=number, fields=fields)

    deal = await portal.call("crm.deal.get", id=number)
    assert deal["UF_CRM_ESB_PAID"] == "100.50|RUB"
    assert deal["UF_CRM_ESB_PAID_AT"] == "2026-11-20T10:00:00+03:00"
    assert deal["UF_CRM_SELLER"] == ""


async def test_rows_are_replaced_as_a_whole_and_summed_into_the_deal(portal):
    number = await portal.deal()
    rows = [
        {"PRODUCT_ID": 1003, "PRICE": "1290.00", "QUANTITY": 2, "TAX_RATE": 22},
        {"PRODUCT_NAME": "Своё", "PRICE": 10},
    ]

    await portal.call("crm.deal.productrows.set", id=number, rows=rows)

    old = await portal.call("crm.deal.productrows.get", id=number)
    new = (await portal.call("crm.item.productrow.list", filter={"=ownerType": "D", "=ownerId": number}))["productRows"]
    deal = await portal.call("crm.deal.get", id=number)
    assert [(row["PRODUCT_ID"], row["PRICE"], row["TAX_RATE"]) for row in old] == [(1003, 1290, 22), (0, 10, None)]
    assert [(row["priceExclusive"], row["quantity"]) for row in new] == [(1057.38, 2), (10, 1)]
    assert (deal["OPPORTUNITY"], deal["TAX_VALUE"]) == ("2590.00", "465.25")
    assert min(row["id"] for row in new) > 1


async def test_a_product_tells_its_article_by_the_property_with_the_known_code(portal):
    code = {"code": "CML2_ARTICLE"}
    wanted = (await portal.call("catalog.productProperty.list", select=["id"], filter=code))["productProperties"]

    product = (await portal.call("catalog.product.get", id=1003))["product"]

    assert product[f"property{wanted[0]['id']}"]["value"] == "RM-0003"


async def test_a_company_is_found_by_inn_through_its_requisites(portal):
    found = await portal.call("crm.requisite.list", filter={"RQ_INN": "6612345676"}, select=["ENTITY_ID", "RQ_KPP"])

    assert found == [{"ID": found[0]["ID"], "ENTITY_ID": "5", "RQ_KPP": "661201001"}]


async def test_a_phone_without_id_is_appended(portal):
    number = await portal.call("crm.company.add", fields={"TITLE": "A", "PHONE": [{"VALUE": "1"}]})

    await portal.call("crm.company.update", id=number, fields={"PHONE": [{"VALUE": "1"}]})
    twice = (await portal.call("crm.company.get", id=number))["PHONE"]
    changes = [{"ID": twice[0]["ID"], "VALUE": "2"}, {"ID": twice[1]["ID"], "DELETE": "Y"}]
    await portal.call("crm.company.update", id=number, fields={"PHONE": changes})

    assert [entry["VALUE"] for entry in twice] == ["1", "1"]
    assert [entry["VALUE"] for entry in (await portal.call("crm.company.get", id=number))["PHONE"]] == ["2"]


async def test_an_invoice_number_is_unique(portal):
    fields = {"title": "Счёт", "accountNumber": "С-1", "xmlId": "key"}
    item = (await portal.call("crm.item.add", entityTypeId=31, fields=fields))["item"]

    refusal = await portal.refused("crm.item.add", entityTypeId=31, fields=fields)

    assert (item["stageId"], item["accountNumber"], item["xmlId"]) == ("DT31_9:N", "С-1", "key")
    assert refusal == (400, "CRM_FIELD_ERROR_VALUE_NOT_VALID")


async def test_timeline_comments_belong_to_their_object(portal):
    one, two = await portal.deal(), await portal.deal()
    for deal in (one, two):
        fields = {"ENTITY_ID": deal, "ENTITY_TYPE": "deal", "COMMENT": f"к {deal}"}
        await portal.call("crm.timeline.comment.add", fields=fields)

    comments = await portal.call("crm.timeline.comment.list", filter={"ENTITY_ID": one, "ENTITY_TYPE": "deal"})

    assert [comment["COMMENT"] for comment in comments] == [f"к {one}"]


async def test_a_deleted_deal_is_not_found_any_more(portal):
    number = await portal.deal()

    await portal.call("crm.deal.delete", id=number)

    assert await portal.refused("crm.deal.get", id=number) == (400, "")
    assert await portal.refused("crm.item.get", entityTypeId=2, id=number) == (400, "NOT_FOUND")


async def test_generated_deals_are_spread_over_legal_entities(portal):
    made = (await portal.act("create_deals", count=6, seed=3))["deals"]

    assert [deal["category_id"] for deal in made] == [3, 5, 7, 3, 5, 7]
