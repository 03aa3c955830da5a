"""What managers do in the portal's user interface: make deals, change them, move them between funnels."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from esb_standins import company
from esb_standins.bitrix24.entities import change, create, known_values, move, remove
from esb_standins.bitrix24.events import handler_record
from esb_standins.bitrix24.params import as_map
from esb_standins.bitrix24.portal import Portal
from esb_standins.bitrix24.rows import set_rows
from esb_standins.bitrix24.schema import DEAL
from esb_standins.bitrix24.seed import SELLER_FIELD, add_company, funnel_of, seller_item
from esb_standins.bitrix24.store import Record

MANAGER: Final = 2
Body = Mapping[str, Any]


async def create_deal(portal: Portal, body: Body) -> dict[str, Any]:
    """Make a deal with rows.

    Body: `entity` (code), `lines` [{article, quantity, price?}], `customer` (a number in `company.CUSTOMERS` or
    {name, inn, kpp}), `title`, `stage` (code without prefix), `fields` (any other fields of the deal).
    """
    with portal.writing():
        deal = _new_deal(portal, body)
    return {"deal_id": deal["ID"], "company_id": deal.get("COMPANY_ID"), "category_id": deal["CATEGORY_ID"]}


async def create_deals(portal: Portal, body: Body) -> dict[str, Any]:
    """Make `count` generated deals (`seed`, `entities`, at `rate` per second or at once); returns their numbers."""
    dice = random.Random(int(body.get("seed", 1)))
    entities = list(body.get("entities") or [entity.code for entity in company.ENTITIES])
    pause = 1 / float(body["rate"]) if body.get("rate") else 0.0
    made = []
    for position in range(int(body["count"])):
        order = {"entity": entities[position % len(entities)], **generated_deal(dice)}
        made.append(await create_deal(portal, order))
        await asyncio.sleep(pause)
    return {"deals": made}


async def change_deal(portal: Portal, body: Body) -> dict[str, Any]:
    """Change `fields` and, if given, the `lines` of deal `deal_id`."""
    current = _deal(portal, body)
    with portal.writing():
        raw = as_map(body.get("fields"))
        values = known_values(portal, DEAL, raw, current)
        deal = change(portal, DEAL, current["ID"], values, raw, MANAGER) if raw else current
        if "lines" in body:
            set_rows(portal, DEAL, deal, _rows(portal, body["lines"]), MANAGER)
    return {"deal_id": current["ID"]}


async def move_deal(portal: Portal, body: Body) -> dict[str, Any]:
    """Move deal `deal_id` to a `stage` (code without prefix) or to the funnel of another `entity`."""
    current = _deal(portal, body)
    category = funnel_of(body["entity"]) if "entity" in body else int(current["CATEGORY_ID"])
    values: dict[str, Any] = {"CATEGORY_ID": category}
    if "stage" in body:
        values["STAGE_ID"] = _stage(category, body["stage"])
    if "entity" in body:
        values[SELLER_FIELD] = seller_item(body["entity"])
    with portal.writing():
        deal = change(portal, DEAL, current["ID"], move(portal, DEAL, current, values), values, MANAGER)
    return {"deal_id": deal["ID"], "stage_id": deal["STAGE_ID"]}


async def delete_deal(portal: Portal, body: Body) -> dict[str, Any]:
    """Delete deal `deal_id`."""
    current = _deal(portal, body)
    with portal.writing():
        remove(portal, DEAL, current["ID"])
    return {"deal_id": current["ID"]}


async def bind(portal: Portal, body: Body) -> dict[str, Any]:
    """Make (or replace) the outgoing webhook that calls `url` with `token` on `events`."""
    existing = (record["ID"] for record in portal.store.all("handler").values() if record["URL"] == body["url"])
    number = next(existing, None) or portal.store.next_id("handler")
    record = handler_record(number, body)
    with portal.writing():
        portal.store.put("handler", record, "create")
    return {"handler_id": number, "events": record["EVENTS"]}


async def unbind(portal: Portal, _: Body) -> dict[str, Any]:
    """Remove every outgoing webhook."""
    numbers = list(portal.store.all("handler"))
    with portal.writing():
        for number in numbers:
            portal.store.delete("handler", number)
    return {"count": len(numbers)}


ACTIONS: Final[Mapping[str, Callable[[Portal, Body], Awaitable[dict[str, Any]]]]] = {
    "create_deal": create_deal,
    "create_deals": create_deals,
    "change_deal": change_deal,
    "move_deal": move_deal,
    "delete_deal": delete_deal,
    "bind": bind,
    "unbind": unbind,
}


def generated_deal(dice: random.Random) -> dict[str, Any]:
    """Return customer and lines of an invented deal."""
    goods = [product for product in company.PRODUCTS if not product.is_service]
    chosen = dice.sample(goods, dice.randint(1, 4))
    return {
        "customer": dice.randrange(len(company.CUSTOMERS)),
        "lines": [{"article": product.article, "quantity": dice.randint(1, 12)} for product in chosen],
    }


def _new_deal(portal: Portal, body: Body) -> Record:
    customer = _company(portal, body.get("customer", 0))
    category = funnel_of(body["entity"])
    fields = {
        "TITLE": body.get("title") or f"Заказ: {customer['TITLE']}",
        "CATEGORY_ID": category,
        "STAGE_ID": _stage(category, body.get("stage", "NEW")),
        "COMPANY_ID": customer["ID"],
        SELLER_FIELD: seller_item(body["entity"]),
        **as_map(body.get("fields")),
    }
    deal = create(portal, DEAL, fields, MANAGER)
    set_rows(portal, DEAL, deal, _rows(portal, body.get("lines") or []), MANAGER)
    return deal


def _company(portal: Portal, customer: Any) -> Record:
    """Return the company with the customer's ИНН and КПП, adding it when there is none."""
    if isinstance(customer, int):
        wanted = company.CUSTOMERS[customer]
    else:
        name = customer["name"]
        kpp = customer.get("kpp", "")
        wanted = company.Customer(
            name, name, customer["inn"], kpp, "", customer.get("email", ""), customer.get("phone", "")
        )
    for requisite in portal.store.lookup("requisite", "RQ_INN", wanted.inn):
        if (requisite.get("RQ_KPP") or "") == wanted.kpp:
            return portal.store.all("company")[requisite["ENTITY_ID"]]
    return add_company(portal, wanted)


def _rows(portal: Portal, lines: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    products = {record["ARTICLE"]: record for record in portal.store.all("product").values()}
    return [_row(products.get(line["article"]), line) for line in lines]


def _row(product: Record | None, line: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row; an article the catalogue does not have becomes a free-text row, as a manager would type it."""
    quantity = str(line.get("quantity", 1))
    if product is None:
        name = str(line.get("name") or line["article"])
        return {"PRODUCT_NAME": name, "PRICE": str(line.get("price", "0")), "QUANTITY": quantity, "TAX_RATE": "22"}
    known = company.product(product["ARTICLE"])
    percent: Decimal | None = company.vat_rate(known.vat).percent
    return {
        "PRODUCT_ID": product["ID"],
        "PRICE": str(line.get("price", known.price)),
        "QUANTITY": quantity,
        "TAX_RATE": None if percent is None else str(percent),
        "TAX_INCLUDED": "Y",
        "MEASURE_CODE": int(known.unit),
    }


def _stage(category: int, code: str) -> str:
    return f"C{category}:{code}" if category else code


def _deal(portal: Portal, body: Body) -> Record:
    found = portal.store.get("deal", int(body["deal_id"]))
    if found is None:
        raise LookupError(f"no deal {body['deal_id']}")
    return found
