"""Facts and package lists, each stored once however many checks saw them."""

import hashlib
import sys
import zlib
from collections.abc import Mapping
from functools import lru_cache

from sqlalchemy import Connection, select

from orchestrator.core.distributions import distribution_of
from orchestrator.core.facts import Facts, Packages
from orchestrator.core.kernel_source import kernel_source
from orchestrator.store.statements import Values, add_missing, matching
from orchestrator.store.tables import FACTS, NAME_SETS, PACKAGE_LISTS

_COMPRESSION = 1
"""zlib's fastest level: a list of 400 packages shrinks to a tenth in half a millisecond."""


def keep_facts(connection: Connection, facts: Mapping[str, Facts]) -> None:
    """Store those facts, by content hash, that are not there yet."""
    known = {
        row.content_hash for row in matching(connection, select(FACTS.c.content_hash), FACTS.c.content_hash, facts)
    }
    add_missing(connection, FACTS, [_facts_row(key, facts[key]) for key in sorted(facts.keys() - known)])


def keep_packages(connection: Connection, sent: Mapping[str, Packages]) -> None:
    """Store those package lists, by fingerprint, that are not there yet."""
    query = select(PACKAGE_LISTS.c.fingerprint)
    known = {row.fingerprint for row in matching(connection, query, PACKAGE_LISTS.c.fingerprint, sent)}
    new = {key: names_of(sent[key]) for key in sorted(sent.keys() - known)}
    add_missing(connection, NAME_SETS, [dict(row) for row in sorted({tuple(found.items()) for found in new.values()})])
    add_missing(connection, PACKAGE_LISTS, [_package_row(sent[key], new[key]["digest"]) for key in new])


def load_packages(connection: Connection, fingerprint: str) -> Packages | None:
    """A stored package list, or None."""
    query = select(PACKAGE_LISTS.c.document).where(PACKAGE_LISTS.c.fingerprint == fingerprint)
    document = connection.scalars(query).one_or_none()
    return None if document is None else Packages.model_validate_json(zlib.decompress(document))


def facts_of(document: str) -> Facts:
    """Facts as `keep_facts` stored them: without volatile values, without package items."""
    return Facts.model_validate_json(document)


def indexed(facts: Facts) -> Values:
    """The columns that say which vulnerability data speaks of such a host."""
    return {
        "distribution": distribution_of(facts.os),
        "fingerprint": facts.packages and facts.packages.fingerprint,
        "kernel_source": facts.kernel and facts.kernel.source,
    }


def names_of(packages: Packages) -> Values:
    """The row of the names that data may know these packages by: of binary and source packages, and of kernels'."""
    items = packages.items or ()
    sources = {item.source for item in items if item.source is not None}
    names = {item.name for item in items} | sources | {kernel_source(source, "")[0] for source in sources}
    text = "\n".join(sorted(name for name in names if "\n" not in name)).encode(errors="replace")
    return {"digest": hashlib.sha256(text).hexdigest(), "document": zlib.compress(text, _COMPRESSION)}


@lru_cache(maxsize=256)
def names_in(document: bytes) -> frozenset[str]:
    """The names of a row. The same sets come again and again, and nearly the same names in each of them."""
    return frozenset(map(sys.intern, zlib.decompress(document).decode().split("\n")))


def _facts_row(content_hash: str, facts: Facts) -> Values:
    document = facts.model_dump_json(exclude={"volatile": True, "packages": {"items"}})
    return {"content_hash": content_hash, "document": document, **indexed(facts)}


def _package_row(packages: Packages, names: str) -> Values:
    document = zlib.compress(packages.model_dump_json().encode(), _COMPRESSION)
    return {
        "fingerprint": packages.fingerprint,
        "manager": packages.manager,
        "document": document,
        "names": names,
    }
