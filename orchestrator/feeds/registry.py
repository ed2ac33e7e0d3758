"""All feeds."""

from collections.abc import Mapping

from orchestrator.errors import NotFound
from orchestrator.feeds.amazon import Amazon
from orchestrator.feeds.debian import Debian
from orchestrator.feeds.epss import Epss
from orchestrator.feeds.kev import Kev
from orchestrator.feeds.osv import Osv
from orchestrator.feeds.redhat import RedHat
from orchestrator.feeds.ubuntu_lsn import UbuntuLsn
from orchestrator.ports.feeds import LikelihoodFeed, SyncedFeed

_ALL: tuple[SyncedFeed, ...] = (Kev(), Debian(), Osv(), UbuntuLsn(), RedHat(), Amazon())
FEEDS: Mapping[str, SyncedFeed] = {feed.name: feed for feed in _ALL}
"""Feeds of advisories, by name, in the order in which a file is offered to them."""

_SCORES: tuple[LikelihoodFeed, ...] = (Epss(),)
LIKELIHOODS: Mapping[str, LikelihoodFeed] = {feed.name: feed for feed in _SCORES}
"""Feeds of scores, by name."""


def feed(name: str) -> SyncedFeed | LikelihoodFeed:
    """The feed of that name. Raises `NotFound` naming those that there are."""
    found = FEEDS.get(name) or LIKELIHOODS.get(name)
    if found is None:
        known = ", ".join([*FEEDS, *LIKELIHOODS])
        raise NotFound(f"there is no feed {name!r}; there are: {known}")
    return found
