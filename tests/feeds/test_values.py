"""Values are what they should be, or the error names their place."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from orchestrator.core.advisories import Grade
from orchestrator.errors import FeedInvalid
from orchestrator.feeds.dates import moment_of_seconds
from orchestrator.feeds.values import Node, cve_of, is_printable, prose


def node(value: Any) -> Node:
    """A document."""
    return Node(value, file="f.json")


DOCUMENT = node(
    {
        "text": "x",
        "empty": "",
        "null": None,
        "number": 3,
        "true": True,
        "half": 1.5,
        "list": ["a", "b"],
        "mixed": ["a", 1],
        "objects": [{"a": 1}],
        "when": "2099-01-02T03:04:05.678901234+02:00",
        "day": "2099-01-02",
        "bad": "2099-13-01",
        "control": "a\x1b[2J",
        "half pair": "\ud800",
        "long": "x" * 2_000,
    }
)


def test_what_is_there() -> None:
    """Each as it should be."""
    assert ("x", "x", None, None, None) == (
        DOCUMENT.text("text"),
        DOCUMENT.maybe_text("text"),
        DOCUMENT.maybe_text("empty"),
        DOCUMENT.maybe_text("null"),
        DOCUMENT.maybe_text("missing"),
    )
    assert (("a", "b"), (), ()) == (DOCUMENT.texts("list"), DOCUMENT.texts("null"), DOCUMENT.texts("missing"))
    assert (3, [1]) == (
        DOCUMENT.whole_number("number"),
        [one.whole_number("a") for one in DOCUMENT.each("objects")],
    )
    assert datetime(2099, 1, 2, 1, 4, 5, 678901, tzinfo=UTC) == DOCUMENT.moment("when")
    assert datetime(2099, 1, 2, tzinfo=UTC) == DOCUMENT.moment("day")
    assert (date(2099, 1, 2), None, None) == (DOCUMENT.day("day"), DOCUMENT.day("null"), DOCUMENT.moment("empty"))
    assert ("a�[2J", "?", "x" * 299 + "…") == (
        DOCUMENT.maybe_prose("control"),
        DOCUMENT.maybe_prose("half pair"),
        DOCUMENT.maybe_prose("long"),
    )


@pytest.mark.parametrize(
    ("ask", "field", "says"),
    [
        (lambda one: one.text("missing"), "/missing", "is missing, and should be a text"),
        (lambda one: one.text("empty"), "/empty", "is empty"),
        (lambda one: one.text("number"), "/number", "is a number, and should be a text"),
        (lambda one: one.text("control"), "/control", "cannot be printed"),
        (lambda one: one.text("half pair"), "/half pair", "cannot be printed"),
        (lambda one: one.text("long"), "/long", "is a text of 2000 characters, and may have 1000"),
        (lambda one: one.maybe_prose("list"), "/list", "is a list, and should be a text"),
        (lambda one: one.texts("mixed"), "/mixed/1", "is a number"),
        (lambda one: one.texts("text"), "/text", "is a text, and should be a list"),
        (lambda one: one.texts("list", most=1), "/list", "has more than 1 items"),
        (lambda one: list(one.members(most=3)), "/", "has more than 3 members"),
        (lambda one: one.child("text").child("x"), "/text", "is a text, and should be an object"),
        (lambda one: one.whole_number("true"), "/true", "is a truth value"),
        (lambda one: one.whole_number("half"), "/half", "is a number, and should be a whole number"),
        (lambda one: one.moment("bad"), "/bad", "is no date"),
        (lambda one: one.day("when"), "/when", "is no date of the form"),
        (lambda one: one.moment("number"), "/number", "is a number"),
        (lambda one: one.make(Grade, cve="CVE-1", where="/"), "/", "cve: String should match pattern"),
    ],
)
def test_what_is_something_else(ask: Any, field: str, says: str) -> None:
    """The place, what is there, what should be."""
    with pytest.raises(FeedInvalid, match=says) as refused:
        ask(DOCUMENT)
    assert ("f.json", field) == (refused.value.file, refused.value.field)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "1989-12-31", "2100-01-01T00:00:00Z"])
def test_dates_that_cannot_be_are_none(text: str) -> None:
    """Placeholders of the sources: a missing date is null, never today."""
    assert (None, None) == (node({"x": text}).moment("x"), node({"x": text[:10]}).day("x"))


@pytest.mark.parametrize(
    ("seconds", "moment"),
    [
        (4_075_012_645, datetime(2099, 2, 17, 11, 57, 25, tzinfo=UTC)),
        (0, None),
        (-1e30, None),
        (1e30, None),
        (9e9, None),
    ],
)
def test_seconds_since_1970(seconds: float, moment: datetime | None) -> None:
    """None outside of what can be."""
    assert moment == moment_of_seconds(seconds)


@pytest.mark.parametrize(
    ("text", "cve"),
    [
        ("CVE-2099-0001", True),
        ("CVE-2099-1234567890123456789", True),
        ("cve-2099-0001", False),
        ("CVE-2099-001", False),
        (" CVE-2099-0001", False),
        ("CVE-2099-0001\n", False),
        ("CVE-２０９９-0001", False),
        ("TEMP-1-2", False),
        (None, False),
    ],
)
def test_cve_ids(text: object, cve: bool) -> None:
    """Nothing but the id."""
    assert (text if cve else None) == cve_of(text)


def test_prose_is_one_line_of_bounded_length() -> None:
    """Nothing of it acts on a terminal."""
    assert ("a b c", None, None, "ab…", "a�b") == (
        prose(" a\n\tb  c "),
        prose(""),
        prose(" \n"),
        prose("abcd", 3),
        prose("a\u202eb"),
    )
    assert (True, True, False, False) == (
        is_printable("abc"),
        is_printable("äöü €"),
        is_printable("a\x7f"),
        is_printable("ä\x9b"),
    )
