"""What a run is judged by: what was sent, what the bases wrote, which letters lie in the broker. Plain values."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class SentOrder:
    """An order as its source holds it now.

    Attributes:
        key: `order/<endpoint>/<native id>`.
        accepted_at: when the webhook that announced it was answered with 200, seconds of Unix time; None when only a
            poll can have brought it.
    """

    key: str
    legal_entity: str
    total: Decimal
    is_cancelled: bool = False
    wants_invoice: bool = False
    accepted_at: float | None = None


@dataclass(frozen=True, slots=True)
class SentPayment:
    """A payment that an accountant entered; `order_key` is the order it pays."""

    key: str
    order_key: str


@dataclass(frozen=True, slots=True)
class Row:
    """One committed write in the ledger of a base. `key` and `version` are those of the bus, None where it left none.

    Attributes:
        legal_entity: whose organisation the object names, None when the base knows none such.
    """

    base: str
    sequence: int
    time: float
    set: str
    ref: str
    number: str
    key: str | None
    version: int | None
    legal_entity: str | None
    is_deleted: bool
    is_posted: bool


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A dead letter; `thread` is the order it belongs to, `object` the key of the document, as far as they are told."""

    id: str
    queue: str
    reason: str
    error: str
    thread: str
    object: str


@dataclass(frozen=True, slots=True)
class Outage:
    """When a base was down, seconds of Unix time."""

    base: str
    began: float
    ended: float


@dataclass(frozen=True, slots=True)
class Placement:
    """Where things belong: legal entity → base of its orders, and the base of all invoices and payments."""

    order_base: Mapping[str, str]
    invoice_base: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that was found. `totals` is the sum of a document by (base, reference)."""

    orders: tuple[SentOrder, ...]
    payments: tuple[SentPayment, ...]
    rows: tuple[Row, ...]
    totals: Mapping[tuple[str, str], Decimal]
    letters: tuple[DeadLetter, ...]
    outages: tuple[Outage, ...] = ()


def invoice_key(order_key: str) -> str:
    """`order/website.shop/10015` → `invoice/website.shop/10015`."""
    return "invoice/" + order_key.partition("/")[2]
