"""XML of any size in bounded memory: one element after the other, each forgotten when the next is read.

There are no document types, entities and references to elsewhere in the files that feeds are published in: whatever
declares one is refused before anything of it is looked at (billion laughs, external entities). Elements nested too
deep, too many of them, and names, attributes and texts that are too long are refused as well: a parser holds a tag in
memory until it ends.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException, DTDForbidden
from defusedxml.ElementTree import DefusedXMLParser

from orchestrator.core.model import Frozen
from orchestrator.errors import FeedInvalid
from orchestrator.feeds.values import MOST_WHERE, is_printable, prose

_PIECE = 64 * 1024


class XmlLimits(Frozen):
    """Bounds: ``silent`` is how many bytes may pass without an element, a text or an end; ``children``: of one element
    that is held as a whole, with all below it; ``elements``: of the file."""

    depth: int = 12
    text: int = 1 << 20
    attributes: int = 32
    attribute: int = 4000
    silent: int = 4 << 20
    children: int = 100_000
    elements: int = 100_000_000


LIMITS = XmlLimits()


class Element:
    """An element with all that is in it. ``text`` is what stands directly in it; ``where`` its path, as XPath has it:
    elements of one name are counted from 1."""

    __slots__ = ("_counts", "attributes", "children", "file", "line", "name", "text", "where")

    def __init__(self, name: str, attributes: Mapping[str, str], where: str, file: str, line: int) -> None:
        self.name, self.attributes, self.where, self.file, self.line = name, attributes, where, file, line
        self.text = ""
        self.children: list[Element] = []
        self._counts: dict[str, int] = {}

    def next_place(self, name: str) -> str:
        """The path of the next child of that name."""
        self._counts[name] = self._counts.get(name, 0) + 1
        return f"{self.where}/{name}[{self._counts[name]}]"

    def invalid(self, message: str) -> FeedInvalid:
        """The error that names this place."""
        return FeedInvalid(message, file=self.file, line=self.line, field=prose(self.where, MOST_WHERE))

    def each(self, *path: str) -> Iterator["Element"]:
        """All elements at that path below it."""
        for child in self.children:
            if child.name == path[0]:
                yield from child.each(*path[1:]) if path[1:] else (child,)

    def first(self, name: str) -> "Element | None":
        """Its first child of that name."""
        return next(self.each(name), None)

    def content(self, name: str, most: int) -> str | None:
        """The text of its child of that name, stripped; None where that is missing or empty."""
        child = self.first(name)
        return None if child is None else child.checked(child.text.strip(), most) or None

    def attribute(self, name: str, most: int) -> str | None:
        """An attribute; None where it is missing or empty."""
        return self.checked(self.attributes.get(name, "").strip(), most) or None

    def checked(self, text: str, most: int) -> str:
        """The text, which may have that length and must be printable."""
        if len(text) > most:
            raise self.invalid(f"has a text of {len(text)} characters, and may have {most}")
        if not is_printable(text):
            raise self.invalid("has characters that cannot be printed")
        return text


def elements(
    opened: BinaryIO, file: str, *, root: str, name: str, skipped: Sequence[str] = (), limits: XmlLimits = LIMITS
) -> Iterator[Element]:
    """The children of that name of the root, one after the other. ``skipped``: elements whose text is of no interest.

    The file is read to its end. Raises `FeedInvalid` with line and path.
    """
    target = _Target(file, root, name, frozenset(skipped), limits)
    parser = DefusedXMLParser(target=target, forbid_dtd=True)
    target.parser = parser
    try:
        while piece := opened.read(_PIECE):
            target.pass_by(len(piece))
            parser.feed(piece)
            yield from target.taken()
        parser.close()
    except DTDForbidden as exc:
        raise target.invalid("declares a document type, which no such file does") from exc
    except DefusedXmlException as exc:
        raise target.invalid("declares an entity, which no such file does") from exc
    except ParseError as exc:
        raise target.invalid(f"is no XML: {prose(str(exc), 120)}") from exc
    except (ValueError, LookupError) as exc:
        raise target.invalid(f"is no XML that can be read: {prose(str(exc), 120)}") from exc
    yield from target.taken()


class _Target:
    """What the parser tells of elements: it builds those that are wanted, and counts."""

    parser: DefusedXMLParser

    def __init__(self, file: str, root: str, name: str, skipped: frozenset[str], limits: XmlLimits) -> None:
        self._file, self._root, self._name, self._skipped, self._limits = file, root, name, skipped, limits
        self._depth, self._number, self._elements, self._below, self._silent = 0, 0, 0, 0, 0
        self._stack: list[Element] = []
        self._ready: list[Element] = []

    def taken(self) -> list[Element]:
        """The elements that are whole by now."""
        ready, self._ready = self._ready, []
        return ready

    def pass_by(self, size: int) -> None:
        """So many bytes go in."""
        self._silent += size
        if self._silent > self._limits.silent:
            raise self.invalid(f"has {self._limits.silent} bytes without an element")

    # As xml.etree.ElementTree.TreeBuilder has them.

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        self._silent, self._depth, self._elements = 0, self._depth + 1, self._elements + 1
        name = tag.rpartition("}")[2]
        self._check(name, attributes)
        if self._depth == 1:
            if name != self._root:
                raise self.invalid(f"begins with <{prose(name, 40)}>, and should with <{self._root}>")
        elif self._stack:
            self._below += 1
            if self._below > self._limits.children:
                raise self.invalid(f"has more than {self._limits.children} elements in it")
            made = self._made(name, attributes, self._stack[-1].next_place(name))
            self._stack[-1].children.append(made)
            self._stack.append(made)
        elif self._depth == 2 and name == self._name:
            self._number, self._below = self._number + 1, 0
            self._stack.append(self._made(name, attributes, f"/{self._root}/{name}[{self._number}]"))

    def end(self, _tag: str) -> None:
        """An element ends."""
        self._silent, self._depth = 0, self._depth - 1
        if self._stack:
            ended = self._stack.pop()
            if not self._stack:
                self._ready.append(ended)

    def data(self, text: str) -> None:
        """A piece of text."""
        self._silent = 0
        if self._stack and self._stack[-1].name not in self._skipped:
            element = self._stack[-1]
            element.text += text
            if len(element.text) > self._limits.text:
                raise element.invalid(f"has a text of more than {self._limits.text} characters")

    def close(self) -> None:
        """The document has ended."""

    def invalid(self, message: str) -> FeedInvalid:
        """An error at the place that is being read."""
        where = self._stack[-1].where if self._stack else f"after /{self._root}/{self._name}[{self._number}]"
        return FeedInvalid(message, file=self._file, line=self._line, field=prose(where, MOST_WHERE))

    @property
    def _line(self) -> int:
        return int(self.parser.parser.CurrentLineNumber)

    def _made(self, name: str, attributes: dict[str, str], where: str) -> Element:
        return Element(name, attributes, where, self._file, self._line)

    def _check(self, name: str, attributes: dict[str, str]) -> None:
        limits = self._limits
        if self._depth > limits.depth:
            raise self.invalid(f"is nested deeper than {limits.depth} elements")
        if self._elements > limits.elements:
            raise self.invalid(f"there are more than {limits.elements} elements")
        if len(name) > 200 or len(attributes) > limits.attributes:
            raise self.invalid("has a name that is too long, or too many attributes")
        if any(len(key) > 200 or len(value) > limits.attribute for key, value in attributes.items()):
            raise self.invalid(f"has an attribute of more than {limits.attribute} characters")
