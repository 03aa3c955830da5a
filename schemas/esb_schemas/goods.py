"""Products, prices, stock, and the papers that go with goods and services delivered."""

from pydantic import AwareDatetime, Field

from esb_schemas.envelope import Event
from esb_schemas.identifiers import ObjectKey
from esb_schemas.orders import DocumentRef, OrderLine
from esb_schemas.values import Money, Okei, Price, StockLevel, Value, VatRate


class ProductChanged(Event):
    """A product card was created or changed in the base that owns the catalogue."""

    type = "product.changed"

    product_key: ObjectKey
    article: str = Field(min_length=1, max_length=50)
    name: str = Field(max_length=1000)
    unit: Okei = "796"
    vat_rate: VatRate
    is_service: bool = False
    is_archived: bool = False


class PriceChanged(Event):
    """A price of a product in one price type of the landscape."""

    type = "price.changed"

    article: str = Field(min_length=1, max_length=50)
    price_type: str
    price: Price
    currency: str = Field(default="RUB", pattern=r"^[A-Z]{3}$")
    valid_from: AwareDatetime


class StockChanged(Event):
    """How much of a product can be sold from a warehouse."""

    type = "stock.changed"

    article: str = Field(min_length=1, max_length=50)
    warehouse: str
    available: StockLevel
    as_of: AwareDatetime


class PaperState(Event):
    """A posted document that follows from an order."""

    order_key: ObjectKey | None = None
    document: DocumentRef
    total: Money = Field(ge=0)
    is_cancelled: bool = False


class ShipmentPosted(PaperState):
    """Goods left us."""

    type = "shipment.posted"

    lines: tuple[OrderLine, ...] = Field(min_length=1)


class ActPosted(PaperState):
    """Services were delivered and an act («акт») exists."""

    type = "act.posted"

    lines: tuple[OrderLine, ...] = Field(min_length=1)


class TaxInvoiceDetails(Value):
    """Numbers a счёт-фактура carries."""

    number: str = Field(max_length=50)
    issued_at: AwareDatetime
    vat_amount: Money = Field(ge=0)


class TaxInvoiceIssued(PaperState):
    """A tax invoice («счёт-фактура») was issued."""

    type = "taxinvoice.issued"

    details: TaxInvoiceDetails
