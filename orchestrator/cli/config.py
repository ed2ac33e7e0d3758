"""``patchwave init``, ``patchwave config show``, ``patchwave tools``."""

import typer

from orchestrator.backends.registry import BACKENDS
from orchestrator.cli.context import AsJson, app_of
from orchestrator.cli.output import print_json, print_table, say
from orchestrator.settings import shown


def add_to(cli: typer.Typer) -> None:
    """Register these commands."""
    group = typer.Typer(help="Settings.", no_args_is_help=True)
    group.command("show")(show)
    cli.command()(init)
    cli.add_typer(group, name="config")
    cli.command()(tools)


def init(context: typer.Context) -> None:
    """Make the home folder, its settings file and its database. What is there already stays."""
    app = app_of(context)
    for line in app.initialise():
        say(line)


def show(context: typer.Context, as_json: AsJson = False) -> None:
    """Every setting, its value and where it came from; secrets masked."""
    app = app_of(context)
    values, folder = shown(app.settings), app.folder
    values["database_url"] = values["database_url"] or f"sqlite:///{app.settings.home / 'patchwave.db'}"
    values["inventory"] = values["inventory"] or str(app.settings.inventory_path(folder))
    rows = [(name, value, app.origins[name]) for name, value in values.items()]
    if as_json:
        print_json({"settings": [{"name": n, "value": v, "origin": o} for n, v, o in rows]})
    else:
        print_table(("SETTING", "VALUE", "FROM"), rows, empty="")


def tools(as_json: AsJson = False) -> None:
    """The backends, and what each of them can do."""
    rows = [{"name": name, **backend.capabilities.model_dump()} for name, backend in sorted(BACKENDS.items())]
    if as_json:
        print_json({"tools": rows})
        return
    columns = [key for key in rows[0] if key != "name"]
    table = [(row["name"], *("yes" if row[key] is True else "no" if row[key] is False else row[key] for key in columns))
             for row in rows]  # fmt: skip
    print_table(("BACKEND", *(column.upper() for column in columns)), table, empty="no backends")
