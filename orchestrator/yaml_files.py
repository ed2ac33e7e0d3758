"""YAML files whose every value knows its line, so that an error can say where it is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from orchestrator.errors import InvalidInput

MAX_BYTES = 64 * 1024 * 1024
"""A file larger than this is refused; the largest inventories in the field are a few megabytes."""

MAX_DEPTH = 50

MAX_VALUES = 2_000_000
"""Counted after aliases are followed: a few lines of nested aliases can stand for billions of values. A small file
may stand for a hundred times its own values, and for 100 000 in any case."""

_MERGE = "tag:yaml.org,2002:merge"

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's parser where PyYAML was built with it: five times faster."""

Tags = Mapping[str, Callable[[str], Any]]
"""What to make of the text of a scalar that carries this tag (``!vault``)."""

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


def load_document(path: Path, error: type[InvalidInput], tags: Tags | None = None) -> Document:
    """Read one YAML document. Raises `error` with file and line for anything that is not one."""
    return parse_document(read_text(path, error), str(path), error, tags)


def parse_document(text: str, file: str, error: type[InvalidInput], tags: Tags | None = None) -> Document:
    """The same for text that is there already; ``file`` is named in errors."""
    try:
        most = min(MAX_VALUES, 100_000 + 100 * _events(text, file, error))
        builder = _Builder(_LOADER(text), file, error, tags or {}, most)
        data = builder.document()
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        raise error(f"not valid YAML: {exc.problem}", file=file, line=_line(mark)) from exc
    except (yaml.YAMLError, ValueError) as exc:
        raise error(f"not valid YAML: {exc}", file=file) from exc
    return Document(file=file, data=data, lines=builder.lines)


def invalid(document: Document, exc: ValidationError, error: type[InvalidInput], at: Place = ()) -> InvalidInput:
    """The first complaint of pydantic about ``document.data`` (below ``at``) as an error that names file, line, field.

    Raise the result ``from exc``.
    """
    first = exc.errors(include_url=False)[0]
    place = at + tuple(first["loc"])
    where = ".".join(str(part) for part in place) or None
    rest = exc.error_count() - 1
    # pydantic puts this before what a validator of ours says.
    message = first["msg"].removeprefix("Value error, ") + (f" (and {rest} more)" if rest else "")
    return error(message, file=document.file, line=document.line(place), field=where)


def _events(text: str, file: str, error: type[InvalidInput]) -> int:
    """How many parts the text has. Refuses deep nesting: composing is recursive, and in libyaml's case a crash."""
    depth = count = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise error(f"nested deeper than {MAX_DEPTH} levels", file=file, line=_line(event.start_mark))
        count += 1
    return count


def _line(mark: Any) -> int | None:
    return None if mark is None else mark.line + 1


def read_text(path: Path, error: type[InvalidInput]) -> str:
    """The text of a UTF-8 file of sane size."""
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

    def __init__(self, loader: yaml.SafeLoader, file: str, error: type[InvalidInput], tags: Tags, most: int) -> None:
        self.loader, self.file, self.error, self.tags, self.most = loader, file, error, tags, most
        self.lines: dict[Place, int] = {}
        self.values = 0
        self.merging: set[int] = set()

    def document(self) -> Any:
        try:
            node = self.loader.get_single_node()
            return None if node is None else self.build(node)
        finally:
            self.loader.dispose()

    def build(self, node: yaml.Node, place: Place = ()) -> Any:
        self.lines.setdefault(place, node.start_mark.line + 1)
        self.values += 1
        if self.values > self.most:
            raise self._refuse(f"more than {self.most} values, most of them through aliases", node)
        if len(place) > MAX_DEPTH:
            raise self._refuse(f"nested deeper than {MAX_DEPTH} levels", node)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, place)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*place, index)) for index, item in enumerate(node.value)]
        if node.tag in self.tags and isinstance(node, yaml.ScalarNode):
            return self.tags[node.tag](node.value)
        return self.loader.construct_object(node, deep=True)

    def _mapping(self, node: yaml.MappingNode, place: Place) -> dict[Any, Any]:
        result = self._merged(node, place)
        own: set[Any] = set()
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                continue
            key = self.loader.construct_object(key_node, deep=True)
            if not isinstance(key, str | int | float):
                raise self._refuse("a key must be plain text", key_node)
            if key in own:
                raise self._refuse(f"the key {key!r} stands here twice", key_node)
            own.add(key)
            self.lines[(*place, key)] = key_node.start_mark.line + 1
            result[key] = self.build(value_node, (*place, key))
        return result

    def _merged(self, node: yaml.MappingNode, place: Place) -> dict[Any, Any]:
        """What ``<<`` brings in: the first of several wins, and the mapping's own keys win over all."""
        result: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                sources = value_node.value if isinstance(value_node, yaml.SequenceNode) else [value_node]
                for source in reversed(sources):
                    result.update(self._source(source, place))
        return result

    def _source(self, node: yaml.Node, place: Place) -> dict[Any, Any]:
        if not isinstance(node, yaml.MappingNode) or id(node) in self.merging:
            raise self._refuse("<< takes a mapping, or a list of them, other than itself", node)
        self.merging.add(id(node))
        built: dict[Any, Any] = self.build(node, place)
        self.merging.remove(id(node))
        return built

    def _refuse(self, message: str, node: yaml.Node) -> InvalidInput:
        return self.error(message, file=self.file, line=node.start_mark.line + 1)
