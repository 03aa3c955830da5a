"""The invented company every stand-in is seeded with: three legal entities, their goods and their customers.

Plain data, so that a shop, a portal and the 1C bases agree on who sells what. Every tax number passes its
checksum and none belongs to a person we know of. Prices are roubles with VAT.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final


@dataclass(frozen=True)
class LegalEntity:
    """One seller. `code` is its name in the landscape, `prefix` starts its document numbers in 1C."""

    code: str
    name: str
    full_name: str
    inn: str
    kpp: str
    ogrn: str
    prefix: str
    bank_account: str


@dataclass(frozen=True)
class Unit:
    """A unit of measure of the ОКЕИ classifier."""

    okei: str
    short: str
    name: str


@dataclass(frozen=True)
class VatRate:
    """A VAT rate: `code` in the canonical events, `enum` in 1C's «СтавкиНДС», `percent` None for «Без НДС»."""

    code: str
    enum: str
    title: str
    percent: Decimal | None


@dataclass(frozen=True)
class Product:
    """An article of the company. `unit` is an ОКЕИ code, `vat` a `VatRate.code`, `price` roubles with VAT."""

    article: str
    name: str
    unit: str
    vat: str
    price: Decimal
    is_service: bool = False


@dataclass(frozen=True)
class Customer:
    """A buyer known to the company. A person has neither КПП nor ОГРН and may have no ИНН."""

    name: str
    full_name: str
    inn: str
    kpp: str
    ogrn: str
    email: str
    phone: str


ENTITIES: Final = (
    LegalEntity(
        "romashka-retail", "Ромашка Розница ООО", "ООО «Ромашка Розница»",
        "7701234560", "770101001", "1177746000123", "РР", "40702810900000000011",
    ),
    LegalEntity(
        "romashka-opt", "Ромашка Опт ООО", "ООО «Ромашка Опт»",
        "7706123455", "770601001", "1157746000345", "РО", "40702810200000000022",
    ),
    LegalEntity(
        "romashka-service", "Ромашка Сервис ООО", "ООО «Ромашка Сервис»",
        "5032123452", "503201001", "1195040000561", "РС", "40702810500000000033",
    ),
)  # fmt: skip

BASES: Final = {
    "onec.retail": ("romashka-retail",),
    "onec.trade": ("romashka-opt", "romashka-service"),
    "onec.buh": ("romashka-retail", "romashka-opt", "romashka-service"),
}
"""Which legal entities each 1C base of the demo holds."""

UNITS: Final = (
    Unit("796", "шт", "Штука"),
    Unit("166", "кг", "Килограмм"),
    Unit("112", "л", "Литр"),
    Unit("006", "м", "Метр"),
    Unit("055", "м2", "Квадратный метр"),
    Unit("778", "упак", "Упаковка"),
    Unit("839", "компл", "Комплект"),
    Unit("715", "пар", "Пара"),
    Unit("736", "рул", "Рулон"),
    Unit("356", "ч", "Час"),
    Unit("642", "ед", "Единица"),
    Unit("876", "усл. ед", "Условная единица"),
)

VAT_RATES: Final = (
    VatRate("22", "НДС22", "22%", Decimal(22)),
    VatRate("20", "НДС20", "20%", Decimal(20)),
    VatRate("10", "НДС10", "10%", Decimal(10)),
    VatRate("7", "НДС7", "7%", Decimal(7)),
    VatRate("5", "НДС5", "5%", Decimal(5)),
    VatRate("0", "НДС0", "0%", Decimal(0)),
    VatRate("none", "БезНДС", "Без НДС", None),
)

WAREHOUSES: Final = ("Основной склад", "Магазин на Садовой")
PRICE_TYPES: Final = ("Розничная", "Оптовая")
WALK_IN: Final = "Розничный покупатель"
"""Stands in 1C for everybody who buys without an INN."""
CURRENCY: Final = ("643", "RUB", "Российский рубль")


def _product(article: str, name: str, unit: str, vat: str, price: str) -> Product:
    return Product(article, name, unit, vat, Decimal(price))


def _service(article: str, name: str, unit: str, vat: str, price: str) -> Product:
    return Product(article, name, unit, vat, Decimal(price), is_service=True)


