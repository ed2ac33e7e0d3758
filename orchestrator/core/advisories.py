"""Published vulnerability data, whatever its source, in one form: who is affected in which versions, and how badly."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Generic, NamedTuple, TypeVar

from pydantic import Field, StringConstraints

from orchestrator.core.model import Frozen, Moment
from orchestrator.core.patches import Cve, Severity

T = TypeVar("T")

FeedName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/ -]{0,79}$")]
"""A feed, or the part of it that one file is whole in: ``debian``, ``osv/AlmaLinux``, ``amazon/2023``."""

EntryId = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Distribution = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,39}(:[A-Za-z0-9._-]{1,39})?$")]
"""``ID`` of os-release(5) and the release that data is published for: see `core.distributions`."""

PackageName = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Version = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Note = Annotated[str, StringConstraints(max_length=300)]
Where = Annotated[str, StringConstraints(max_length=400)]
"""Where in the source it stands: a JSON pointer, an element's path, a line."""


class Claim(StrEnum):
    """What a source says of a package in a distribution."""

    AFFECTED = "affected"
    """The versions from ``introduced`` to before ``fixed`` have the flaw; without ``fixed`` there is no fix yet."""
    NOT_AFFECTED = "not_affected"
    """No version of it has the flaw."""
    UNDETERMINED = "undetermined"
    """Nobody has found out yet."""
    IGNORED = "ignored"
    """The distribution does not count it as a vulnerability of this package."""


class Statement(Frozen):
    """What one entry says about one CVE in one package of one distribution.

    ``package`` is named as the source names it: a source package where `is_source`, else a binary one. ``introduced``
    None: from the first version on. ``fixed``: the first version without the flaw; ``last_affected``: the last with it,
    where the source tells that instead. ``disclosed``: when the world knew; ``published``: when this fix came out. A
    missing date is None, never today. ``arches``: empty for all. ``note``: why there is no fix, and the like.
    """

    cve: Cve
    distribution: Distribution
    package: PackageName
    is_source: bool = True
    claim: Claim = Claim.AFFECTED
    introduced: Version | None = None
    fixed: Version | None = None
    last_affected: Version | None = None
    severity: Severity = Severity.UNKNOWN
    disclosed: Moment | None = None
    published: Moment | None = None
    arches: tuple[str, ...] = ()
    note: Note | None = None
    where: Where


class ModuleFix(Frozen):
    """A CVE that a vendor's live patch fixes in kernels of one source package, by the name of its module.

    ``pattern`` is a regular expression for the whole name; its first group is the module's version, a whole number. The
    module fixes the CVE from ``version`` on. Source: Ubuntu's LSN in OSV form (``module_name_regex``,
    ``module_version``).
    """

    cve: Cve
    distribution: Distribution
    package: PackageName
    pattern: Annotated[str, StringConstraints(min_length=1, max_length=300)]
    version: Annotated[int, Field(ge=0)]
    published: Moment | None = None
    where: Where


class Grade(Frozen):
    """What a source says about a CVE wherever it is: how bad, since when known, whether it is exploited (KEV)."""

    cve: Cve
    severity: Severity = Severity.UNKNOWN
    disclosed: Moment | None = None
    kev_added: date | None = None
    kev_due: date | None = None
    where: Where


class Likelihood(Frozen):
    """An EPSS score: the probability (0 to 1) of exploitation in the next 30 days. Scores of different
    ``model_version`` are not comparable. Source: FIRST."""

    cve: Cve
    score: Annotated[float, Field(ge=0, le=1)]
    percentile: Annotated[float, Field(ge=0, le=1)]
    model_version: Annotated[str, StringConstraints(max_length=40)]
    scored_on: date


class Entry(Frozen):
    """One entry of a feed. The unit of change: an entry replaces the one with its id, and all that it said.

    ``modified``: an entry that is older than the one we have changes nothing. ``withdrawn``: its source took it back;
    it then says nothing. ``id`` is unique in its feed.
    """

    id: EntryId
    title: Annotated[str, StringConstraints(max_length=300)] | None = None
    url: Annotated[str, StringConstraints(max_length=500)] | None = None
    published: Moment | None = None
    modified: Moment | None = None
    withdrawn: Moment | None = None
    statements: tuple[Statement, ...] = ()
    module_fixes: tuple[ModuleFix, ...] = ()
    grades: tuple[Grade, ...] = ()


class Told(NamedTuple, Generic[T]):
    """Something an entry says, and from when to when we knew it. ``until`` None: still.

    ``is_baseline``: it came with the first whole file of its feed, or with a single one before that: since when it has
    been published cannot be told from ``since``.
    """

    said: T
    feed: str
    entry: str
    since: datetime
    until: datetime | None
    is_baseline: bool

    def holds(self, at: datetime) -> bool:
        """Whether we knew it at that instant."""
        return self.since <= at and (self.until is None or at < self.until)


PackageKey = tuple[str, str]
"""A distribution and a package name."""


class FeedImport(Frozen):
    """One file of a feed, as it is imported. ``version`` is the source's own name for this state of the data, ``dated``
    its date where it has one; ``at``: when it began, what it tells is dated when it is written; ``source`` the file or
    URL; ``is_whole``: what is not in it is withdrawn; ``deleted``: entries that the source says are gone. ``etag`` and
    ``last_modified`` go with the next request. ``may_shrink``: however many entries are missing, it is believed."""

    feed: FeedName
    at: Moment
    source: Annotated[str, StringConstraints(max_length=500)]
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = None
    version: Annotated[str, StringConstraints(max_length=200)] | None = None
    dated: Moment | None = None
    is_whole: bool = True
    deleted: tuple[str, ...] = ()
    etag: Annotated[str, StringConstraints(max_length=500)] | None = None
    last_modified: Annotated[str, StringConstraints(max_length=100)] | None = None
    may_shrink: bool = False


MOST_MISSING = 20
"""Per cent of the entries of a feed that may be missing from the next file of it."""

FEW_ENTRIES = 50
"""A feed with fewer may lose any."""


def why_too_small(about: FeedImport, known: int, missing: int) -> str | None:
    """Why a whole file is not believed that lacks so many of the known entries, or None.

    A mirror that was filled by half is whole in form. It would withdraw all that is not in it: windows would end, and
    nobody would be alerted.
    """
    if not about.is_whole or about.may_shrink or known < FEW_ENTRIES or missing * 100 <= known * MOST_MISSING:
        return None
    return (
        f"lacks {missing} of the {known} entries that are known of {about.feed}, more than {MOST_MISSING} %: nothing"
        " was changed. If it is right, `patchwave advisories import --accept-shrink FILE` takes it in"
    )


class Imported(Frozen):
    """What an import came to. ``packages`` and ``cves`` are those about which something changed: whoever has none of
    them is not concerned. ``is_outdated``: the file is older than what is known, and changed nothing."""

    added: int = 0
    changed: int = 0
    withdrawn: int = 0
    unchanged: int = 0
    is_outdated: bool = False
    packages: frozenset[PackageKey] = frozenset()
    cves: frozenset[Cve] = frozenset()


class FeedStatus(Frozen):
    """Where a feed stands. ``succeeded_at``: when it was last read whole, changed or not; ``failed_at`` and ``error``
    of the last failure, if that came later."""

    feed: FeedName
    source: str | None = None
    version: str | None = None
    dated: Moment | None = None
    etag: str | None = None
    last_modified: str | None = None
    first_imported_at: Moment | None = None
    succeeded_at: Moment | None = None
    attempted_at: Moment | None = None
    error: str | None = None
    entries: int = 0
    statements: int = 0
