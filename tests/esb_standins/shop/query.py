"""Parameters of list requests, turned into SQL over the columns of `orders`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

from esb_standins.shop.errors import invalid_parameter
from esb_standins.shop.shop import STATUSES

_SORTS: Final = {"date": "created", "id": "id", "include": "id", "title": "id", "slug": "id"}
_WINDOWS: Final = {
    "after": "created > ?",
    "before": "created < ?",
    "modified_after": "modified > ?",
    "modified_before": "modified < ?",
}
_MAX_PAGE: Final = 100


@dataclass(frozen=True)
class OrderQuery:
    """One page of a list: conditions, order and place."""

    where: str
    values: tuple[Any, ...]
    order: str
    page: int
    per_page: int

    @property
    def offset(self) -> int:
        return (self.page - 1) * self.per_page


def read_query(raw: Mapping[str, str], offset_hours: int) -> OrderQuery:
    """Read the parameters of a list request.

    Windows are open intervals of whole seconds, in the shop's time unless `dates_are_gmt`. There is no sort by
    modification. Source: WooCommerce REST documentation, "List all orders".

    Raises:
        ShopError: rest_invalid_param, as WordPress answers for any parameter out of its range.
    """
    conditions, values = ["status <> 'trash'"], []
    gmt = raw.get("dates_are_gmt", "").lower() in {"true", "1"}
    for name, condition in _WINDOWS.items():
        if raw.get(name):
            conditions.append(condition)
            values.append(_utc(name, raw[name], 0 if gmt else offset_hours))
    statuses = [status for status in raw.get("status", "any").split(",") if status and status != "any"]
    if not set(statuses) <= STATUSES:
        raise invalid_parameter("status")
    if statuses:
        conditions.append(f"status IN ({', '.join('?' * len(statuses))})")
        values.extend(statuses)
    sort, way = raw.get("orderby", "date"), raw.get("order", "desc")
    if sort not in _SORTS or way not in {"asc", "desc"}:
        raise invalid_parameter("orderby" if sort not in _SORTS else "order")
    order = f"{_SORTS[sort]} {way}, id {way}"
    return OrderQuery(" AND ".join(conditions), tuple(values), order, *_place(raw))


def _place(raw: Mapping[str, str]) -> tuple[int, int]:
    page, per_page = raw.get("page", "1"), raw.get("per_page", "10")
    if not page.isdigit() or int(page) < 1:
        raise invalid_parameter("page", "must be greater than or equal to 1")
    if not per_page.isdigit() or not 1 <= int(per_page) <= _MAX_PAGE:
        raise invalid_parameter("per_page", "must be between 1 (inclusive) and 100 (inclusive)")
    return int(page), int(per_page)


def _utc(name: str, text: str, offset_hours: int) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise invalid_parameter(name) from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone(timedelta(hours=offset_hours)))
    return moment.astimezone(UTC).replace(tzinfo=None, microsecond=0).isoformat()
