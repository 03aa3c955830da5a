"""Orders: what a customer wants, and what became of it in 1C."""

from decimal import Decimal
from typing import Self

from pydantic import AwareDatetime, Field, model_validator

from esb_schemas.envelope import Event
from esb_schemas.identifiers import ObjectKey
from esb_schemas.parties import Party
from esb_schemas.values import Money, Okei, Price, Quantity, Value, VatRate

ROUNDING_PER_LINE = Decimal("0.01")


class OrderLine(Value):
    """One position. `amount` has VAT inside and is after discounts; `vat_amount` is the VAT within it."""

    article: str = Field(min_length=1, max_length=50)
    name: str = Field(max_length=1000)
    quantity: Quantity
    unit: Okei = "796"
    price: Price
    amount: Money = Field(ge=0)
    vat_rate: VatRate
    vat_amount: Money = Field(ge=0)

    @model_validator(mode="after")
    def _no_vat_without_a_rate(self) -> Self:
        if self.vat_rate in {VatRate.NONE, VatRate.VAT_0} and self.vat_amount:
            raise ValueError(f"a VAT amount of {self.vat_amount} at the rate {self.vat_rate.value!r}")
        return self


class Delivery(Value):
    """How the goods get there; `amount` has VAT inside and belongs to the order's total."""

    method: str = Field(max_length=200)
    article: str | None = Field(default=None, min_length=1, max_length=50)
    """Article of the service it is sold as; receivers without fields for delivery need it."""
    address: str | None = Field(default=None, max_length=1000)
    amount: Money = Field(ge=0)
    vat_rate: VatRate = VatRate.NONE


class OrderState(Event):
    """The whole order. Amounts are in `currency` with VAT inside; `total` is what the customer pays."""

    order_key: ObjectKey
    number: str = Field(min_length=1, max_length=50)
    placed_at: AwareDatetime
    buyer: Party
    lines: tuple[OrderLine, ...] = Field(min_length=1)
    delivery: Delivery | None = None
    total: Money = Field(ge=0)
    currency: str = Field(default="RUB", pattern=r"^[A-Z]{3}$")
    payment_method: str = Field(default="", max_length=200)
    comment: str = Field(default="", max_length=4000)

    @model_validator(mode="after")
    def _total_is_the_sum(self) -> Self:
        parts = sum((line.amount for line in self.lines), Decimal(0))
        if self.delivery is not None:
            parts += self.delivery.amount
        if abs(parts - self.total) > ROUNDING_PER_LINE * len(self.lines):
            raise ValueError(f"the total {self.total} is not the sum of lines and delivery, {parts}")
        return self


class OrderPlaced(OrderState):
    """A customer has placed an order."""

    type = "order.placed"


class OrderChanged(OrderState):
    """An order that was placed before has other content now."""

    type = "order.changed"


class OrderCancelled(OrderState):
    """An order is no longer wanted. Its content is the last one known."""

    type = "order.cancelled"

    reason: str = Field(default="", max_length=1000)


class DocumentRef(Value):
    """A document in a base, as a person finds it: by number and date."""

    endpoint: str
    kind: str
    ref: str
    number: str
    date: AwareDatetime | None = None
    is_posted: bool = False


class OrderAccepted(Event):
    """The order is in its base, posted, at the stated version."""

    type = "order.accepted"

    order_key: ObjectKey
    document: DocumentRef
    total: Money


class OrderRefused(Event):
    """The order did not reach its base; a person has to act, `reason` says what on."""

    type = "order.refused"

    order_key: ObjectKey
    endpoint: str
    queue: str
    code: str
    reason: str


class DealTransferred(Event):
    """A deal was moved to another legal entity on purpose; the order follows it."""

    type = "deal.transferred"

    order_key: ObjectKey
    from_legal_entity: str
    to_legal_entity: str
