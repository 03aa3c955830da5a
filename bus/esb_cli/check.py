"""`esb check`: is the landscape sound, and do the live systems agree with it?"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from itertools import groupby
from typing import TypeAlias

import redis.asyncio as redis
import typer
from redis.exceptions import RedisError

from esb_adapters.bitrix24 import main as bitrix24
from esb_adapters.onec import main as onec
from esb_adapters.website import main as website
from esb_bus.errors import EsbError
from esb_bus.landscape import BITRIX24_KIND, ONEC_KIND, WEBSITE_KIND, Landscape
from esb_bus.settings import Secrets, Settings
from esb_bus.topology import kind_of
from esb_bus.wire import Link
from esb_cli.context import (
    DEFAULT_LANDSCAPE,
    FAILED,
    JsonOption,
    LandscapeOption,
    err,
    go,
    indented,
    out,
    print_json,
    progress_bar,
    read_landscape,
    read_settings,
    secrets_of,
)
from esb_transformers.routing import untransformable

Finding: TypeAlias = tuple[str, str]
"""Part of the company (an endpoint, the landscape, a server) and what is wrong with it."""


def check_command(
    landscape: LandscapeOption = DEFAULT_LANDSCAPE,
    offline: bool = typer.Option(False, "--offline", help="Only the file: ask no system."),
    as_json: JsonOption = False,
) -> None:
    """Check the landscape file as a whole, then every system it names: reachable, authorised, fields exist."""
    company = read_landscape(landscape)
    findings: list[Finding] = [("landscape", line) for line in untransformable(company)]
    if not offline:
        settings = read_settings(landscape)
        with progress_bar("asking every system", quiet=as_json) as (progress, task):
            progress.update(task, total=len(list(company.endpoints())) + 2)
            asking = live_findings(company, settings, secrets_of(settings), lambda: progress.advance(task))
            findings += go(asking)
    if as_json:
        print_json({"part": part, "problem": problem} for part, problem in findings)
    else:
        _print(company, findings, offline=offline)
    if findings:
        raise typer.Exit(FAILED)


def _print(company: Landscape, findings: Sequence[Finding], *, offline: bool) -> None:
    for part, told in groupby(findings, key=lambda finding: finding[0]):
        out.print(part, style="bold")
        for _, problem in told:
            out.print(indented(f"✗ {problem}"), style="red")
    if not offline:
        _print_assumptions(company)
    if findings:
        err.print(f"{len(findings)} problem{'' if len(findings) == 1 else 's'}")
    else:
        err.print("✓ the landscape is sound" + ("" if offline else " and every system agrees with it"), style="green")


def _print_assumptions(company: Landscape) -> None:
    """Settings of 1C that no request shows; the bus relies on them."""
    lines = {name: onec.assumed(base) for name, base in company.onec.items()}
    if any(lines.values()):
        err.print("taken for granted, look it up in 1C once:", style="dim")
    for name, assumed in lines.items():
        for line in assumed:
            err.print(indented(f"{ONEC_KIND}.{name}: {line}"), style="dim")


async def live_findings(
    company: Landscape, settings: Settings, secrets: Secrets, on_done: Callable[[], None] = lambda: None
) -> list[Finding]:
    """Return everything that does not answer as the landscape says. All systems are asked at once: some may be slow."""

    async def counted(work: Awaitable[list[Finding]]) -> list[Finding]:
        try:
            return await work
        finally:
            on_done()

    asked = [_broker(settings), _redis(settings), *(_endpoint(one, company, secrets) for one in company.endpoints())]
    return [finding for found in await asyncio.gather(*map(counted, asked)) for finding in found]


async def _endpoint(endpoint: str, company: Landscape, secrets: Secrets) -> list[Finding]:
    try:
        problems = await _CHECKS[kind_of(endpoint)](endpoint, company, secrets)
    except EsbError as error:
        problems = [f"{error.code}: {error}"]
    return [(endpoint, problem.removeprefix(f"{endpoint}: ")) for problem in problems]


async def _broker(settings: Settings) -> list[Finding]:
    try:
        await (await Link.open(settings.amqp_url.get_secret_value(), "esb check")).close()
    except EsbError as error:
        return [("rabbitmq", str(error))]
    return []


async def _redis(settings: Settings) -> list[Finding]:
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
