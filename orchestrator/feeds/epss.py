"""FIRST's scores of how likely a vulnerability is to be exploited in the next 30 days (EPSS).

One CSV file a day, usually with gzip. The first line is a comment that dates the scores and names the model that they
are from (``#model_version:v2025.03.14,score_date:2026-02-12T00:00:00Z``): scores of different models are not
comparable. Then ``cve,epss,percentile`` and a line per CVE. Source: https://www.first.org/epss/data_stats
"""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, NamedTuple

from orchestrator.core.advisories import Likelihood
from orchestrator.errors import FeedInvalid
from orchestrator.feeds.base import whole_file
from orchestrator.feeds.dates import moment_of
from orchestrator.feeds.opening import beginning, opened
from orchestrator.feeds.values import cve_of
from orchestrator.ports.advisories import FeedFile
from orchestrator.ports.feeds import Fetch, Known, Unchanged

URL = "https://epss.empiricalsecurity.com/epss_scores-current.csv.gz"
COLUMNS = b"cve,epss,percentile"
MOST_LINE, MOST_LINES = 1_000, 5_000_000
_COMMENT = re.compile(rb"#\s*model_version:([A-Za-z0-9._-]{1,40}),\s*score_date:([0-9A-Za-z:+.-]{10,40})")
_NUMBER = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,20})?(?:[eE]-?[0-9]{1,3})?")


class Model(NamedTuple):
    """What the comment says."""

    version: str
    scored_at: datetime


class Epss:
    """`ports.feeds.LikelihoodFeed` of FIRST's scores."""

    name = "epss"

    def recognise(self, path: Path) -> FeedFile | None:
        """A file that begins with the comment; see `AdvisoryFeed`."""
        first = beginning(path, MOST_LINE).partition(b"\n")[0]
        if not first.startswith(b"#") or b"model_version" not in first:
            return None
        model = _model(first, str(path))
        return FeedFile(path=path, feed=self.name, source=str(path), version=model.version, dated=model.scored_at)

    def likelihoods(self, file: FeedFile) -> Iterator[Likelihood]:
        """One score per CVE; see `LikelihoodFeed`."""
        with opened(file.path, name=file.source) as content:
            lines = _lines(content, file.source)
            _number, first = next(lines, (1, b""))
            model = _model(first, file.source)
            _number, columns = next(lines, (2, b""))
            if columns != COLUMNS:
                raise _invalid(file.source, 2, f"the columns should be {COLUMNS.decode()}")
            yield from _scores(lines, model, file.source)

    def parts(self, known: Known) -> Sequence[str]:  # noqa: ARG002  whatever the fleet runs
        """Always: it speaks of CVEs, whoever has them."""
        return (self.name,)

    def files(self, part: str, known: Known, fetch: Fetch) -> Iterator[FeedFile | Unchanged]:
        """One file; see `FeedSource`."""
        return whole_file(self, part, known.url(self.name, URL), known, fetch)


def _scores(lines: Iterator[tuple[int, bytes]], model: Model, file: str) -> Iterator[Likelihood]:
    day, seen = model.scored_at.date(), set[str]()
    for number, line in lines:
        if number > MOST_LINES:
            raise _invalid(file, number, f"there are more than {MOST_LINES} lines")
        fields = line.decode("ascii", "replace").split(",")
        if len(fields) != 3:
            raise _invalid(file, number, f"has {len(fields)} fields, and should have 3")
        cve = cve_of(fields[0])
        if cve is None or cve in seen:
            raise _invalid(file, number, "is no CVE id" if cve is None else f"{cve} is there twice")
        seen.add(cve)
        yield Likelihood(
            cve=cve,
            score=_fraction(fields[1], file, number),
            percentile=_fraction(fields[2], file, number),
            model_version=model.version,
            scored_on=day,
        )
    if not seen:
        raise _invalid(file, 3, "there are no scores")


def _fraction(text: str, file: str, number: int) -> float:
    value = float(text) if _NUMBER.fullmatch(text) else -1.0
    if not 0.0 <= value <= 1.0:
        raise _invalid(file, number, "is no number from 0 to 1")
    return value


def _model(line: bytes, file: str) -> Model:
    found = _COMMENT.match(line)
    try:
        scored_at = moment_of(found[2].decode()) if found else None
    except ValueError as exc:
        raise _invalid(file, 1, f"score_date {exc}") from exc
    if found is None or scored_at is None:
        raise _invalid(file, 1, "does not say model_version and score_date")
    return Model(found[1].decode(), scored_at)


def _lines(content: BinaryIO, file: str) -> Iterator[tuple[int, bytes]]:
    """Numbered lines without their ends; the last one must have an end too, or it was cut off."""
    number = 0
    while line := content.readline(MOST_LINE + 1):
        number += 1
        if not line.endswith(b"\n"):
            raise _invalid(file, number, "the line is too long" if len(line) > MOST_LINE else "the file ends too early")
        yield number, line.rstrip(b"\r\n")


def _invalid(file: str, line: int, message: str) -> FeedInvalid:
    return FeedInvalid(message, file=file, line=line)
