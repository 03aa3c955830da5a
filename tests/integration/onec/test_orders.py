"""Orders into УТ 11.5: found by our number, created once, posted, and left alone where a person was at work."""

import asyncio
from decimal import Decimal

import pytest

from esb_adapters.onec.errors import (
    AmbiguousProduct,
    DeletedInBase,
    Doubled,
    EditedInBase,
    StampMissing,
    UnknownCounterparty,
    UnknownProduct,
    UnmappedUnit,
)
from esb_schemas.orders import Delivery
from esb_schemas.parties import PartyKind
from esb_schemas.values import VatRate
from factories import OPT, SERVICE, VERSION, Where, buyer, order_document, order_line, person

ORDERS = "Document_ЗаказКлиента"
NUMBER = "ИМ000010015"


def order(*args, version=VERSION, native_id="10015", **changes):
    where = Where(native_id=native_id, version=version)
    defaults = {"endpoint": "onec.trade", "legal_entity": OPT, "delivery": None, "where": where}
    return order_document(*args, **{**defaults, **changes})


async def test_a_new_order_is_in_the_base_once_posted_and_stamped(trade):
    delivered = await trade.deliver(order())

    made = await trade.one(ORDERS)
    assert delivered.outcome == "created"
    assert (made["Posted"], made["Number"], made["СуммаДокумента"]) == (True, NUMBER, 3229)
    assert made["Комментарий"].startswith(f"[esb order/website.shop/10015 v{VERSION}] [h")
    assert made["Контрагент_Key"] == trade.seeded("Catalog_Контрагенты", "7812345675")
    assert made["Партнер_Key"] == trade.seeded("Catalog_Партнеры", "7812345675")
    assert made["Организация_Key"] == trade.seeded("Catalog_Организации", "7706123455")


async def test_lines_carry_product_rate_and_codes(trade):
    await trade.deliver(order())

    first, second = (await trade.one(ORDERS))["Товары"]
    assert first["Номенклатура_Key"] == trade.seeded("Catalog_Номенклатура", "RM-0001")
    assert first["СтавкаНДС_Key"] == trade.seeded("Catalog_СтавкиНДС", "22")
    assert (first["СуммаНДС"], first["КодСтроки"], second["КодСтроки"]) == (117.03, "1", "2")


async def test_the_outcome_names_the_document_and_is_the_same_event_when_repeated(trade):
    first = await trade.deliver(order())
    again = await trade.deliver(order())

    (accepted,) = first.events
    assert again.outcome == "unchanged"
    assert again.events[0].id == accepted.id
    assert (accepted.type, accepted.objectkey) == ("order.accepted", "order/website.shop/10015")
    assert (accepted.data.document.number, accepted.data.total) == (NUMBER, Decimal("3229.00"))
    assert accepted.data.document.is_posted


async def test_a_new_order_with_known_references_takes_four_requests(trade):
    await trade.deliver(order())
    trade.requests.clear()

    await trade.deliver(order(native_id="10016"))

    assert [method for method, _ in trade.requests] == ["GET", "POST", "POST", "GET"]


async def test_a_repetition_writes_nothing(trade):
    await trade.deliver(order())
    before = len(await trade.ledger())

    await trade.deliver(order())

    assert len(await trade.ledger()) == before


async def test_a_newer_version_replaces_the_lines_and_keeps_what_people_added_to_them(trade):
    await trade.deliver(order())
    made = await trade.one(ORDERS)
    rows = [{**row, "ВариантОбеспечения": "Отгрузить"} for row in made["Товары"]]
    await trade.edit(ORDERS, NUMBER, Товары=rows, Статус="КОтгрузке", Комментарий=made["Комментарий"] + " позвонить")

    delivered = await trade.deliver(order(3, version=VERSION + 1))

    changed = await trade.one(ORDERS)
    assert delivered.outcome == "updated"
    assert [row["ВариантОбеспечения"] for row in changed["Товары"]] == ["Отгрузить", "Отгрузить", "КОбеспечению"]
    assert [row["КодСтроки"] for row in changed["Товары"]] == ["1", "2", "3"]
    assert changed["Статус"] == "КОтгрузке"
    assert f"v{VERSION + 1}]" in changed["Комментарий"]
    assert changed["Комментарий"].endswith("позвонить")


async def test_an_older_version_changes_nothing(trade):
    await trade.deliver(order(version=VERSION + 5))
    before = await trade.one(ORDERS)

    delivered = await trade.deliver(order(3, version=VERSION))

    assert delivered.outcome == "stale"
    assert await trade.one(ORDERS) == before


