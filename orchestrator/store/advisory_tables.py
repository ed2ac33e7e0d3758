"""The tables of vulnerability data, service levels and accepted risks."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import Date, Index, Text
from sqlmodel import Field

from orchestrator.store.columns import ForeignText, Json, UtcDateTime
from orchestrator.store.rows import Row, table_of


class FeedRow(Row, table=True):
    """Where each feed of vulnerability data stands. ``whole_at``: when a whole file was imported first; ``told_at``:
    the latest time at which something of it begins or ends. ``moves`` counts what was imported: two imports of one
    feed at a time cannot both be decided on the same state."""

    __tablename__ = "feed"

    feed: str = Field(primary_key=True, sa_type=Text)
    source: str | None = Field(sa_type=Text)
    version: str | None = Field(sa_type=Text)
    dated: datetime | None = Field(sa_type=UtcDateTime)
    etag: str | None = Field(sa_type=Text)
    last_modified: str | None = Field(sa_type=Text)
    first_imported_at: datetime | None = Field(sa_type=UtcDateTime)
    succeeded_at: datetime | None = Field(sa_type=UtcDateTime)
    attempted_at: datetime | None = Field(sa_type=UtcDateTime)
    error: str | None = Field(sa_type=ForeignText)
    entries: int
    statements: int
    moves: int
    whole_at: datetime | None = Field(sa_type=UtcDateTime)
    told_at: datetime | None = Field(sa_type=UtcDateTime)


class AdvisoryRow(Row, table=True):
    """Entries of feeds. ``content`` is a digest of all that the entry is and says, but for where it says it;
    ``gone_at``: since when its feed has it no longer."""

    __tablename__ = "advisory"

    feed: str = Field(primary_key=True, sa_type=Text)
    entry: str = Field(primary_key=True, sa_type=Text)
    content: str = Field(sa_type=Text)
    modified: datetime | None = Field(sa_type=UtcDateTime)
    published: datetime | None = Field(sa_type=UtcDateTime)
    withdrawn: datetime | None = Field(sa_type=UtcDateTime)
    gone_at: datetime | None = Field(sa_type=UtcDateTime)
    title: str | None = Field(sa_type=ForeignText)
    url: str | None = Field(sa_type=ForeignText)


class ToldRow(Row, table=True):
    """What entries say, and from when to when we knew it. ``kind`` is `store.told.Kind`; ``document`` is the JSON of
    the rest, without ``place`` (where the source says it), which tells nothing apart."""

    __tablename__ = "told"

    id: int | None = Field(default=None, primary_key=True)
    kind: str = Field(sa_type=Text)
    feed: str = Field(sa_type=Text)
    entry: str = Field(sa_type=Text)
    cve: str = Field(sa_type=Text)
    distribution: str | None = Field(sa_type=Text)
    package: str | None = Field(sa_type=Text)
    document: str = Field(sa_type=Text)
    place: str = Field(sa_type=Text)
    since: datetime = Field(sa_type=UtcDateTime)
    until: datetime | None = Field(sa_type=UtcDateTime)
    is_baseline: bool


class LikelihoodRow(Row, table=True):
    """EPSS scores, the last of each CVE."""

    __tablename__ = "likelihood"

    cve: str = Field(primary_key=True, sa_type=Text)
    score: float
    percentile: float
    model_version: str = Field(sa_type=Text)
    scored_on: date = Field(sa_type=Date)


class PolicyRow(Row, table=True):
    """Service levels, every policy that was ever set, numbered from 0."""

    __tablename__ = "policy"

    number: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    document: dict[str, Any] = Field(sa_type=Json)
    since: datetime = Field(sa_type=UtcDateTime)
    set_by: str = Field(sa_type=ForeignText)


class AcceptanceRow(Row, table=True):
    """Accepted risks, ended ones included. Nothing of a row changes, but that it is revoked once."""

    __tablename__ = "acceptance"

    id: str = Field(primary_key=True, sa_type=Text)
    cve: str = Field(sa_type=Text)
    scope: str = Field(sa_type=Text)
    value: str = Field(sa_type=ForeignText)
    owner: str = Field(sa_type=ForeignText)
    reason: str = Field(sa_type=ForeignText)
    accepted_by: str = Field(sa_type=ForeignText)
    accepted_at: datetime = Field(sa_type=UtcDateTime)
    expires_at: datetime = Field(sa_type=UtcDateTime)
    revoked_at: datetime | None = Field(sa_type=UtcDateTime)
    revoked_by: str | None = Field(sa_type=ForeignText)


FEEDS = table_of(FeedRow)
ADVISORIES = table_of(AdvisoryRow)
TOLD = table_of(ToldRow)
LIKELIHOODS = table_of(LikelihoodRow)
POLICIES = table_of(PolicyRow)
ACCEPTANCES = table_of(AcceptanceRow)

Index(None, TOLD.c.kind, TOLD.c.distribution, TOLD.c.package)
Index(None, TOLD.c.cve, TOLD.c.kind)
Index(None, TOLD.c.feed, TOLD.c.entry)
