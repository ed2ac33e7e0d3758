"""Playbook files: YAML in, a `Playbook` out, or an error that says file, line and field."""

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from orchestrator.core import playbooks
from orchestrator.core.playbooks import NOT_YET, Playbook
from orchestrator.errors import PlaybookInvalid
from orchestrator.yaml_files import Document, Place, load_document, parse_document

_KNOWN = frozenset(
    field
    for model in vars(playbooks).values()
    if isinstance(model, type) and issubclass(model, BaseModel)
    for field in model.model_fields
)


def load_playbook(path: Path) -> Playbook:
    """Read a playbook. Raises `PlaybookInvalid` with file, line and field."""
    return _playbook(load_document(path, PlaybookInvalid))


def parse_playbook(text: str, file: str) -> Playbook:
    """The same for text that is there already; ``file`` is named in errors."""
    return _playbook(parse_document(text, file, PlaybookInvalid))


def _playbook(document: Document) -> Playbook:
    if not isinstance(document.data, dict):
        raise PlaybookInvalid("a playbook is a mapping that starts with apiVersion", file=document.file, line=1)
    try:
        return Playbook.model_validate(document.data)
    except ValidationError as exc:
        raise _complaint(document, exc) from exc


def _complaint(document: Document, exc: ValidationError) -> PlaybookInvalid:
    """An unknown field comes first: a misspelt name also makes the right one missing."""
    errors = sorted(exc.errors(include_url=False), key=lambda error: error["type"] != "extra_forbidden")
    first = errors[0]
    place = _place(document.data, first["loc"])
    rest = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return PlaybookInvalid(
        _message(first, place) + rest,
        file=document.file,
        line=document.line(place),
        field=".".join(str(part) for part in place) or None,
    )


def _message(error: ErrorDetails, place: Place) -> str:
    name = str(place[-1]) if place else ""
    if error["type"] == "extra_forbidden" and name in NOT_YET:
        return "not supported by this version"
    if error["type"] == "extra_forbidden":
        close = difflib.get_close_matches(name, _KNOWN, n=1)
        return f"there is no such field; did you mean {close[0]!r}?" if close else "there is no such field"
    return error["msg"].removeprefix("Value error, ")


def _place(data: Any, loc: Sequence[str | int]) -> Place:
    """pydantic's place without the names of union branches, which stand in no file."""
    place: list[str | int] = []
    for index, part in enumerate(loc):
        stands = (isinstance(data, dict) and part in data) or (isinstance(data, list) and isinstance(part, int))
        if stands:
            data = data[part]
        if stands or (index == len(loc) - 1 and isinstance(data, dict)):
            place.append(part)
    return tuple(place)
