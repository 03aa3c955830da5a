"""What `esb check` asks a portal: reachable, authorised, and does it have every field the landscape names."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from esb_adapters.bitrix24.client import Client
from esb_adapters.bitrix24.mapping import field_name
from esb_adapters.bitrix24.protocol import BatchAnswer, command
from esb_adapters.bitrix24.reader import ARTICLE_CODE, PRODUCT_FIELDS, article_names
from esb_bus.errors import EsbError
from esb_bus.landscape import BITRIX24_FIELDS, Bitrix24Portal

SCOPES: Final = ("crm", "catalog")
FIELD_TYPES: Final[Mapping[str, tuple[str, ...]]] = {
    "entity": ("string",),
    "number": ("string",),
    "status": ("string",),
    "paid": ("money",),
    "paid_at": ("datetime", "date", "string"),
    "debt": ("money",),
    "versions": ("string",),
}
"""Types a field may have, the one to create it with first."""


async def check_portal(endpoint: str, portal: Bitrix24Portal, client: Client, article: str = ARTICLE_CODE) -> list[str]:
    """Return what is wrong with a portal, one line each, saying what to do; empty when all is well."""
    try:
        answer = await client.batch(_commands(article))
    except EsbError as error:
        return [f"{endpoint}: {error.code}: {error}"]
    return [f"{endpoint}: {problem}" for problem in _problems(portal, article, answer)]


def _commands(article: str) -> dict[str, str]:
    commands = {
        "scope": command("scope", {}),
        "fields": command("crm.deal.fields", {}),
        "stages": command("crm.status.list", {}),
    }
    if article not in PRODUCT_FIELDS:
        wanted = {"select": ("id", "iblockId", "code"), "filter": {"code": article}}
        commands["properties"] = command("catalog.productProperty.list", wanted)
    return commands


def _problems(portal: Bitrix24Portal, article: str, answer: BatchAnswer) -> Iterator[str]:
    yield from (str(refusal) for refusal in answer.refusals.values())
    yield from _scope_problems(answer.results.get("scope"))
    fields = answer.results.get("fields")
    if isinstance(fields, dict):
        yield from seller_problems(portal, fields)
        yield from field_problems(portal, fields)
    yield from stage_problems(portal, answer.results.get("stages"))
    if "properties" in answer.results and not article_names(answer, article):
        yield f"no catalogue has a property with the code {article}: rows cannot be given an article"


def _scope_problems(granted: Any) -> Iterator[str]:
    if isinstance(granted, list):
        yield from (
            f"the inbound webhook lacks the scope {scope!r}: tick it in the webhook's settings"
            for scope in SCOPES
            if scope not in granted
        )


def seller_problems(portal: Bitrix24Portal, fields: Mapping[str, Any]) -> Iterator[str]:
    """Compare the seller field and its items with the landscape."""
    field = fields.get(portal.seller_field)
    if not isinstance(field, dict):
        yield f"deals have no field {portal.seller_field} (seller_field): create it, or name another"
        return
    items = field.get("items")
    if not isinstance(items, list):
        return  # not an enumeration: its values cannot be listed
    names = {str(item.get("ID")): str(item.get("VALUE")) for item in items if isinstance(item, dict)}
    for item in portal.sellers:
        if item not in names:
            yield f"sellers: {portal.seller_field} has no item {item}; it has {_listed(names)}"
    unmapped = {item: name for item, name in names.items() if item not in portal.sellers}
    if unmapped:
        yield f"sellers: nobody mapped {_listed(unmapped)} of {portal.seller_field}; such deals become dead letters"


def _listed(items: Mapping[str, str]) -> str:
    return ", ".join(f"{item} «{name}»" for item, name in items.items())


def field_problems(portal: Bitrix24Portal, fields: Mapping[str, Any]) -> Iterator[str]:
    """Name every field the bus writes and the portal lacks or has with another type."""
    for purpose in BITRIX24_FIELDS:
        name, types = field_name(portal, purpose), FIELD_TYPES[purpose]
        field = fields.get(name)
        if not isinstance(field, dict):
            yield (
                f"deals have no field {name} ({purpose}): create it with type {types[0]} "
                f"(crm.deal.userfield.add, FIELD_NAME {name.removeprefix('UF_CRM_')}, USER_TYPE_ID {types[0]})"
            )
        elif field.get("type") not in types:
            yield f"the field {name} ({purpose}) has type {field.get('type')}; it has to be {' or '.join(types)}"


def stage_problems(portal: Bitrix24Portal, statuses: Any) -> Iterator[str]:
    """Name stages of the landscape that no funnel has."""
    rows: Sequence[Any] = statuses if isinstance(statuses, list) else ()
    known = {
        str(row.get("STATUS_ID"))
        for row in rows
        if isinstance(row, dict) and str(row.get("ENTITY_ID")).startswith("DEAL_STAGE")
    }
    yield from (f"stages: no funnel has the stage {stage!r}" for stage in portal.stages if known and stage not in known)