async def test_what_a_person_edited_is_not_overwritten(trade):
    await trade.deliver(order())
    made = await trade.one(ORDERS)
    rows = [{**row, "Количество": 7} for row in made["Товары"]]
    await trade.edit(ORDERS, NUMBER, Товары=rows)

    with pytest.raises(EditedInBase, match=rf"{NUMBER}.*changed its lines"):
        await trade.deliver(order(3, version=VERSION + 1))

    assert (await trade.one(ORDERS))["Товары"][0]["Количество"] == 7


async def test_an_edit_of_the_header_does_not_stop_a_change_of_the_lines(trade):
    await trade.deliver(order())
    await trade.edit(ORDERS, NUMBER, АдресДоставки="Спросить у сторожа")

    await trade.deliver(order(3, version=VERSION + 1))
    await trade.deliver(order(2, version=VERSION + 2))

    changed = await trade.one(ORDERS)
    assert (len(changed["Товары"]), changed["АдресДоставки"]) == (2, "Спросить у сторожа")


async def test_an_edit_of_what_the_source_changes_too_is_a_conflict(trade):
    await trade.deliver(order())
    await trade.edit(ORDERS, NUMBER, АдресДоставки="Спросить у сторожа")
    delivery = Delivery(method="Самовывоз", address="Тверская 1", amount=Decimal(0))

    with pytest.raises(EditedInBase, match="changed its header"):
        await trade.deliver(order(version=VERSION + 1, delivery=delivery))


async def test_a_cancelled_order_is_closed_and_stays_in_the_base(trade):
    await trade.deliver(order())

    delivered = await trade.deliver(order(version=VERSION + 1, is_cancelled=True))

    closed = await trade.one(ORDERS)
    assert delivered.outcome == "updated"
    assert (closed["Статус"], closed["DeletionMark"]) == ("Закрыт", False)
    assert all(row["Отменено"] for row in closed["Товары"])


async def test_an_order_that_came_to_life_again_is_open_again(trade):
    await trade.deliver(order())
    await trade.deliver(order(version=VERSION + 1, is_cancelled=True))

    await trade.deliver(order(version=VERSION + 2))

    opened = await trade.one(ORDERS)
    assert opened["Статус"] == "КОбеспечению"
    assert not any(row["Отменено"] for row in opened["Товары"])


async def test_cancelling_what_never_reached_the_base_does_nothing(trade):
    delivered = await trade.deliver(order(is_cancelled=True))

    assert delivered.outcome == "ignored"
    assert await trade.objects(ORDERS) == []


async def test_an_order_marked_for_deletion_is_not_created_again(trade):
    await trade.deliver(order())
    await trade.act("mark_deleted", set=ORDERS, document=NUMBER)

    with pytest.raises(DeletedInBase, match=NUMBER):
        await trade.deliver(order(version=VERSION + 1))

    assert len(await trade.objects(ORDERS)) == 1


async def test_an_order_whose_stamp_was_erased_is_not_created_again(trade):
    await trade.deliver(order())
    await trade.edit(ORDERS, NUMBER, Комментарий="")

    with pytest.raises(StampMissing, match=NUMBER):
        await trade.deliver(order())

    assert len(await trade.objects(ORDERS)) == 1


async def test_a_number_of_another_key_gives_way_to_the_next_salt(trade):
    stamp = "[esb order/website.other/10015 v1]"
    await trade.act("create", set=ORDERS, fields={"Number": NUMBER, "Комментарий": stamp})

    await trade.deliver(order())

    numbers = {row["Number"] for row in await trade.objects(ORDERS)}
    assert len(numbers) == 2
    assert all(len(number) == 11 for number in numbers)


async def test_two_documents_of_one_key_stop_the_thread(trade):
    await trade.deliver(order())
    made = await trade.one(ORDERS)
    await trade.fault("number_uniqueness_off")
    await trade.act("create", set=ORDERS, fields={"Number": NUMBER, "Комментарий": made["Комментарий"]})

    with pytest.raises(Doubled, match="twice"):
        await trade.deliver(order())


