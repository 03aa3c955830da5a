"""Tables and stand-in profiles against the attribute lists of real 1C configurations."""

import re
from collections.abc import Iterator

import pytest

from esb_adapters.onec.check import needed
from esb_adapters.onec.configurations import ConfigurationFacts, DocumentFacts
from esb_adapters.onec.resolve import ORGANISATIONS
from esb_adapters.onec.tables import configuration
from esb_standins.onec.profile import PROFILES, Field, load_profile

TABLES = ("ut-11.4", "ut-11.5", "bp-3.0", "retail-2", "retail-3")
STANDARD = frozenset(
    {"Ref_Key", "IsFolder", "Number", "Code", "Description", "Date", "Posted", "DeletionMark", "Parent_Key"}
)

NEWER_RATES = {"НДС5", "НДС5_105", "НДС7", "НДС7_107", "НДС22", "НДС22_122"}
"""VAT rates of 2025 and 2026, which 2.2.12 is too old for; a base that trades today has them by its updates."""

DRIFT_OF_BP_3_0_51 = {
    "Catalog_Контрагенты/ИндивидуальныйПредприниматель",
    "Catalog_ДоговорыКонтрагентов/СуммаВключаетНДС",
    "Document_СчетНаОплатуПокупателю/ВидОперации",
    "Document_СчетНаОплатуПокупателю/Товары/Номенклатура",
}
"""What a release of 2017 lacks; `esb check` names it, and such a base has to be updated first."""

SIMPLE = {"String": "string", "Number": "number", "Boolean": "bool", "Date": "date", "UUID": "uuid"}


def shape(attribute):
    """An attribute as the stand-in's grammar tells it: kind, then length, digits or target."""
    types = attribute["types"]
    if len(types) > 1 or types[0].startswith("Characteristic"):
        return ("any",)
    kind, _, target = types[0].partition(".")
    match kind:
        case "String":
            return ("string", attribute.get("length", 0), bool(attribute.get("fixedLength")))
        case "Number":
            return ("number", attribute["digits"], attribute["fraction"])
        case "EnumRef":
            return ("enum", target)
        case "ValueStorage":
            return ("storage",)
    return ("ref", f"{kind.removesuffix('Ref')}_{target}") if target else (SIMPLE.get(kind, "any"),)


def shape_of(field: Field):
    match field.kind:
        case "string":
            return ("string", field.length, field.fixed)
        case "number":
            return ("number", field.digits, field.fraction)
        case "ref" | "enum":
            return (field.kind, field.targets[0])
    return (field.kind,)


def wire_names(attributes):
    """Names on the wire: a single reference has `_Key`, a composite its `_Type` beside it."""
    for attribute in attributes:
        suffixes = {"ref": ("_Key",), "any": ("", "_Type"), "storage": ("_Base64Data", "_Type")}
        for suffix in suffixes.get(shape(attribute)[0], ("",)):
            yield attribute["name"] + suffix


def properties(schema):
    """Every property of a configuration as `Set/Property` or `Set/Section/Property`."""
    for name, entity in schema["objects"].items():
        yield from (f"{name}/{wire}" for wire in (*STANDARD, *wire_names(entity.get("attributes", ()))))
        for section, rows in entity.get("tabularSections", {}).items():
            yield from (f"{name}/{section}/{wire}" for wire in wire_names(rows))


def named(facts: ConfigurationFacts) -> Iterator[str]:
    """Every property the adapter names for a configuration: what `esb check` asks a base for."""
    return (f"{entity_set}/{name}" for entity_set, names in needed(facts).items() for name in names)


def asked_for(facts: ConfigurationFacts) -> Iterator[str]:
    """What the adapter only reads or searches by, where the landscape needs it."""
    lookups = {
        ORGANISATIONS: (facts.main_bank_account,),
        facts.warehouse_set: ("Description", facts.store_of_warehouse),
        facts.bank_account_set: ("НомерСчета",),
        facts.agreement_set: ("Description",),
        facts.counterparty.entity_set: ("Партнер_Key",) if facts.counterparty.partner_set else (),
        facts.vat.entity_set: (name for text in facts.vat.filters.values() for name in compared(text)),
        facts.contract.entity_set if facts.contract else None: compared(
            facts.contract.search if facts.contract else ""
        ),
    }
    return (f"{entity_set}/{name}" for entity_set, names in lookups.items() for name in names if entity_set and name)


def compared(text):
    """Names of properties in a `$filter`."""
    return re.findall(r"([\w/]+) (?:eq|ne) ", text)


def missing(facts, schema):
    """What the adapter names and the configuration lacks; sets the reference does not describe are left out."""
    known = set(properties(schema))
    return {
        path
        for path in (*named(facts), *asked_for(facts))
        if path.split("/")[0] in schema["objects"] and path not in known
    }


def attribute_of(schema, path):
    """The attribute behind `Set/Property` or `Set/Section/Property`, None for a standard one."""
    entity_set, *section, name = path.split("/")
    entity = schema["objects"][entity_set]
    rows = entity["tabularSections"][section[0]] if section else entity["attributes"]
    return next((row for row in rows if name in set(wire_names([row]))), None)


@pytest.mark.parametrize("name", TABLES)
def test_every_property_a_table_names_exists_in_its_release(schema, name):
    assert missing(configuration(name), schema(name)) == set()


