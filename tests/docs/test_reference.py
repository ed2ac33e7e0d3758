"""The reference names everything there is; what is missing there fails here."""

import re
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.main import get_command

from orchestrator import errors
from orchestrator.backends.registry import BACKENDS
from orchestrator.cli.main import cli
from orchestrator.feeds.registry import FEEDS, LIKELIHOODS
from orchestrator.settings import PREFIX, Settings
from tests.api.service import Service

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


def _codes() -> list[str]:
    classes = [value for value in vars(errors).values() if isinstance(value, type)]
    return sorted({one.code for one in classes if issubclass(one, errors.PatchwaveError)})


def _commands(group: typer.Typer, prefix: str = "") -> Iterator[str]:
    for command in group.registered_commands:
        name = command.name or (command.callback.__name__ if command.callback else "")
        yield f"{prefix}{name}".replace("_", "-")
    for sub in group.registered_groups:
        assert sub.typer_instance is not None
        yield from _commands(sub.typer_instance, f"{prefix}{sub.name} ")


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_every_setting_is_documented(name: str) -> None:
    """docs/reference/settings.md has a row with each setting and its variable."""
    assert f"| `{name}` | `{PREFIX}{name.upper()}` |" in (REFERENCE / "settings.md").read_text()


def test_no_setting_is_documented_that_is_not_there() -> None:
    """A setting that went away leaves the reference too."""
    documented = set(re.findall(r"^\| `(\w+)` \| `PATCHWAVE_", (REFERENCE / "settings.md").read_text(), re.MULTILINE))
    assert documented == set(Settings.model_fields)


def test_exactly_the_errors_that_exist_are_documented() -> None:
    """docs/reference/errors.md has a row with each code, and no other."""
    documented = re.findall(r"^\| `(\w+)` \|", (REFERENCE / "errors.md").read_text(), re.MULTILINE)
    assert sorted(documented) == _codes()


def test_exactly_the_commands_that_exist_are_documented() -> None:
    """docs/reference/commands.md has a row with each command, and no other."""
    assert sorted(_usages()) == sorted(_commands(cli))


@pytest.mark.parametrize("name", sorted(_commands(cli)))
def test_every_option_of_a_command_is_documented(name: str) -> None:
    """The command's row shows the options that it has, and no other."""
    command: Any = get_command(cli)
    for word in name.split():
        command = command.commands[word]
    options = {max(param.opts, key=len) for param in command.params if param.param_type_name == "option"}
    assert set(re.findall(r"--[a-z-]+", _usages()[name])) == options - {"--help"}


def test_exactly_the_paths_that_exist_are_documented() -> None:
    """docs/reference/api.md has a row with each path of the service, and no other."""
    documented = re.findall(r"^\| `(/[^`]*)` \|", (REFERENCE / "api.md").read_text(), re.MULTILINE)
    assert sorted(documented) == sorted([*Service().get("/openapi.json")["paths"], "/openapi.json"])


def _usages() -> dict[str, str]:
    """Command to usage, of each row: the command is the words before the first argument or option."""
    usages = re.findall(r"^\| `patchwave ([^`]+)` \|", (REFERENCE / "commands.md").read_text(), re.MULTILINE)
    return {" ".join(takewhile(re.compile("[a-z-]+").fullmatch, usage.split())): usage for usage in usages}


@pytest.mark.parametrize("name", sorted(BACKENDS))
def test_every_backend_has_a_page(name: str) -> None:
    """docs/reference/backend-NAME.md exists and says what the backend does."""
    assert (REFERENCE / f"backend-{name}.md").read_text().startswith("# ")


@pytest.mark.parametrize("name", sorted([*FEEDS, *LIKELIHOODS]))
def test_every_feed_has_a_page(name: str) -> None:
    """docs/reference/feed-NAME.md exists, and docs/reference/feeds.md leads to it."""
    page = f"feed-{name.replace('_', '-')}.md"
    assert (REFERENCE / page).read_text().startswith(f"# Feed `{name}`")
    assert f"| [`{name}`]({page}) |" in (REFERENCE / "feeds.md").read_text()
