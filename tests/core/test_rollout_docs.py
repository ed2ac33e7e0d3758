"""The docs of playbooks and rollouts say what the code does: tables and diagrams are generated and compared."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from orchestrator.core import playbooks
from orchestrator.core.durations import format_duration
from orchestrator.core.meanings import Meaning
from orchestrator.core.plans import LeftOutReason
from orchestrator.core.playbooks import NOT_YET, OnFailure, Playbook
from orchestrator.core.rollout import (
    FINAL_HOST,
    FINAL_ROLLOUT,
    FINAL_WAVE,
    HOST_TRANSITIONS,
    ROLLOUT_TRANSITIONS,
    WAVE_TRANSITIONS,
    HostStatus,
    RolloutStatus,
    WaveStatus,
)
from orchestrator.core.rollout_diagram import diagram, meanings

DOCS = Path(__file__).parents[2] / "docs"


def block(page: Path, name: str) -> str:
    """What stands between the markers of that name."""
    match = re.search(rf"<!-- {name} -->\n(.*?)\n<!-- /{name} -->", page.read_text(), re.DOTALL)
    assert match, f"{page.name} has no block {name}"
    return match[1]


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that a field's type is made of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from models_in(part)


def rows(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """One line per field: name, default, meaning."""
    for name, field in model.model_fields.items():
        nested = list(models_in(field.annotation))
        default = field.get_default(call_default_factory=True)
        shown = "required" if field.is_required() else f"`{plain(default)}`"
        if nested and not field.is_required() and isinstance(default, BaseModel):
            shown = ""
        yield f"| `{prefix}{name}` | {shown} | {field.description} |"
        for part in nested:
            yield from rows(part, f"{prefix}{name}[]." if isinstance(default, tuple) else f"{prefix}{name}.")


def fields() -> str:
    """The table of all fields."""
    return "\n".join(["| field | default | meaning |", "|---|---|---|", *rows(Playbook)])


def plain(default: Any) -> str:
    """A default as one writes it in a playbook."""
    if default is None:
        return "none"
    if hasattr(default, "total_seconds"):
        return format_duration(default)
    if isinstance(default, Meaning | str):
        return str(default)
    return json.dumps(default, default=lambda value: value.model_dump(mode="json"))


def choices(kind: type[Meaning]) -> str:
    """A table of the values of an enum."""
    return "\n".join(["| value | meaning |", "|---|---|", *(f"| `{value}` | {value.meaning} |" for value in kind)])


def mermaid(text: str) -> str:
    """As a fenced block."""
    return f"```mermaid\n{text}\n```"


PAGES = {
    ("reference/playbooks.md", "fields"): "\n".join(
        ["| field | default | meaning |", "|---|---|---|", *rows(Playbook)]
    ),
    ("reference/playbooks.md", "on_failure"): choices(OnFailure),
    ("reference/playbooks.md", "left_out"): choices(LeftOutReason),
    ("reference/playbooks.md", "not_yet"): ", ".join(f"`{name}`" for name in sorted(NOT_YET)),
    ("rollouts.md", "rollout_diagram"): mermaid(diagram(ROLLOUT_TRANSITIONS, RolloutStatus.PLANNED, FINAL_ROLLOUT)),
    ("rollouts.md", "rollout_states"): meanings(RolloutStatus, FINAL_ROLLOUT),
    ("rollouts.md", "wave_diagram"): mermaid(diagram(WAVE_TRANSITIONS, WaveStatus.PENDING, FINAL_WAVE)),
    ("rollouts.md", "wave_states"): meanings(WaveStatus, FINAL_WAVE),
    ("rollouts.md", "host_diagram"): mermaid(diagram(HOST_TRANSITIONS, HostStatus.PENDING, FINAL_HOST)),
    ("rollouts.md", "host_states"): meanings(HostStatus, FINAL_HOST),
}
"""What each generated block of each page has to say."""


@pytest.mark.parametrize(("page", "name"), list(PAGES))
def test_the_docs_are_what_the_code_says(page: str, name: str) -> None:
    """A field, a default or a transition that changes without the docs fails here."""
    assert PAGES[page, name] == block(DOCS / page, name)


def test_every_model_of_a_playbook_is_in_the_reference() -> None:
    """No part of the format is left out of the walk."""
    known = {
        model.__name__ for model in vars(playbooks).values() if isinstance(model, type) and issubclass(model, BaseModel)
    }

    def walk(model: type[BaseModel]) -> Iterator[str]:
        yield model.__name__
        for field in model.model_fields.values():
            for part in models_in(field.annotation):
                yield from walk(part)

    assert known - {"BaseModel", "Frozen"} == set(walk(Playbook))
