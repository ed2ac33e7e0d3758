"""``patchwave db``: the database's schema."""

import typer

from orchestrator.cli.context import AsJson, app_of
from orchestrator.cli.output import out, print_json, safe


def add_to(cli: typer.Typer) -> None:
    """Register these commands."""
    group = typer.Typer(help="The database.", no_args_is_help=True)
    group.command("upgrade")(upgrade)
    group.command("check")(check)
    cli.add_typer(group, name="db")


def upgrade(context: typer.Context) -> None:
    """Bring the database to this version's schema. Data stays."""
    out.print(safe(app_of(context).upgrade_database()))


def check(context: typer.Context, as_json: AsJson = False) -> None:
    """Look whether the database answers and is of this version; exit 1 with what is wrong."""
    problems = app_of(context).database_problems()
    if as_json:
        print_json({"problems": problems})
    else:
        for line in problems or ["the database is well and of this version"]:
            out.print(safe(line))
    if problems:
        raise typer.Exit(1)
