"""Sums of an order: money is text with two decimals, line totals are without tax, the tax stands beside them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

from esb_standins import company

_CENT: Final = Decimal("0.01")
RATE_IDS: Final = {rate.code: number for number, rate in enumerate(company.VAT_RATES, start=1)}


@dataclass(frozen=True)
class Amount:
    """A sum with tax, split; `rate` is the code of a VAT rate, None where the shop computes no tax."""

    net: Decimal
    tax: Decimal
    rate: str | None

    @property
    def gross(self) -> Decimal:
        return self.net + self.tax


def split(gross: Decimal, rate: str | None) -> Amount:
    """Take the tax out of a sum that has it inside; «Без НДС» and a shop without taxes leave it whole."""
    percent = company.vat_rate(rate).percent if rate else None
    if percent is None:
        return Amount(cents(gross), Decimal(0), None)
    net = cents(gross / (1 + percent / 100))
    return Amount(net, cents(gross) - net, rate)


def cents(value: Decimal) -> Decimal:
    return value.quantize(_CENT, ROUND_HALF_UP)


def text(value: Decimal) -> str:
    return f"{value:.2f}"


def tax_entries(amount: Amount) -> list[dict[str, Any]]:
    """Return `taxes` of a line. They keep more decimals than the rounded sum beside them does."""
    if amount.rate is None:
        return []
    exact = str(amount.tax.normalize() if amount.tax else Decimal(0))
    return [{"id": RATE_IDS[amount.rate], "total": exact, "subtotal": exact}]


def tax_lines(
    lines: Mapping[str, Decimal], shipping: Amount | None, next_id: Callable[[], int]
) -> list[dict[str, Any]]:
    """Return one entry per rate: tax of the goods, and of the shipping, under that rate."""
    rates = dict.fromkeys(lines)
    if shipping and shipping.rate:
        rates |= {shipping.rate: None}
    found = []
    for code in rates:
        rate = company.vat_rate(code)
        on_shipping = shipping.tax if shipping and shipping.rate == code else Decimal(0)
        found.append({
            "id": next_id(),
            "rate_code": f"RU-НДС {rate.title}-1",
            "rate_id": RATE_IDS[code],
            "label": f"НДС {rate.title}",
            "compound": False,
            "tax_total": text(lines.get(code, Decimal(0))),
            "shipping_tax_total": text(on_shipping),
            "rate_percent": float(rate.percent or 0),
            "meta_data": [],
        })  # fmt: skip
    return found
