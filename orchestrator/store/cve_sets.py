"""Sets of CVEs with their dates, once however many hosts and windows have them."""

import hashlib
import json
import re
import threading
import zlib
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, delete, exists, select, text

from orchestrator.core.standings import Mark
from orchestrator.store.statements import CHUNK, add_missing, matching
from orchestrator.store.tables import CLOSURES, CVE_SETS, STANDINGS

_KEPT_MARKS = 1_000_000
"""CVEs of sets that stay decoded in memory, some 100 MB: those of a fleet in which few hosts have the same."""

Marks = tuple[Mark, ...]


class CveSets:
    """The sets that were read or written last, decoded. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_digest: OrderedDict[str, Marks] = OrderedDict()
        # By identity: to compare marks would cost as much as to digest them. They are kept above, so that no others
        # can take their place in memory.
        self._digests: dict[int, str] = {}
        self._count = 0

    def add(self, connection: Connection, every: Iterable[Marks]) -> Mapping[int, str]:
        """Store those that are not there yet. By ``id()``, the digests that rows refer to."""
        distinct = {id(marks): marks for marks in every}
        digests = {key: self._digests.get(key) for key in distinct}
        new = {key: document_of(distinct[key]) for key, digest in digests.items() if digest is None}
        found = {key: digest for key, digest in digests.items() if digest is not None}
        found |= {key: hashlib.sha256(document).hexdigest() for key, document in new.items()}
        documents = {found[key]: document for key, document in new.items()}
        there = _there(connection, found.values())
        rows = [
            {"digest": digest, "document": zlib.compress(documents.get(digest) or document_of(distinct[key]), 1)}
            for digest, key in sorted({digest: key for key, digest in found.items()}.items())
            if digest not in there
        ]
        add_missing(connection, CVE_SETS, rows)
        for key, digest in found.items():
            self._keep(digest, distinct[key])
        return found

    def read(self, connection: Connection, digests: Iterable[str]) -> dict[str, Marks]:
        """By digest."""
        wanted = set(digests)
        with self._lock:
            found = {digest: self._by_digest[digest] for digest in wanted if digest in self._by_digest}
        for row in matching(connection, select(CVE_SETS), CVE_SETS.c.digest, wanted - found.keys()):
            found[row.digest] = self._keep(row.digest, marks_of(zlib.decompress(row.document)))
        return found

    def _keep(self, digest: str, marks: Marks) -> Marks:
        with self._lock:
            kept = self._by_digest.pop(digest, None)
            if kept is None:
                kept = marks
                self._count += len(marks)
                self._digests[id(marks)] = digest
            self._by_digest[digest] = kept
            while self._count > _KEPT_MARKS and len(self._by_digest) > 1:
                _, gone = self._by_digest.popitem(last=False)
                self._count -= len(gone)
                del self._digests[id(gone)]
        return kept


def having(connection: Connection, cves: Collection[str]) -> Iterator[str]:
    """Digests of the sets that have one of these. All are looked at, and none is decoded."""
    wanted = frozenset(f'"{cve}"'.encode() for cve in cves)
    for row in connection.execute(select(CVE_SETS).execution_options(yield_per=CHUNK // 10)):
        document = zlib.decompress(row.document)
        if not wanted.isdisjoint(_NAME.findall(document)):
            yield row.digest


_NAME = re.compile(rb'"CVE-[^"]*"')


def lock(connection: Connection) -> None:
    """Keep other writers of sets away until the end of the transaction: they might come to refer to one that
    `forget` finds unused."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("LOCK TABLE cve_set IN SHARE ROW EXCLUSIVE MODE"))


def forget(connection: Connection, digests: Iterable[str]) -> None:
    """Delete those that nothing refers to any more."""
    used = exists().where(STANDINGS.c.cve_set == CVE_SETS.c.digest) | exists().where(
        CLOSURES.c.cve_set == CVE_SETS.c.digest
    )
    wanted = sorted(digests)
    for start in range(0, len(wanted), CHUNK):
        some = CVE_SETS.c.digest.in_(wanted[start : start + CHUNK])
        connection.execute(delete(CVE_SETS).where(some, ~used))


def _there(connection: Connection, digests: Iterable[str]) -> set[str]:
    return {row.digest for row in matching(connection, select(CVE_SETS.c.digest), CVE_SETS.c.digest, digests)}


def document_of(marks: Sequence[Mark]) -> bytes:
    """The JSON of marks: a list of each, times in ISO 8601, nothing for the last ones that are not known."""
    return json.dumps([_known(mark) for mark in marks], separators=(",", ":"), default=_iso).encode()


def marks_of(document: bytes) -> Marks:
    """The marks of a document."""
    return tuple(_mark(*mark) for mark in json.loads(document))


def _known(mark: Mark) -> Sequence[Any]:
    return mark if mark.kev_due is not None or mark.kev_since is not None else mark[:3]


def _iso(moment: date) -> str:
    return moment.isoformat()


def _mark(
    cve: str,
    disclosed: list[str | None],
    fixes: list[str | None],
    kev_due: str | None = None,
    kev_since: str | None = None,
) -> Mark:
    return Mark(
        cve,
        tuple(map(_moment, disclosed)),
        tuple(map(_moment, fixes)),
        None if kev_due is None else date.fromisoformat(kev_due),
        _moment(kev_since),
    )


@lru_cache(maxsize=50_000)
def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
