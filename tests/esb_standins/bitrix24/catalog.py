"""The product catalogue as far as an adapter needs it: which article is product 57 of a row."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from esb_standins.bitrix24.errors import RestError, no_product
from esb_standins.bitrix24.filters import split_key
from esb_standins.bitrix24.listing import page_of
from esb_standins.bitrix24.params import as_int, as_list, as_map
from esb_standins.bitrix24.portal import Answer, Handler, Params, Portal
from esb_standins.bitrix24.store import Record

IBLOCK: Final = 23
ARTICLE_PROPERTY: Final = 65
ARTICLE_NAME: Final = f"property{ARTICLE_PROPERTY}"


def _get(portal: Portal, params: Params) -> Answer:
    record = portal.store.get("product", as_int(params.get("id")))
    if record is None:
        raise no_product()
    return Answer({"product": _shown(portal, record)})


def _get_service(portal: Portal, params: Params) -> Answer:
    return Answer({"service": _get(portal, params).result["product"]})


def _get_offer(_: Portal, __: Params) -> Answer:
    """Refuse every variation: the company's goods have none."""
    raise no_product()


def _list(portal: Portal, params: Params) -> Answer:
    """List products. An unknown property in the filter is ignored, so the whole catalogue comes back."""
    conditions = as_map(params.get("filter"))
    select = {str(name) for name in as_list(params.get("select"))}
    if "iblockId" not in {split_key(key)[1] for key in conditions}:
        raise RestError(400, "100", "The iblockId field is not specified in the filter")
    if not {"id", "iblockId"} <= select and "*" not in select:
        raise RestError(400, "100", "Required select fields: id, iblockId")
    tests = [test for key, value in conditions.items() if (test := _test(portal, key, value))]
    rows = [record for record in portal.store.all("product").values() if all(test(record) for test in tests)]
    page, paging = page_of(sorted(rows, key=lambda record: int(record["ID"])), params.get("start"))
    shown = [_shown(portal, record) for record in page]
    if "*" not in select:
        shown = [{name: value for name, value in product.items() if name in select} for product in shown]
    return Answer({"products": shown}, paging.total, paging.next)


def _properties(_: Portal, params: Params) -> Answer:
    article = {
        "id": ARTICLE_PROPERTY,
        "iblockId": IBLOCK,
        "name": "Артикул",
        "code": "CML2_ARTICLE",
        "xmlId": "CML2_ARTICLE",
        "propertyType": "S",
        "multiple": "N",
        "active": "Y",
    }
    wanted = as_map(params.get("filter"))
    fits = all(str(article.get(name)) == str(value) for name, value in wanted.items() if name in article)
    return Answer({"productProperties": [article] if fits else []}, int(fits))


def _catalogs(_: Portal, __: Params) -> Answer:
    catalog = {"iblockId": IBLOCK, "id": IBLOCK, "iblockTypeId": "CRM_PRODUCT_CATALOG", "lid": "s1", "name": "Каталог",
               "productIblockId": None, "skuPropertyId": None, "subscription": "N", "vatId": None}  # fmt: skip
    return Answer({"catalogs": [catalog]}, 1)


def _plain_list(kind: str, envelope: str) -> Handler:
    def handler(portal: Portal, _: Params) -> Answer:
        rows = [
            {name: value for name, value in record.items() if name != "ID"}
            for record in portal.store.all(kind).values()
        ]
        return Answer({envelope: rows}, len(rows))

    return handler


CATALOG_METHODS: Mapping[str, Handler] = {
    "catalog.catalog.list": _catalogs,
    "catalog.product.get": _get,
    "catalog.product.service.get": _get_service,
    "catalog.product.offer.get": _get_offer,
    "catalog.product.list": _list,
    "catalog.productproperty.list": _properties,
    "catalog.measure.list": _plain_list("measure", "measures"),
    "catalog.vat.list": _plain_list("vat", "vats"),
}


def _shown(portal: Portal, record: Record) -> dict[str, Any]:
    """Show a product; the article is in a property, or in xmlId where the portal's owner keeps it there."""
    in_property = portal.settings.article_in == "property"
    return {
        "id": record["ID"],
        "iblockId": IBLOCK,
        "iblockSectionId": None,
        "name": record["NAME"],
        "active": "Y",
        "code": record["CODE"],
        "xmlId": record["XML_ID"] if in_property else record["ARTICLE"],
        "type": 7 if record["IS_SERVICE"] else 1,
        "measure": record["MEASURE"],
        "vatId": record["VAT_ID"],
        "vatIncluded": "Y",
        ARTICLE_NAME: {"value": record["ARTICLE"], "valueId": str(9000 + record["ID"])} if in_property else None,
    }


def _test(portal: Portal, key: str, value: Any) -> Callable[[Record], bool] | None:
    operator, name = split_key(key)
    name = "id" if name == "ID" else name
    if name == "id" and operator == ">":
        return lambda record: int(record["ID"]) > (as_int(value) or 0)
    if name not in {"id", "xmlId", "name", "code", "iblockId", ARTICLE_NAME}:
        return None
    wanted = {str(entry) for entry in as_list(value)}

    def equal(record: Record) -> bool:
        kept = _shown(portal, record)[name]
        text = str(kept["value"] if isinstance(kept, dict) else kept)
        return (text in wanted) == (not operator.startswith("!"))

    return equal
