"""The stand-in and the adapter against what real 1C bases answered."""

import json
from xml.etree import ElementTree as ET

import pytest

from esb_adapters.onec import errors
from esb_adapters.onec.check import missing_fields, read_metadata
from esb_adapters.onec.payments import COUNTERPARTIES, payer, payer_reference, set_of
from esb_adapters.onec.protocol import counter, moment, read_answer
from esb_adapters.onec.stamp import read_stamp
from esb_adapters.onec.tables import configuration
from esb_bus.errors import EsbError, PermanentError, RetryableError
from esb_schemas.parties import Party, PartyKind
from esb_schemas.values import VatRate
from esb_standins import company
from esb_standins.onec.edmx import metadata
from esb_standins.onec.entity import applied, blank
from esb_standins.onec.profile import load_profile
from esb_standins.onec.wire import with_links

METADATA = "onec-samples/trade_demo_8.5/msg001_metadata.xml"
CHANGES = "onec-samples/trade_demo_8.5"

OLDER_PROPERTIES = {
    "Catalog_Контрагенты": {"НДСПоСтавкам4и2"},
    "Catalog_Контрагенты_ИсторияНаименований_RowType": {"НаименованиеПолное"},
    "Catalog_Номенклатура": {"ПодакцизныйТовар", "КодОКВЭД2_Key", "НаименованиеЯзык1", "НаименованиеЯзык2"},
    "Catalog_Номенклатура_Представления_RowType": {"Наименование"},
    "Document_ЗаказКлиента_Товары_RowType": {"ВариантОбеспеченияДоИзмененияОбновлениемИБ"},
}
"""Renamed or dropped between the recorded release of 11.5 and the one of our profile, beside all «Удалить…»."""

OLDER_BP = {"Catalog_Номенклатура": {"МолочнаяПродукция"}}
SINGLE_ENTITIES = (
    "Catalog_Банки",
    "Catalog_БанковскиеСчета",
    "Catalog_Валюты",
    "Catalog_ДоговорыКонтрагентов",
    "Catalog_Контрагенты",
    "Catalog_Номенклатура",
    "Catalog_Склады",
    "Document_РеализацияТоваровУслуг_1",
)


def local(tag):
    return tag.rpartition("}")[2]


def parse(text):
    return ET.fromstring(text)  # noqa: S314  files of our own choice


def structure(edmx):
    """Types → their properties in order, each with type and whether it may be empty."""
    found = {}
    for element in parse(edmx).iter():
        if local(element.tag) in {"EntityType", "ComplexType"}:
            inner = [child.attrib for child in element if local(child.tag) == "Property"]
            found[element.get("Name")] = {item["Name"]: (item["Type"], item["Nullable"]) for item in inner}
    return found


@pytest.fixture(scope="module")
def real(reference):
    return structure((reference / METADATA).read_text("utf-8"))


@pytest.fixture(scope="module")
def imitated():
    profile = load_profile("ut-11.5")
    return structure(metadata(profile, profile.sets).decode())


def attributes(names):
    """Without the standard properties, whose order in `$metadata` is the platform's own."""
    return [name for name in names if not name.isascii()]


def test_metadata_of_the_stand_in_has_the_types_of_the_real_one(real, imitated):
    shared = real.keys() & imitated.keys()
    both = {(name, field) for name in shared for field in real[name].keys() & imitated[name].keys()}

    different = {place for place in both if real[place[0]][place[1]] != imitated[place[0]][place[1]]}

    assert len(shared) > 20
    assert different == set()


def test_metadata_of_the_stand_in_lacks_only_what_later_releases_dropped(real, imitated):
    lacking = {
        name: {field for field in real[name].keys() - imitated[name].keys() if not field.startswith("Удалить")}
        for name in real.keys() & imitated.keys()
    }

    assert {name: fields for name, fields in lacking.items() if fields} == OLDER_PROPERTIES


def test_metadata_of_the_stand_in_keeps_the_order_of_the_real_one(real, imitated):
    reordered = {"Catalog_Номенклатура"}  # by a later release

    for name in (real.keys() & imitated.keys()) - reordered:
        ours = [field for field in attributes(imitated[name]) if field in real[name]]
        theirs = [field for field in attributes(real[name]) if field in imitated[name]]
        assert ours == theirs, name


def test_the_check_of_a_base_reads_real_metadata(reference):
    published = read_metadata((reference / METADATA).read_text("utf-8"))

    missing = list(missing_fields(configuration("ut-11.5"), published))

    assert published["Document_ЗаказКлиента"] > {"Ref_Key", "НомерПоДаннымКлиента", "Контрагент_Key"}
    assert missing
    assert all("is not published" in line for line in missing)


@pytest.fixture(scope="module")
def accounting():
    return load_profile("bp-3.0")


def stored(entity_set, entity, enums):
    """What the stand-in answers for an object with these values; values of enumerations that are gone stay away."""
    known = {
        name: value
        for name, value in entity.items()
        if (field := entity_set.by_property.get(name)) is None
        or field.kind != "enum"
        or not value
        or value in enums.get(field.targets[0], (value,))
    }
    written = applied(blank(entity_set, entity["Ref_Key"]), entity_set, known, enums)
    return with_links(written, entity_set)


def kinds(value):
    """The JSON kind of a value: a number is a number, a row the kinds of its members."""
    if isinstance(value, list):
        return [{name: kinds(inner) for name, inner in row.items()} for row in value]
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


