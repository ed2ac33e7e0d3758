"""JSON within bounds: every document is read whole or refused with its place."""

import io
import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import FeedInvalid
from orchestrator.feeds.json_stream import JsonLimits, document, glimpse, members
from orchestrator.feeds.values import Node

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
BROKEN = {
    "empty": b"",
    "spaces": b" \n ",
    "cut": b'{"a": [1, 2',
    "rubbish": b"\x00\xff\xfe",
    "after the end": b'{"a": 1} x',
    "two documents": b'{"a": 1}{"a": 1}',
    "NaN": b'{"a": NaN}',
    "Infinity": b'{"a": -Infinity}',
    "a number too large": b'{"a": 1e999}',
    "no UTF-8": b'{"a": "\xc3\x28"}',
    "twice": b'{"a": 1, "a": 2}',
    "twice below": b'{"a": {"b": 1, "b": 1}}',
    "a comment": b'{"a": 1 /* x */}',
    "a raw newline": b'{"a": "x\ny"}',
    "a comma too many": b'{"a": [1,]}',
}


def streamed(data: bytes, *path: str, limits: JsonLimits | None = None) -> list[Node]:
    """All members."""
    return list(members(io.BytesIO(data), "f.json", path=path, limits=limits or JsonLimits()))


def whole(data: bytes) -> list[Node]:
    """The document at once."""
    return [document(data, "f.json")]


READERS: tuple[Callable[[bytes], list[Node]], ...] = (streamed, whole)


@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_a_document_reads_as_the_standard_library_reads_it(value: dict[str, object]) -> None:
    """Whole or member by member."""
    data = json.dumps(value).encode("utf-8", "surrogatepass")
    assert json.loads(data) == document(data, "f.json").value
    if "\\ud" not in data.decode():  # yajl has no half surrogate pairs
        assert value == {node.key: node.value for node in streamed(data)}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_refused_either_way(name: str) -> None:
    """With the file."""
    for read in READERS:
        with pytest.raises(FeedInvalid) as refused:
            read(BROKEN[name])
        assert "f.json" == refused.value.file


def test_members_know_where_they_are() -> None:
    """Below a path, in an object or a list; names are escaped as RFC 6901 has it."""
    data = b'{"v": 1, "a/b": {"~": [{"x": [1, {"y": 2}]}, 5]}, "w": [[]]}'
    first, second = streamed(data, "a/b", "~")
    assert ("/a~1b/~0/0", "/a~1b/~0/1", 5) == (first.pointer, second.pointer, second.value)
    (_one, two) = first.child("x").items()
    assert "/a~1b/~0/0/x/1/y" == two.child("y").pointer
    assert ["/v", "/a~1b", "/w"] == [node.pointer for node in streamed(data)]
    assert "all.zip" == document(b"{}", "all.zip", part="a.json").file
    assert "a.json#/x" == document(b'{"x": 1}', "all.zip", part="a.json").child("x").where


@pytest.mark.parametrize(
    ("data", "field", "says"),
    [
        (b'{"v": 1}', None, "has no member 'vs'"),
        (b'{"vs": 7}', "/vs", "should be an object or a list"),
        (b'[{"vs": []}]', None, "should be an object"),
        (b'{"vs": [1, 2, {"a": ]}', "/vs/2", "before byte"),
        (b'{"vs": [], "vs": []}', "/vs", "is there twice"),
        (b'{"vs": {"x": {}, "x": {}}}', "/vs/x", "is there twice"),
    ],
)
def test_places_of_errors(data: bytes, field: str | None, says: str) -> None:
    """The pointer of the member that was being read."""
    with pytest.raises(FeedInvalid, match=says) as refused:
        streamed(data, "vs")
    assert field == refused.value.field


@pytest.mark.parametrize(
    ("data", "limits"),
    [
        (b'{"a": ' + b"[" * 20 + b"]" * 20 + b"}", JsonLimits(depth=10)),
        (b'{"a": "' + b"x" * 200 + b'"}', JsonLimits(text=100)),
        (b'{"a": {"b": ["' + b"x" * 200 + b'"]}}', JsonLimits(text=100)),
        (b'{"a": [' + b"[]," * 100_000 + b"[]]}", JsonLimits(item_bytes=100_000)),
        (b'{"a": 1, "b": 2, "c": 3}', JsonLimits(items=2)),
    ],
    ids=["depth", "text", "text below", "size", "items"],
)
def test_bounds_are_kept(data: bytes, limits: JsonLimits) -> None:
    """Also of members that nobody asked for."""
    with pytest.raises(FeedInvalid):
        streamed(data, limits=limits)


@pytest.mark.parametrize("start", [b'{"a": "', b'["', b'{"', b'{"a": [1, "', b'{"a": 1', b"\n"])
def test_a_value_that_never_ends_is_given_up(start: bytes) -> None:
    """The parser holds a text as a whole before it tells of it: somebody has to stop it."""

    class Endless:
        given = 0

        def read(self, size: int = -1, /) -> bytes:
            self.given += size
            data = start if self.given == size else b"1" * size
            return data if start != b"\n" else b" " * size

    endless = Endless()
    with pytest.raises(FeedInvalid):
        list(members(endless, "f.json", limits=JsonLimits(item_bytes=1_000_000)))
    assert endless.given < 2_000_000


def test_a_hundred_thousand_levels_break_nothing() -> None:
    """Neither way of reading is recursive where it could be led to overflow."""
    deep = b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    for read in READERS:
        with pytest.raises(FeedInvalid, match="nested"):
            read(deep)


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"a":'])
@pytest.mark.parametrize("read", READERS)
def test_sixty_four_levels_are_enough(read: Callable[[bytes], list[Node]], opening: bytes) -> None:
    """For a value, or a document; brackets in texts do not count."""
    closing = opening.replace(b'"a":', b"")[::-1].translate(bytes.maketrans(b"[{", b"]}"))
    levels = 60 // len(closing)
    shallow = b'{"x": ' + opening * levels + b'"' + b"[{" * 500 + b'"' + closing * levels + b"}"
    deep = b'{"x": ' + opening * 70 + b"1" + closing * 70 + b"}"
    assert 1 == len(read(shallow))
    with pytest.raises(FeedInvalid, match="nested deeper than 64 levels"):
        read(deep)


def test_errors_show_nothing_raw() -> None:
    """The parser would draw the place with the file's own bytes."""
    with pytest.raises(FeedInvalid) as refused:
        streamed(b'{"\x9b31m\\u001b[2J": \x1b[2J}')
    assert str(refused.value).isprintable()


@pytest.mark.parametrize(
    ("start", "found"),
    [
        (b'{"a": "x", "b": [1, {"a": 2}], "c": {"d": 1}, "e": 5, "cut": "he', {"a": "x", "b": [], "c": {}, "e": 5}),
        (b'{"a": 1}', {"a": 1}),
        (b"{", {}),
        (b"[1]", None),
        (b"7", None),
        (b"", None),
        (b"<html>", None),
        (b'{"a": 1, \xff', {"a": 1}),
    ],
)
def test_a_glimpse_of_the_beginning(start: bytes, found: object) -> None:
    """As far as it can be read; None where it is no object."""
    assert found == glimpse(start)
