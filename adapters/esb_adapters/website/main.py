"""Composes the website adapter from landscape and secrets. Nothing imports it but the command line."""

from starlette.routing import Route

from esb_adapters.receiving import Intake
from esb_adapters.website.check import check_shop
from esb_adapters.website.client import ShopClient
from esb_adapters.website.mapper import WebsiteMapper
from esb_adapters.website.mapping import Shop
from esb_adapters.website.poller import WebsitePoller
from esb_adapters.website.webhook import webhook_route
from esb_bus.landscape import WEBSITE_KIND, Landscape, Website
from esb_bus.ports import Cache
from esb_bus.settings import Secrets


def routes(landscape: Landscape, secrets: Secrets, intake: Intake) -> list[Route]:
    """Return one webhook route for each website.

    Raises:
        SecretMissing, SecretUnusable: nothing can be received without a good secret.
    """
    return [
        webhook_route(endpoint_of(name), site, secrets.get(site.webhook_secret), intake)
        for name, site in landscape.website.items()
    ]


def mapper(endpoint: str, landscape: Landscape, cache: Cache, source: ShopClient | None = None) -> WebsiteMapper:
    """Build the mapper. With `source` it can ask the shop when two states carry the same second."""
    return WebsiteMapper(Shop(endpoint, _site(endpoint, landscape), landscape.rounding), cache, source)


def client(endpoint: str, landscape: Landscape, secrets: Secrets) -> ShopClient | None:
    """Open the REST API of a shop; the caller closes it. None where the landscape gives no way to poll."""
    site = _site(endpoint, landscape)
    if site.protocol != "woocommerce" or site.url is None or site.secret is None:
        return None
    return ShopClient(str(site.url), secrets.get(site.secret).get_secret_value(), site.timeout_s)


def poller(endpoint: str, landscape: Landscape, shop: ShopClient) -> WebsitePoller:
    return WebsitePoller(endpoint, shop, _site(endpoint, landscape).overlap_s)


async def check(endpoint: str, shop: ShopClient) -> list[str]:
    """Return what is wrong with a shop, one line each."""
    return await check_shop(endpoint, shop)


def endpoint_of(name: str) -> str:
    return f"{WEBSITE_KIND}.{name}"


def _site(endpoint: str, landscape: Landscape) -> Website:
    return landscape.website[endpoint.split(".", 1)[1]]
