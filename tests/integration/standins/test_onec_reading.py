"""Lists, keys, filters and metadata of a 1C base."""

from xml.etree import ElementTree as ET

import pytest

from esb_standins.onec.profile import PROFILES, ZERO_GUID, load_profile

ORDERS = "Document_ЗаказКлиента"


async def test_an_object_is_found_by_key_and_by_filter_alike(trade):
    order = await trade.order(НомерПоДаннымКлиента="10015")

    by_key = (await trade.get(f"{ORDERS}(guid'{order['Ref_Key']}')")).json()
    by_filter = await trade.find(ORDERS, "НомерПоДаннымКлиента eq '10015'")

    assert by_filter == [{name: value for name, value in by_key.items() if name != "odata.metadata"}]


async def test_values_look_as_1c_prints_them(trade):
    order = await trade.order(МаксимальныйКодСтроки=7)

    assert order["МаксимальныйКодСтроки"] == "7"
    assert order["СуммаДокумента"] == 1298
    assert order["Договор_Key"] == ZERO_GUID
    assert order["ДатаОтгрузки"] == "0001-01-01T00:00:00"
    assert order["Статус"] == ""
    assert order["Товары"][0]["LineNumber"] == "1"
    assert order["Товары"][0]["Ref_Key"] == order["Ref_Key"]
    assert list(order)[:7] == [
        "odata.metadata", "Ref_Key", "DataVersion", "DeletionMark", "Number", "Date", "Posted",
    ]  # fmt: skip


async def test_a_composite_attribute_is_a_pair_and_undefined_when_empty(open_base):
    books = await open_base("onec.buh", "bp-3.0")

    payment = await books.create("Document_ПоступлениеНаРасчетныйСчет", СуммаДокумента=1)

    assert (payment["Контрагент"], payment["Контрагент_Type"]) == ("", "StandardODATA.Undefined")


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("Артикул eq 'RM-0001'", 1),
        ("Артикул eq 'rm-0001 '", 1),
        ("Артикул eq 'RM-0001' or Артикул eq 'RM-0002'", 2),
        ("Артикул ne 'RM-0001' and startswith(Артикул,'RM-000')", 8),
        ("not (startswith(Артикул,'RM-0'))", 0),
        ("substringof('секатор', Description) eq true", 1),
        ("like(Description, 'Лейка%')", 2),
        ("endswith(Description, 'саженец')", 1),
        ("СтавкаНДС/Ставка eq 10", 5),
        ("ТипНоменклатуры eq 'Услуга' and DeletionMark eq false and IsFolder eq false", 4),
        ("ЕдиницаИзмерения/Code eq '166'", 4),
        ("Description eq 'Букет «Ромашковое поле»'", 1),
        ("Description eq 'О''Кей'", 0),
        (f"Марка_Key eq guid'{ZERO_GUID}' and Артикул eq 'RM-0001'", 1),
    ],
)
async def test_filters(trade, condition, found):
    matches = await trade.find("Catalog_Номенклатура", condition, select="Ref_Key")

    assert len(matches) == found


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("Date ge datetime'2026-11-20T00:00:00' and Date lt datetime'2026-11-21T00:00:00'", 1),
        ("Date gt datetime'2026-11-20T10:00:00'", 0),
        ("СуммаДокумента gt 1297.99 and СуммаДокумента le 1298", 1),
        ("МаксимальныйКодСтроки eq 0", 1),
        ("Posted eq false", 1),
        ("Товары/any(d: d/Цена gt 600)", 1),
        ("Товары/all(d: d/Цена gt 700)", 0),
        ("year(Date) eq 2026 and СуммаДокумента div 2 eq 649", 1),
    ],
)
async def test_filters_over_documents(trade, condition, found):
    await trade.order()

    matches = await trade.find(ORDERS, condition, select="Ref_Key")

    assert len(matches) == found


async def test_a_composite_attribute_is_found_only_through_a_cast(trade):
    order = await trade.order()
    await trade.create(
        "Document_СчетНаОплатуКлиенту",
        ДокументОснование=order["Ref_Key"],
        ДокументОснование_Type="StandardODATA.Document_ЗаказКлиента",
    )
    bare = f"ДокументОснование eq guid'{order['Ref_Key']}'"
    unequal = f"ДокументОснование ne guid'{order['Ref_Key']}'"
    cast = f"ДокументОснование eq cast(guid'{order['Ref_Key']}','Document_ЗаказКлиента')"

    found = [len(await trade.find("Document_СчетНаОплатуКлиенту", text)) for text in (bare, unequal, cast)]

    assert found == [0, 0, 1]