async def test_two_orders_of_one_new_buyer_at_once_make_one_buyer(trade):
    newcomer = buyer(name="Новый Сад ООО", inn="7707083893", kpp="770701001")

    await asyncio.gather(*(trade.settle(order(native_id=str(n), buyer=newcomer)) for n in range(1, 5)))

    buyers = [row for row in await trade.objects("Catalog_Контрагенты") if row["ИНН"] == "7707083893"]
    partners = [row for row in await trade.objects("Catalog_Партнеры") if row["Description"] == "Новый Сад ООО"]
    assert (len(buyers), len(partners), len(await trade.objects(ORDERS))) == (1, 1, 4)
    assert buyers[0]["Партнер_Key"] == partners[0]["Ref_Key"]


async def test_a_new_branch_of_a_known_buyer_is_a_buyer_of_its_own(trade):
    await trade.deliver(order(buyer=buyer(kpp="781202002")))

    branches = [row["КПП"] for row in await trade.objects("Catalog_Контрагенты") if row["ИНН"] == "7812345675"]
    assert sorted(branches) == ["781201001", "781202002"]


async def test_a_sole_proprietor_is_found_without_kpp(trade):
    proprietor = buyer(kind=PartyKind.SOLE_PROPRIETOR, name="ИП Тестов", inn="771234567859", kpp=None)

    await trade.deliver(order(buyer=proprietor))

    assert (await trade.one(ORDERS))["Контрагент_Key"] == trade.seeded("Catalog_Контрагенты", "771234567859")


async def test_a_person_without_inn_is_the_walk_in_counterparty(trade):
    await trade.deliver(order(buyer=person()))

    assert (await trade.one(ORDERS))["Контрагент_Key"] == trade.seeded("Catalog_Контрагенты", "7812345675")


async def test_a_person_without_a_walk_in_counterparty_names_the_setting(open_world):
    trade = await open_world(landscape={"walk_in_counterparty": None})

    with pytest.raises(UnknownCounterparty, match=r"\[onec.trade\] walk_in_counterparty"):
        await trade.deliver(order(buyer=person()))


async def test_an_unknown_article_names_article_line_and_base(trade):
    lines = (order_line(), order_line(1, article="RM-9999"))

    with pytest.raises(UnknownProduct, match=r"line 2: no product of onec\.trade .*'RM-9999'"):
        await trade.deliver(order(lines=lines))

    assert await trade.objects(ORDERS) == []


async def test_an_article_of_two_products_is_a_question_for_a_person(trade):
    await trade.act("create", set="Catalog_Номенклатура", fields={"Артикул": "RM-0001", "Description": "Двойник"})

    with pytest.raises(AmbiguousProduct, match="'Двойник'"):
        await trade.deliver(order())


async def test_a_created_product_is_found_at_the_next_attempt(trade):
    lines = (order_line(article="RM-9999"),)
    with pytest.raises(UnknownProduct):
        await trade.deliver(order(lines=lines))
    await trade.act("create", set="Catalog_Номенклатура", fields={"Артикул": "RM-9999", "Description": "Новинка"})

    delivered = await trade.deliver(order(lines=lines))

    assert delivered.outcome == "created"


async def test_another_unit_than_the_products_is_refused(trade):
    with pytest.raises(UnmappedUnit, match="RM-0001"):
        await trade.deliver(order(lines=(order_line(unit="166"),)))


async def test_a_piece_of_a_source_without_units_is_the_products_own_unit(trade):
    delivered = await trade.deliver(order(lines=(order_line(article="RM-0101", unit="796"),)))

    assert delivered.outcome == "created"


@pytest.mark.parametrize("method", ["RM-0501", "Доставка по городу"], ids=["article", "name"])
async def test_delivery_is_a_service_of_the_base_with_the_methods_name_or_article(trade, method):
    delivery = Delivery(method=method, address="Москва", amount=Decimal("490.00"), vat_rate=VatRate.VAT_22)

    await trade.deliver(order(delivery=delivery))

    made = await trade.one(ORDERS)
    assert made["Товары"][-1]["Номенклатура_Key"] == trade.seeded("Catalog_Номенклатура", "RM-0501")
    assert (made["СуммаДокумента"], made["АдресДоставки"]) == (3719, "Москва")


async def test_a_delivery_method_that_is_no_service_says_what_to_make(trade):
    delivery = Delivery(method="Дирижабль", amount=Decimal("490.00"))

    with pytest.raises(UnknownProduct, match="'Дирижабль' of the delivery method"):
        await trade.deliver(order(delivery=delivery))


async def test_each_legal_entity_is_its_own_organisation(trade):
    await trade.deliver(order(legal_entity=SERVICE))

    assert (await trade.one(ORDERS))["Организация_Key"] == trade.seeded("Catalog_Организации", "5032123452")
