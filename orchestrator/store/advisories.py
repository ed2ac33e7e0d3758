"""What the feeds say, and said."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Row, Select, select

from orchestrator.core.advisories import (
    Distribution,
    Grade,
    Likelihood,
    ModuleFix,
    PackageKey,
    Statement,
    Told,
)
from orchestrator.core.patches import Cve
from orchestrator.store.advisory_tables import LIKELIHOODS, TOLD
from orchestrator.store.database import Database
from orchestrator.store.statements import matching, values_of
from orchestrator.store.told import Kind, grade_of, module_fix_of, statement_of

T = TypeVar("T")


class SqlAdvisories:
    """`ports.advisories.AdvisoryStore` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def statements(self, packages: Iterable[PackageKey]) -> Mapping[PackageKey, Sequence[Told[Statement]]]:
        """All that was ever said of these packages; one that nobody speaks of is left out."""
        wanted: defaultdict[str, set[str]] = defaultdict(set)
        for distribution, package in packages:
            wanted[distribution].add(package)
        found: defaultdict[PackageKey, list[Told[Statement]]] = defaultdict(list)
        with self._database.read() as connection:
            for distribution, names in wanted.items():
                query = _of(Kind.STATEMENT).where(TOLD.c.distribution == distribution)
                for row in _in_order(matching(connection, query, TOLD.c.package, names)):
                    found[row.distribution, row.package].append(statement_of(row))
        return dict(found)

    def module_fixes(self, distributions: Iterable[Distribution]) -> Sequence[Told[ModuleFix]]:
        """All live-patch notices for these distributions."""
        with self._database.read() as connection:
            rows = matching(connection, _of(Kind.MODULE_FIX), TOLD.c.distribution, distributions)
            return [module_fix_of(row) for row in _in_order(rows)]

    def grades(self, cves: Iterable[Cve]) -> Mapping[Cve, Sequence[Told[Grade]]]:
        """All grades of these CVEs; one without any is left out."""
        found: defaultdict[Cve, list[Told[Grade]]] = defaultdict(list)
        with self._database.read() as connection:
            for row in _in_order(matching(connection, _of(Kind.GRADE), TOLD.c.cve, cves)):
                found[row.cve].append(grade_of(row))
        return dict(found)

    def about(
        self, cve: Cve
    ) -> tuple[tuple[Told[Statement], ...], tuple[Told[ModuleFix], ...], tuple[Told[Grade], ...]]:
        """Everything that any source says of it now."""
        with self._database.read() as connection:
            return told_now(connection, TOLD.c.cve == cve)

    def likelihoods(self, cves: Iterable[Cve]) -> Mapping[Cve, Likelihood]:
        """The EPSS scores of these."""
        with self._database.read() as connection:
            rows = matching(connection, select(LIKELIHOODS), LIKELIHOODS.c.cve, cves)
            return {row.cve: Likelihood.model_validate(values_of(row)) for row in rows}


def told_now(
    connection: Connection, *conditions: ColumnElement[bool]
) -> tuple[tuple[Told[Statement], ...], tuple[Told[ModuleFix], ...], tuple[Told[Grade], ...]]:
    """What holds of all that meets the conditions."""
    query = select(TOLD).where(TOLD.c.until.is_(None), *conditions)
    rows = sorted(_in_order(connection.execute(query)), key=lambda row: (row.feed, row.entry))

    def of(kind: Kind, read: Callable[[Row[Any]], T]) -> tuple[T, ...]:
        return tuple(read(row) for row in rows if row.kind == kind)

    return of(Kind.STATEMENT, statement_of), of(Kind.MODULE_FIX, module_fix_of), of(Kind.GRADE, grade_of)


def _of(kind: Kind) -> Select[Any]:
    return select(TOLD).where(TOLD.c.kind == kind.value)


def _in_order(rows: Iterable[Row[Any]]) -> list[Row[Any]]:
    """In which they were told. Sorted here: it keeps the database from walking the whole table in that order."""
    return sorted(rows, key=lambda row: row.id)
