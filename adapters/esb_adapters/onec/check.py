"""What `esb check` asks a base before anything is sent to it."""

import re
from collections.abc import Awaitable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from esb_adapters.onec.client import ODataClient
from esb_adapters.onec.configurations import ConfigurationFacts, CounterpartyFacts, DocumentFacts, IncomingFacts
from esb_adapters.onec.lookup import COMMENT
from esb_adapters.onec.poller import find_node
from esb_adapters.onec.resolve import CURRENCIES, ORGANISATIONS, PRODUCTS, Directory
from esb_bus.errors import EndpointDown, EsbError
from esb_bus.landscape import OneCBase

_TYPE = re.compile(r'<(?:EntityType|ComplexType) Name="([^"]+)"')
_PROPERTY = re.compile(r'<Property Name="([^"]+)"')


def read_metadata(edmx: str) -> Mapping[str, frozenset[str]]:
    """Type → its properties. A full `$metadata` has megabytes; two expressions read it faster than a parser."""
    starts = [*_TYPE.finditer(edmx)]
    ends = [*(found.start() for found in starts[1:]), len(edmx)]
    return {
        found[1]: frozenset(_PROPERTY.findall(edmx, found.end(), end)) for found, end in zip(starts, ends, strict=True)
    }


def missing_fields(facts: ConfigurationFacts, published: Mapping[str, frozenset[str]]) -> Iterator[str]:
    """Say every set and property of the table that the base does not publish."""
    for entity_set, names in needed(facts).items():
        if entity_set not in published:
            yield f"{entity_set} is not published: add it to the composition of the OData interface"
            continue
        for name in names:
            section, _, inner = name.rpartition("/")
            owner = f"{entity_set}_{section}_RowType" if section else entity_set
            if inner not in published.get(owner, frozenset()):
                yield f"{entity_set} has no {name}: this release of the configuration differs from our table"


def needed(facts: ConfigurationFacts) -> Mapping[str, Sequence[str]]:
    """Every set of the table with the properties the adapter names in it, those of a section as `Section/Property`."""
    found: dict[str, list[str]] = {}
    for entity_set, names in _needed(facts):
        known = found.setdefault(entity_set, [])
        known.extend(name for name in names if name not in known)
    return found


def _needed(facts: ConfigurationFacts) -> Iterator[tuple[str, Iterable[str]]]:
    yield ORGANISATIONS, ("ИНН",)
    yield CURRENCIES, ("Code",)
    yield PRODUCTS, ("Артикул", "ЕдиницаИзмерения_Key")
    yield facts.unit_set, ("Code",)
    yield from _needed_of_buyers(facts.counterparty)
    if facts.contract is not None:
        terms = facts.contract
        yield terms.entity_set, (terms.organisation, terms.currency, *terms.constants)
    for document in facts.documents.values():
        yield document.entity_set, (*document.properties(), COMMENT, "Number", "Posted")
    for incoming in facts.incoming:
        yield incoming.entity_set, _needed_of_payments(incoming)


def _needed_of_buyers(facts: CounterpartyFacts) -> Iterator[tuple[str, Iterable[str]]]:
    yield facts.entity_set, ("ИНН", "КПП", "НаименованиеПолное", *facts.constants)
    yield facts.entity_set, [facts.ogrn] if facts.ogrn else []
    yield from ((facts.entity_set, values) for values in facts.kinds.values())
    if facts.partner_set is not None:
        yield from ((facts.partner_set, values) for values in facts.partner_kinds.values())


def _needed_of_payments(facts: IncomingFacts) -> Iterator[str]:
    header = (facts.operation, facts.amount, facts.purpose, facts.bank_number, facts.paid_at, facts.currency)
    yield from (name for name in header if name)
    place = f"{facts.section}/" if facts.section else ""
    yield f"{place}{facts.order_reference}"
    if facts.section:
        yield f"{place}{facts.row_amount}"


async def check_base(directory: Directory, base: OneCBase, client: ODataClient) -> list[str]:
    """Return what is wrong with a base, one line each; empty when orders can be sent to it."""
    problems: list[str] = []

    async def ask(question: Awaitable[Any]) -> None:
        try:
            await question
        except EsbError as error:
            problems.append(f"{directory.name}: {error}")

    try:
        published = read_metadata(await client.text("$metadata"))
    except EndpointDown as error:
        return [f"{directory.name}: {error.code}: {error}"]
    except EsbError as error:
        return [f"{directory.name}: $metadata: {error}"]
    problems += [f"{directory.name}: {line}" for line in missing_fields(directory.facts, published)]
    for legal_entity in base.organisations:
        await ask(directory.organisation(legal_entity))
    await ask(directory.warehouse())
    await ask(directory.agreement())
    await ask(directory.currency("RUB"))
    if base.walk_in_counterparty is not None:
        await ask(directory.walk_in())
    if base.exchange_plan is not None:
        await ask(find_node(client, directory.name, base.exchange_plan))
    return problems


def assumptions(base: OneCBase, facts: ConfigurationFacts) -> list[str]:
    """Say what OData cannot be asked about and a person has to know."""
    said = [_number_assumption(document) for document in facts.documents.values() if base.number == "ours"]
    if not facts.is_confirmed:
        said.append(f"{facts.name}: its table was not checked against a real configuration")
    return said


def _number_assumption(document: DocumentFacts) -> str:
    return f"{document.title}: the base is taken to refuse a number twice within a year («контроль уникальности»)"
