"""YAML and JSON documents of an inventory: parsed, with the line of everything, and vaulted values marked."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from orchestrator.errors import InventoryInvalid
from orchestrator.inventory.origins import Origin, Vaulted
from orchestrator.inventory.variables import is_ours, is_read
from orchestrator.yaml_files import Document, Place, Tags, parse_document, read_text

VAULT_HEADER = "$ANSIBLE_VAULT"

_TAGS: Tags = {"!vault": lambda _: Vaulted.VALUE, "!vault-encrypted": lambda _: Vaulted.VALUE, "!unsafe": str}


@dataclass(frozen=True, kw_only=True)
class Source:
    """One document and the way to its parts. A place is a path of keys and indexes."""

    file: str
    data: Any
    text: str
    parsed: Document | None

    @cached_property
    def _document(self) -> Document:
        # JSON is read by the fast parser, which knows no lines: it is read again once an error wants one.
        return self.parsed or parse_document(self.text, self.file, InventoryInvalid, _TAGS)

    def origin(self, at: Place) -> Origin:
        """Where that part stands."""
        if self.parsed is None:
            return Origin(self.file, lambda: self._document.line(at))
        return Origin(self.file, self.parsed.line(at))

    def value(self, at: Place) -> Any:
        """The part, or None where there is none."""
        part = self.data
        for step in at:
            part = part.get(step) if isinstance(part, dict) else None
        return part

    def mapping(self, at: Place) -> dict[Any, Any]:
        """The part, which must be a mapping or nothing; a single name stands for a mapping with that key alone."""
        part = self.value(at)
        if isinstance(part, str) and at and at[-1] in ("hosts", "children"):
            return {part: None}
        if part is None:
            return {}
        if not isinstance(part, dict):
            raise self.origin(at).refuse(f"must be a mapping, not {_kind(part)}", ".".join(map(str, at)) or None)
        return part

    def items(self, at: Place) -> list[Any]:
        """The part, which must be a list or nothing."""
        part = self.value(at)
        if part is None:
            return []
        if not isinstance(part, list):
            raise self.origin(at).refuse(f"must be a list, not {_kind(part)}", ".".join(map(str, at)))
        return part

    def variables(self, at: Place) -> Iterator[tuple[Any, Any, Origin]]:
        """The variables of that part that are of interest: name, value, where."""
        for name, value in self.mapping(at).items():
            if is_ours(name) or is_read(name):
                yield name, _plain(value), self.origin((*at, name))


def load_source(path: Path) -> Source:
    """Read a YAML or JSON file. Raises `InventoryInvalid` with file and line."""
    return parse_source(read_text(path, InventoryInvalid), str(path), is_json=path.suffix == ".json")


def parse_source(text: str, file: str, *, is_json: bool = False) -> Source:
    """The same for text that is there already."""
    if text.startswith(VAULT_HEADER):
        raise Origin(file, 1).refuse(
            "the whole file is vaulted and cannot be read here; decrypt it with 'ansible-vault view', or give us the"
            " output of 'ansible-inventory --list', in which Ansible has resolved it"
        )
    if is_json or text.lstrip()[:1] == "{":
        try:
            return Source(file=file, data=json.loads(text, object_pairs_hook=_unique), text=text, parsed=None)
        except json.JSONDecodeError as exc:
            if is_json:
                raise Origin(file, exc.lineno).refuse(f"not valid JSON: {exc.msg}") from exc
        except (ValueError, RecursionError):
            pass  # a key stands twice, or it is nested too deep: the YAML reader says where
    document = parse_document(text, file, InventoryInvalid, _TAGS)
    return Source(file=file, data=document.data, text=text, parsed=document)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        raise ValueError("a key stands twice")
    return result


def _plain(value: Any) -> Any:
    """The value without the wrappers that ``ansible-inventory --list`` puts around vaulted and unsafe text."""
    if isinstance(value, dict) and "__ansible_vault" in value:
        return Vaulted.VALUE
    if isinstance(value, dict) and "__ansible_unsafe" in value:
        return value["__ansible_unsafe"]
    if isinstance(value, str) and value.startswith(VAULT_HEADER):
        return Vaulted.VALUE
    return value


def _kind(value: Any) -> str:
    return {list: "a list", str: "text", bool: "a boolean", int: "a number", float: "a number"}.get(type(value), "this")
