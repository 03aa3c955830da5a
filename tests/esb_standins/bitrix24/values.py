"""Values of fields: how they are read from a request, kept, compared, and shown by either generation."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from esb_standins.bitrix24.params import as_int, as_list
from esb_standins.bitrix24.schema import DECIMALS, INTEGERS, MOMENTS, Field

PORTAL_ZONE: Final = timezone(timedelta(hours=3))
_YES: Final = frozenset({"Y", "y", "1", "true", 1})  # True equals 1


def stamp(seconds: float) -> str:
    """Write a moment the way the portal does: whole seconds, the portal's own offset."""
    return datetime.fromtimestamp(int(seconds), PORTAL_ZONE).isoformat()


def moment(raw: Any) -> datetime | None:
    """Read a moment; one without a zone is the portal's time. None when it is not a moment."""
    text = str(raw or "").strip()
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        return _russian_date(text)
    return value if value.tzinfo else value.replace(tzinfo=PORTAL_ZONE)


def parse(field: Field, raw: Any) -> Any:
    """Turn what a request carries into what is kept; what makes no sense becomes empty, as on the portal."""
    if field.multiple:
        return [value for value in (_scalar(field, entry) for entry in as_list(raw)) if value is not None]
    return _scalar(field, raw[0] if isinstance(raw, list) and raw else raw)


def old_text(field: Field, value: Any) -> Any:
    """Show a value in the old generation: nearly everything is text, nothing is null (user fields: empty text)."""
    if field.multiple:
        return [old_text(_single(field), entry) for entry in value or []]
    if value is None:
        return "" if field.is_user_field else None
    if field.type == "double" and not field.is_user_field:
        return f"{Decimal(value):.2f}"
    return str(value)


def item_value(field: Field, value: Any) -> Any:
    """Show a value in `crm.item.*`: numbers are numbers, a missing link is 0 or null."""
    if field.multiple:
        return [item_value(_single(field), entry) for entry in value or []]
    if value is None:
        return "" if field.type == "string" and field.is_user_field else None
    if field.type == "double":
        return _number(Decimal(value))
    return value


def sort_key(field: Field, value: Any) -> Any:
    """Return something comparable; None for a value that is empty or does not fit the type."""
    if value is None or value in ("", []):
        return None
    if field.type in INTEGERS:
        return as_int(value)
    if field.type in DECIMALS:
        return _decimal(value)
    if field.type in MOMENTS:
        found = moment(value)
        return found.astimezone(UTC) if found else None
    if isinstance(value, list):
        return None
    # the cloud compares text without regard to case
    return str(value).casefold()


def _scalar(field: Field, raw: Any) -> Any:
    if raw is None or raw == "":
        return None
    if field.type == "enumeration":
        number = as_int(raw)
        # the text of an item instead of its id is stored as nothing, without an error
        return number if any(number == item[0] for item in field.items) else None
    if field.type in INTEGERS:
        return as_int(raw)
    if field.type in DECIMALS:
        value = _decimal(raw)
        return None if value is None else str(value)
    if field.type in MOMENTS:
        return _kept_moment(field, raw)
    return _text(field, raw)


def _text(field: Field, raw: Any) -> str | None:
    if field.type == "char":
        return "Y" if raw in _YES else "N"
    if field.type == "boolean":
        return "1" if raw in _YES else "0"
    if field.type == "money":
        return _money(str(raw))
    return None if isinstance(raw, dict | list) else str(raw)


def _money(raw: str) -> str | None:
    amount, _, currency = raw.partition("|")
    value = _decimal(amount)
    return None if value is None else f"{value}|{currency or 'RUB'}"


def _kept_moment(field: Field, raw: Any) -> str | None:
    value = moment(raw)
    if value is None:
        return None
    local = value.astimezone(PORTAL_ZONE)
    if field.type == "date":
        # dates come back as a moment, three hours past midnight of the portal's own zone
        local = local.replace(hour=3, minute=0, second=0)
    return local.replace(microsecond=0).isoformat()


def _single(field: Field) -> Field:
    return Field(field.name, field.type, items=field.items)


def _decimal(raw: Any) -> Decimal | None:
    try:
        value = Decimal(str(raw).strip().replace(",", "."))
    except InvalidOperation:
        return None
    return value if value.is_finite() else None


def _number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


def _russian_date(text: str) -> datetime | None:
    for form in ("%d.%m.%Y %H:%M:%S", "%d.%m.%Y"):
        try:
            return datetime.strptime(text, form).replace(tzinfo=PORTAL_ZONE)
        except ValueError:
            continue
    return None
