"""What people do in a base: an accountant enters a payment, a manager edits or marks an order.

Every action goes through `Service` like a client's request, so it is registered for exchange and in the ledger.
"""

from collections.abc import Mapping
from typing import Any, Final

from esb_standins.company import CURRENCY
from esb_standins.onec.entity import Entity
from esb_standins.onec.filters import Binary, Literal, Path
from esb_standins.onec.profile import ZERO_GUID
from esb_standins.onec.seed import ref_of
from esb_standins.onec.service import Service

PAID_DOCUMENT: Final = {
    "ut-11.5": "Document_ЗаказКлиента",
    "retail-2": "Document_ЗаказПокупателя",
    "retail-3": "Document_ЗаказПокупателя",
    "bp-3.0": "Document_СчетНаОплатуПокупателю",
}
"""What a payment refers to in each configuration."""

PAYMENT: Final = {
    "ut-11.5": "Document_ПоступлениеБезналичныхДенежныхСредств",
    "retail-2": "Document_ПриходныйКассовыйОрдер",
    "retail-3": "Document_ПоступлениеНаСчет",
    "bp-3.0": "Document_ПоступлениеНаРасчетныйСчет",
}


class People:
    """The staff of one base."""

    def __init__(self, endpoint: str, service: Service) -> None:
        self._endpoint = endpoint
        self._service = service
        self._profile = service.profile.name

    def add_payment(
        self, *, order: str, amount: str | None = None, number: str = "1", date: str | None = None, post: bool = True
    ) -> Entity:
        """Enter a payment for an order or invoice, named by number or reference; the whole sum unless told."""
        paid = self._find(PAID_DOCUMENT[self._profile], order)
        when = date or self._service.local_now()
        total = amount or str(paid["СуммаДокумента"])
        body = {"Date": when, "Организация_Key": paid["Организация_Key"], "СуммаДокумента": total}
        body |= self._payment_body(paid, total, {"number": number, "date": when})
        set_name = PAYMENT[self._profile]
        payment = self._service.create(set_name, body)
        return self._service.post(set_name, payment["Ref_Key"]) if post else payment

    def edit(self, *, set: str, document: str, fields: Mapping[str, Any]) -> Entity:  # noqa: A002 - a word of the wire
        """Change fields of an object by hand."""
        return self._service.update(set, self._find(set, document)["Ref_Key"], fields)

    def create(self, *, set: str, fields: Mapping[str, Any]) -> Entity:  # noqa: A002 - a word of the wire
        """Enter an object by hand."""
        return self._service.create(set, fields)

    def mark_deleted(self, *, set: str, document: str) -> Entity:  # noqa: A002 - a word of the wire
        """Unpost and mark for deletion."""
        found = self._find(set, document)
        if found.get("Posted"):
            self._service.unpost(set, found["Ref_Key"])
        return self._service.update(set, found["Ref_Key"], {"DeletionMark": True})

    def post(self, *, set: str, document: str) -> Entity:  # noqa: A002 - a word of the wire
        return self._service.post(set, self._find(set, document)["Ref_Key"])

    def unpost(self, *, set: str, document: str) -> Entity:  # noqa: A002 - a word of the wire
        return self._service.unpost(set, self._find(set, document)["Ref_Key"])

    def _find(self, set_name: str, document: str) -> Entity:
        """Return an object by reference, number or code, the newest first. Raises LookupError."""
        numbering = self._service.entity_set(set_name).numbering
        field = numbering.field if numbering else "Description"
        found = [
            *self._service.find(set_name, Binary("eq", Path(("Ref_Key",)), Literal("guid", document))),
            *reversed(self._service.find(set_name, Binary("eq", Path((field,)), Literal("text", document)))),
        ]
        if not found:
            raise LookupError(f"{set_name}: {document}")
        return found[0]

    def _payment_body(self, paid: Entity, total: str, incoming: Mapping[str, str]) -> dict[str, Any]:
        papers = {"НомерВходящегоДокумента": incoming["number"], "ДатаВходящегоДокумента": incoming["date"]}
        match self._profile:
            case "ut-11.5":
                return papers | self._trade_payment(paid, total)
            case "bp-3.0":
                return papers | self._accounting_payment(paid, total)
            case "retail-2":
                return _retail2_payment(paid, total)
            case _:
                return papers | self._retail3_payment(paid, total)

    def _trade_payment(self, paid: Entity, total: str) -> dict[str, Any]:
        return {
            "Контрагент_Key": paid["Контрагент_Key"],
            "БанковскийСчет_Key": self._account("БанковскиеСчетаОрганизаций", paid),
            "Валюта_Key": self._rouble,
            "ХозяйственнаяОперация": "ПоступлениеОплатыОтКлиента",
            "ТипПлатежногоДокумента": "ПлатежноеПоручение",
            "ПроведеноБанком": True,
            "НазначениеПлатежа": f"Оплата по заказу {paid['Number']}",
            "РасшифровкаПлатежа": [
                {
                    "LineNumber": "1",
                    "Партнер_Key": paid["Партнер_Key"],
                    "ОснованиеПлатежа": paid["Ref_Key"],
                    "ОснованиеПлатежа_Type": "StandardODATA.Document_ЗаказКлиента",
                    "Сумма": total,
                }
            ],
        }

    def _accounting_payment(self, paid: Entity, total: str) -> dict[str, Any]:
        return {
            "ВидОперации": "ОплатаПокупателя",
            "Контрагент": paid["Контрагент_Key"],
            "Контрагент_Type": "StandardODATA.Catalog_Контрагенты",
            "СчетОрганизации_Key": self._account("БанковскиеСчета", paid),
            "НазначениеПлатежа": f"Оплата по счету {paid['Number']}",
            "РасшифровкаПлатежа": [
                {
                    "LineNumber": "1",
                    "ДоговорКонтрагента_Key": paid["ДоговорКонтрагента_Key"],
                    "СпособПогашенияЗадолженности": "Автоматически",
                    "СчетНаОплату_Key": paid["Ref_Key"],
                    "СуммаПлатежа": total,
                    "СуммаВзаиморасчетов": total,
                }
            ],
        }

    def _retail3_payment(self, paid: Entity, total: str) -> dict[str, Any]:
        return {
            "ВидОперации": "ОтПокупателя",
            "Контрагент_Key": paid["Контрагент_Key"],
            "БанковскийСчет_Key": self._account("БанковскиеСчета", paid),
            "ВалютаДенежныхСредств_Key": self._rouble,
            "РасшифровкаПлатежа": [
                {
                    "LineNumber": "1",
                    "Заказ": paid["Ref_Key"],
                    "Заказ_Type": "StandardODATA.Document_ЗаказПокупателя",
                    "СуммаПлатежа": total,
                    "СуммаРасчетов": total,
                }
            ],
        }

    @property
    def _rouble(self) -> str:
        return ref_of(self._endpoint, "Catalog_Валюты", CURRENCY[0])

    def _account(self, catalog: str, paid: Entity) -> str:
        """Return the seeded bank account of the document's organisation, or an empty reference."""
        organisation = self._service.get("Catalog_Организации", paid["Организация_Key"])
        inn = str(organisation["ИНН"])
        return ref_of(self._endpoint, f"Catalog_{catalog}", inn) if inn else ZERO_GUID


def _retail2_payment(paid: Entity, total: str) -> dict[str, Any]:
    return {
        "Контрагент_Key": paid["Контрагент_Key"],
        "ХозяйственнаяОперация": "ПоступлениеОплатыОтКлиента",
        "ЗаказПокупателя_Key": paid["Ref_Key"],
        "ДокументОснование": paid["Ref_Key"],
        "ДокументОснование_Type": "StandardODATA.Document_ЗаказПокупателя",
        "РасшифровкаПлатежа": [{"LineNumber": "1", "Сумма": total}],
    }
