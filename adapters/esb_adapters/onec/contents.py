"""What a document shall contain in one base: its natural keys resolved, its predecessor found."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from esb_adapters.onec.configurations import ConfigurationFacts, DocumentFacts, Kind
from esb_adapters.onec.counterparties import Counterparties
from esb_adapters.onec.errors import NotInConfiguration, UnknownCounterparty
from esb_adapters.onec.lookup import Documents
from esb_adapters.onec.mapping import (
    Content,
    Product,
    Ref,
    Resolved,
    delivery_line,
    invoice_stage,
    lines_of,
    order_content,
    payment_content,
)
from esb_adapters.onec.protocol import ZERO_REF
from esb_adapters.onec.resolve import Directory
from esb_bus.errors import AwaitingPredecessor
from esb_bus.landscape import OneCBase
from esb_bus.ports import WriteGuard
from esb_schemas.documents import CustomerInvoice, CustomerOrder, DealOutcome, DealPayment, Document, IncomingPayment
from esb_schemas.orders import OrderLine, OrderState
from esb_schemas.parties import Party
from esb_schemas.payments import PaymentRefunded, PaymentState
from esb_schemas.values import VatRate


class Contents:
    """Turns documents into content for one base."""

    def __init__(
        self,
        base: OneCBase,
        facts: ConfigurationFacts,
        directory: Directory,
        counterparties: Counterparties,
        documents: Documents,
    ) -> None:
        self._base = base
        self._facts = facts
        self._directory = directory
        self._counterparties = counterparties
        self._documents = documents

    def facts(self, document: Document) -> DocumentFacts:
        """Return the document type of the base that takes `document`.

        Raises:
            NotInConfiguration: the base has none.
        """
        content = document.content
        if isinstance(content, DealOutcome | DealPayment):
            raise NotInConfiguration(f"{content.kind} is not a document of 1C: correct the [[routes]]")
        if document.event_type == PaymentRefunded.type:
            raise NotInConfiguration(f"{self._facts.name}: refunds are not written to 1C: correct the [[routes]]")
        return self._facts.document(content.kind)

    @staticmethod
    def is_cancellation(document: Document) -> bool:
        """Such a document changes what is there and never makes anything new."""
        match document.content:
            case CustomerOrder(is_cancelled=cancelled):
                return cancelled
            case IncomingPayment(payment=payment):
                return payment.is_cancelled
            case _:
                return False

    async def of(self, document: Document, guard: WriteGuard) -> Content:
        """Resolve everything `document` names.

        With `number = "theirs"` our key takes the place of the customer's own number.

        Raises:
            AwaitingPredecessor: what it is based on is not in the base yet.
            Unresolved: something it names is not in the base; a person has to say what is meant.
        """
        facts = self.facts(document)
        if self._base.number == "ours":
            return await self._content(document, facts, guard)
        facts.key_place(document.key)
        content = await self._content(document, facts, guard)
        return replace(content, header={**content.header, "external_number": document.key})

    async def _content(self, document: Document, facts: DocumentFacts, guard: WriteGuard) -> Content:
        zone = self._base.timezone
        match document.content:
            case CustomerOrder(order=order, is_cancelled=is_cancelled):
                known = await self._of_order(document, order, facts, None, guard)
                return order_content(order, facts, known, zone, is_cancelled=is_cancelled)
            case CustomerInvoice(order=order, needs_order=needs_order):
                basis = await self._predecessor("customer_order", order.order_key) if needs_order else None
                known = await self._of_order(document, order, facts, basis, guard)
                content = order_content(order, facts, known, zone)
                has_stages = facts.section is not None and "percent" in facts.section.fields
                return invoice_stage(content) if has_stages else content
            case IncomingPayment(payment=payment, waits_for=waits_for):
                known = await self._of_payment(document, payment, facts, waits_for, guard)
                return payment_content(payment, known, zone)
            case other:
                raise NotInConfiguration(f"{other.kind} is not a document of 1C: correct the [[routes]]")

    async def _of_order(
        self, document: Document, order: OrderState, facts: DocumentFacts, basis: Ref | None, guard: WriteGuard
    ) -> Resolved:
        lines = lines_of(order, facts)
        has_goods = facts.section is not None and "product" in facts.section.fields
        products = await self._products(order, facts) if has_goods else {}
        rates = await self._directory.vat_rates(_rates(order, lines)) if has_goods else {}
        parties = await self._parties(document.legalentity, order.buyer, order.currency, guard)
        warehouse = await self._directory.warehouse()
        return Resolved(
            organisation=parties.organisation,
            counterparty=parties.counterparty,
            partner=parties.partner,
            currency=parties.currency,
            bank_account=parties.bank_account,
            contract=parties.contract,
            warehouse=None if warehouse is None else Ref(self._facts.warehouse_set, warehouse["ref"]),
            store=_ref("Catalog_Магазины", warehouse["store"]) if warehouse else None,
            agreement=await self._directory.agreement(),
            basis=basis,
            products=products,
            vat_rates=rates,
        )

    async def _products(self, order: OrderState, facts: DocumentFacts) -> Mapping[str, Product]:
        products = await self._directory.products(order.lines)
        delivery = delivery_line(order, facts)
        if delivery is None or delivery.article in products:
            return products
        return {**products, delivery.article: await self._directory.service(delivery.article)}

    async def _of_payment(
        self,
        document: Document,
        payment: PaymentState,
        facts: DocumentFacts,
        waits_for: str | None,
        guard: WriteGuard,
    ) -> Resolved:
        if payment.payer is None:
            raise UnknownCounterparty(
                f"payer: payment {payment.payment_key} does not say who paid: fill in the counterparty in its base"
            )
        basis = await self._awaited(payment, waits_for)
        parties = await self._parties(document.legalentity, payment.payer, payment.currency, guard)
        return Resolved(
            organisation=parties.organisation,
            counterparty=parties.counterparty,
            partner=parties.partner,
            currency=parties.currency,
            bank_account=parties.bank_account,
            contract=parties.contract,
            basis=basis,
            accounts=await self._directory.accounts(facts.accounts),
        )

    async def _awaited(self, payment: PaymentState, waits_for: str | None) -> Ref | None:
        if waits_for is None or payment.order_key is None:
            return None
        if waits_for == "order":
            return await self._predecessor("customer_order", payment.order_key)
        invoice_key = payment.order_key.replace("order/", "invoice/", 1)
        if waits_for == "invoice":
            return await self._predecessor("customer_invoice", invoice_key)
        facts = self._facts.document("customer_invoice")
        found = (await self._documents.find(facts, invoice_key)).found
        return None if found is None else Ref(facts.entity_set, found.ref)

    async def _predecessor(self, kind: Kind, key: str) -> Ref:
        facts = self._facts.document(kind)
        found = (await self._documents.find(facts, key)).found
        if found is None:
            raise AwaitingPredecessor(f"{facts.title} {key} is not in the base yet")
        return Ref(facts.entity_set, found.ref)

    async def _parties(self, legal_entity: str, party: Party, currency_code: str, guard: WriteGuard) -> Resolved:
        answer = await self._directory.organisation(legal_entity)
        organisation = Ref("Catalog_Организации", answer["ref"])
        currency = await self._directory.currency(currency_code)
        buyer = await self._counterparties.resolve(party, guard)
        counterparty = Ref(self._facts.counterparty.entity_set, buyer["ref"])
        return Resolved(
            organisation=organisation,
            counterparty=counterparty,
            partner=_ref("Catalog_Партнеры", buyer["partner"]),
            currency=currency,
            bank_account=await self._directory.bank_account(legal_entity, answer),
            contract=await self._counterparties.contract(counterparty, organisation, currency, guard),
        )


def _ref(entity_set: str, ref: str) -> Ref | None:
    return None if ref == ZERO_REF else Ref(entity_set, ref)


def _rates(order: OrderState, lines: Sequence[OrderLine]) -> list[VatRate]:
    delivery = [order.delivery.vat_rate] if order.delivery and order.delivery.amount else []
    return [*(line.vat_rate for line in lines), *delivery]