def test_what_an_old_release_of_the_accounting_lacks_is_known(schema):
    assert missing(configuration("bp-3.0"), schema("bp-3.0.51.21")) == DRIFT_OF_BP_3_0_51


def constants(facts: ConfigurationFacts):
    """Every value the adapter writes or compares, with its place."""
    for document in facts.documents.values():
        for values in (document.constants, document.cancelled, document.active):
            yield from ((f"{document.entity_set}/{name}", value) for name, value in values.items())
        if document.section:
            section = f"{document.entity_set}/{document.section.name}"
            yield from ((f"{section}/{name}", value) for name, value in document.section.constants.items())
        for value in document.taxation or ():
            yield f"{document.entity_set}/{document.fields['taxation']}", value
    for incoming in facts.incoming:
        yield from ((f"{incoming.entity_set}/{incoming.operation}", value) for value in incoming.received)
    buyer = facts.counterparty
    for entity_set, kinds in ((buyer.entity_set, buyer.kinds), (buyer.partner_set, buyer.partner_kinds)):
        for kind in kinds.values():
            yield from ((f"{entity_set}/{name}", value) for name, value in kind.items())
    if facts.contract:
        yield from ((f"{facts.contract.entity_set}/{name}", value) for name, value in facts.contract.constants.items())


@pytest.mark.parametrize("name", TABLES)
def test_every_value_a_table_writes_fits_its_attribute(schema, name):
    real = schema(name)
    kinds = {bool: "bool", int: "number"}

    for path, value in constants(configuration(name)):
        if path.split("/")[0] not in real["objects"] or value == "":
            continue
        kind, *target = shape(attribute_of(real, path))
        if kind == "enum":
            assert value in {member["name"] for member in real["enums"][target[0]]}, path
        else:
            assert kind == kinds[type(value)], path


def row_place(document: DocumentFacts, canonical: str) -> str:
    if canonical in document.fields:
        return f"{document.entity_set}/{document.fields[canonical]}"
    return f"{document.entity_set}/{document.section.name}/{document.section.fields[canonical]}"


@pytest.mark.parametrize("name", TABLES)
def test_texts_and_keys_have_the_length_of_their_attribute(schema, name):
    real = schema(name)

    for document in configuration(name).documents.values():
        places = {row_place(document, canonical): length for canonical, length in document.lengths.items()}
        if document.key_field:
            places[f"{document.entity_set}/{document.key_field.name}"] = document.key_field.length
        lengths = {path: attribute_of(real, path).get("length", 0) for path in places}
        # An attribute without a limit may still be cut by us.
        assert {path: lengths[path] or length for path, length in places.items()} == places


@pytest.mark.parametrize("name", TABLES)
def test_numbers_are_unique_within_a_year_where_the_table_says_so(schema, name):
    real = schema(name)["objects"]

    for document in configuration(name).documents.values():
        facts = real[document.entity_set]
        told = (facts["NumberLength"], facts["CheckUnique"] == "true", facts["NumberPeriodicity"])
        assert told == ("11", document.number_is_unique, "Year"), document.entity_set


@pytest.mark.parametrize("name", TABLES)
def test_every_vat_rate_is_a_member_of_the_enumeration(schema, name):
    facts, enums = configuration(name), schema(name)["enums"]
    if "СтавкиНДС" not in enums:  # rates are only a catalog there
        assert facts.vat.entity_set
        return

    unknown = set(facts.vat.names.values()) - {member["name"] for member in enums["СтавкиНДС"]}

    assert unknown <= (NEWER_RATES if name == "retail-2" else set())


@pytest.mark.parametrize("name", PROFILES)
def test_every_attribute_of_a_profile_is_that_of_the_configuration(schema, name):
    real = schema(name)["objects"]

    for set_name, entity in load_profile(name).sets.items():
        if entity.is_partial:
            assert set_name not in real, "described by the reference: need not be partial"
        elif entity.kind != "ChartOfAccounts":
            facts = real[set_name]
            assert fields_of(entity.fields) == shapes_of(facts["attributes"]), set_name
            sections = {table: fields_of(rows) for table, rows in entity.tables.items()}
            expected = {table: shapes_of(rows) for table, rows in facts.get("tabularSections", {}).items()}
            assert sections == expected, set_name


def fields_of(fields):
    return [(field.name, shape_of(field)) for field in fields]


def shapes_of(attributes):
    return [(attribute["name"], shape(attribute)) for attribute in attributes]


@pytest.mark.parametrize("name", PROFILES)
def test_every_enumeration_of_a_profile_is_that_of_the_configuration(schema, name):
    real = {enum: [member["name"] for member in members] for enum, members in schema(name)["enums"].items()}

    for enum, members in load_profile(name).enums.items():
        newer = NEWER_RATES if (name, enum) == ("retail-2", "СтавкиНДС") else set()
        # The reference was taken from a base with additions of its owner, marked «ххх_».
        assert set(members) - newer == {member for member in real[enum] if not member.startswith("ххх_")}, enum


def test_accounts_of_the_accounting_exist_in_its_chart(recorded):
    codes = {account["Code"] for account in recorded("onec-samples/bp30-chart-of-accounts.json")["accounts"]}

    for document in configuration("bp-3.0").documents.values():
        assert set(document.accounts.values()) <= codes
