"""`esb check`: is the landscape sound, and do the live systems agree with it?"""

from collections.abc import AsyncIterator

import redis.asyncio as redis
import typer
from redis.exceptions import RedisError

from esb_adapters.bitrix24 import main as bitrix24
from esb_adapters.onec import main as onec
from esb_adapters.website import main as website
from esb_bus.errors import EsbError
from esb_bus.landscape import BITRIX24_KIND, ONEC_KIND, WEBSITE_KIND, Landscape
from esb_bus.settings import Secrets, Settings
from esb_bus.wire import Link
from esb_cli.context import (
    DEFAULT_LANDSCAPE,
    JsonOption,
    LandscapeOption,
    err,
    go,
    out,
    print_json,
    read_landscape,
    read_settings,
    secrets_of,
)
from esb_transformers.routing import untransformable


def check_command(
    landscape: LandscapeOption = DEFAULT_LANDSCAPE,
    offline: bool = typer.Option(False, "--offline", help="Only the file: ask no system."),
    as_json: JsonOption = False,
) -> None:
    """Check the landscape file as a whole, then every system it names: reachable, authorised, fields exist."""
    company = read_landscape(landscape)
    findings = [("landscape", line) for line in untransformable(company)]
    if not offline:
        settings = read_settings(landscape)
        findings += go(_collected(company, settings, secrets_of(settings)))
    if as_json:
        print_json({"part": part, "problem": problem} for part, problem in findings)
    else:
        for part, problem in findings:
            out.print(f"✗ {part}: {problem}", markup=False, style="red")
        if not offline:
            _print_assumptions(company)
    if findings:
        raise typer.Exit(1)
    err.print("✓ the landscape is sound" + ("" if offline else " and every system agrees with it"))


def _print_assumptions(company: Landscape) -> None:
    for name, base in company.onec.items():
        for line in onec.assumed(base):
            err.print(f"  {ONEC_KIND}.{name} takes for granted: {line}", markup=False, style="dim")


async def _collected(company: Landscape, settings: Settings, secrets: Secrets) -> list[tuple[str, str]]:
    return [finding async for finding in live_findings(company, settings, secrets)]


async def live_findings(company: Landscape, settings: Settings, secrets: Secrets) -> AsyncIterator[tuple[str, str]]:
    """Yield (part, problem) of everything that does not answer as the landscape says."""
    for line in [*await _broker(settings), *await _redis(settings)]:
        yield line
    for kind, names in (
        (WEBSITE_KIND, company.website),
        (BITRIX24_KIND, company.bitrix24),
        (ONEC_KIND, company.onec),
    ):
        for name in names:
            endpoint = f"{kind}.{name}"
            try:
                problems = await _CHECKS[kind](endpoint, company, secrets)
            except EsbError as error:
                problems = [f"{error.code}: {error}"]
            for problem in problems:
                yield endpoint, problem.removeprefix(f"{endpoint}: ")


async def _broker(settings: Settings) -> list[tuple[str, str]]:
    try:
        await (await Link.open(settings.amqp_url.get_secret_value(), "esb check")).close()
    except EsbError as error:
        return [("rabbitmq", str(error))]
    return []


async def _redis(settings: Settings) -> list[tuple[str, str]]:
    if settings.redis_url is None:
        return []
    connection = redis.Redis.from_url(settings.redis_url.get_secret_value(), socket_connect_timeout=2)
    try:
        await connection.ping()
    except (RedisError, OSError) as error:
        return [("redis", f"does not answer: {error}")]
    finally:
        await connection.aclose()
    return []


async def _website(endpoint: str, company: Landscape, secrets: Secrets) -> list[str]:
    site = company.website[endpoint.split(".", 1)[1]]
    secrets.get(site.webhook_secret)
    shop = website.client(endpoint, company, secrets)
    if shop is None:
        return []
    try:
        return await website.check(endpoint, shop)
    finally:
        await shop.close()


async def _portal(endpoint: str, company: Landscape, secrets: Secrets) -> list[str]:
    portal = company.bitrix24[endpoint.split(".", 1)[1]]
    if portal.application_token is not None:
        secrets.get(portal.application_token)
    client = bitrix24.open_client(portal, secrets.get(portal.secret), bitrix24.rate_budget(endpoint, portal))
    try:
        return await bitrix24.check(endpoint, portal, client)
    finally:
        await client.close()


async def _base(endpoint: str, company: Landscape, secrets: Secrets) -> list[str]:
    base = company.onec[endpoint.split(".", 1)[1]]
    client = onec.open_client(base, secrets.get(base.secret))
    try:
        return await onec.check(endpoint, base, client)
    finally:
        await client.close()


_CHECKS = {WEBSITE_KIND: _website, BITRIX24_KIND: _portal, ONEC_KIND: _base}
