"""Prices of a product row: one final price in, the other four out."""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

_CENT = Decimal("0.01")


@dataclass(frozen=True)
class RowPrices:
    """What the portal computes around `price`, in the owner's currency."""

    exclusive: Decimal
    netto: Decimal
    brutto: Decimal
    discount_sum: Decimal


def row_prices(price: Decimal, discount_rate: Decimal, tax_rate: Decimal | None) -> RowPrices:
    """Derive the prices of a row from its final gross unit price.

    Rates are percents; a tax rate of None is «Без НДС». `taxIncluded` plays no part: it only chooses the column the
    user interface shows. Source: Bitrix24 REST docs, "crm.item.productrow.set", examples.
    """
    tax = 1 + (tax_rate or Decimal(0)) / 100
    keep = 1 - discount_rate / 100
    exclusive = _round(price / tax)
    netto = _round(exclusive / keep) if keep else Decimal(0)
    return RowPrices(exclusive, netto, _round(netto * tax), netto - exclusive)


def row_sum(price: Decimal, quantity: Decimal) -> Decimal:
    return _round(price * quantity)


def row_tax(price: Decimal, quantity: Decimal, tax_rate: Decimal | None) -> Decimal:
    """Return the tax inside the sum of a row."""
    total = price * quantity
    return _round(total - total / (1 + (tax_rate or Decimal(0)) / 100))


def _round(value: Decimal) -> Decimal:
    return value.quantize(_CENT, ROUND_HALF_UP)