PRODUCTS: Final = (
    _product("RM-0001", "Лейка садовая 10 л", "796", "22", "649.00"),
    _product("RM-0002", "Лейка садовая 5 л", "796", "22", "489.00"),
    _product("RM-0003", "Секатор контактный 200 мм", "796", "22", "1290.00"),
    _product("RM-0004", "Лопата штыковая с черенком", "796", "22", "980.50"),
    _product("RM-0005", "Грабли веерные раздвижные", "796", "22", "755.00"),
    _product("RM-0006", "Перчатки садовые нитриловые", "715", "22", "129.90"),
    _product("RM-0007", "Шланг поливочный армированный 3/4", "006", "22", "94.70"),
    _product("RM-0008", "Плёнка парниковая 150 мкм", "055", "22", "58.25"),
    _product("RM-0009", "Агроткань укрывная", "736", "22", "1875.00"),
    _product("RM-0010", "Горшок керамический 18 см", "796", "22", "540.00"),
    _product("RM-0011", "Кашпо подвесное плетёное", "796", "22", "890.00"),
    _product("RM-0012", "Набор мини-инструментов", "839", "22", "715.00"),
    _product("RM-0013", "Опрыскиватель 2 л", "796", "22", "1120.00"),
    _product("RM-0014", "Таймер полива электронный", "796", "22", "2349.99"),
    _product("RM-0015", "Фонарь садовый на солнечной батарее", "796", "22", "459.00"),
    _product("RM-0101", "Грунт универсальный 50 л", "778", "22", "529.00"),
    _product("RM-0102", "Торф верховой", "166", "22", "21.35"),
    _product("RM-0103", "Удобрение жидкое для роз", "112", "22", "374.00"),
    _product("RM-0104", "Удобрение гранулированное NPK", "166", "22", "188.40"),
    _product("RM-0105", "Дренаж керамзитовый", "778", "22", "169.00"),
    _product("RM-0201", "Семена укропа «Лесной»", "778", "10", "34.00"),
    _product("RM-0202", "Семена моркови «Нантская»", "778", "10", "41.00"),
    _product("RM-0203", "Картофель семенной", "166", "10", "86.60"),
    _product("RM-0204", "Лук-севок", "166", "10", "152.00"),
    _product("RM-0301", "Букет «Ромашковое поле»", "796", "22", "2890.00"),
    _product("RM-0302", "Роза садовая, саженец", "796", "22", "745.00"),
    _product("RM-0303", "Туя западная «Смарагд» 80 см", "796", "22", "2190.00"),
    _product("RM-0401", "Книга «Сад круглый год»", "796", "10", "1150.00"),
    _service("RM-0501", "Доставка по городу", "642", "22", "490.00"),
    _service("RM-0502", "Выезд садовника", "356", "22", "2400.00"),
    _service("RM-0503", "Обслуживание системы полива", "876", "22", "7800.00"),
    _service("RM-0504", "Консультация агронома", "356", "none", "1500.00"),
)

CUSTOMERS: Final = (
    Customer("Зелёный Двор ООО", "ООО «Зелёный Двор»", "7812345675", "781201001", "1167847000782",
             "zakaz@zeldvor.example", "+7 812 555-01-10"),
    Customer("Уральские сады ООО", "ООО «Уральские сады»", "6612345676", "661201001", "1186658000902",
             "sady@uralsady.example", "+7 343 555-01-11"),
    Customer("Сибирский питомник АО", "АО «Сибирский питомник»", "5406123450", "540601001", "1145476000119",
             "office@sibpitomnik.example", "+7 383 555-01-12"),
    Customer("Южный Луг ООО", "ООО «Южный Луг»", "2310123454", "231001001", "1132310000228",
             "lug@southlug.example", "+7 861 555-01-13"),
    Customer("Казань Флора ООО", "ООО «Казань Флора»", "1655123453", "165501001", "1121690000332",
             "flora@kazanflora.example", "+7 843 555-01-14"),
    Customer("Волжский берег ООО", "ООО «Волжский берег»", "6321123453", "632101001", "1116320000444",
             "bereg@volga-bereg.example", "+7 848 555-01-15"),
    Customer("Прикамье Агро ООО", "ООО «Прикамье Агро»", "5906123459", "590601001", "1105902000555",
             "agro@prikamye.example", "+7 342 555-01-16"),
    Customer("Цветочный ряд ООО", "ООО «Цветочный ряд»", "7725123475", "772501001", "1207746000770",
             "ryad@flowerrow.example", "+7 495 555-01-17"),
    Customer("Тестов Пётр Образцович ИП", "ИП Тестов Пётр Образцович", "771234567859", "", "",
             "testov@example.test", "+7 495 555-01-18"),
    Customer("Примерова Анна Образцовна ИП", "ИП Примерова Анна Образцовна", "500123456750", "", "",
             "primerova@example.test", "+7 495 555-01-19"),
)  # fmt: skip


def entity(code: str) -> LegalEntity:
    """Return the legal entity with this landscape code."""
    return next(found for found in ENTITIES if found.code == code)


def product(article: str) -> Product:
    """Return the product with this article."""
    return next(found for found in PRODUCTS if found.article == article)


def vat_rate(code: str) -> VatRate:
    """Return the VAT rate with this code."""
    return next(found for found in VAT_RATES if found.code == code)
