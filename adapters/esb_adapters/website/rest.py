"""The WooCommerce REST API as far as the poll needs it: requests built, answers read. Pure.

Source: WooCommerce REST API v3, "List all orders", "Webhooks", "Errors", "Pagination".
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from esb_adapters.website.protocol import milliseconds, order_key, utc
from esb_bus.errors import EndpointDown, RetryableError

PAGE = 100
ROOT = "/wp-json/wc/v3"
_SPACE = re.compile(r"[\s,]*")


class ShopDown(EndpointDown):
    """The shop's REST API cannot be used: no answer, no access, or something else answers in its place."""

    code = "shop_down"


class ShopBusy(RetryableError):
    """The shop, its hosting or a security plugin asks for fewer requests."""

    code = "shop_busy"


class ShopMoved(RetryableError):
    """The list shrank while its pages were read, so an order may have slipped between two pages."""

    code = "shop_list_moved"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class ListedOrder:
    """One order of a page: its bytes as they came, and what the poll has to know of it. Drafts may have no date."""

    native_id: int
    modified: datetime | None
    body: bytes

    def thread(self, endpoint: str) -> str:
        return order_key(endpoint, self.native_id)

    @property
    def version(self) -> int | None:
        return milliseconds(self.modified) if self.modified else None


@dataclass(frozen=True, slots=True)
class Page:
    orders: Sequence[ListedOrder]
    total: int
    pages: int


def rest_root(url: str) -> str:
    """Return the address of the REST API from that of the shop, or from itself."""
    return f"{url.rstrip('/').removesuffix(ROOT)}{ROOT}/"


def orders_query(modified_after: datetime, page: int) -> dict[str, str]:
    """Ask for one page of what changed. There is no order by change, hence by id, and the whole window at a time."""
    return {
        "modified_after": modified_after.strftime("%Y-%m-%dT%H:%M:%S"),
        "dates_are_gmt": "true",
        "orderby": "id",
        "order": "asc",
        "per_page": str(PAGE),
        "page": str(page),
    }


def webhooks_query(page: int) -> dict[str, str]:
    return {"per_page": str(PAGE), "page": str(page), "orderby": "id", "order": "asc"}


def read_page(answer: Answer) -> Page:
    """Read one page of orders.

    Raises:
        ShopDown, ShopBusy: nothing useful came back.
    """
    text = _usable(answer)
    try:
        orders = [_listed(raw, wire) for raw, wire in _elements(text)]
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise ShopDown(f"the list of orders cannot be read: {str(error)[:200]}") from error
    return Page(orders, *_totals(answer.headers, len(orders)))


def read_webhooks(answer: Answer) -> list[dict[str, Any]]:
    """Read one page of webhooks.

    Raises:
        ShopDown, ShopBusy: nothing useful came back.
    """
    try:
        found = orjson.loads(_usable(answer))
    except orjson.JSONDecodeError as error:
        raise ShopDown("the list of webhooks cannot be read") from error
    return [hook for hook in found if isinstance(hook, dict)] if isinstance(found, list) else []


def read_single(answer: Answer) -> bytes | None:
    """Return the bytes of one order, None when the shop has it no more.

    Raises:
        ShopDown, ShopBusy: nothing useful came back.
    """
    if answer.status == 404 and _reason(answer.body) == " 'woocommerce_rest_shop_order_invalid_id'":  # noqa: PLR2004
        return None
    _usable(answer)
    return answer.body


def is_ours(webhook: Mapping[str, Any], path: str) -> bool:
    """Tell whether a webhook leads to us: the shop knows our address, we know only its path."""
    return str(webhook.get("delivery_url", "")).split("?", 1)[0].rstrip("/").endswith(path)


def disabled_webhooks(webhooks: Sequence[Mapping[str, Any]], path: str) -> list[int]:
    """Name those of our webhooks the shop has switched off; "paused" was a person's decision and stays."""
    return [int(hook["id"]) for hook in webhooks if hook.get("status") == "disabled" and is_ours(hook, path)]


def check_answer(answer: Answer) -> None:
    """Return if the request was carried out.

    Raises:
        ShopDown, ShopBusy: it was not.
    """
    _usable(answer)


def _usable(answer: Answer) -> str:
    if answer.status in {429, 503}:
        raise ShopBusy(f"the shop answers {answer.status}", _retry_after(answer.headers))
    if answer.status in {401, 403}:
        raise ShopDown(f"the shop answers {answer.status}{_reason(answer.body)}: check the REST key and its rights")
    if answer.status != 200:  # noqa: PLR2004  the one status that carries what was asked for
        raise ShopDown(f"the shop answers {answer.status}{_reason(answer.body)}")
    try:
        return answer.body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ShopDown("the shop's answer is not UTF-8") from error


def _reason(body: bytes) -> str:
    """The `code` of an error of WooCommerce; pages of proxies and security plugins have none."""
    try:
        wire = orjson.loads(body)
    except orjson.JSONDecodeError:
        return " with a page instead of JSON"
    return f" {wire['code']!r:.80}" if isinstance(wire, dict) and "code" in wire else ""


def _elements(text: str) -> list[tuple[str, Any]]:
    """Cut a JSON array into its elements as they were written: what is stored raw must not be written anew."""
    decoder = json.JSONDecoder()
    found = []
    place = text.index("[") + 1
    if text[: place - 1].strip():
        raise ValueError("something stands before the list")
    while text[(place := _skip(text, place))] != "]":
        element, end = decoder.raw_decode(text, place)
        found.append((text[place:end], element))
        place = end
    return found


def _skip(text: str, place: int) -> int:
    match = _SPACE.match(text, place)
    return match.end() if match else place


def _listed(raw: str, wire: Any) -> ListedOrder:
    modified = wire.get("date_modified_gmt")
    return ListedOrder(int(wire["id"]), utc(modified) if modified else None, raw.encode())


def _totals(headers: Mapping[str, str], found: int) -> tuple[int, int]:
    """Without the totals nobody knows whether the window was read to its end."""
    total, pages = headers.get("x-wp-total", ""), headers.get("x-wp-totalpages", "")
    if total.isdecimal() and pages.isdecimal():
        return int(total), int(pages)
    raise ShopDown(f"the list of {found} orders came without X-WP-Total and X-WP-TotalPages: does a proxy drop them?")


def _retry_after(headers: Mapping[str, str]) -> float | None:
    value = headers.get("retry-after", "")
    return float(value[:6]) if value.isdecimal() else None