@pytest.mark.parametrize("name", SINGLE_ENTITIES)
def test_the_stand_in_answers_an_object_as_a_real_base_does(reference, accounting, name):
    recorded = json.loads((reference / f"onec-samples/bp30-json/{name}.json").read_text("utf-8"))
    entity_set = accounting.sets[name.removesuffix("_1")]

    answer = stored(entity_set, recorded, accounting.enums)

    names = [field for field in recorded if field in answer]
    unknown = {field for field in recorded if field not in answer}
    assert unknown == OLDER_BP.get(name, set())
    assert names == [field for field in answer if field in recorded]
    assert_same_kinds({field: recorded[field] for field in names}, answer)


def assert_same_kinds(recorded, answer):
    for name, value in recorded.items():
        if isinstance(value, list):
            for row, ours in zip(value, answer[name], strict=True):
                assert_same_kinds({field: row[field] for field in row if field in ours}, ours)
        else:
            assert kinds(value) == kinds(answer[name]), name


MEANINGS = {
    "entity set unknown or not published": errors.NotPublished,
    "no instance with this key": errors.NotFound,
    "posting refused": errors.PostingRefused,
    "row-level or object rights": errors.AccessDenied,
    "managed lock timeout": errors.LockConflict,
    "prohibition date": errors.PeriodClosed,
}
"""What the bus must do about an error of the base; all others are refusals that a person reads."""


@pytest.mark.parametrize("write", [False, True], ids=["read", "write"])
def test_every_recorded_error_has_the_verdict_it_means(recorded, write):
    judged = {}
    for error in recorded("onec-samples/errors.json")["errors"]:
        body = error["body_xml"] if "body_xml" in error else json.dumps(error["body"], ensure_ascii=False)
        with pytest.raises(EsbError) as caught:
            read_answer(error["http"], body.encode(), write=write)
        judged[error["when"]] = type(caught.value)
        assert isinstance(caught.value, PermanentError | RetryableError), error["when"]
        assert str(caught.value).strip()

    assert judged == {when: MEANINGS.get(when, errors.RefusedByBase) for when in judged}
    assert MEANINGS.keys() <= judged.keys()


def entries(reference):
    """What the recorded exchange messages hand out, read from Atom as JSON would show it."""
    for path in sorted((reference / CHANGES).glob("msg00[2-9]*.xml")):
        yield from (read_entry(entry) for entry in parse(path.read_text("utf-8")) if local(entry.tag) == "entry")


def read_entry(entry):
    parts = {local(part.tag): part for part in entry.iter()}
    values = {local(child.tag): value_of(child) for child in parts["properties"]}
    return {"odata.type": parts["category"].get("term"), **values}


def value_of(element):
    if len(element):
        return [{local(child.tag): value_of(child) for child in row} for row in element]
    text = element.text or ""
    return {"true": True, "false": False}.get(text, text)


@pytest.fixture(scope="module")
def objects(reference):
    """Catalog items and documents; a message carries record sets of registers beside them."""
    found = [entry for entry in entries(reference) if "Ref_Key" in entry]
    assert len(found) < sum(1 for _ in entries(reference))
    return found


@pytest.fixture
def orders(objects):
    return [item for item in objects if set_of(item) == "Document_ЗаказКлиента"]


def test_recorded_changes_tell_their_set_and_a_version_that_has_grown(objects):
    assert {set_of(item) for item in objects} == {
        "Catalog_Номенклатура",
        "Catalog_Контрагенты",
        "Document_ЗаказКлиента",
    }
    assert all(counter(item["DataVersion"]) > 0 for item in objects)


def test_recorded_orders_have_dates_and_no_stamp_of_ours(orders):
    assert orders
    assert all(moment(order["Date"], "Europe/Moscow") for order in orders)
    assert all(read_stamp(order["Комментарий"]) is None for order in orders)
    assert all(payer_reference(order) for order in orders)


def test_recorded_orders_have_every_property_the_adapter_writes(orders):
    facts = configuration("ut-11.5").document("customer_order")

    for order in orders:
        assert {name for name in facts.properties() if "/" not in name} <= order.keys()
        section = {name.partition("/")[2] for name in facts.properties() if "/" in name}
        assert all(section <= row.keys() for row in order[facts.section.name])


def test_recorded_counterparties_become_parties(objects, reference):
    trade = configuration("ut-11.5").counterparty
    found = [payer(item, trade) for item in objects if set_of(item) == COUNTERPARTIES]
    accounting = json.loads((reference / f"onec-samples/bp30-json/{COUNTERPARTIES}.json").read_text("utf-8"))
    found.append(payer(accounting, configuration("bp-3.0").counterparty))

    assert all(isinstance(party, Party) and party.name for party in found)
    assert found[-1].kind is PartyKind.ORGANISATION
    assert found[-1].inn == accounting["ИНН"]


def test_every_unit_of_ours_is_in_the_classifier(recorded):
    table = recorded("onec-samples/okei.json")
    symbols = {row[0]: row[2] for row in table["rows"]}

    assert {unit.okei for unit in company.UNITS} <= symbols.keys()
    assert symbols["796"].startswith("шт")


def test_recorded_rows_carry_rates_the_tables_know(reference):
    sale = json.loads((reference / "onec-samples/bp30-json/Document_РеализацияТоваровУслуг_1.json").read_text("utf-8"))
    names = configuration("bp-3.0").vat.names

    rates = {row["СтавкаНДС"] for row in sale["Товары"]}

    assert rates <= set(names.values())
    assert set(names) == {rate.value for rate in VatRate}
