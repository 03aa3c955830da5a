"""What a transform makes for one endpoint: neutral documents with natural keys (article, INN, order key).

The outbound adapter of the endpoint resolves the natural keys by asking the endpoint and writes its own shape.
"""

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from esb_schemas.identifiers import LegalEntityCode, ObjectKey
from esb_schemas.orders import DocumentRef, OrderState
from esb_schemas.payments import PaymentState
from esb_schemas.registry import MalformedEvent, explain
from esb_schemas.values import DataVersion, Money, Value


class CustomerOrder(Value):
    """A 1C order document («Заказ клиента», «Заказ покупателя»)."""

    kind: Literal["customer_order"] = "customer_order"
    order: OrderState
    is_cancelled: bool = False


class CustomerInvoice(Value):
    """A 1C invoice («Счет на оплату»). With `needs_order` it is based on the order document of the same base."""

    kind: Literal["customer_invoice"] = "customer_invoice"
    invoice_key: ObjectKey
    order: OrderState
    needs_order: bool


class IncomingPayment(Value):
    """A 1C payment document, tied to what it pays.

    "order" and "invoice": not written before that object is in the base. "invoice_if_any": tied to the invoice where
    there is one; whether a shop's customer asked for an invoice is known to the shop only, and its request, if any,
    is ahead of the payment in the same thread.
    """

    kind: Literal["incoming_payment"] = "incoming_payment"
    payment: PaymentState
    waits_for: Literal["order", "invoice", "invoice_if_any"] | None = None


class DealOutcome(Value):
    """What became of an order, for the deal it came from or the deal that carries its origin key."""

    kind: Literal["deal_outcome"] = "deal_outcome"
    order_key: ObjectKey
    status: Literal["accepted", "refused", "invoiced"]
    document: DocumentRef | None = None
    total: Money | None = None
    reason: str = ""


class DealPayment(Value):
    """What has been paid for an order in all, for its deal."""

    kind: Literal["deal_payment"] = "deal_payment"
    order_key: ObjectKey
    payment_key: ObjectKey
    amount: Money
    paid_at: AwareDatetime
    paid_total: Money
    order_total: Money | None
    as_of: AwareDatetime
    document: DocumentRef


Content = Annotated[
    CustomerOrder | CustomerInvoice | IncomingPayment | DealOutcome | DealPayment,
    Field(discriminator="kind"),
]


class Document(BaseModel):
    """One unit of work in `out.<endpoint>`. `key` and `version` are stamped onto the endpoint's object."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    format: Literal[1] = 1
    event_id: str
    event_type: str
    endpoint: str
    legalentity: LegalEntityCode
    key: ObjectKey
    version: DataVersion
    thread: str
    correlationid: str
    content: Content

    @property
    def id(self) -> str:
        return f"{self.event_id}/{self.endpoint}/{self.content.kind}"


_documents = TypeAdapter(Document)


def read_document(body: bytes) -> Document:
    """Read the body of a message of `out.<endpoint>`.

    Raises:
        MalformedEvent: the bytes are not a document.
    """
    try:
        return _documents.validate_json(body)
    except ValidationError as error:
        raise MalformedEvent(explain(error)) from error


def write_document(document: Document) -> bytes:
    return document.model_dump_json().encode()
