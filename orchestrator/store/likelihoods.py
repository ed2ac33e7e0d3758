"""EPSS scores: all of them anew, every day, in the place of all that there were."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import islice
from typing import IO

from sqlalchemy import Connection, delete, select

from orchestrator.core.advisories import FeedImport, Imported, Likelihood
from orchestrator.core.patches import Cve
from orchestrator.errors import FeedInvalid
from orchestrator.store.advisory_tables import LIKELIHOODS
from orchestrator.store.statements import CHUNK, put

_Score = tuple[float, float, str, date]


@dataclass(kw_only=True)
class LikelihoodReading:
    """A file while it is read: what differs goes to the spool. A score that is the same on another day is unchanged."""

    about: FeedImport
    known: Mapping[Cve, _Score]
    spool: IO[bytes]
    seen: set[Cve] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)
    changed: set[Cve] = field(default_factory=set)

    def read(self, scores: Iterable[Likelihood]) -> None:
        """All scores. Raises what they raise, and `FeedInvalid` where a CVE comes twice."""
        for one in scores:
            if one.cve in self.seen:
                raise FeedInvalid(f"{one.cve} comes twice", file=self.about.source)
            self.seen.add(one.cve)
            self._take(one)

    def _take(self, one: Likelihood) -> None:
        was, now = self.known.get(one.cve), (one.score, one.percentile, one.model_version, one.scored_on)
        is_same = was is not None and was[:3] == now[:3]
        self.counts["added" if was is None else "unchanged" if is_same else "changed"] += 1
        if not is_same:
            self.changed.add(one.cve)
        if was != now:
            self.spool.write(one.model_dump_json().encode() + b"\n")

    def gone(self) -> Sequence[Cve]:
        """CVEs that have no score any more."""
        return sorted(self.known.keys() - self.seen)

    def imported(self) -> Imported:
        """What it came to."""
        gone = self.gone()
        return Imported(
            added=self.counts["added"],
            changed=self.counts["changed"],
            unchanged=self.counts["unchanged"],
            withdrawn=len(gone),
            cves=frozenset(self.changed.union(gone)),
        )


def known_likelihoods(connection: Connection) -> dict[Cve, _Score]:
    """By CVE."""
    rows = connection.execute(select(LIKELIHOODS).execution_options(yield_per=CHUNK))
    return {row.cve: (row.score, row.percentile, row.model_version, row.scored_on) for row in rows}


def write_likelihoods(connection: Connection, spool: IO[bytes], gone: Sequence[Cve]) -> None:
    """What differs, and without those that are gone."""
    spool.seek(0)
    lines = iter(spool)
    while rows := [json.loads(line) for line in islice(lines, CHUNK)]:
        put(connection, LIKELIHOODS, [row | {"scored_on": date.fromisoformat(row["scored_on"])} for row in rows])
    for start in range(0, len(gone), CHUNK):
        connection.execute(delete(LIKELIHOODS).where(LIKELIHOODS.c.cve.in_(gone[start : start + CHUNK])))
