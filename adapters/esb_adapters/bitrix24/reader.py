"""Reads everything about one deal in as few requests as the rate budget deserves: one batch, two for new products."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

from esb_adapters.bitrix24.client import Client
from esb_adapters.bitrix24.mapping import COMPANY_TYPE_ID, Snapshot, is_order, is_shops_order, own_requisites
from esb_adapters.bitrix24.protocol import BatchAnswer, DealMissing, PortalRefused, command
from esb_adapters.bitrix24.shapes import Company, Contact, Deal, Requisite, Row, read_deal, read_list, read_one
from esb_adapters.bitrix24.shared import SharedReads
from esb_bus.errors import RetryableError
from esb_bus.landscape import Bitrix24Portal
from esb_bus.ports import Cache

ARTICLE_CODE: Final = "CML2_ARTICLE"
"""Symbolic code of the catalogue property «Артикул», as the exchange with 1C creates it."""
ARTICLE_TTL_S: Final = 300.0
PRODUCTS_PER_BATCH: Final = 45
DEAL_TYPE_ID: Final = 2
VARIATION, SERVICE = 4, 7
PRODUCT_METHODS: Final = {VARIATION: "catalog.product.offer.get", SERVICE: "catalog.product.service.get"}
PRODUCT_FIELDS: Final = ("xmlId", "code", "id")
REQUISITE_FIELDS: Final = (
    "ID", "ENTITY_TYPE_ID", "ENTITY_ID", "RQ_INN", "RQ_KPP", "RQ_OGRN", "RQ_OGRNIP", "RQ_COMPANY_NAME",
)  # fmt: skip
_SECOND: Final = timedelta(seconds=1)


class DealStillChanging(RetryableError):
    """The deal was changed in this very second, again and again: its version is not final yet."""

    code = "deal_still_changing"


class DealReader:
    """Reads deals of one portal.

    Args:
        endpoint: `bitrix24.<name>`.
        portal: its settings.
        client: calls it.
        shared: reads deals together with those of other callers.
        cache: remembers articles for some minutes.
        article: where a product keeps its article: "xmlId", "code", "id", else the symbolic code of a property.
    """

    def __init__(
        self,
        endpoint: str,
        portal: Bitrix24Portal,
        client: Client,
        shared: SharedReads,
        cache: Cache,
        article: str = ARTICLE_CODE,
    ) -> None:
        self._endpoint = endpoint
        self._portal = portal
        self._client = client
        self._shared = shared
        self._cache = cache
        self._article = article

    async def read(self, deal_id: str) -> Snapshot:
        """Return the deal with all that its order needs, at a version that no longer changes.

        The portal's times have whole seconds: what is changed twice within one second has one version and two
        contents. So a deal read in the second of its last change is read again when that second is over.

        Raises:
            DealMissing: the portal does not have it.
            RetryableError, EndpointDown: the portal could not be asked.
            PermanentError: the portal's answer cannot be used.
        """
        for _ in range(3):
            answer = await self._shared.read(partial(deal_commands, deal_id))
            deal = read_deal_of(answer, deal_id)
            left = seconds_left(deal, answer.at)
            if not left:
                return await self._complete_or_refuse(deal, answer)
            await asyncio.sleep(left)
        raise DealStillChanging(f"deal {deal_id} is being changed every second", retry_after=5)

    async def _complete_or_refuse(self, deal: Deal, answer: BatchAnswer) -> Snapshot:
        try:
            return await self._complete(deal, answer)
        except PortalRefused as refused:
            raise PortalRefused(f"deal {deal.id}: {refused}", refused.error_code) from refused

    async def _complete(self, deal: Deal, answer: BatchAnswer) -> Snapshot:
        if is_shops_order(deal, self._portal):
            return Snapshot(deal)
        rows = read_list(Row, answer.result("rows"))
        if not is_order(deal, rows, self._portal):
            return Snapshot(deal, rows)
        company = read_one(Company, answer.result("company")) if deal.company_id else None
        contact = read_one(Contact, answer.result("contact")) if deal.contact_id and company is None else None
        requisites = read_list(Requisite, answer.result("requisites")) if company else []
        return Snapshot(
            deal,
            rows,
            company,
            contact,
            requisites,
            await self._articles(rows),
            await self._chosen_requisite(deal, requisites),
        )

    async def _chosen_requisite(self, deal: Deal, requisites: Sequence[Requisite]) -> int:
        """Ask which requisite the deal prints, but only when there is a choice."""
        if len(own_requisites(requisites, deal.company_id)) < 2:  # noqa: PLR2004  a choice begins with two
            return 0
        try:
            link = await self._client.call(
                "crm.requisite.link.get", {"entityTypeId": DEAL_TYPE_ID, "entityId": deal.id}
            )
        except PortalRefused:  # nothing was chosen; the mapping says so if the choice matters
            return 0
        chosen: Requisite = read_one(Requisite, {"ID": _member(link.result, "REQUISITE_ID")})
        return chosen.id

    # --- articles ---

    async def _articles(self, rows: Sequence[Row]) -> Mapping[int, str]:
        types = {row.product_id: row.type for row in rows if row.product_id}
        known = {product: await self._cache.get(self._cache_key(product)) for product in types}
        found = {product: article for product, article in known.items() if article}
        missing = [product for product in types if product not in found]
        for start in range(0, len(missing), PRODUCTS_PER_BATCH):
            found |= await self._asked({product: types[product] for product in missing[start:][:PRODUCTS_PER_BATCH]})
        return found

    async def _asked(self, types: Mapping[int, int]) -> dict[int, str]:
        answer = await self._shared.read(partial(product_commands, types, self._article))
        names = article_names(answer, self._article)
        articles = {product: article_of(product_of(answer, product), names) for product in types}
        found = {product: article for product, article in articles.items() if article}
        for product, article in found.items():
            await self._cache.put(self._cache_key(product), article, ARTICLE_TTL_S)
        return found

    def _cache_key(self, product: int) -> str:
        return f"article:{self._endpoint}:{product}"


def deal_commands(deal_id: str, prefix: str = "") -> dict[str, str]:
    """The commands that read one deal. A reference to a missing buyer is empty and its command is refused."""
    company, contact = f"$result[{prefix}deal][COMPANY_ID]", f"$result[{prefix}deal][CONTACT_ID]"
    mine = {"ENTITY_TYPE_ID": COMPANY_TYPE_ID, "ENTITY_ID": company}
    commands = {
        "deal": command("crm.deal.get", {"id": deal_id}),
        "rows": command("crm.deal.productrows.get", {"id": deal_id}),
        "company": command("crm.company.get", {"id": company}),
        "contact": command("crm.contact.get", {"id": contact}),
        "requisites": command("crm.requisite.list", {"filter": mine, "select": REQUISITE_FIELDS}),
    }
    return {f"{prefix}{name}": text for name, text in commands.items()}


def read_deal_of(answer: BatchAnswer, deal_id: str) -> Deal:
    """Return the deal of a batch.

    Raises:
        DealMissing: "Not found", which the old generation says with an empty code.
        PortalRefused: any other refusal.
    """
    try:
        return read_deal(answer.result("deal"))
    except PortalRefused as refused:
        if refused.error_code in {"", "NOT_FOUND"}:
            raise DealMissing(f"the portal no longer has deal {deal_id}, or its webhook may not see it") from refused
        raise


def seconds_left(deal: Deal, now: datetime | None) -> float:
    """Return how long the second of the last change still lasted when the portal began to read, 0 when it was over."""
    if now is None:
        return 0.0
    ends = deal.date_modify.astimezone(UTC).replace(microsecond=0) + _SECOND
    return min(1.0, max(0.0, (ends - now).total_seconds()))


def product_commands(types: Mapping[int, int], article: str, prefix: str = "") -> dict[str, str]:
    """Ask for products by every method that may know them: variations and services have their own."""
    commands = {}
    if article not in PRODUCT_FIELDS:
        wanted = {"select": ("id", "iblockId", "code"), "filter": {"code": article}}
        commands["properties"] = command("catalog.productProperty.list", wanted)
    for product, kind in types.items():
        method = PRODUCT_METHODS.get(kind, "catalog.product.get")
        commands[f"product{product}"] = command(method, {"id": product})
    return {f"{prefix}{name}": text for name, text in commands.items()}


def article_names(answer: BatchAnswer, article: str) -> list[str]:
    """Return the product members that hold the article; a property has one number per catalogue."""
    if article in PRODUCT_FIELDS:
        return [article]
    properties = _member(answer.result("properties"), "productProperties")
    rows = properties if isinstance(properties, list) else []
    # The code is compared again: list methods of the catalogue may ignore a filter.
    return [f"property{_member(row, 'id')}" for row in rows if _member(row, "code") == article]


def product_of(answer: BatchAnswer, product: int) -> Any:
    """Return the product, None when the portal refuses it (deleted, or not readable for the webhook's owner)."""
    wire = answer.results.get(f"product{product}")
    return (
        next((wire[name] for name in ("product", "offer", "service") if name in wire), None)
        if (isinstance(wire, dict))
        else None
    )


def article_of(product: Any, names: Sequence[str]) -> str:
    """Return the first article found, without surrounding blanks."""
    values = (_value(_member(product, name)) for name in names)
    return next((value for value in values if value), "")


def _value(member: Any) -> str:
    """A property is `{"value": …, "valueId": …}`, a field is plain."""
    plain = _member(member, "value") if isinstance(member, dict) else member
    return str(plain).strip() if isinstance(plain, str | int) and not isinstance(plain, bool) else ""


def _member(wire: Any, name: str) -> Any:
    return wire.get(name) if isinstance(wire, dict) else None
