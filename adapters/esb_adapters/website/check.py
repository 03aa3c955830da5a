"""What `esb check` asks a shop: reachable, authorised, and do its webhooks lead to us."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from esb_adapters.receiving import webhook_path
from esb_adapters.website.client import ShopClient
from esb_adapters.website.rest import is_ours, orders_query, read_page, read_webhooks, webhooks_query
from esb_bus.errors import EsbError

TOPICS: Final = ("order.created", "order.updated", "order.deleted", "order.restored")


async def check_shop(endpoint: str, client: ShopClient) -> list[str]:
    """Return what is wrong with a shop, one line each, saying what to do; empty when all is well."""
    try:
        read_page(await client.get("orders", orders_query(datetime.now(UTC) - timedelta(minutes=5), 1)))
        webhooks = read_webhooks(await client.get("webhooks", webhooks_query(1)))
    except EsbError as error:
        return [f"{endpoint}: {error.code}: {error}"]
    return [f"{endpoint}: {problem}" for problem in webhook_problems(webhooks, webhook_path(endpoint))]


def webhook_problems(webhooks: Sequence[Mapping[str, Any]], path: str) -> Iterator[str]:
    ours = {str(hook.get("topic")): str(hook.get("status")) for hook in webhooks if is_ours(hook, path)}
    for topic in TOPICS:
        if topic not in ours:
            yield f"no webhook for {topic} leads to {path}: add it under WooCommerce, Settings, Advanced, Webhooks"
        elif ours[topic] != "active":
            yield f"the webhook for {topic} is {ours[topic]}: set it to active in the shop"
