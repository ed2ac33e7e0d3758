"""Published vulnerability data, and whom it concerns; service levels and accepted risks; exposures by group.

Revision 0003.
"""

import hashlib
import json
import zlib
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

from orchestrator.core.distributions import distribution_of
from orchestrator.core.facts import Os, Packages
from orchestrator.core.standing_groups import mark_of, span_of
from orchestrator.core.standings import Closure, Mark, Span
from orchestrator.core.windows import Window
from orchestrator.store.columns import UtcDateTime
from orchestrator.store.cve_sets import document_of
from orchestrator.store.facts import names_of

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


STALE = "exposures.stale"
"""The key of a note: there are no standings yet, though there are hosts."""

SLICE = 500
"""Rows that are in memory at a time."""


def upgrade() -> None:
    """What there is of hosts stays; that it can be looked up by packages is filled in. Closures of one CVE each are
    grouped; exposures are derived: whoever sees the note `STALE` makes them anew."""
    _feeds()
    _told()
    _service_levels()
    _facts()
    _package_lists()
    _standings()
    _closures()
    _changes()


def _feeds() -> None:
    op.create_table(
        "feed",
        sa.Column("feed", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("version", sa.Text(), nullable=True),
        sa.Column("dated", sa.DateTime(timezone=True), nullable=True),
        sa.Column("etag", sa.Text(), nullable=True),
        sa.Column("last_modified", sa.Text(), nullable=True),
        sa.Column("first_imported_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("succeeded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("statements", sa.Integer(), nullable=False),
        sa.Column("moves", sa.Integer(), nullable=False),
        sa.Column("whole_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("feed", name=op.f("pk_feed")),
    )
    op.create_table(
        "likelihood",
        sa.Column("cve", sa.Text(), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("percentile", sa.Float(), nullable=False),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("scored_on", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("cve", name=op.f("pk_likelihood")),
    )


def _told() -> None:
    op.create_table(
        "advisory",
        sa.Column("feed", sa.Text(), nullable=False),
        sa.Column("entry", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("modified", sa.DateTime(timezone=True), nullable=True),
        sa.Column("published", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawn", sa.DateTime(timezone=True), nullable=True),
        sa.Column("gone_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("url", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("feed", "entry", name=op.f("pk_advisory")),
    )
    op.create_table(
        "told",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("feed", sa.Text(), nullable=False),
        sa.Column("entry", sa.Text(), nullable=False),
        sa.Column("cve", sa.Text(), nullable=False),
        sa.Column("distribution", sa.Text(), nullable=True),
        sa.Column("package", sa.Text(), nullable=True),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_baseline", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_told")),
    )
    op.create_index(op.f("ix_told_kind_distribution_package"), "told", ["kind", "distribution", "package"])
    op.create_index(op.f("ix_told_cve_kind"), "told", ["cve", "kind"])
    op.create_index(op.f("ix_told_feed_entry"), "told", ["feed", "entry"])


def _service_levels() -> None:
    op.create_table(
        "policy",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("set_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_policy")),
    )
    op.create_table(
        "acceptance",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("cve", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("accepted_by", sa.Text(), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_by", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_acceptance")),
    )


def _facts() -> None:
    for name in ("distribution", "fingerprint", "kernel_source"):
        op.add_column("facts", sa.Column(name, sa.Text(), nullable=True))
    facts = sa.table("facts", *map(sa.column, ("content_hash", "document", *_INDEXED)))
    filled = sa.update(facts).where(facts.c.content_hash == sa.bindparam("of"))
    for rows in _slices(sa.select(facts.c.content_hash, facts.c.document), facts.c.content_hash):
        op.get_bind().execute(filled, [{"of": row.content_hash} | _indexed(json.loads(row.document)) for row in rows])


_INDEXED = ("distribution", "fingerprint", "kernel_source")


def _indexed(facts: dict[str, Any]) -> dict[str, str | None]:
    os, packages, kernel = (facts.get(name) for name in ("os", "packages", "kernel"))
    values = (distribution_of(os and Os(**os)), packages and packages["fingerprint"], kernel and kernel["source"])
    return {name: value and value.replace("\0", "\ufffd") for name, value in zip(_INDEXED, values, strict=True)}


def _package_lists() -> None:
    op.create_table(
        "name_set",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_name_set")),
    )
    op.add_column("package_list", sa.Column("names", sa.Text(), nullable=True))
    lists = sa.table("package_list", *map(sa.column, ("fingerprint", "document", "names")))
    name_sets = sa.table("name_set", sa.column("digest"), sa.column("document"))
    filled = sa.update(lists).where(lists.c.fingerprint == sa.bindparam("of"))
    known: set[str] = set()
    for rows in _slices(sa.select(lists.c.fingerprint, lists.c.document), lists.c.fingerprint):
        found = {row.fingerprint: names_of(_packages(row.document)) for row in rows}
        new = {one["digest"]: one for one in found.values() if one["digest"] not in known}
        if new:
            op.get_bind().execute(sa.insert(name_sets), list(new.values()))
        known |= new.keys()
        op.get_bind().execute(filled, [{"of": key, "names": one["digest"]} for key, one in found.items()])
    with op.batch_alter_table("package_list") as batch:
        batch.alter_column("names", existing_type=sa.Text(), nullable=False)
        batch.create_foreign_key(op.f("fk_package_list_names_name_set"), "name_set", ["names"], ["digest"])


def _packages(document: bytes) -> Packages:
    return Packages.model_validate_json(zlib.decompress(document))


def _standings() -> None:
    op.create_table(
        "cve_set",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_cve_set")),
    )
    op.create_table(
        "standing",
        sa.Column("host_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("remedy", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("spans", sa.Text(), nullable=False),
        sa.Column("unknown_seconds", sa.Float(), nullable=False),
        sa.Column("is_over", sa.Boolean(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cve_set", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["cve_set"], ["cve_set.digest"], name=op.f("fk_standing_cve_set_cve_set")),
        sa.ForeignKeyConstraint(["host_id"], ["host.id"], name=op.f("fk_standing_host_id_host")),
        sa.PrimaryKeyConstraint("host_id", "number", name=op.f("pk_standing")),
    )
    op.create_index(op.f("ix_standing_cve_set"), "standing", ["cve_set"])
    counted = ["is_over", "severity", "state", "remedy", "host_id", "count", "opened_at", "due_at"]
    op.create_index("ix_standing_counted", "standing", counted)
    note = sa.table("note", sa.column("key"), sa.column("value"))
    if op.get_bind().scalar(sa.text("SELECT count(*) FROM sighting")):
        op.execute(sa.insert(note).values(key=STALE, value="{}"))
    op.drop_table("exposure")


def _changes() -> None:
    op.create_table(
        "change",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=True),
        sa.Column("is_pending", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_change")),
    )
    op.create_table(
        "derived",
        sa.Column("host_id", sa.Text(), nullable=False),
        sa.Column("moved", sa.Integer(), nullable=False),
        sa.Column("made", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["host_id"], ["host.id"], name=op.f("fk_derived_host_id_host")),
        sa.PrimaryKeyConstraint("host_id", name=op.f("pk_derived")),
    )


def _closures() -> None:
    connection = op.get_bind()
    windows = [_window(row) for row in connection.execute(sa.select(_OLD).order_by(_OLD.c.id))]
    op.drop_table("closure")
    op.create_table(
        "closure",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("host_id", sa.Text(), nullable=False),
        sa.Column("detected_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("span", sa.Text(), nullable=False),
        sa.Column("cve_set", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["cve_set"], ["cve_set.digest"], name=op.f("fk_closure_cve_set_cve_set")),
        sa.ForeignKeyConstraint(["host_id"], ["host.id"], name=op.f("fk_closure_host_id_host")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_closure")),
    )
    for name in ("host_id", "closed_at", "cve_set"):
        op.create_index(op.f(f"ix_closure_{name}"), "closure", [name])
    grouped: dict[tuple[str, Span], list[Mark]] = {}
    for window in windows:
        grouped.setdefault((window.host_id, span_of(window)), []).append(mark_of(window.cve, [window]))
    _append([Closure(host_id=host, span=span, marks=tuple(sorted(marks))) for (host, span), marks in grouped.items()])
    for statement in _append_only():
        op.execute(statement)


def _append(closures: list[Closure]) -> None:
    sets = sa.table("cve_set", sa.column("digest"), sa.column("document"))
    table = sa.table(
        "closure", *map(sa.column, _CLOSURE), sa.column("detected_at", UtcDateTime), sa.column("closed_at", UtcDateTime)
    )
    documents = [document_of(one.marks) for one in closures]
    digests = [hashlib.sha256(document).hexdigest() for document in documents]
    if closures:
        distinct = sorted(dict(zip(digests, documents, strict=True)).items())
        rows = [{"digest": digest, "document": zlib.compress(document, 1)} for digest, document in distinct]
        op.get_bind().execute(sa.insert(sets), rows)
        op.get_bind().execute(
            sa.insert(table),
            [
                {
                    "host_id": one.host_id,
                    "detected_at": one.span.detected_at,
                    "closed_at": one.span.closed_at,
                    "span": one.span.model_dump_json(exclude_defaults=True),
                    "cve_set": digest,
                }
                for one, digest in zip(closures, digests, strict=True)
            ],
        )


_CLOSURE = ("host_id", "span", "cve_set")
_TIMES = ("disclosed_at", "fix_available_at", "detected_at", "closed_at")
_OLD = sa.table(
    "closure",
    *map(sa.column, ("id", "host_id", "cve", "severity", "number", "method", "tool", "boot_id", "unknown")),
    *(sa.column(name, UtcDateTime) for name in _TIMES),
)


def _window(row: sa.Row[Any]) -> Window:
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's documented accessor
    del values["id"]
    return Window.model_validate(values | {"index": values.pop("number"), "unknown": json.loads(values["unknown"])})


def _append_only() -> tuple[str, ...]:
    """The function that PostgreSQL's trigger calls is there since 0001; the triggers went with the old table."""
    if op.get_bind().dialect.name == "sqlite":
        return tuple(
            f"CREATE TRIGGER closure_no_{what.lower()} BEFORE {what} ON closure"
            " BEGIN SELECT RAISE(ABORT, 'closures are append-only'); END"
            for what in ("UPDATE", "DELETE")
        )
    return (
        (
            "CREATE TRIGGER closure_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON closure FOR EACH STATEMENT"
            " EXECUTE FUNCTION closure_is_append_only()"
        ),
    )


def _slices(query: sa.Select[Any], key: sa.ColumnElement[str]) -> Iterator[list[sa.Row[Any]]]:
    """The rows of a query by key, a slice at a time; what was read may be changed before the next slice is."""
    last: str | None = None
    while rows := list(op.get_bind().execute(_after(query, key, last).order_by(key).limit(SLICE))):
        yield rows
        last = rows[-1][0]


def _after(query: sa.Select[Any], key: sa.ColumnElement[str], last: str | None) -> sa.Select[Any]:
    return query if last is None else query.where(key > last)
