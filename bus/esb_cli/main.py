"""The command line `esb`. A command is a few lines over functions that tests call directly."""

import errno
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from esb_bus.logging import set_up_logging
from esb_cli import dead, privacy, topology, users
from esb_cli.check import check_command
from esb_cli.context import DEFAULT_LANDSCAPE, LandscapeOption, err, fail, read_landscape, read_settings
from esb_cli.demo.command import demo_command
from esb_cli.mapping import map_command
from esb_cli.trace import trace_command

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.add_typer(dead.app, name="dead")
app.add_typer(topology.app, name="topology")
topology.app.add_typer(users.app, name="users")
app.add_typer(privacy.app, name="privacy")
app.command("check")(check_command)
app.command("trace")(trace_command)
app.command("demo")(demo_command)
app.command("map")(map_command)

schemas = typer.Typer(no_args_is_help=True, help="The canonical events as JSON Schema and AsyncAPI.")
app.add_typer(schemas, name="schemas")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(version("onec-esb"))
        raise typer.Exit


@app.callback()
def main(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Event bus between websites, Bitrix24 and several 1C bases, routed by legal entity."""
    set_up_logging("WARNING", "console")


@app.command("run")
def run_command(landscape: LandscapeOption = DEFAULT_LANDSCAPE) -> None:
    """Run the bus: door, adapters, transformers and senders in one process, until SIGTERM or Ctrl-C."""
    from esb_bus.errors import EsbError
    from esb_cli.run import run_process

    settings, company = read_settings(landscape), read_landscape(landscape)
    set_up_logging(settings.log_level, settings.log_format)
    try:
        run_process(settings, company)
    except EsbError as error:
        fail(f"esb run cannot start: {error.code}: {error}")
    except OSError as error:
        fail(f"esb run cannot start: {told(error, settings.http_host, settings.http_port)}")


def told(error: OSError, host: str, port: int) -> str:
    """What keeps the door from opening, and which setting leads elsewhere."""
    if error.errno == errno.EADDRINUSE:
        return f"port {port} of {host} is taken: stop what listens there, or set ESB_HTTP_PORT"
    if error.errno in {errno.EADDRNOTAVAIL, errno.EACCES}:
        return f"cannot listen on port {port} of {host}: set ESB_HTTP_HOST and ESB_HTTP_PORT ({error.strerror})"
    return str(error)


@schemas.command("export")
def export_command(
    directory: Annotated[Path, typer.Argument(help="Where to write the files.")] = Path("schemas/json"),
) -> None:
    """Write JSON Schema of every event type and one AsyncAPI 3 document."""
    from esb_schemas.export import export

    try:
        written = export(directory)
    except OSError as error:
        fail(f"cannot write to {directory}: {error.strerror}")
    err.print(f"{len(written)} files written to {directory}")


if __name__ == "__main__":
    app()
