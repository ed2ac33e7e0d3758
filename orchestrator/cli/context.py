"""What every command shares: the wired application, and the options that mean the same everywhere."""

from typing import Annotated

import typer

from orchestrator.bootstrap import App
from orchestrator.cli.output import say
from orchestrator.core.fleet import Fleet, Member

AsJson = Annotated[bool, typer.Option("--json", help="Print exactly one JSON document.")]
Limit = Annotated[str | None, typer.Option("--limit", "-l", help="An Ansible host pattern: web:&prod:!canary.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")]


def app_of(context: typer.Context) -> App:
    """The application that the root command wired."""
    app = context.obj
    assert isinstance(app, App)  # noqa: S101  typer carries it as Any
    return app


def listed(app: App, *, accept: bool = False) -> Fleet:
    """The fleet as the inventory lists it now, its warnings said."""
    fleet = app.fleet(accept=accept)
    for warning in fleet.warnings:
        say(f"warning: {warning}")
    return fleet


def chosen(app: App, pattern: str | None) -> tuple[Member, ...]:
    """The listed hosts that a pattern selects; all of them without one."""
    return app.select(listed(app), pattern)


def confirmed(question: str, yes: bool) -> bool:
    """Ask on the terminal, unless ``--yes`` was given. Without a terminal the answer is no."""
    if yes:
        return True
    try:
        return typer.confirm(question, err=True)
    except (typer.Abort, EOFError):
        return False
