"""Product rows of deals and invoices: set as a whole, priced by the portal, summed into their owner."""

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from esb_standins.bitrix24.arithmetic import row_prices, row_sum, row_tax
from esb_standins.bitrix24.entities import touch
from esb_standins.bitrix24.errors import RestError, missing, not_found
from esb_standins.bitrix24.params import as_int, as_list, as_map
from esb_standins.bitrix24.portal import Answer, Handler, Params, Portal
from esb_standins.bitrix24.schema import BY_OWNER, DEAL, Kind
from esb_standins.bitrix24.store import Record

PIECE: Final = 796
PRODUCT, SERVICE = 1, 7
_NAMES: Final = {
    "productId": "PRODUCT_ID",
    "productName": "PRODUCT_NAME",
    "price": "PRICE",
    "quantity": "QUANTITY",
    "discountTypeId": "DISCOUNT_TYPE_ID",
    "discountRate": "DISCOUNT_RATE",
    "taxRate": "TAX_RATE",
    "taxIncluded": "TAX_INCLUDED",
    "measureCode": "MEASURE_CODE",
    "measureName": "MEASURE_NAME",
    "sort": "SORT",
}


def set_rows(portal: Portal, kind: Kind, owner: Record, rows: Sequence[Mapping[str, Any]], user: int) -> list[Record]:
    """Replace all rows of an owner; ids are new each time, and the owner's sum and DATE_MODIFY follow."""
    place = owner_key(kind, owner["ID"])
    with portal.writing():
        for old in portal.store.lookup("row", "OWNER", place):
            portal.store.delete("row", old["ID"])
        fresh = [_row(portal, place, number, raw) for number, raw in enumerate(rows, start=1)]
        for row in fresh:
            portal.store.put("row", row, "create", row)
        touch(portal, kind, owner["ID"], _sums(owner, fresh), user)
    return fresh


def owner_key(kind: Kind, number: int) -> str:
    return f"{kind.owner_code}_{number}"


def rows_of(portal: Portal, kind: Kind, number: int) -> list[Record]:
    return portal.store.lookup("row", "OWNER", owner_key(kind, number))


def _set_old(portal: Portal, params: Params) -> Answer:
    owner = _deal(portal, params)
    rows = [{key.upper(): value for key, value in as_map(row).items()} for row in as_list(params.get("rows"))]
    set_rows(portal, DEAL, owner, rows, portal.settings.user)
    return Answer(result=True)


def _get_old(portal: Portal, params: Params) -> Answer:
    owner = _deal(portal, params)
    return Answer([_old(row) for row in rows_of(portal, DEAL, owner["ID"])])


def _set_item(portal: Portal, params: Params) -> Answer:
    kind, owner = _owner(portal, params.get("ownerType"), params.get("ownerId"))
    rows = [_renamed(as_map(row)) for row in as_list(params.get("productRows"))]
    fresh = set_rows(portal, kind, owner, rows, portal.settings.user)
    return Answer({"productRows": [_item(row) for row in fresh]})


def _list_item(portal: Portal, params: Params) -> Answer:
    wanted = {key.lstrip("="): value for key, value in as_map(params.get("filter")).items()}
    if "ownerType" not in wanted or "ownerId" not in wanted:
        raise missing("filter")
    kind, owner = _owner(portal, wanted["ownerType"], wanted["ownerId"])
    rows = [_item(row) for row in rows_of(portal, kind, owner["ID"])]
    return Answer({"productRows": rows}, len(rows))


ROW_METHODS: Mapping[str, Handler] = {
    "crm.deal.productrows.set": _set_old,
    "crm.deal.productrows.get": _get_old,
    "crm.item.productrow.set": _set_item,
    "crm.item.productrow.list": _list_item,
}


def _deal(portal: Portal, params: Params) -> Record:
    owner = portal.store.get("deal", as_int(params.get("id")))
    if owner is None:
        raise not_found()
    return owner


def _owner(portal: Portal, code: Any, number: Any) -> tuple[Kind, Record]:
    kind = BY_OWNER.get(str(code))
    if kind is None:
        raise RestError(400, "ENTITY_TYPE_NOT_SUPPORTED", "Entity type is not supported")
    owner = portal.store.get(kind.name, as_int(number))
    if owner is None:
        raise RestError(400, "OWNER_NOT_FOUND", "Owner of the product rows is not found")
    return kind, owner


def _renamed(row: Mapping[str, Any]) -> dict[str, Any]:
    return {_NAMES[name]: value for name, value in row.items() if name in _NAMES}