@pytest.mark.parametrize(
    ("condition", "status", "code"),
    [
        ("Комментарий eq 'x'", 500, "-1"),
        ("substringof('x', Комментарий)", 500, "-1"),
        ("Контрагент_Key gt guid'00000000-0000-0000-0000-000000000001'", 500, "-1"),
        ("Number eq 5", 500, "-1"),
        ("НетТакогоПоля eq 1", 400, "6"),
        ("Number eq", 400, "14"),
        ("length(Number) eq 11", 400, "14"),
        ("Ref_Key eq guid'not-a-guid'", 400, "14"),
        ("Posted eq false and НетТакогоПоля eq 1", 400, "6"),
    ],
)
async def test_refused_filters(trade, condition, status, code):
    response = await trade.get(ORDERS, filter=condition)

    assert (response.status_code, response.json()["odata.error"]["code"]) == (status, code)


async def test_a_plus_is_not_a_blank(trade):
    response = await trade.http.get(f"{ORDERS}?$filter=Number+eq+'1'")

    assert response.status_code == 400


async def test_paging_ordering_counting_and_selecting(trade):
    page = (
        await trade.get(
            "Catalog_Номенклатура", orderby="Артикул desc", top=2, skip=1, select="Артикул", inlinecount="allpages"
        )
    ).json()
    count = await trade.get("Catalog_Номенклатура/$count", filter="Артикул eq 'RM-0001'")

    assert page["value"] == [{"Артикул": "RM-0503"}, {"Артикул": "RM-0502"}]
    assert page["odata.count"] == "32"
    assert count.content == "\ufeff1".encode()


async def test_select_of_a_column_of_a_section(trade):
    await trade.order()

    found = await trade.find(ORDERS, "Posted eq false", select="Number, Товары/Цена")

    assert found[0]["Товары"] == [{"Цена": 649}]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("Catalog_НетТакого", 404, "8"),
        (f"Catalog_Валюты(guid'{ZERO_GUID}')", 404, "9"),
        ("Catalog_Валюты?$select=НетТакого", 400, "6"),
        ("Catalog_Валюты?$expan=Страна", 400, "0"),
        ("Catalog_Валюты/Balance()", 400, "6"),
    ],
)
async def test_refused_addresses(trade, path, status, code):
    response = await trade.http.get(path)

    assert (response.status_code, response.json()["odata.error"]["code"]) == (status, code)


async def test_json_must_be_asked_for(trade):
    response = await trade.http.get("Catalog_Валюты", headers={"Accept": "*/*"})

    assert response.status_code == 400
    assert response.headers["content-type"].startswith("application/xml")


async def test_batch_is_not_implemented(trade):
    response = await trade.post("$batch", {})

    assert response.status_code == 501


async def test_wrong_credentials_get_an_html_401(trade):
    response = await trade.http.get("Catalog_Валюты", headers={"Authorization": "Basic 0J/Rgw=="})

    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith("Basic")
    assert response.headers["content-type"].startswith("text/html")


async def test_metadata_lists_types_without_lengths(trade):
    response = await trade.http.get("$metadata")
    edm = {"edm": "http://schemas.microsoft.com/ado/2009/11/edm"}
    order = ET.fromstring(response.content).find(f".//edm:EntityType[@Name='{ORDERS}']", edm)  # noqa: S314 - our own text

    properties = {item.get("Name"): item.attrib for item in order.findall("edm:Property", edm)}
    assert properties["Контрагент_Key"] == {"Name": "Контрагент_Key", "Type": "Edm.Guid", "Nullable": "true"}
    assert properties["МаксимальныйКодСтроки"]["Type"] == "Edm.Int64"
    assert properties["Товары"]["Type"] == f"Collection(StandardODATA.{ORDERS}_Товары_RowType)"


async def test_service_document_lists_every_set(trade):
    names = {item["name"] for item in (await trade.get("")).json()["value"]}

    assert names == {*load_profile("ut-11.5").sets, "ExchangePlan_ОбменСШиной"}


@pytest.mark.parametrize("profile", PROFILES)
async def test_every_profile_can_be_seeded_and_read_whole(open_base, profile):
    base = await open_base("onec.base", profile, entities=["romashka-retail", "romashka-opt"])

    for name in load_profile(profile).sets:
        assert (await base.get(name)).status_code == 200
    assert len(await base.find("Catalog_Организации", "ИНН eq '7701234560' or ИНН eq '7706123455'")) == 2
