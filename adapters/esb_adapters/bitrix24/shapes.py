"""Deals, rows, companies and products as the portal shows them: old-generation methods, nearly everything is text.

`crm.deal.*` is read and not `crm.item.*`: amounts arrive as text and user fields under the names people know. Source:
Bitrix24 REST docs, "crm.deal.get", "crm.deal.productrows.get", "crm.requisite.list", "catalog.product.get".
"""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, ValidationError

from esb_bus.errors import InvalidData

LOST = "F"


def _text(value: Any) -> Any:
    """PHP's empty values (null, false, [] and "") all mean: not filled."""
    if value is None or value is False or value in ([], {}):
        return ""
    if isinstance(value, list) and len(value) == 1:
        return _text(value[0])
    return str(value) if isinstance(value, int | Decimal) else value


def _number(value: Any) -> Any:
    if value is None or value in ("", False):
        return Decimal(0)
    try:
        number = Decimal(str(value))
    except InvalidOperation as error:
        raise ValueError("not a number") from error
    if not number.is_finite():
        raise ValueError("not a finite number")
    return number


def _rate(value: Any) -> Any:
    """A missing tax rate is «Без НДС» and not 0 %."""
    return None if value is None or value == "" else _number(value)


def _id(value: Any) -> Any:
    text = _text(value)
    return int(text) if isinstance(text, str) and text.isascii() and text.isdigit() else text or 0


def _rows(value: Any) -> Any:
    return () if value is None or value in ("", False) else value


Text = Annotated[str, BeforeValidator(_text)]
Number = Annotated[Decimal, BeforeValidator(_number)]
Rate = Annotated[Decimal | None, BeforeValidator(_rate)]
Id = Annotated[int, BeforeValidator(_id)]


class Shape(BaseModel):
    """An object of the portal; names on the wire are in capitals."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=str.upper)


class Contactable(Shape):
    """Who has multi-fields."""

    id: Id = 0
    email: Annotated[tuple[Mapping[str, Any], ...], BeforeValidator(_rows)] = ()
    phone: Annotated[tuple[Mapping[str, Any], ...], BeforeValidator(_rows)] = ()

    def first_email(self) -> str | None:
        return _first(self.email)

    def first_phone(self) -> str | None:
        return _first(self.phone)


def _first(values: tuple[Mapping[str, Any], ...]) -> str | None:
    return next((str(entry["VALUE"]) for entry in values if entry.get("VALUE")), None)


class Company(Contactable):
    title: Text = ""


class Contact(Contactable):
    name: Text = ""
    second_name: Text = ""
    last_name: Text = ""

    @property
    def full_name(self) -> str:
        return " ".join(part for part in (self.last_name, self.name, self.second_name) if part)


class Requisite(Shape):
    id: Id = 0
    entity_type_id: Id = 0
    entity_id: Id = 0
    rq_inn: Text = ""
    rq_kpp: Text = ""
    rq_ogrn: Text = ""
    rq_ogrnip: Text = ""
    rq_company_name: Text = ""


class Row(Shape):
    """A position. `price` is what one piece costs in the end: tax in, discount applied, whatever TAX_INCLUDED says."""

    product_id: Id = 0
    product_name: Text = ""
    price: Number
    quantity: Number
    tax_rate: Rate = None
    measure_code: Text = ""
    type: Id = 0


class Deal(Shape):
    id: Id
    stage_id: Text = ""
    stage_semantic_id: Text = ""
    is_recurring: Text = "N"
    currency_id: Text = "RUB"
    opportunity: Number = Decimal(0)
    company_id: Id = 0
    contact_id: Id = 0
    originator_id: Text = ""
    origin_id: Text = ""
    comments: Text = ""
    date_create: AwareDatetime
    date_modify: AwareDatetime
    fields: Mapping[str, str] = {}
    """Every field with one plain value, under the name the portal has for it."""

    @property
    def is_lost(self) -> bool:
        return self.stage_semantic_id == LOST

    @property
    def version(self) -> int:
        """Milliseconds of the last change; the portal keeps whole seconds."""
        return int(self.date_modify.timestamp()) * 1000

    def field(self, name: str) -> str:
        return self.fields.get(name, "")


def read_deal(wire: Any) -> Deal:
    """Read a deal as `crm.deal.get` and `crm.deal.list` show it.

    Raises:
        InvalidData: it is no deal.
    """
    try:
        return Deal.model_validate({**wire, "FIELDS": _plain_fields(wire)})
    except ValidationError as error:
        raise InvalidData.of("deal", error) from error
    except (TypeError, AttributeError, OverflowError, OSError) as error:
        raise InvalidData(f"deal: the portal sent {type(wire).__name__} instead of a deal") from error


def _plain_fields(wire: Mapping[str, Any]) -> dict[str, str]:
    texts = {name: _text(value) for name, value in wire.items()}
    return {name: text for name, text in texts.items() if isinstance(text, str)}


def read_list(shape: type[Shape], wire: Any) -> list[Any]:
    """Read a list of objects; PHP writes an empty one as false, null or an empty map.

    Raises:
        InvalidData: one of them is not what it should be.
    """
    if not wire:
        return []
    if not isinstance(wire, list):
        raise InvalidData(f"{shape.__name__.lower()}: the portal sent {type(wire).__name__} instead of a list")
    return [read_one(shape, entry) for entry in wire]


def read_one(shape: type[Shape], wire: Any) -> Any:
    try:
        return shape.model_validate(wire)
    except ValidationError as error:
        raise InvalidData.of(shape.__name__.lower(), error) from error
