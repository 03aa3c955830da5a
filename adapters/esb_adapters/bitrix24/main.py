"""Composition of the Bitrix24 adapter: what `esb run` and `esb check` take from it."""

import logging
from dataclasses import dataclass

import redis.asyncio as redis
from pydantic import SecretStr
from starlette.routing import Route

from esb_adapters.bitrix24.budget import LocalBudget, RedisBudget
from esb_adapters.bitrix24.check import check_portal
from esb_adapters.bitrix24.client import Client
from esb_adapters.bitrix24.mapper import Bitrix24Mapper
from esb_adapters.bitrix24.poller import DealPoller
from esb_adapters.bitrix24.reader import ARTICLE_CODE, DealReader
from esb_adapters.bitrix24.sender import Bitrix24Sender
from esb_adapters.bitrix24.shared import SharedReads
from esb_adapters.bitrix24.webhook import event_check
from esb_adapters.receiving import Intake, webhook_path
from esb_bus.landscape import BITRIX24_KIND, Bitrix24Portal, Landscape
from esb_bus.ports import Cache, RateBudget
from esb_bus.settings import Secrets


@dataclass(frozen=True, slots=True)
class PortalParts:
    """What runs for one portal. They share a client, and through it the budget; close the client last."""

    endpoint: str
    client: Client
    mapper: Bitrix24Mapper
    poller: DealPoller
    sender: Bitrix24Sender


def routes(landscape: Landscape, secrets: Secrets, intake: Intake) -> list[Route]:
    """Return the doors for the outgoing webhooks of all portals: `/webhooks/bitrix24/<name>`."""
    return [_route(f"{BITRIX24_KIND}.{name}", portal, secrets, intake) for name, portal in landscape.bitrix24.items()]


def _route(endpoint: str, portal: Bitrix24Portal, secrets: Secrets, intake: Intake) -> Route:
    token = None if portal.application_token is None else secrets.get(portal.application_token)
    return Route(webhook_path(endpoint), intake.receiver(endpoint, event_check(endpoint, token)), methods=["POST"])


def rate_budget(
    endpoint: str, portal: Bitrix24Portal, connection: redis.Redis | None = None, prefix: str = "esb:"
) -> RateBudget:
    """Return the bucket of one portal: shared through Redis where there is one."""
    capacity = max(1, portal.burst - 1)  # the network may bunch what we sent evenly
    if connection is None:
        return LocalBudget(portal.requests_per_s, capacity)
    return RedisBudget(connection, f"{prefix}budget:{endpoint}", portal.requests_per_s, capacity)


def open_client(portal: Bitrix24Portal, secret: SecretStr, budget: RateBudget) -> Client:
    # httpx logs the address of every request at INFO, and the address holds the webhook's secret.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    return Client(portal, secret, budget)


def parts(
    endpoint: str, portal: Bitrix24Portal, client: Client, cache: Cache, article: str = ARTICLE_CODE
) -> PortalParts:
    """Compose everything that runs for one portal.

    Args:
        endpoint: `bitrix24.<name>`.
        portal: its settings.
        client: opened by `open_client`, closed by the caller.
        cache: may forget at any time.
        article: where a catalogue product keeps its article, see `DealReader`.
    """
    shared = SharedReads(client)
    reader = DealReader(endpoint, portal, client, shared, cache, article)
    return PortalParts(
        endpoint=endpoint,
        client=client,
        mapper=Bitrix24Mapper(endpoint, portal, client, reader, cache),
        poller=DealPoller(endpoint, portal, client, cache),
        sender=Bitrix24Sender(endpoint, portal, client, shared),
    )


async def check(endpoint: str, portal: Bitrix24Portal, client: Client) -> list[str]:
    """Return what is wrong with a portal, one line each."""
    return await check_portal(endpoint, portal, client)
