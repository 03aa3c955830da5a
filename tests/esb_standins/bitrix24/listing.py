"""List methods: filter, order, pages of fifty, `start=-1`."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from esb_standins.bitrix24.filters import Condition, equalities, item_test, meets, old_conditions, order_by
from esb_standins.bitrix24.params import as_int, as_list
from esb_standins.bitrix24.portal import Answer, Params, Portal
from esb_standins.bitrix24.schema import Field
from esb_standins.bitrix24.store import INDEXED, Record

PAGE: Final = 50


def old_page(portal: Portal, kind: str, fields: Mapping[str, Field], params: Params) -> tuple[list[Record], Answer]:
    """Select the records of one page for an old list method; the answer carries only the paging members."""
    conditions = old_conditions(params.get("filter"), fields)
    rows = [
        record
        for record in portal.listed(candidates(portal, kind, conditions))
        if all(meets(record, condition) for condition in conditions)
    ]
    order = {key.upper(): way for key, way in (params.get("order") or {}).items()} if params.get("order") else {}
    return page_of(order_by(rows, order, fields), params.get("start"))


def item_page(portal: Portal, kind: str, fields: Mapping[str, Field], params: Params) -> tuple[list[Record], Answer]:
    """Select one page for `crm.item.list`; an unknown field in the filter is refused."""
    test = item_test(params.get("filter"), fields)
    exact = equalities(params.get("filter"), fields)
    rows = [record for record in portal.listed(candidates(portal, kind, exact)) if test(record)]
    return page_of(order_by(rows, params.get("order"), fields), params.get("start"))


def candidates(portal: Portal, kind: str, conditions: Iterable[Condition]) -> Iterable[Record]:
    """Narrow a list down by an index where an equality allows it."""
    for condition in conditions:
        if not condition.is_equality:
            continue
        wanted = as_list(condition.value)
        if condition.field.name == "ID":
            found = (portal.store.get(kind, as_int(value)) for value in wanted)
            return [record for record in found if record]
        if condition.field.name in INDEXED.get(kind, ()) and wanted:
            return [record for value in wanted for record in portal.store.lookup(kind, condition.field.name, value)]
    return portal.store.all(kind).values()


def page_of(rows: list[Record], start: Any) -> tuple[list[Record], Answer]:
    """Cut one page. `start=-1` counts nothing and never names a next page."""
    offset = as_int(start) or 0
    if offset < 0:
        return rows[:PAGE], Answer(None, 0)
    following = offset + PAGE
    return rows[offset:following], Answer(None, len(rows), following if following < len(rows) else None)


def selected(fields: Mapping[str, Field], select: Any, shown: Callable[[Field], bool]) -> list[Field]:
    """Return the fields an old list shows: `*` is the standard ones, `UF_*` the user fields.

    Unknown names are ignored.
    """
    wanted = [str(name).upper() for name in as_list(select)] or ["*"]
    found = {"ID": fields["ID"]}
    for name, field in fields.items():
        stars = ("*" in wanted and not field.is_user_field and shown(field)) or (
            "UF_*" in wanted and field.is_user_field
        )
        if stars or name in wanted:
            found[name] = field
    return list(found.values())
