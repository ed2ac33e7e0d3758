"""The ``patchwave`` command. Exit codes: 0 done; 1 done, but a host failed or a gate stopped it; 2 wrong usage or
invalid input; 3 not available; 4 not allowed."""

import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.bootstrap import App
from orchestrator.cli import config, db, exposure, hosts, lab, patches, rollout, scan, serve
from orchestrator.cli.output import err, print_json, safe
from orchestrator.errors import InvalidInput, PatchwaveError
from orchestrator.logs import configure_logs
from orchestrator.settings import load_settings

cli = typer.Typer(
    name="patchwave",
    help="Live-patches fleets of Linux hosts in waves, and keeps the windows in which they were exposed.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(version("patchwave"))
        raise typer.Exit


@cli.callback()
def _start(
    context: typer.Context,
    home: Annotated[
        Path | None, typer.Option(help="The folder with settings, database, pinned keys and patches.")
    ] = None,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    settings, origins = load_settings(os.environ, home)
    configure_logs(settings.log_format, settings.log_level)
    app = App(settings=settings, origins=origins, folder=Path.cwd())
    context.obj = app
    context.call_on_close(app.close)


for module in (config, hosts, scan, patches, exposure, rollout, serve, db, lab):
    module.add_to(cli)


def main() -> None:
    """The console script: runs a command and turns errors of ours into a message and an exit code."""
    try:
        cli()
    except PatchwaveError as exc:
        _explain(exc)
        sys.exit(exc.exit_code)
    except BrokenPipeError:
        # The reader of a pipe (head, less) has gone: there is nobody to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _explain(exc: PatchwaveError) -> None:
    if "--json" in sys.argv:
        place = {"file": exc.file, "line": exc.line, "field": exc.field} if isinstance(exc, InvalidInput) else {}
        print_json({"error": {"code": exc.code, "message": str(exc)} | place})
    err.print(f"[red]patchwave:[/] {safe(exc)}")
