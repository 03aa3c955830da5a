"""Money that came or went, invoices that ask for it, and what is still owed."""

from typing import ClassVar

from pydantic import AwareDatetime, Field

from esb_schemas.envelope import Event
from esb_schemas.identifiers import Inn, ObjectKey
from esb_schemas.orders import DocumentRef, OrderState
from esb_schemas.parties import Party
from esb_schemas.values import Money


class InvoiceRequested(OrderState):
    """A customer shall get an invoice for an order; the content is the order's."""

    type = "invoice.requested"

    invoice_key: ObjectKey


class InvoiceIssued(Event):
    """An invoice exists in its base."""

    type = "invoice.issued"

    invoice_key: ObjectKey
    order_key: ObjectKey
    document: DocumentRef
    total: Money


class PaymentState(Event):
    """One payment document of a base.

    `order_key` is None when the base does not tie the payment to an order. `order_paid_total` is the sum of
    all payments for that order at `as_of`, so that a receiver never has to add up; newer `as_of` wins.
    """

    observed: ClassVar[frozenset[str]] = frozenset({"as_of"})

    payment_key: ObjectKey
    order_key: ObjectKey | None = None
    amount: Money = Field(gt=0)
    currency: str = Field(default="RUB", pattern=r"^[A-Z]{3}$")
    paid_at: AwareDatetime
    payer: Party | None = None
    payer_inn: Inn | None = None
    purpose: str = Field(default="", max_length=1000)
    bank_number: str = Field(default="", max_length=50)
    document: DocumentRef
    is_cancelled: bool = False
    order_total: Money | None = None
    order_paid_total: Money | None = None
    as_of: AwareDatetime


class PaymentReceived(PaymentState):
    """A customer's money arrived."""

    type = "payment.received"


class PaymentRefunded(PaymentState):
    """Money went back to a customer; `amount` is positive."""

    type = "payment.refunded"


class DebtChanged(Event):
    """What a counterparty owes us (positive) or we owe it (negative)."""

    type = "debt.changed"

    counterparty_key: ObjectKey
    amount: Money
    currency: str = Field(default="RUB", pattern=r"^[A-Z]{3}$")
    as_of: AwareDatetime


class SettlementClosed(Event):
    """A settlement period of an order or contract was closed: it is paid and shipped in full."""

    type = "settlement.closed"

    object_key: ObjectKey
    closed_at: AwareDatetime


class SettlementOpened(Event):
    """A closed settlement was opened again."""

    type = "settlement.opened"

    object_key: ObjectKey
    opened_at: AwareDatetime
