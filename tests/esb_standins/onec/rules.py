"""What the code of each configuration does around a write, as tables.

The exchange plan is the one an integrator adds in an extension, because vendor plans have readers of their own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

PLAN: Final = "ExchangePlan_ОбменСШиной"
PLAN_TITLE: Final = "Обмен с шиной"
NODE_CODE: Final = "ESB"


@dataclass(frozen=True)
class Rules:
    """One configuration.

    Attributes:
        in_plan: sets whose changes the exchange plan registers.
        posting_needs: properties that must be filled, or posting fails.
        clears: for a set: the property that decides, and which sections each of its values empties.
        base_prefix: second half of a document number's prefix.
    """

    in_plan: tuple[str, ...]
    posting_needs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    clears: Mapping[str, tuple[str, Mapping[str, tuple[str, ...]]]] = field(default_factory=dict)
    base_prefix: str = "00"


RULES: Final[Mapping[str, Rules]] = {
    "ut-11.5": Rules(
        in_plan=(
            "Catalog_Контрагенты", "Catalog_Номенклатура", "Document_ЗаказКлиента",
            "Document_СчетНаОплатуКлиенту", "Document_РеализацияТоваровУслуг",
            "Document_АктВыполненныхРабот", "Document_ПоступлениеБезналичныхДенежныхСредств",
            "Document_ПриходныйКассовыйОрдер", "Document_ОперацияПоПлатежнойКарте",
        ),
        posting_needs={
            "Document_ЗаказКлиента": ("Организация_Key", "Партнер_Key", "Контрагент_Key", "Товары"),
            "Document_СчетНаОплатуКлиенту": ("Организация_Key", "Контрагент_Key"),
            "Document_РеализацияТоваровУслуг": ("Организация_Key", "Партнер_Key", "Контрагент_Key", "Товары"),
            "Document_ПоступлениеБезналичныхДенежныхСредств": ("Организация_Key", "РасшифровкаПлатежа"),
        },
        base_prefix="УТ",
    ),
    "retail-2": Rules(
        in_plan=(
            "Catalog_Контрагенты", "Catalog_Номенклатура", "Document_ЗаказПокупателя",
            "Document_РеализацияТоваров", "Document_ПриходныйКассовыйОрдер",
            "Document_ОплатаОтПокупателяПлатежнойКартой",
        ),
        posting_needs={
            "Document_ЗаказПокупателя": ("Магазин_Key", "Склад_Key", "Организация_Key", "Товары"),
            "Document_ПриходныйКассовыйОрдер": ("Организация_Key",),
        },
        base_prefix="РЗ",
    ),
    "retail-3": Rules(
        in_plan=(
            "Catalog_Контрагенты", "Catalog_Номенклатура", "Document_ЗаказПокупателя",
            "Document_СчетНаОплату", "Document_РасходнаяНакладная", "Document_ПоступлениеНаСчет",
            "Document_ПоступлениеВКассу",
        ),
        posting_needs={
            "Document_ЗаказПокупателя": ("Организация_Key", "Контрагент_Key", "Запасы"),
            "Document_ПоступлениеНаСчет": ("Организация_Key",),
        },
        base_prefix="НФ",
    ),
    "bp-3.0": Rules(
        in_plan=(
            "Catalog_Контрагенты", "Catalog_Номенклатура", "Document_СчетНаОплатуПокупателю",
            "Document_РеализацияТоваровУслуг", "Document_ПоступлениеНаРасчетныйСчет",
            "Document_ПриходныйКассовыйОрдер",
        ),
        posting_needs={
            "Document_СчетНаОплатуПокупателю": ("Организация_Key", "Контрагент_Key"),
            "Document_РеализацияТоваровУслуг": (
                "Организация_Key", "Контрагент_Key", "СчетУчетаРасчетовСКонтрагентом_Key",
            ),
            "Document_ПоступлениеНаРасчетныйСчет": ("Организация_Key",),
        },
        clears={
            "Document_РеализацияТоваровУслуг": (
                "ВидОперации", {"Товары": ("Услуги",), "Услуги": ("Товары",)},
            ),
        },
        base_prefix="БП",
    ),
}  # fmt: skip
