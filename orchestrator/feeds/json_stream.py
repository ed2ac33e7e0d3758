"""JSON of any size in bounded memory, and small JSON documents at once. Whatever is wrong is `FeedInvalid`.

Refused besides what is no JSON: objects that name a member twice (readers differ in which they take), values nested too
deep, texts, values and documents that are too large. ``NaN`` and ``Infinity`` are no JSON.
"""

import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO, Protocol

import ijson.backends.yajl2_c as yajl
from ijson.common import JSONError

from orchestrator.core.model import Frozen
from orchestrator.errors import FeedInvalid
from orchestrator.feeds.values import Node, prose, step_of

MIB = 1 << 20
Event = tuple[str, Any]
Events = Iterator[Event]


class JsonLimits(Frozen):
    """Bounds of a document. ``item_bytes``: of the file, for one value that is held in memory as a whole."""

    depth: int = 64
    text: int = MIB
    item_bytes: int = 64 * MIB
    items: int = 5_000_000


LIMITS = JsonLimits()


class Readable(Protocol):
    """What is read from."""

    def read(self, size: int = -1, /) -> bytes: ...


class _TooLarge(Exception):
    """One value, or one text, goes on and on."""


class _Counted:
    """Counts what was read, so that an error can say about where it is, and ends what goes on and on.

    The parser holds a text as a whole before it tells of it, in a time that grows with the square of its length: a text
    is known by the quotes that do not come. ``since`` is where the value began that is being read.
    """

    def __init__(self, opened: Readable, limits: JsonLimits) -> None:
        self._opened, self._limits, self._unquoted = opened, limits, 0
        self.offset, self.since = 0, 0

    def read(self, size: int = -1, /) -> bytes:
        data = self._opened.read(size)
        self.offset += len(data)
        quote = data.rfind(b'"')
        self._unquoted = self._unquoted + len(data) if quote < 0 else len(data) - quote
        if self._unquoted > 4 * self._limits.text:  # a character has four bytes at most
            raise _TooLarge(f"has a text of more than {self._limits.text} characters")
        if self.offset - self.since > self._limits.item_bytes + len(data):
            raise _TooLarge(f"is larger than {self._limits.item_bytes} bytes")
        return data


def members(
    opened: Readable | BinaryIO, file: str, *, path: Sequence[str] = (), part: str = "", limits: JsonLimits = LIMITS
) -> Iterator[Node]:
    """The members of the object, or the items of the list, at ``path``, one after the other; `Node.key` names each.

    The document is read to its end, in memory of one member. ``part``: of an archive. Raises `FeedInvalid` with the
    JSON pointer of the member that was being read, also where there is nothing at ``path``.
    """
    yield from _Stream(opened, file, part, limits).run(path)


class _Stream:
    """One pass over one document."""

    def __init__(self, opened: Readable, file: str, part: str, limits: JsonLimits) -> None:
        self._source = _Counted(opened, limits)
        self._file, self._part, self._limits = file, part, limits
        self._at: list[str] = []
        """Where the reading is: names on the way to the members, and that of the member."""
        self._items = 0

    def run(self, path: Sequence[str]) -> Iterator[Node]:
        events: Events = iter(yajl.basic_parse(self._source, use_float=True, buf_size=64 * 1024))
        try:
            yield from self._found(events, next(events), path)
            for _event in events:
                raise self._invalid("there is something after the end")
        except StopIteration:
            raise self._invalid("the file is empty") from None
        except _TooLarge as exc:
            raise self._invalid(str(exc)) from exc
        except (JSONError, UnicodeDecodeError, ValueError, OverflowError) as exc:
            raise self._invalid(_reason(exc, self._source.offset)) from exc

    def _found(self, events: Events, first: Event, path: Sequence[str]) -> Iterator[Node]:
        if not path:
            yield from self._members(events, first)
            return
        if first[0] != "start_map":
            raise self._invalid("should be an object")
        seen: set[str] = set()
        for event, name in events:
            if event == "end_map":
                break
            self._note(seen, name)
            value = next(events)
            if name == path[0]:
                yield from self._found(events, value, path[1:])
            else:
                self._value(events, value)
            self._at.pop()
        if path[0] not in seen:
            raise self._invalid(f"has no member {path[0]!r}")

    def _members(self, events: Events, first: Event) -> Iterator[Node]:
        if first[0] == "start_map":
            seen: set[str] = set()
            for event, name in events:
                if event == "end_map":
                    return
                self._note(seen, name)
                yield self._node(events, next(events), name)
                self._at.pop()
        elif first[0] == "start_array":
            for index, value in enumerate(events):
                if value[0] == "end_array":
                    return
                self._source.since = self._source.offset
                self._at.append(str(index))
                yield self._node(events, value, index)
                self._at.pop()
        else:
            raise self._invalid("should be an object or a list")

    def _node(self, events: Events, first: Event, key: str | int) -> Node:
        self._items += 1
        if self._items > self._limits.items:
            raise self._invalid(f"there are more than {self._limits.items} items")
        above = "".join(f"/{step_of(step)}" for step in self._at[:-1])
        top = Node(None, file=self._file, part=self._part, key=above)
        return Node(self._value(events, first), file=self._file, part=self._part, parent=top, key=key)

    def _note(self, seen: set[str], name: str) -> None:
        self._source.since = self._source.offset
        self._at.append(name)
        if name in seen:
            raise self._invalid("is there twice")
        seen.add(name)

    def _value(self, events: Events, first: Event) -> Any:
        """One value, whole. Iterative: nesting in a file is no nesting of ours."""
        event, value = first
        if event not in _OPENERS:
            return self._checked(value)
        top = _OPENERS[event]()
        stack: list[Any] = [top]
        key = ""
        for event, value in events:
            into = stack[-1]
            if event == "map_key":
                if value in into:
                    raise self._invalid(f"{prose(value, 80)!r} is there twice in one object")
                key = value
                continue
            if event in _CLOSERS:
                stack.pop()
                if not stack:
                    return top
                key = ""
                continue
            made = _OPENERS[event]() if event in _OPENERS else self._checked(value)
            if into.__class__ is dict:
                into[key] = made
            else:
                into.append(made)
            if event in _OPENERS:
                stack.append(made)
                if len(stack) > self._limits.depth:
                    raise self._invalid(f"is nested deeper than {self._limits.depth} levels")
        raise self._invalid("the file ends too early")

    def _checked(self, value: Any) -> Any:
        if value.__class__ is str and len(value) > self._limits.text:
            raise self._invalid(f"a text has {len(value)} characters, and may have {self._limits.text}")
        return value

    def _invalid(self, message: str) -> FeedInvalid:
        return _invalid(message, self._file, self._part, self._at)


