"""What every command shares: the wired application, and the options that mean the same everywhere."""

import getpass
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from orchestrator.bootstrap import App
from orchestrator.cli.output import print_json, say
from orchestrator.core.fleet import Fleet, Member
from orchestrator.core.patches import CVE_ID
from orchestrator.logs import configure_logs
from orchestrator.settings import load_settings


@dataclass(kw_only=True)
class Run:
    """One run of the command, from its arguments to its exit. The application is wired when a command asks for it, so
    that wrong settings are an error of that command, told in the form that it was asked for."""

    environ: Mapping[str, str]
    folder: Path
    home: Path | None = None
    wants_json: bool = False
    when_interrupted: str = "interrupted"
    leaves_at_once: bool = False

    @cached_property
    def app(self) -> App:
        """The application. Raises `SettingsInvalid`."""
        settings, origins = load_settings(self.environ, self.home)
        configure_logs(settings.log_format, settings.log_level)
        return App(settings=settings, origins=origins, folder=self.folder)

    def close(self) -> None:
        """Close what was opened."""
        if "app" in self.__dict__:
            self.app.close()


def _note(context: typer.Context, wanted: bool) -> bool:
    run_of(context).wants_json |= wanted
    return wanted


def _cve(text: str | None) -> str | None:
    if text is not None and not re.fullmatch(CVE_ID, text := text.strip().upper()):
        raise typer.BadParameter(f"{text!r} is no CVE id: CVE-2024-1234")
    return text


AsJson = Annotated[bool, typer.Option("--json", callback=_note, is_eager=True, help="Print exactly one JSON document.")]
Limit = Annotated[str | None, typer.Option("--limit", "-l", help="An Ansible host pattern: web:&prod:!canary.")]
Cve = Annotated[str | None, typer.Option(callback=_cve, help="Only this CVE.")]
CveArgument = Annotated[str, typer.Argument(metavar="CVE", callback=_cve)]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")]


def run_of(context: typer.Context) -> Run:
    """This run of the command."""
    run = context.obj
    assert isinstance(run, Run)  # noqa: S101  typer carries it as Any
    return run


def app_of(context: typer.Context) -> App:
    """The wired application."""
    return run_of(context).app


def listed(app: App, *, accept: bool = False) -> Fleet:
    """The fleet as the inventory lists it now, its warnings said."""
    fleet = app.fleet(accept=accept)
    for warning in fleet.warnings:
        say(f"warning: {warning}")
    return fleet


def chosen(app: App, pattern: str | None) -> tuple[Member, ...]:
    """The listed hosts that a pattern selects; all of them without one."""
    return app.select(listed(app), pattern)


def who() -> str:
    """The login name, for the record. An account without one, as containers have them, is named by its number."""
    try:
        return f"{getpass.getuser()}@cli"
    except (KeyError, OSError):
        return f"uid-{os.getuid()}@cli"


def confirmed(question: str, yes: bool) -> bool:
    """Ask on the terminal, unless ``--yes`` was given. Without a terminal the answer is no."""
    if yes:
        return True
    try:
        return typer.confirm(question, err=True)
    except (typer.Abort, EOFError):
        return False


def declined(message: str, *, as_json: bool) -> NoReturn:
    """Say that nothing was done for want of a yes, and exit with 1."""
    if as_json:
        print_json({"error": {"code": "not_confirmed", "message": message}})
    say(message)
    raise typer.Exit(1)
