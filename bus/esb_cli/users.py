"""`esb topology users`: the broker's users for subscribers, made from the landscape with the least rights."""

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from esb_bus.administration import Administration, HandOut
from esb_bus.landscape import Landscape
from esb_bus.permissions import bus_grant, explained, grants, subscriber_user
from esb_bus.settings import Settings
from esb_cli.context import (
    DEFAULT_LANDSCAPE,
    WRONG_USAGE,
    JsonOption,
    LandscapeOption,
    YesOption,
    confirmed,
    err,
    fail,
    go,
    out,
    print_json,
    read_landscape,
    read_settings,
)

app = typer.Typer(no_args_is_help=True, help="Users of the broker for subscribers: show, apply, revoke.")

Passwords = Annotated[
    Path, typer.Option("--passwords", help="Folder for new passwords: one file for each user, readable for you only.")
]


@app.command("show")
def show_command(landscape: LandscapeOption = DEFAULT_LANDSCAPE, as_json: JsonOption = False) -> None:
    """Show the rights of every subscriber, and those the bus itself needs. Needs no broker."""
    rows = [explained(grant) for grant in (*grants(read_landscape(landscape)), bus_grant("the bus itself"))]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        table = Table(box=None, pad_edge=False, show_header=False)
        for name, value in row.items():
            table.add_row(name, value)
        out.print(table)
        out.print()


@app.command("apply")
def apply_command(
    landscape: LandscapeOption = DEFAULT_LANDSCAPE,
    passwords: Passwords = Path("passwords"),
    new_password: Annotated[
        list[str] | None, typer.Option("--new-password", help="Also give this subscriber a new password.")
    ] = None,
    yes: YesOption = False,
) -> None:
    """Make users, rights, queues and bindings as the landscape has them; revoke who is no longer in it."""
    settings, company = read_settings(landscape), read_landscape(landscape)
    go(_applied(settings, company, passwords, frozenset(new_password or ()), yes=yes))


@app.command("revoke")
def revoke_command(
    name: Annotated[str, typer.Argument(help="Name of the subscriber.")],
    landscape: LandscapeOption = DEFAULT_LANDSCAPE,
    yes: YesOption = False,
) -> None:
    """Take away a subscriber's rights, connections, queue and user. Take it out of the landscape, too."""
    settings = read_settings(landscape)
    if not confirmed(f"Revoke {name} and delete its queue?", yes=yes):
        fail("nothing was done")
    go(_revoked(settings, name))


async def _applied(settings: Settings, company: Landscape, folder: Path, renewed: frozenset[str], *, yes: bool) -> None:
    wanted = grants(company)
    async with _administration(settings) as broker:
        gone = sorted(set(await broker.users()) - {grant.user for grant in wanted})
        for user in gone:
            if not confirmed(f"{user} is not in the landscape. Revoke it and delete its queue?", yes=yes):
                fail("nothing was done")
        for grant in wanted:
            is_renewed = grant.user in {subscriber_user(name) for name in renewed}
            if await broker.apply(grant, _into(folder), new_password=is_renewed):
                err.print(f"{grant.user}: password in {folder / grant.user}")
        for user in gone:
            await broker.revoke(user)
            err.print(f"{user}: revoked")
    err.print(f"{len(wanted)} subscriber(s) have their rights")


async def _revoked(settings: Settings, name: str) -> None:
    async with _administration(settings) as broker:
        await broker.revoke(subscriber_user(name))
    err.print(f"{subscriber_user(name)}: revoked")


def _administration(settings: Settings) -> Administration:
    url = settings.admin_url or settings.management_url
    if url is None:
        fail("name the management address in ESB_AMQP_ADMIN_URL", WRONG_USAGE)
    return Administration(url.get_secret_value(), settings.amqp_url.get_secret_value())


def _into(folder: Path) -> HandOut:
    def keep(user: str, password: str) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder / user, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(password + "\n")

    return keep