def glimpse(start: bytes) -> Mapping[str, Any] | None:
    """The top members of an object as far as its first bytes show them, for telling what a file is: texts, numbers and
    the like as they are, objects and lists as the empty ones. None where it is no object."""
    found: dict[str, Any] = {}
    depth, name = 0, ""
    try:
        for event, value in yajl.basic_parse(io.BytesIO(start), use_float=True):
            if event in _CLOSERS:
                depth -= 1
                continue
            if depth == 0 and event != "start_map":
                return None
            if depth == 1 and event == "map_key":
                name = value
            elif depth == 1:
                found.setdefault(name, _OPENERS[event]() if event in _OPENERS else value)
            depth += event in _OPENERS
    except (JSONError, UnicodeDecodeError, ValueError, OverflowError):
        pass  # it is only the beginning
    return found if found or start.lstrip()[:1] == b"{" else None


_OPENERS: dict[str, type[dict[str, Any]] | type[list[Any]]] = {"start_map": dict, "start_array": list}
_CLOSERS = frozenset({"end_map", "end_array"})


def document(data: bytes, file: str, *, part: str = "", limits: JsonLimits = LIMITS) -> Node:
    """A small document, whole. Raises `FeedInvalid` with the byte where it is broken."""
    if len(data) > limits.item_bytes:
        raise _invalid(f"is larger than {limits.item_bytes} bytes", file, part)
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_object, parse_constant=_refuse, parse_float=_finite)
    except UnicodeDecodeError as exc:
        raise _invalid(f"byte {exc.start}: is not UTF-8", file, part) from exc
    except json.JSONDecodeError as exc:
        raise _invalid(f"byte {exc.pos}: {exc.msg}", file, part) from exc
    except RecursionError as exc:
        raise _invalid("is nested too deep", file, part) from exc
    except ValueError as exc:
        raise _invalid(str(exc), file, part) from exc
    node = Node(value, file=file, part=part)
    if len(data) > limits.text or _may_be_deep(data, limits.depth):
        _check_bounds(node, limits)
    return node


_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")


def _may_be_deep(data: bytes, most: int) -> bool:
    """Whether it has to be looked at closely: brackets in texts count here too. Each pass takes one level away, or two.
    Looking at every value costs as much as reading it did, and nearly no document needs it."""
    brackets = data.translate(None, delete=_NO_BRACKETS)
    for _pass in range(most // 2):
        if not brackets:
            return False
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
    return bool(brackets)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        names = [name for name, _value in pairs]
        twice = next(name for name in made if names.count(name) > 1)
        raise ValueError(f"{prose(twice, 80)!r} is there twice in one object")
    return made


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{digits[:40]} is too large a number")
    return number


def _check_bounds(top: Node, limits: JsonLimits) -> None:
    """Refuse a text that is too long and a value that is nested too deep, wherever it stands. Iterative, as nesting in
    a file is no nesting of ours."""
    waiting = [(top, 0)]
    while waiting:
        node, depth = waiting.pop()
        if isinstance(node.value, str) and len(node.value) > limits.text:
            raise node.invalid(f"is a text of {len(node.value)} characters, and may have {limits.text}")
        if isinstance(node.value, dict | list) and depth >= limits.depth:
            raise node.invalid(f"is nested deeper than {limits.depth} levels")
        if isinstance(node.value, dict):
            waiting.extend((child, depth + 1) for _name, child in node.members(most=len(node.value)))
        elif isinstance(node.value, list):
            waiting.extend((child, depth + 1) for child in node.items(most=len(node.value)))


def _reason(exc: Exception, offset: int) -> str:
    """yajl's message is followed by a drawing of the place, which holds the file's own characters."""
    text = exc.args[0] if exc.args else ""
    line = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
    return f"before byte {offset}: {prose(line.partition(chr(10))[0], 120) or type(exc).__name__}"


def _invalid(message: str, file: str, part: str, at: Sequence[str] = ()) -> FeedInvalid:
    place = Node(None, file=file, part=part)
    for step in at:
        place = Node(None, file=file, part=part, parent=place, key=step)
    return FeedInvalid(message, file=file, field=place.where if at or part else None)
