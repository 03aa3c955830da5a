"""Natural keys of a document → references of one base, by asking it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from esb_adapters.onec.client import ODataClient
from esb_adapters.onec.configurations import ConfigurationFacts
from esb_adapters.onec.errors import (
    AmbiguousProduct,
    UnknownCounterparty,
    UnknownOrganisation,
    UnknownProduct,
    UnmappedCurrency,
    UnmappedUnit,
    UnmappedVatRate,
    Unresolved,
)
from esb_adapters.onec.mapping import UNKNOWN_UNIT, Product, Ref
from esb_adapters.onec.memory import Answer, Memory
from esb_adapters.onec.protocol import GUID, ZERO_REF, any_of, guid, text
from esb_bus.landscape import OneCBase
from esb_schemas.orders import OrderLine
from esb_schemas.values import VatRate

ORGANISATIONS = "Catalog_Организации"
PRODUCTS = "Catalog_Номенклатура"
CURRENCIES = "Catalog_Валюты"
ACCOUNTS = "ChartOfAccounts_Хозрасчетный"
BATCH = 20
"""Conditions per request: what a production loader sends without trouble."""
BATCH_BYTES = 400
"""Text per request: a Cyrillic letter takes six characters of an address, and IIS takes 2048 of a query."""

CURRENCY_CODES = {
    "RUB": "643",
    "USD": "840",
    "EUR": "978",
    "CNY": "156",
    "BYN": "933",
    "KZT": "398",
    "AMD": "051",
    "KGS": "417",
    "UZS": "860",
    "TRY": "949",
    "AED": "784",
}
"""1C knows currencies by their numeric ISO 4217 code."""

NOT_MARKED = "DeletionMark eq false"
_PRODUCT_FIELDS = "Ref_Key,Артикул,Description,ЕдиницаИзмерения_Key"


class Directory:
    """References of one base.

    Args:
        name: full name of the endpoint, for messages.
        base: its part of the landscape.
        facts: its configuration.
        client: asks it.
        memory: keeps its answers for minutes.
    """

    def __init__(
        self, name: str, base: OneCBase, facts: ConfigurationFacts, client: ODataClient, memory: Memory
    ) -> None:
        self.name = name
        self.base = base
        self.facts = facts
        self.client = client
        self.memory = memory

    async def organisation(self, legal_entity: str) -> Answer:
        """Return `ref` and the `bank_account` of the organisation that stands for a legal entity."""
        key = self.base.organisations.get(legal_entity)
        if key is None:
            raise UnknownOrganisation(
                f"legal_entity: {legal_entity!r} has no organisation in {self.name}: "
                f"add it to [{self.name}] organisations"
            )

        async def ask() -> Answer:
            condition = f"Ref_Key eq {guid(key)}" if GUID.fullmatch(key) else f"ИНН eq {text(key)}"
            found = await self.client.rows(ORGANISATIONS, filter=f"{condition} and {NOT_MARKED}")
            row = self._single(found, UnknownOrganisation, f"organisation {key}", f"[{self.name}] organisations")
            return {"ref": row["Ref_Key"], "bank_account": row.get(self.facts.main_bank_account or "", ZERO_REF)}

        return await self.memory.ask(f"organisation/{key}", ask)

    async def bank_account(self, legal_entity: str, organisation: Answer) -> Ref | None:
        """The account that receives payments: of the landscape, else the organisation's main one."""
        number = self.base.settlement_account.get(legal_entity)
        if number is None:
            ref = organisation["bank_account"]
            return None if ref == ZERO_REF else Ref(self.facts.bank_account_set, ref)

        async def ask() -> Answer:
            condition = f"НомерСчета eq {text(number)} and {NOT_MARKED}"
            found = await self.client.rows(self.facts.bank_account_set, filter=condition)
            mine = [row for row in found if organisation["ref"] in {row.get("Owner_Key"), row.get("Owner")}]
            where = f"[{self.name}] settlement_account"
            return {"ref": self._single(mine or found, Unresolved, f"bank account {number}", where)["Ref_Key"]}

        answer = await self.memory.ask(f"bank_account/{number}", ask)
        return Ref(self.facts.bank_account_set, answer["ref"])

    async def currency(self, code: str) -> Ref:
        numeric = CURRENCY_CODES.get(code)

        async def ask() -> Answer:
            if numeric is None:
                raise UnmappedCurrency(f"currency: {code} has no numeric code known here")
            found = await self.client.rows(CURRENCIES, filter=f"Code eq {text(numeric)} and {NOT_MARKED}")
            return {"ref": self._single(found, UnmappedCurrency, f"currency {code}", "its currencies")["Ref_Key"]}

        return Ref(CURRENCIES, (await self.memory.ask(f"currency/{code}", ask))["ref"])

    async def warehouse(self) -> Answer | None:
        """Return `ref` and `store` of the landscape's warehouse."""
        return await self._named(self.facts.warehouse_set, self.base.warehouse, "warehouse")

    async def agreement(self) -> Ref | None:
        if self.facts.agreement_set is None:
            return None
        found = await self._named(self.facts.agreement_set, self.base.agreement, "agreement")
        return None if found is None else Ref(self.facts.agreement_set, found["ref"])

    async def walk_in(self) -> Answer:
        """Return `ref` and `partner` of the counterparty that stands for persons without INN.

        Raises:
            UnknownCounterparty: the landscape names none, or the base does not have exactly one.
        """
        name = self.base.walk_in_counterparty
        if name is None:
            raise UnknownCounterparty(
                "buyer: has no INN: name the counterparty that stands for such buyers in "
                f"[{self.name}] walk_in_counterparty"
            )

        async def ask() -> Answer:
            found = await self.client.rows(self.facts.counterparty.entity_set, filter=_by_name(name))
            what, where = f"counterparty {name!r}", f"[{self.name}] walk_in_counterparty"
            row = self._single(found, UnknownCounterparty, what, where)
            return {"ref": row["Ref_Key"], "partner": row.get("Партнер_Key", ZERO_REF)}

        return await self.memory.ask(f"walk_in/{name}", ask)

    async def _named(self, entity_set: str, name: str | None, setting: str) -> Answer | None:
        if name is None:
            return None

        async def ask() -> Answer:
            found = await self.client.rows(entity_set, filter=_by_name(name))
            items = [row for row in found if not row.get("IsFolder")]
            row = self._single(items, Unresolved, f"{entity_set} {name!r}", f"[{self.name}] {setting}")
            return {"ref": row["Ref_Key"], "store": row.get(self.facts.store_of_warehouse or "", ZERO_REF)}

        return await self.memory.ask(f"{setting}/{name}", ask)

    async def vat_rates(self, rates: Iterable[VatRate]) -> Mapping[VatRate, Ref | str]:
        return {rate: await self._vat_rate(rate) for rate in dict.fromkeys(rates)}

    async def _vat_rate(self, rate: VatRate) -> Ref | str:
        facts, renamed = self.facts.vat, self.base.vat_rates.get(rate)
        if facts.entity_set is None:
            name = renamed or facts.names.get(rate.value)
            if name is None:
                raise UnmappedVatRate(f"{self.facts.name} has no VAT rate {rate.value}: see [{self.name}] vat_rates")
            return name
        condition = f"Description eq {text(renamed)}" if renamed else facts.filters[rate.value]
        entity_set = facts.entity_set

        async def ask() -> Answer:
            found = await self.client.rows(entity_set, filter=f"{condition} and {NOT_MARKED}")
            what = f"VAT rate {renamed or rate.value}"
            return {"ref": self._single(found, UnmappedVatRate, what, f"[{self.name}] vat_rates")["Ref_Key"]}

        return Ref(entity_set, (await self.memory.ask(f"vat/{condition}", ask))["ref"])

    async def accounts(self, codes: Mapping[str, str]) -> Mapping[str, Ref]:
        """Accounts of the chart by canonical name."""
        return {name: Ref(ACCOUNTS, (await self._account(code))["ref"]) for name, code in codes.items()}

    async def _account(self, code: str) -> Answer:
        async def ask() -> Answer:
            found = await self.client.rows(ACCOUNTS, filter=f"Code eq {text(code)}")
            return {"ref": self._single(found, Unresolved, f"account {code}", "its chart of accounts")["Ref_Key"]}

        return await self.memory.ask(f"account/{code}", ask)

    async def products(self, lines: Sequence[OrderLine]) -> Mapping[str, Product]:
        """Return the product of every article, having checked that each line is in its product's unit."""
        wanted = list(dict.fromkeys(line.article for line in lines))
        known = {article: await self.memory.recall(f"product/{article}") for article in wanted}
        missing = [article for article, answer in known.items() if answer is None]
        for batch in batches(missing):
            known |= await self._ask_products(batch, lines)
        found = {article: answer for article, answer in known.items() if answer is not None}
        for line in lines:
            await self._check_unit(line, found[line.article])
        return {
            article: Product(Ref(PRODUCTS, answer["ref"]), Ref(self.facts.unit_set, answer["unit"]))
            for article, answer in found.items()
        }

    async def service(self, name: str) -> Product:
        """Return the service that stands for a delivery method: the one with its name or its article."""

        async def ask() -> Answer:
            condition = (
                f"(Артикул eq {text(name)} or Description eq {text(name)}) and {NOT_MARKED} and IsFolder eq false"
            )
            found = await self.client.rows(PRODUCTS, filter=condition, select=_PRODUCT_FIELDS)
            if len(found) == 1:
                return {"ref": found[0]["Ref_Key"], "unit": found[0]["ЕдиницаИзмерения_Key"]}
            error = AmbiguousProduct if found else UnknownProduct
            raise error(
                f"delivery: {len(found)} products of {self.name} have the name or article {name!r} of the delivery "
                "method: there must be one, a service: name it like the method, or give it the method's name as article"
            )

        answer = await self.memory.ask(f"service/{name}", ask)
        return Product(Ref(PRODUCTS, answer["ref"]), Ref(self.facts.unit_set, answer["unit"]))

    async def _ask_products(self, articles: list[str], lines: Sequence[OrderLine]) -> dict[str, Answer | None]:
        condition = f"{any_of('Артикул', map(text, articles))} and {NOT_MARKED} and IsFolder eq false"
        rows = await self.client.rows(PRODUCTS, filter=condition, select=_PRODUCT_FIELDS)
        answers: dict[str, Answer | None] = {}
        for article in articles:
            fitting = [row for row in rows if str(row["Артикул"]).strip().lower() == article.strip().lower()]
            row = self._one_product(article, fitting, lines)
            answers[article] = {"ref": row["Ref_Key"], "unit": row["ЕдиницаИзмерения_Key"]}
        for article, answer in answers.items():
            await self.memory.keep(f"product/{article}", answer or {})
        return answers

    def _one_product(self, article: str, found: list[dict[str, Any]], lines: Sequence[OrderLine]) -> dict[str, Any]:
        if len(found) == 1:
            return found[0]
        places = ", ".join(str(number) for number, line in enumerate(lines, start=1) if line.article == article)
        if not found:
            raise UnknownProduct(
                f"line {places}: no product of {self.name} has the article («Артикул») {article!r}: "
                "create it or fill in its article in 1C, or correct the article in the source, then replay"
            )
        names = ", ".join(f"{row['Description']!r}" for row in found)
        raise AmbiguousProduct(
            f"line {places}: {len(found)} products of {self.name} have the article {article!r}: {names}. "
            "Leave it to one of them and replay"
        )

    async def _check_unit(self, line: OrderLine, product: Answer) -> None:
        """A quantity in another unit than the product's would be another quantity."""
        if line.unit == UNKNOWN_UNIT:
            return
        code = self.base.units.get(line.unit, line.unit)

        async def ask() -> Answer:
            found = await self.client.rows(self.facts.unit_set, filter=f"Code eq {text(code)} and {NOT_MARKED}")
            if not found:
                raise UnmappedUnit(
                    f"{line.article}: {self.name} has no unit with the code {code!r}: see [{self.name}] units"
                )
            return {row["Ref_Key"]: code for row in found}

        if product["unit"] not in await self.memory.ask(f"unit/{code}", ask):
            raise UnmappedUnit(
                f"{line.article}: the line is in unit {line.unit}, the product of {self.name} in another one: "
                f"correct the unit in the source or in 1C, or see [{self.name}] units"
            )

    def _single(self, found: list[dict[str, Any]], error: type[Unresolved], what: str, where: str) -> dict[str, Any]:
        if len(found) == 1:
            return found[0]
        count = f"{len(found)} objects fit" if found else "there is no"
        raise error(f"{count} {what} in {self.name}: correct it there or in {where}")


def batches(articles: Sequence[str]) -> Iterator[list[str]]:
    """Split articles into requests that a web server takes."""
    batch: list[str] = []
    size = 0
    for article in articles:
        length = len(quote(article))
        if batch and (len(batch) == BATCH or size + length > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(article)
        size += length
    if batch:
        yield batch


def _by_name(name: str) -> str:
    """`$filter` for an object that the landscape names by reference or by its exact name."""
    condition = f"Ref_Key eq {guid(name)}" if GUID.fullmatch(name) else f"Description eq {text(name)}"
    return f"{condition} and {NOT_MARKED}"
