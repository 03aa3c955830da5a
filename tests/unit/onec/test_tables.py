"""The tables against the attribute lists of real configurations: a field that is not there must not be named."""

import json

import pytest

from esb_adapters.onec.check import missing_fields, read_metadata
from esb_adapters.onec.configurations import OWNED_HEADER, OWNED_LINES, DocumentFacts
from esb_adapters.onec.errors import KeyTooLong, NotInConfiguration
from esb_adapters.onec.tables import CONFIGURATIONS, configuration
from esb_adapters.onec.tables_retail import RETAIL_2_ORDER
from esb_adapters.onec.tables_ut import UT_ORDER
from esb_schemas.values import VatRate
from esb_standins.onec.edmx import metadata
from esb_standins.onec.profile import PROFILES, load_profile
from factories import SAMPLES

NUMBERED = ("Number", "Date", "Комментарий")
DOCUMENTS = [
    pytest.param(name, kind, facts, id=f"{name} {kind}")
    for name, configured in CONFIGURATIONS.items()
    for kind, facts in configured.documents.items()
]
KNOWN = [case for case in DOCUMENTS if case.values[0] in PROFILES]


@pytest.mark.parametrize(("name", "kind", "facts"), KNOWN)
def test_every_property_of_a_document_exists_in_its_configuration(name, kind, facts):
    profile = load_profile(name)

    unknown = [path for path in (*facts.properties(), *NUMBERED) if not profile.has_property(facts.entity_set, path)]

    assert unknown == []


@pytest.mark.parametrize(
    "facts", [pytest.param(facts, id=kind) for kind, facts in CONFIGURATIONS["ut-11.4"].documents.items()]
)
def test_every_property_of_ut_11_4_exists_there(facts):
    fields = json.loads((SAMPLES / "onec" / "fields-ut-11.4.json").read_text("utf-8"))
    named = {*facts.properties()}

    known = {*fields[facts.entity_set], *(f"{facts.section.name}/{name}" for name in _section(fields, facts))}

    assert named - known == set()


def _section(fields, facts):
    return fields[f"{facts.entity_set}/{facts.section.name}"]


def test_ut_11_4_names_settlement_and_supply_as_its_release_does():
    order = configuration("ut-11.4").document("customer_order")

    assert order.constants["ПорядокРасчетов"] == "ПоЗаказамНакладным"
    assert order.section.constants["ВариантОбеспечения"] == "Требуется"


def test_a_wrong_name_would_be_found():
    wrong = DocumentFacts("Document_ЗаказКлиента", "Заказ", {"total": "СуммаЗаказа"})

    assert not all(load_profile("ut-11.5").has_property(wrong.entity_set, path) for path in wrong.properties())


@pytest.mark.parametrize("name", PROFILES)
def test_everything_a_table_needs_is_found_in_the_metadata_of_its_configuration(name):
    profile = load_profile(name)

    published = read_metadata(metadata(profile, profile.sets).decode())

    assert list(missing_fields(configuration(name), published)) == []


def test_metadata_without_a_set_names_it():
    profile = load_profile("ut-11.5")
    sets = {name: entity for name, entity in profile.sets.items() if name != "Document_ЗаказКлиента"}

    missing = list(missing_fields(configuration("ut-11.5"), read_metadata(metadata(profile, sets).decode())))

    assert any(line.startswith("Document_ЗаказКлиента is not published") for line in missing)


def test_metadata_without_what_a_buyer_or_a_contract_is_written_with_names_it():
    profile = load_profile("bp-3.0")
    edmx = metadata(profile, profile.sets).decode().replace('"СуммаВключаетНДС"', '""')
    edmx = edmx.replace('"ИндивидуальныйПредприниматель"', '""')

    missing = list(missing_fields(configuration("bp-3.0"), read_metadata(edmx)))

    for place in ("Catalog_Контрагенты has no Инд", "Catalog_ДоговорыКонтрагентов has no Сумма"):
        assert any(line.startswith(place) for line in missing)


