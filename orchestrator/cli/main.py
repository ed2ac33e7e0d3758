"""The ``patchwave`` command. Exit codes: 0 done; 1 done, but a host failed or a gate stopped it; 2 wrong usage or
invalid input; 3 not available; 4 not allowed."""

import gc
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.main import get_command

from orchestrator.cli import advisories, config, db, exposure, hosts, lab, patches, rollout, scan, serve, sla
from orchestrator.cli.context import Run, run_of
from orchestrator.cli.output import err, print_json, safe, say
from orchestrator.errors import InvalidInput, PatchwaveError

INTERRUPTED = 130
"""128 and the number of SIGINT, as shells count."""

_UsageError: type[Any] = typer.BadParameter.__mro__[1]
"""Wrong options and arguments. typer exports no name for the class that they share."""

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
    run_of(context).home = home


for module in (config, hosts, scan, patches, advisories, exposure, sla, rollout, serve, db, lab):
    module.add_to(cli)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The console script: runs a command and turns errors of ours into a message and an exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    gc.freeze()  # a hundred thousand objects of imported modules, which no collection need look at again
    run = Run(environ=os.environ, folder=Path.cwd())
    code = _run(run, given)
    if run.leaves_at_once or code == INTERRUPTED:
        # Jobs in flight may take minutes to end. What they do to hosts is safe to leave: it is picked up from there.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    run.close()
    sys.exit(code)


def _run(run: Run, given: list[str]) -> int:
    """The exit code."""
    try:
        code = get_command(cli).main(args=given, prog_name="patchwave", obj=run, standalone_mode=False)
    except PatchwaveError as exc:
        _explain(exc, run.wants_json)
        return exc.exit_code
    except _UsageError as exc:
        # What could not be parsed does not say whether JSON was wanted: all there is to ask is the arguments.
        if "--json" in given:
            print_json({"error": {"code": "usage", "message": exc.format_message()}})
        exc.show()
        return int(exc.exit_code)
    except BrokenPipeError:
        # The reader of a pipe (head, less) has gone: there is nobody to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    if code == INTERRUPTED:
        say(run.when_interrupted)
    return code if isinstance(code, int) else 0


def _explain(exc: PatchwaveError, as_json: bool) -> None:
    if as_json:
        place = {"file": exc.file, "line": exc.line, "field": exc.field} if isinstance(exc, InvalidInput) else {}
        print_json({"error": {"code": exc.code, "message": str(exc)} | place})
    err.print(f"[red]patchwave:[/] {safe(exc)}")
