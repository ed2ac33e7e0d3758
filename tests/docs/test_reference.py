"""The reference names everything there is; what is missing there fails here."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from orchestrator import errors
from orchestrator.backends.registry import BACKENDS
from orchestrator.cli.main import cli
from orchestrator.settings import PREFIX, Settings

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
    documented = re.findall(r"^\| `patchwave ([a-z -]+?)[` A-Z\[]", (REFERENCE / "commands.md").read_text(), re.MULTILINE)
    assert sorted(name.strip() for name in documented) == sorted(_commands(cli))


@pytest.mark.parametrize("name", sorted(BACKENDS))
def test_every_backend_has_a_page(name: str) -> None:
    """docs/reference/backend-NAME.md exists and says what the backend does."""
    assert (REFERENCE / f"backend-{name}.md").read_text().startswith("# ")