def _row(portal: Portal, place: str, number: int, raw: Mapping[str, Any]) -> Record:
    product = portal.store.get("product", as_int(raw.get("PRODUCT_ID")))
    units = {measure["code"]: measure["symbol"] for measure in portal.store.all("measure").values()}
    unit = as_int(raw.get("MEASURE_CODE")) or PIECE
    # an unknown unit is silently replaced by the default one
    unit = unit if unit in units else PIECE
    return {
        "ID": portal.store.next_id("row"),
        "OWNER": place,
        "PRODUCT_ID": product["ID"] if product else 0,
        "PRODUCT_NAME": str(raw.get("PRODUCT_NAME") or (product or {}).get("NAME") or ""),
        "PRICE": _decimal(raw.get("PRICE"), "0"),
        "QUANTITY": _decimal(raw.get("QUANTITY"), "1"),
        "DISCOUNT_TYPE_ID": as_int(raw.get("DISCOUNT_TYPE_ID")) or 2,
        "DISCOUNT_RATE": _decimal(raw.get("DISCOUNT_RATE"), "0"),
        "TAX_RATE": None if raw.get("TAX_RATE") in {None, ""} else _decimal(raw["TAX_RATE"], "0"),
        "TAX_INCLUDED": "Y" if raw.get("TAX_INCLUDED") == "Y" else "N",
        "MEASURE_CODE": unit,
        "MEASURE_NAME": units.get(unit, "шт"),
        "SORT": as_int(raw.get("SORT")) or number * 10,
        "TYPE": _type(product),
    }


def _type(product: Record | None) -> int | None:
    if product is None:
        return None
    return SERVICE if product["IS_SERVICE"] else PRODUCT


def _sums(owner: Record, rows: list[Record]) -> dict[str, Any]:
    """Return the owner's sum and tax; in manual mode its sum is left alone."""
    lines = [(Decimal(row["PRICE"]), Decimal(row["QUANTITY"]), _tax_rate(row)) for row in rows]
    tax = sum((row_tax(*line) for line in lines), Decimal(0))
    found = {"TAX_VALUE": f"{tax:.2f}"}
    if owner.get("IS_MANUAL_OPPORTUNITY") != "Y":
        found["OPPORTUNITY"] = f"{sum((row_sum(price, quantity) for price, quantity, _ in lines), Decimal(0)):.2f}"
    return found


def _item(row: Record) -> dict[str, Any]:
    code, _, number = row["OWNER"].partition("_")
    prices = row_prices(Decimal(row["PRICE"]), Decimal(row["DISCOUNT_RATE"]), _tax_rate(row))
    return {
        "id": row["ID"],
        "ownerId": int(number),
        "ownerType": code,
        "productId": row["PRODUCT_ID"],
        "productName": row["PRODUCT_NAME"],
        "price": float(row["PRICE"]),
        "priceAccount": float(row["PRICE"]),
        "priceExclusive": float(prices.exclusive),
        "priceNetto": float(prices.netto),
        "priceBrutto": float(prices.brutto),
        "quantity": float(row["QUANTITY"]),
        "discountTypeId": row["DISCOUNT_TYPE_ID"],
        "discountRate": float(row["DISCOUNT_RATE"]),
        "discountSum": float(prices.discount_sum),
        "taxRate": None if row["TAX_RATE"] is None else float(row["TAX_RATE"]),
        "taxIncluded": row["TAX_INCLUDED"],
        "customized": "Y",
        "measureCode": row["MEASURE_CODE"],
        "measureName": row["MEASURE_NAME"],
        "sort": row["SORT"],
        "type": row["TYPE"],
        "storeId": None,
        "xmlId": "",
    }


def _old(row: Record) -> dict[str, Any]:
    """Show a row in the old generation, which mixes text and numbers in its own way."""
    item = _item(row)
    return {
        "ID": str(row["ID"]),
        "OWNER_ID": str(item["ownerId"]),
        "OWNER_TYPE": item["ownerType"],
        "PRODUCT_ID": row["PRODUCT_ID"],
        "PRODUCT_NAME": row["PRODUCT_NAME"],
        "ORIGINAL_PRODUCT_NAME": row["PRODUCT_NAME"],
        "PRODUCT_DESCRIPTION": None,
        "PRICE": item["price"],
        "PRICE_EXCLUSIVE": item["priceExclusive"],
        "PRICE_NETTO": item["priceNetto"],
        "PRICE_BRUTTO": item["priceBrutto"],
        "PRICE_ACCOUNT": f"{Decimal(row['PRICE']):.2f}",
        "QUANTITY": item["quantity"],
        "DISCOUNT_TYPE_ID": row["DISCOUNT_TYPE_ID"],
        "DISCOUNT_RATE": item["discountRate"],
        "DISCOUNT_SUM": item["discountSum"],
        "TAX_RATE": item["taxRate"],
        "TAX_INCLUDED": row["TAX_INCLUDED"],
        "CUSTOMIZED": "Y",
        "MEASURE_CODE": row["MEASURE_CODE"],
        "MEASURE_NAME": row["MEASURE_NAME"],
        "SORT": row["SORT"],
        "XML_ID": item["xmlId"],
        "TYPE": row["TYPE"],
        "STORE_ID": None,
        "RESERVE_ID": None,
        "DATE_RESERVE_END": None,
        "RESERVE_QUANTITY": None,
    }


def _tax_rate(row: Record) -> Decimal | None:
    return None if row["TAX_RATE"] is None else Decimal(row["TAX_RATE"])


def _decimal(raw: Any, default: str) -> str:
    try:
        return str(Decimal(str(raw).strip()))
    except InvalidOperation:
        return default