def test_a_set_that_is_not_published_is_named_once():
    missing = list(missing_fields(configuration("ut-11.5"), {}))

    assert len(missing) == len(set(missing))


@pytest.mark.parametrize(("name", "kind", "facts"), KNOWN)
def test_texts_are_cut_by_us_at_the_length_of_their_attribute(name, kind, facts):
    entity = load_profile(name).sets[facts.entity_set]

    for canonical, length in facts.lengths.items():
        inner = facts.section.fields.get(canonical)
        field = (
            entity.by_property[facts.fields[canonical]]
            if canonical in facts.fields
            else next(row for row in entity.tables[facts.section.name] if row.wire_name == inner)
        )

        assert field.length in {0, length}, canonical


@pytest.mark.parametrize(("name", "kind", "facts"), KNOWN)
def test_a_key_field_has_the_stated_length_and_can_be_compared(name, kind, facts):
    if facts.key_field is None:
        return
    field = load_profile(name).sets[facts.entity_set].by_property[facts.key_field.name]

    assert (field.length, field.is_unlimited_text) == (facts.key_field.length, False)
    assert facts.fields["external_number"] == facts.key_field.name


@pytest.mark.parametrize(("name", "kind", "facts"), KNOWN)
def test_numbers_are_eleven_long_and_unique_within_a_year_where_the_table_says_so(name, kind, facts):
    numbering = load_profile(name).sets[facts.entity_set].numbering

    assert (numbering.length, numbering.unique, numbering.period) == (11, facts.number_is_unique, "year")


@pytest.mark.parametrize(("name", "kind", "facts"), KNOWN)
def test_constants_of_enumerations_are_members(name, kind, facts):
    profile = load_profile(name)
    entity = profile.sets[facts.entity_set]

    for source in (facts.constants, facts.cancelled, facts.active):
        for place, value in source.items():
            field = entity.by_property[place]
            if field.kind == "enum" and value:
                assert value in profile.enums[field.targets[0]], place


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_the_ids_of_a_counterparty_exist_in_its_configuration(name):
    if name not in PROFILES:
        return
    facts, profile = configuration(name).counterparty, load_profile(name)

    names = {"ИНН", "КПП", *facts.constants, *(key for kind in facts.kinds.values() for key in kind)}

    assert all(profile.has_property(facts.entity_set, path) for path in names)


@pytest.mark.parametrize("name", [name for name, facts in CONFIGURATIONS.items() if facts.vat.entity_set])
def test_a_catalog_of_rates_can_be_asked_for_every_rate(name):
    assert set(configuration(name).vat.filters) == {rate.value for rate in VatRate}


def test_a_document_type_the_configuration_lacks_names_both():
    with pytest.raises(NotInConfiguration, match=r"retail-2 has no customer invoices"):
        configuration("retail-2").document("customer_invoice")


def test_a_configuration_without_a_table_is_refused():
    with pytest.raises(NotInConfiguration, match="'custom'"):
        configuration("custom")


def test_a_key_that_does_not_fit_is_refused_and_never_cut():
    assert UT_ORDER.key_place("order/website.shop/10015").name == "НомерПоДаннымКлиента"

    with pytest.raises(KeyTooLong, match="24 characters"):
        RETAIL_2_ORDER.key_place("order/website.shop/10015")


@pytest.mark.parametrize(("name", "kind", "facts"), DOCUMENTS)
def test_owned_fields_are_a_part_of_what_is_written(name, kind, facts):
    lines = facts.section.fields if facts.section else {}

    assert any(field in facts.fields for field in OWNED_HEADER)
    assert not lines or any(field in lines for field in OWNED_LINES)


def test_what_nobody_checked_says_so():
    assert [name for name, facts in CONFIGURATIONS.items() if not facts.is_confirmed] == ["bp-2.0"]
