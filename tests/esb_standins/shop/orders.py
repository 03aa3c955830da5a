"""Orders as buyers make them: generated wishes, and the order the shop builds of one.

A wish is plain data: `seller` (code of a legal entity), `customer` (a number in `company.CUSTOMERS` or an object with
name, inn, kpp, email, phone, first_name, last_name), `lines` [{sku, quantity, price?, name?}], `payment` ("bacs" or
"cod"), `paid`, `comment`, `delivery` (price with VAT).
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from esb_standins import company
from esb_standins.shop.money import Amount, split, tax_entries, tax_lines, text

Wish = Mapping[str, Any]
Order = dict[str, Any]

PAYMENTS: Final = {"bacs": "Оплата по счёту", "cod": "Оплата при получении", "yookassa_sbp": "СБП"}
_FIRST_STATUS: Final = {"bacs": "on-hold", "cod": "processing"}
_TAX_CLASSES: Final = {"22": "", "10": "reduced-rate", "0": "zero-rate", "none": "no-vat"}
_DELIVERY_RATE: Final = "22"
_ADDRESS_FIELDS: Final = ("address_1", "address_2", "city", "state", "postcode")


@dataclass(frozen=True)
class ShopRules:
    """How this shop counts.

    Attributes:
        taxes: "inside" — prices contain VAT and the order shows it apart; "off" — no taxes in the shop at all, as in
            most small Russian shops: line totals are then what the buyer pays.
        product_id: the shop's number of an article, 0 when it has none.
        next_id: gives the next number of the shop, one sequence for everything.
    """

    taxes: str
    product_id: Callable[[str], int]
    next_id: Callable[[], int]

    def rate(self, code: str) -> str | None:
        return code if self.taxes == "inside" else None


def generate(
    seed: int, count: int, sellers: Sequence[str] | None = None, persons: float = 0.0
) -> Iterator[dict[str, Any]]:
    """Return `count` wishes, the same for the same seed. `persons` is the share of buyers without ИНН."""
    dice = random.Random(seed)
    codes = list(sellers or [entity.code for entity in company.ENTITIES])
    goods = [product for product in company.PRODUCTS if not product.is_service]
    for number in range(count):
        chosen = dice.sample(goods, dice.randint(1, 5))
        wish: dict[str, Any] = {
            "seller": codes[number % len(codes)],
            "customer": dice.randrange(len(company.CUSTOMERS)),
            "lines": [{"sku": product.article, "quantity": dice.randint(1, 20)} for product in chosen],
            "payment": dice.choice(("bacs", "cod")),
            "comment": dice.choice(("", "", "Позвонить за час", "Пропуск на проходной заказан")),
        }
        if dice.random() < persons:
            wish["customer"] = _invented_person(dice)
        yield wish


def build(wish: Wish, rules: ShopRules, order_id: int) -> Order:
    """Build the order of a wish, without dates, links and what the shop adds around it."""
    payment = str(wish.get("payment", "bacs"))
    billing = _billing(wish.get("customer", 0))
    order: Order = {
        "id": order_id,
        "parent_id": 0,
        "number": str(order_id),
        "status": str(wish.get("status") or _FIRST_STATUS.get(payment, "pending")),
        "currency": "RUB",
        "prices_include_tax": rules.taxes == "inside",
        "customer_id": 0,
        "customer_note": str(wish.get("comment") or ""),
        "billing": billing,
        "shipping": {
            name: billing[name] for name in ("first_name", "last_name", "company", *_ADDRESS_FIELDS, "country")
        },
        "payment_method": payment,
        "payment_method_title": PAYMENTS.get(payment, payment),
        "transaction_id": "",
        "meta_data": _meta(wish, rules),
        "fee_lines": [],
        "coupon_lines": [],
        "refunds": [],
    }
    return order | goods_of(wish, rules)


def goods_of(wish: Wish, rules: ShopRules) -> Order:
    """Return the lines of an order and the sums that follow from them."""
    amounts = [(line, *_amount(line, rules)) for line in wish.get("lines") or []]
    shipping = split(Decimal(str(wish["delivery"])), rules.rate(_DELIVERY_RATE)) if wish.get("delivery") else None
    goods_tax = sum((amount.tax for _, _, amount in amounts), Decimal(0))
    shipping_tax = shipping.tax if shipping else Decimal(0)
    by_rate: dict[str, Decimal] = {}
    for _, _, amount in amounts:
        if amount.rate:
            by_rate[amount.rate] = by_rate.get(amount.rate, Decimal(0)) + amount.tax
    total = sum((amount.gross for _, _, amount in amounts), shipping.gross if shipping else Decimal(0))
    return {
        "line_items": [_line(line, known, amount, rules) for line, known, amount in amounts],
        "tax_lines": tax_lines(by_rate, shipping, rules.next_id),
        "shipping_lines": [_shipping_line(shipping, rules)],
        "discount_total": "0.00",
        "discount_tax": "0.00",
        "shipping_total": text(shipping.net if shipping else Decimal(0)),
        "shipping_tax": text(shipping_tax),
        "cart_tax": text(goods_tax),
        "total": text(total),
        "total_tax": text(goods_tax + shipping_tax),
    }


def customer_meta(customer: Any) -> dict[str, str]:
    """Return the meta keys a checkout plugin for firms leaves on an order."""
    known = company.CUSTOMERS[customer] if isinstance(customer, int) else None
    values = {
        "_billing_inn": known.inn if known else str(customer.get("inn", "")),
        "_billing_kpp": known.kpp if known else str(customer.get("kpp", "")),
    }
    return {key: value for key, value in values.items() if value}


def _billing(customer: Any) -> dict[str, str]:
    if isinstance(customer, int):
        known = company.CUSTOMERS[customer]
        customer = {"name": known.name, "email": known.email, "phone": known.phone}
    given = {name: str(customer.get(name, "")) for name in ("first_name", "last_name", *_ADDRESS_FIELDS)}
    return {
        **given,
        "company": str(customer.get("name", "")),
        "country": "RU",
        "email": str(customer.get("email", "")),
        "phone": str(customer.get("phone", "")),
    }


def _meta(wish: Wish, rules: ShopRules) -> list[dict[str, Any]]:
    values = {"_seller": str(wish["seller"])} if wish.get("seller") else {}
    values |= customer_meta(wish.get("customer", 0))
    return [{"id": rules.next_id(), "key": key, "value": value} for key, value in values.items()]


def _amount(line: Mapping[str, Any], rules: ShopRules) -> tuple[company.Product | None, Amount]:
    """Return the catalogue's product of a line, if there is one, and the line's sum."""
    known = next((product for product in company.PRODUCTS if product.article == line["sku"]), None)
    price = Decimal(str(line.get("price", known.price if known else "100.00")))
    rate = known.vat if known else "22"
    return known, split(price * Decimal(str(line.get("quantity", 1))), rules.rate(rate))


def _line(line: Mapping[str, Any], known: company.Product | None, amount: Amount, rules: ShopRules) -> Order:
    quantity = Decimal(str(line.get("quantity", 1)))
    return {
        "id": rules.next_id(),
        "name": str(line.get("name") or (known.name if known else line["sku"])),
        "product_id": rules.product_id(str(line["sku"])),
        "variation_id": 0,
        "quantity": float(quantity),
        "tax_class": _TAX_CLASSES.get(known.vat, f"vat-{known.vat}") if known else "",
        "subtotal": text(amount.net),
        "subtotal_tax": text(amount.tax),
        "total": text(amount.net),
        "total_tax": text(amount.tax),
        "taxes": tax_entries(amount),
        "meta_data": [],
        "sku": str(line["sku"]),
        "global_unique_id": "",
        # the one sum that is a number: unit price without tax, with all the decimals of a division
        "price": float(round(amount.net / quantity, 6)) if quantity else 0.0,
        "image": {"id": "", "src": ""},
        "parent_name": None,
    }


def _shipping_line(shipping: Amount | None, rules: ShopRules) -> Order:
    method = ("flat_rate", "Доставка курьером") if shipping else ("local_pickup", "Самовывоз")
    return {
        "id": rules.next_id(),
        "method_title": method[1],
        "method_id": method[0],
        "instance_id": "1",
        "total": text(shipping.net if shipping else Decimal(0)),
        "total_tax": text(shipping.tax if shipping else Decimal(0)),
        "taxes": tax_entries(shipping) if shipping else [],
        "meta_data": [],
    }


def _invented_person(dice: random.Random) -> dict[str, str]:
    number = dice.randrange(10_000)
    return {
        "first_name": dice.choice(("Пример", "Образец", "Проба")),
        "last_name": dice.choice(("Тестовый", "Вымышленный", "Небывалый")),
        "email": f"buyer{number}@example.test",
        "phone": f"+7 900 555-{number // 100:02}-{number % 100:02}",
        "city": "Москва",
    }
