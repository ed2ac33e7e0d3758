"""Facts and package lists, each stored once however many checks saw them."""

import zlib
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select

from orchestrator.core.facts import Facts, Packages
from orchestrator.store.statements import add_missing, matching
from orchestrator.store.tables import FACTS, PACKAGE_LISTS

_COMPRESSION = 1
"""zlib's fastest level: a list of 400 packages shrinks to a tenth in half a millisecond."""


def keep_facts(connection: Connection, facts: Mapping[str, Facts]) -> None:
    """Store those facts, by content hash, that are not there yet."""
    known = {
        row.content_hash for row in matching(connection, select(FACTS.c.content_hash), FACTS.c.content_hash, facts)
    }
    missing = sorted(facts.keys() - known)
    add_missing(connection, FACTS, [{"content_hash": key, "document": _document(facts[key])} for key in missing])


def keep_packages(connection: Connection, sent: Mapping[str, Packages]) -> None:
    """Store those package lists, by fingerprint, that are not there yet."""
    query = select(PACKAGE_LISTS.c.fingerprint)
    known = {row.fingerprint for row in matching(connection, query, PACKAGE_LISTS.c.fingerprint, sent)}
    add_missing(connection, PACKAGE_LISTS, [_package_row(sent[key]) for key in sorted(sent.keys() - known)])


def load_packages(connection: Connection, fingerprint: str) -> Packages | None:
    """A stored package list, or None."""
    query = select(PACKAGE_LISTS.c.document).where(PACKAGE_LISTS.c.fingerprint == fingerprint)
    document = connection.scalars(query).one_or_none()
    return None if document is None else Packages.model_validate_json(zlib.decompress(document))


def facts_of(document: str) -> Facts:
    """Facts as `keep_facts` stored them: without volatile values, without package items."""
    return Facts.model_validate_json(document)


def _document(facts: Facts) -> str:
    return facts.model_dump_json(exclude={"volatile": True, "packages": {"items"}})


def _package_row(packages: Packages) -> dict[str, Any]:
    document = zlib.compress(packages.model_dump_json().encode(), _COMPRESSION)
    return {"fingerprint": packages.fingerprint, "manager": packages.manager, "document": document}
