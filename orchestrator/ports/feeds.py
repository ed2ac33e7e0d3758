"""The ports of downloads: what a feed wants of the network, and what the network and the fleet are to it.

A sync goes like this, for each feed that is enabled: `FeedSource.parts` names the parts that the fleet needs;
`FeedSource.files` downloads one part, through `Fetch` alone, and yields its files one by one; each is imported before
the next is asked for. A part that fails leaves the others alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from orchestrator.core.advisories import Distribution, FeedStatus, Likelihood
from orchestrator.core.model import Frozen
from orchestrator.ports.advisories import AdvisoryFeed, FeedFile


class Fetched(Frozen):
    """A file that was downloaded whole. ``url`` is where it was asked for, without secrets: fit for
    `FeedFile.source`."""

    path: Path
    url: str
    sha256: str
    size: int
    etag: str | None = None
    last_modified: str | None = None


class Fetch(Protocol):
    """HTTP, with caps, retries and resumed downloads."""

    def __call__(
        self, url: str, *, etag: str | None = None, last_modified: str | None = None, most: int | None = None
    ) -> Fetched | None:
        """Download it; None where the server says that it has not changed since the given validators.

        ``most``: bytes at most, where that is less than the setting. The file is there until the next is asked for
        under the same URL, or the sync ends. Raises `FeedUnavailable` naming URL and reason.
        """
        ...


class Known(Frozen):
    """What a download starts from: where each part stands, what the fleet runs, which URLs have a mirror.

    ``distributions``: those of hosts that were seen. ``urls``: by feed or part, in the place of `FeedSource`'s own.
    """

    statuses: Mapping[str, FeedStatus] = {}
    distributions: frozenset[Distribution] = frozenset()
    urls: Mapping[str, str] = {}

    def url(self, name: str, default: str) -> str:
        """Where to download what ``name`` (a feed or a part of one) is: the mirror where there is one."""
        return self.urls.get(name, default)

    def status(self, part: str) -> FeedStatus | None:
        """Where this part stands, if it was ever imported whole; None: everything is still to be downloaded."""
        status = self.statuses.get(part)
        return status if status is not None and status.succeeded_at is not None else None

    def runs(self, *ids: str) -> tuple[Distribution, ...]:
        """The distributions of the fleet with one of these ids (``debian``, ``rhel``), in order."""
        return tuple(sorted(one for one in self.distributions if one.partition(":")[0] in ids))


class Unchanged(Frozen):
    """What was to be downloaded is what was imported last: a success without a change."""

    feed: str


class FeedSource(Protocol):
    """Where a kind of source is downloaded."""

    def parts(self, known: Known) -> Sequence[str]:
        """The parts (`FeedFile.feed`) that this fleet needs; none where no host runs what it speaks of."""
        ...

    def files(self, part: str, known: Known, fetch: Fetch) -> Iterator[FeedFile | Unchanged]:
        """Download one part. At least one thing is yielded: files in the order in which they are to be imported, or
        that nothing changed. Raises `NotFound` for a part that it does not have, `FeedUnavailable`, `FeedInvalid`."""
        ...


class SyncedFeed(AdvisoryFeed, FeedSource, Protocol):
    """A feed of advisories with its downloads: what the registry holds."""


class LikelihoodFeed(FeedSource, Protocol):
    """A feed of scores (EPSS), which come and go as a whole."""

    name: str

    def recognise(self, path: Path) -> FeedFile | None:
        """As `AdvisoryFeed.recognise`."""
        ...

    def likelihoods(self, file: FeedFile) -> Iterator[Likelihood]:
        """Its scores, in bounded memory. Raises `FeedInvalid` with file and place."""
        ...
