"""What would be written to a base for a document, without asking the base: references stay marked natural keys.

`‹Артикул RM-0001›` stands where the base's own reference will be. Pure.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from esb_adapters.onec.configurations import ConfigurationFacts, DocumentFacts
from esb_adapters.onec.errors import NotInConfiguration
from esb_adapters.onec.lookup import COMMENT
from esb_adapters.onec.mapping import (
    Content,
    Product,
    Ref,
    Resolved,
    invoice_stage,
    lines_of,
    new_object,
    order_content,
    payment_content,
)
from esb_adapters.onec.protocol import body
from esb_adapters.onec.resolve import CURRENCIES, ORGANISATIONS, PRODUCTS
from esb_adapters.onec.stamp import Stamp, order_number, write_stamp
from esb_adapters.onec.tables import configuration
from esb_bus.landscape import OneCBase
from esb_schemas.documents import CustomerInvoice, CustomerOrder, Document, IncomingPayment
from esb_schemas.orders import OrderLine, OrderState
from esb_schemas.parties import Party
from esb_schemas.values import VatRate

STORES = "Catalog_Магазины"


@dataclass(frozen=True, slots=True)
class Preview:
    """The create request of a document that the base does not have yet; an existing one is only brought up to date."""

    entity_set: str
    title: str
    values: Mapping[str, Any]


def preview(document: Document, base: OneCBase) -> Preview:
    """Build the request.

    Raises:
        NotInConfiguration: the base has no such document.
        NoKeyField, KeyTooLong: our key has no place in it.
    """
    known = _Marked(document, base, configuration(base.configuration))
    facts, content = known.content()
    # Without the hashes of our fields: they need the references.
    stamp = Stamp(document.key, document.version)
    values = {
        **new_object(content, facts),
        **_key(document.key, base, facts),
        COMMENT: write_stamp(stamp, content.note),
    }
    return Preview(facts.entity_set, facts.title, json.loads(body(values)))


def _key(key: str, base: OneCBase, facts: DocumentFacts) -> dict[str, str]:
    if base.number == "ours":
        return {"Number": order_number(base.number_prefixes.get(key.split("/")[1]), key)}
    return {facts.key_place(key).name: key}


def _mark(entity_set: str, natural_key: str) -> Ref:
    return Ref(entity_set, f"‹{natural_key}›")


@dataclass(frozen=True, slots=True)
class _Marked:
    """A document whose natural keys stand for what only the base knows."""

    document: Document
    base: OneCBase
    facts: ConfigurationFacts

    def content(self) -> tuple[DocumentFacts, Content]:
        zone, content = self.base.timezone, self.document.content
        match content:
            case CustomerOrder(order=order, is_cancelled=is_cancelled):
                facts = self.facts.document(content.kind)
                known = self._of_order(order, facts, basis=None)
                return facts, order_content(order, facts, known, zone, is_cancelled=is_cancelled)
            case CustomerInvoice(order=order, needs_order=needs_order):
                facts = self.facts.document(content.kind)
                basis = self._order_document(order.order_key) if needs_order else None
                made = order_content(order, facts, self._of_order(order, facts, basis), zone)
                has_stages = facts.section is not None and "percent" in facts.section.fields
                return facts, invoice_stage(made) if has_stages else made
            case IncomingPayment(payment=payment):
                facts = self.facts.document(content.kind)
                return facts, payment_content(payment, self._of_payment(content, facts), zone)
        raise NotInConfiguration(f"{content.kind} is not a document of 1C: correct the [[routes]]")

    def _of_order(self, order: OrderState, facts: DocumentFacts, basis: Ref | None) -> Resolved:
        lines = lines_of(order, facts)
        rates = [line.vat_rate for line in lines] + ([order.delivery.vat_rate] if order.delivery else [])
        return self._parties(
            order.buyer,
            order.currency,
            warehouse=self._setting(self.facts.warehouse_set, self.base.warehouse),
            store=_mark(STORES, f"магазин склада {self.base.warehouse}") if self.facts.store_of_warehouse else None,
            agreement=self._setting(self.facts.agreement_set, self.base.agreement),
            basis=basis,
            products=self._products(lines),
            vat_rates={rate: self._vat_rate(rate) for rate in rates},
        )

    def _of_payment(self, content: IncomingPayment, facts: DocumentFacts) -> Resolved:
        payment, basis = content.payment, None
        if payment.order_key and content.waits_for == "order":
            basis = self._order_document(payment.order_key)
        elif payment.order_key and content.waits_for in {"invoice", "invoice_if_any"}:
            invoice = self.facts.document("customer_invoice")
            basis = _mark(invoice.entity_set, payment.order_key.replace("order/", "invoice/", 1))
        accounts = {name: _mark("ChartOfAccounts_Хозрасчетный", code) for name, code in facts.accounts.items()}
        return self._parties(payment.payer, payment.currency, basis=basis, accounts=accounts)

    def _order_document(self, order_key: str) -> Ref:
        return _mark(self.facts.document("customer_order").entity_set, order_key)

    def _parties(self, party: Party | None, currency: str, **others: Any) -> Resolved:
        legal_entity = self.document.legalentity
        buyer = self._buyer(party)
        account = self.base.settlement_account.get(legal_entity, "основной счёт организации")
        contract, partner_set = self.facts.contract, self.facts.counterparty.partner_set
        return Resolved(
            organisation=_mark(ORGANISATIONS, self.base.organisations.get(legal_entity, legal_entity)),
            counterparty=_mark(self.facts.counterparty.entity_set, buyer),
            partner=_mark(partner_set, buyer) if partner_set else None,
            currency=_mark(CURRENCIES, currency),
            bank_account=_mark(self.facts.bank_account_set, account),
            contract=_mark(contract.entity_set, f"договор с {buyer}") if contract else None,
            **others,
        )

    def _buyer(self, party: Party | None) -> str:
        if party is None:
            return "плательщик не назван"
        if party.inn is None:
            return self.base.walk_in_counterparty or "walk_in_counterparty is not set"
        return f"ИНН {party.inn}" + (f" КПП {party.kpp}" if party.kpp else "")

    def _setting(self, entity_set: str | None, name: str | None) -> Ref | None:
        return _mark(entity_set, name) if entity_set and name else None

    def _products(self, lines: Sequence[OrderLine]) -> dict[str, Product]:
        return {
            line.article: Product(
                _mark(PRODUCTS, f"Артикул {line.article}"),
                _mark(self.facts.unit_set, f"ОКЕИ {self.base.units.get(line.unit, line.unit)}"),
            )
            for line in lines
        }

    def _vat_rate(self, rate: VatRate) -> Ref | str:
        renamed, vat = self.base.vat_rates.get(rate), self.facts.vat
        if vat.entity_set is not None:
            return _mark(vat.entity_set, f"НДС {renamed or rate.value}")
        return renamed or vat.names.get(rate.value) or f"‹НДС {rate.value}: no such rate in {self.facts.name}›"
