"""YAML files whose every value knows its line, so that an error can say where it is."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from orchestrator.errors import InvalidInput

MAX_BYTES = 64 * 1024 * 1024
"""A file larger than this is refused; the largest inventories in the field are a few megabytes."""

MAX_DEPTH = 50

Place = tuple[str | int | float, ...]


@dataclass(frozen=True, kw_only=True)
class Document:
    """A parsed file: plain data, and the line (1-based) of every key and item by its path."""

    file: str
    data: Any
    lines: dict[Place, int] = field(default_factory=dict)

    def line(self, place: Sequence[str | int | float]) -> int | None:
        """The line of that path, or of its nearest parent that has one."""
        for length in range(len(place), -1, -1):
            if (found := self.lines.get(tuple(place[:length]))) is not None:
                return found
        return None


def load_document(path: Path, error: type[InvalidInput]) -> Document:
    """Read one YAML document. Raises `error` with file and line for anything that is not one."""
    return parse_document(_read(path, error), str(path), error)


def parse_document(text: str, file: str, error: type[InvalidInput]) -> Document:
    """The same for text that is there already; ``file`` is named in errors."""
    loader = yaml.SafeLoader(text)
    builder = _Builder(loader, file, error)
    try:
        node = loader.get_single_node()
        data = None if node is None else builder.build(node)
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        raise error(f"not valid YAML: {exc.problem}", file=file, line=mark.line + 1 if mark else None) from exc
    except (yaml.YAMLError, ValueError) as exc:
        raise error(f"not valid YAML: {exc}", file=file) from exc
    finally:
        loader.dispose()
    return Document(file=file, data=data, lines=builder.lines)


def invalid(document: Document, exc: ValidationError, error: type[InvalidInput], at: Place = ()) -> InvalidInput:
    """The first complaint of pydantic about ``document.data`` (below ``at``) as an error that names file, line, field.

    Raise the result ``from exc``.
    """
    first = exc.errors(include_url=False)[0]
    place = at + tuple(first["loc"])
    where = ".".join(str(part) for part in place) or None
    rest = exc.error_count() - 1
    message = first["msg"] + (f" (and {rest} more)" if rest else "")
    return error(message, file=document.file, line=document.line(place), field=where)


def _read(path: Path, error: type[InvalidInput]) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise error(f"larger than {MAX_BYTES} bytes", file=str(path))
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as exc:
        raise error(f"not UTF-8 text: byte {exc.start} does not decode", file=str(path)) from exc
    except OSError as exc:
        raise error(f"cannot be read: {exc.strerror}", file=str(path)) from exc


class _Builder:
    """Turns YAML nodes into plain data and notes the line of everything on the way."""

    def __init__(self, loader: yaml.SafeLoader, file: str, error: type[InvalidInput]) -> None:
        self.loader, self.file, self.error = loader, file, error
        self.lines: dict[Place, int] = {}

    def build(self, node: yaml.Node, place: Place = ()) -> Any:
        self.lines.setdefault(place, node.start_mark.line + 1)
        if len(place) > MAX_DEPTH:
            raise self._refuse(f"nested deeper than {MAX_DEPTH} levels", node)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, place)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*place, index)) for index, item in enumerate(node.value)]
        return self.loader.construct_object(node, deep=True)

    def _mapping(self, node: yaml.MappingNode, place: Place) -> dict[Any, Any]:
        self.loader.flatten_mapping(node)
        result: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = self.loader.construct_object(key_node, deep=True)
            if not isinstance(key, str | int | float):
                raise self._refuse("a key must be plain text", key_node)
            if key in result:
                raise self._refuse(f"the key {key!r} stands here twice", key_node)
            self.lines[(*place, key)] = key_node.start_mark.line + 1
            result[key] = self.build(value_node, (*place, key))
        return result

    def _refuse(self, message: str, node: yaml.Node) -> InvalidInput:
        return self.error(message, file=self.file, line=node.start_mark.line + 1)
