"""Files of service levels: YAML in, a `Policy` out, or an error that says file, line and field."""

import difflib
from pathlib import Path

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from orchestrator.core.sla_policy import DueSoon, KevRule, Match, Policy, Rule
from orchestrator.errors import PolicyInvalid
from orchestrator.yaml_files import Document, Place, load_document, parse_document

_MODELS: tuple[type[BaseModel], ...] = (Policy, KevRule, DueSoon, Match, Rule)
_KNOWN = frozenset(field for model in _MODELS for field in model.model_fields)


def load_policy(path: Path) -> Policy:
    """Read a file of service levels. Raises `PolicyInvalid` with file, line and field."""
    return _policy(load_document(path, PolicyInvalid))


def parse_policy(text: str, file: str) -> Policy:
    """The same for text that is there already; ``file`` is named in errors."""
    return _policy(parse_document(text, file, PolicyInvalid))


def _policy(document: Document) -> Policy:
    if not isinstance(document.data, dict):
        raise PolicyInvalid("service levels are a mapping that starts with apiVersion", file=document.file, line=1)
    try:
        return Policy.model_validate(document.data)
    except ValidationError as exc:
        raise _complaint(document, exc) from exc


def _complaint(document: Document, exc: ValidationError) -> PolicyInvalid:
    """An unknown field comes first: a misspelt name also makes the right one missing."""
    errors = sorted(exc.errors(include_url=False), key=lambda error: error["type"] != "extra_forbidden")
    place: Place = tuple(part for part in errors[0]["loc"] if part != "[key]")
    rest = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return PolicyInvalid(
        _message(errors[0], place) + rest,
        file=document.file,
        line=document.line(place),
        field=".".join(str(part) for part in place) or None,
    )


def _message(error: ErrorDetails, place: Place) -> str:
    if error["type"] == "extra_forbidden":
        close = difflib.get_close_matches(str(place[-1]), _KNOWN, n=1)
        return f"there is no such field; did you mean {close[0]!r}?" if close else "there is no such field"
    return error["msg"].removeprefix("Value error, ")
