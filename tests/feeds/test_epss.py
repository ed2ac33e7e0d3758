"""FIRST's scores from one day to the next, and lines that are none."""

import gzip
from datetime import date
from pathlib import Path

import pytest

from orchestrator.errors import FeedInvalid
from orchestrator.feeds.epss import Epss
from orchestrator.services.import_advisories import FeedState
from tests.feeds.cases.epss import CASE, COMMENT, SCORES
from tests.feeds.conftest import Desk

HEAD = COMMENT + b"cve,epss,percentile\n"


def test_the_next_day_takes_the_place_of_the_one_before(desk: Desk) -> None:
    """All scores, with their model and day; nobody's exposure is rebuilt."""
    desk.brings("a.csv.gz", CASE.content)
    result = desk.brings(
        "b.csv", SCORES.replace(b"2099-04-05", b"2099-04-06").replace(b"CVE-2098-12345", b"CVE-2098-9999")
    )
    assert (1, 0, 1, 1) == (
        result.imported.added,
        result.imported.changed,
        result.imported.withdrawn,
        result.imported.unchanged,
    )
    (score,) = desk.store.advisories.likelihoods(["CVE-2099-0001", "CVE-2098-12345"]).values()
    assert (date(2099, 4, 6), "v2099.03.14") == (score.scored_on, score.model_version)
    assert [] == desk.changes


def test_a_day_before_changes_nothing(desk: Desk) -> None:
    """Whatever it says."""
    desk.brings("a.csv.gz", CASE.content)
    result = desk.brings("b.csv", SCORES.replace(b"2099-04-05", b"2099-04-04").replace(b"0.97565", b"0.1"))
    assert FeedState.OUTDATED is result.state
    assert 0.97565 == desk.store.advisories.likelihoods(["CVE-2099-0001"])["CVE-2099-0001"].score


@pytest.mark.parametrize(
    ("content", "line", "says"),
    [
        (HEAD, 3, "there are no scores"),
        (COMMENT, 2, "the columns should be cve,epss,percentile"),
        (COMMENT + b"cve,epss\nCVE-2099-0001,0.5\n", 2, "the columns should be"),
        (HEAD + b"CVE-2099-0001,0.5\n", 3, "has 2 fields"),
        (HEAD + b"CVE-2099-0001,0.5,0.5,0.5\n", 3, "has 4 fields"),
        (HEAD + b"CVE-2099-0001,0.5,0.5\nCVE-2099-0001,0.5,0.5\n", 4, "CVE-2099-0001 is there twice"),
        (HEAD + b"CVE-2099,0.5,0.5\n", 3, "is no CVE id"),
        (HEAD + b"CVE-2099-0001,0.5,0.5", 3, "ends too early"),
        (HEAD + b"CVE-2099-0001," + b"0" * 2_000 + b",0.5\n", 3, "the line is too long"),
        (b"#model_version:,score_date:\ncve,epss,percentile\n", 1, "does not say model_version and score_date"),
        (b"#model_version:v1,score_date:0001-01-01\ncve,epss,percentile\n", 1, "does not say"),
        (b"#model_version:v1,score_date:2099-99-99\ncve,epss,percentile\n", 1, "score_date is no date"),
        *[
            (HEAD + b"CVE-2099-0001,%s,0.5\n" % number, 3, "is no number from 0 to 1")
            for number in (b"", b"1.1", b"-0.1", b"nan", b"inf", b"1e5", b" 0.5", b"0x1", b"0_1", "０.5".encode())
        ],
    ],
)
def test_what_is_wrong_is_named_by_its_line(desk: Desk, content: bytes, line: int, says: str) -> None:
    """Nothing is taken in."""
    for data in (content, gzip.compress(content)):
        with pytest.raises(FeedInvalid, match=says) as refused:
            list(Epss().likelihoods(desk.take.recognise(desk.write("a.csv", data))))
        assert line == refused.value.line


def test_a_file_of_before_the_comment_is_refused(desk: Desk) -> None:
    """Nobody can tell the model of its scores."""
    with pytest.raises(FeedInvalid, match="no file of a feed"):
        desk.brings("a.csv", SCORES.partition(b"\n")[2])


def test_a_text_about_the_format_is_no_file_of_it(tmp_path: Path) -> None:
    """A heading begins with ``#`` too, and what follows names the comment."""
    note = tmp_path / "README.md"
    note.write_text("# Scores\n\nThe comment names `model_version` and `score_date`.\n")
    assert Epss().recognise(note) is None


def test_lines_may_end_as_on_windows(desk: Desk) -> None:
    """And numbers may be written either way."""
    content = HEAD.replace(b"\n", b"\r\n") + b"CVE-2099-0001,1,0.0\r\nCVE-2099-0002,1e-05,1.0\r\n"
    scores = list(Epss().likelihoods(desk.take.recognise(desk.write("a.csv", content))))
    assert [(1.0, 0.0), (0.00001, 1.0)] == [(one.score, one.percentile) for one in scores]
