"""What the adapter must know of each 1C configuration, as values; the values themselves are in `tables.py`.

A document type is described by canonical names («counterparty», «amount») and the property each is written to.
What a configuration lacks is simply not in its table. Names drift between releases, so `esb check` holds a table
against the `$metadata` of the real base.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from esb_adapters.onec.errors import KeyTooLong, NoKeyField, NotInConfiguration
from esb_schemas.parties import PartyKind

Kind = Literal["customer_order", "customer_invoice", "incoming_payment"]

TITLES: Mapping[Kind, str] = {
    "customer_order": "customer orders",
    "customer_invoice": "customer invoices",
    "incoming_payment": "incoming payments",
}

OWNED_HEADER = (
    "organisation",
    "counterparty",
    "partner",
    "currency",
    "external_number",
    "external_date",
    "delivery_address",
    "delivery_amount",
    "is_cancelled",
)
"""Header fields the source of an order owns. Everything else is filled once and then belongs to people."""

OWNED_LINES = (
    "product",
    "quantity",
    "packages",
    "price",
    "amount",
    "amount_with_vat",
    "vat_rate",
    "vat_amount",
    "is_cancelled",
)


@dataclass(frozen=True, slots=True)
class TextField:
    """A string property of limited length, which `$filter` can compare."""

    name: str
    length: int


@dataclass(frozen=True, slots=True)
class Section:
    """A tabular section. `number_lines` names properties that get the number of their row."""

    name: str
    fields: Mapping[str, str]
    constants: Mapping[str, Any] = field(default_factory=dict)
    number_lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DocumentFacts:
    """One document type.

    Attributes:
        entity_set: OData name.
        title: what people call it.
        fields: canonical name → property. A property without `_Key` that gets a reference is composite and
            gets its `_Type` too.
        constants: written once, when the document is made.
        section: the tabular section with the lines.
        lengths: texts that are cut by us, not silently by the base.
        key_field: where our key lives with `number = "theirs"`; None where no comparable field can hold it.
        number_is_unique: the configuration checks `Number` within a calendar year.
        cancelled: header values that say «no longer wanted».
        active: header values that say the opposite.
        unposted_when_cancelled: a cancelled document is unposted instead.
        accounts: canonical name → code in the chart of accounts; in the header or in the section.
        taxation: values of «НалогообложениеНДС» for sales with and without VAT.
    """

    entity_set: str
    title: str
    fields: Mapping[str, str]
    constants: Mapping[str, Any] = field(default_factory=dict)
    section: Section | None = None
    lengths: Mapping[str, int] = field(default_factory=dict)
    key_field: TextField | None = None
    number_is_unique: bool = True
    cancelled: Mapping[str, Any] = field(default_factory=dict)
    active: Mapping[str, Any] = field(default_factory=dict)
    unposted_when_cancelled: bool = False
    accounts: Mapping[str, str] = field(default_factory=dict)
    taxation: tuple[str, str] | None = None

    def key_place(self, key: str) -> TextField:
        """Return the field that holds `key` and is searched by it.

        Raises:
            NoKeyField: the document type has none.
            KeyTooLong: the key does not fit it; a cut key would be another key.
        """
        if self.key_field is None:
            raise NoKeyField(
                f"{self.title} has no field that can hold {key!r} and be searched by it: "
                'set number = "ours" for this base'
            )
        if len(key) > self.key_field.length:
            raise KeyTooLong(
                f"{key!r} has {len(key)} characters, {self.title}.{self.key_field.name} holds "
                f'{self.key_field.length}: set number = "ours" for this base, or shorten the endpoint\'s name'
            )
        return self.key_field

    def properties(self) -> Iterator[str]:
        """Yield every property the mapping names, those of the section as `Section/Property`."""
        yield from self.fields.values()
        yield from (*self.constants, *self.cancelled, *self.active)
        if self.key_field is not None:
            yield self.key_field.name
        if self.section is not None:
            inner = (*self.section.fields.values(), *self.section.constants, *self.section.number_lines)
            yield from (f"{self.section.name}/{name}" for name in inner)


@dataclass(frozen=True, slots=True)
class CounterpartyFacts:
    """How a buyer is written. `kinds` are the values that tell organisations from persons."""

    kinds: Mapping[PartyKind, Mapping[str, Any]]
    entity_set: str = "Catalog_Контрагенты"
    constants: Mapping[str, Any] = field(default_factory=dict)
    full_name_length: int = 250
    partner_set: str | None = None
    partner_kinds: Mapping[PartyKind, Mapping[str, Any]] = field(default_factory=dict)
    ogrn: str | None = None
    has_folders: bool = False


@dataclass(frozen=True, slots=True)
class VatFacts:
    """VAT rates: an enumeration's names, or a catalog that is asked by `filters`."""

    names: Mapping[str, str]
    entity_set: str | None = None
    filters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ContractFacts:
    """Contracts («договоры»), where a document cannot do without one."""

    entity_set: str
    organisation: str
    currency: str
    constants: Mapping[str, Any]
    search: str
    owner_is_composite: bool = False


@dataclass(frozen=True, slots=True)
class IncomingFacts:
    """How a payment document of the base is read."""

    entity_set: str
    operation: str
    received: tuple[str, ...]
    amount: str
    order_reference: str
    order_set: str
    purpose: str | None = "НазначениеПлатежа"
    bank_number: str | None = "НомерВходящегоДокумента"
    paid_at: str | None = None
    row_amount: str = "Сумма"
    section: str = "РасшифровкаПлатежа"
    currency: str = "Валюта_Key"
    order_is_composite: bool = True


@dataclass(frozen=True, slots=True)
class ConfigurationFacts:
    """One configuration."""

    name: str
    counterparty: CounterpartyFacts
    vat: VatFacts
    unit_set: str
    bank_account_set: str
    warehouse_set: str = "Catalog_Склады"
    store_of_warehouse: str | None = None
    main_bank_account: str | None = None
    agreement_set: str | None = None
    contract: ContractFacts | None = None
    documents: Mapping[Kind, DocumentFacts] = field(default_factory=dict)
    incoming: tuple[IncomingFacts, ...] = ()
    is_confirmed: bool = True

    def document(self, kind: Kind) -> DocumentFacts:
        """Return the facts of one document type.

        Raises:
            NotInConfiguration: there is none.
        """
        facts = self.documents.get(kind)
        if facts is None:
            raise NotInConfiguration(
                f"{self.name} has no {TITLES[kind]}: correct the [[routes]] that send them to this base"
            )
        return facts


def composite(entity_set: str) -> str:
    """The `_Type` of a reference in a composite property."""
    return f"StandardODATA.{entity_set}"
