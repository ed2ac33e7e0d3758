"""How Red Hat's documents are downloaded: the archive once, and from then on what changed.

The date of the feed is the moment up to which all changes are in: the day of the archive, then the time of the last
document of each batch. Batches go from the oldest change to the newest, so a sync that ends in the middle goes on where
it was.
"""

import itertools
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from orchestrator.core.advisories import FeedStatus
from orchestrator.errors import FeedUnavailable
from orchestrator.feeds.base import Recognises, downloaded
from orchestrator.feeds.redhat_changes import archive_name, changed_since, entry_id
from orchestrator.ports.advisories import FeedFile
from orchestrator.ports.feeds import Fetch, Fetched, Unchanged

MOST_CHANGES = 5_000
"""Changed documents that are downloaded one by one; for more of them the archive is taken again."""
BATCH = 500
"""Changed documents that are imported together."""


class _News(NamedTuple):
    """Documents that changed or are gone since a moment, with the files that say so. ``lists`` is None where nothing
    changed."""

    since: datetime
    changed: Mapping[str, datetime]
    gone: Mapping[str, datetime]
    deletions: Fetched
    changes: Fetched | None


def synced(feed: Recognises, base: str, status: FeedStatus | None, fetch: Fetch) -> Iterator[FeedFile | Unchanged]:
    """Download what is new. ``base`` is the URL that everything is below, with a slash at its end. Raises
    `FeedUnavailable` where too much changed since the newest archive, after the archive if that is news."""
    since = _since(status)
    news = None if since is None else _news(base, since, status, fetch)
    if news is None or len(news.changed) > MOST_CHANGES:
        name, dated = _newest(base, fetch)
        if news is not None and dated <= news.since:
            raise _too_many(base, news, dated)
        yield _archive(feed, base, name, dated, fetch)
        news = _news(base, dated, None, fetch)
        if len(news.changed) > MOST_CHANGES:
            raise _too_many(base, news, dated)
        yield from _changes(feed, base, news, fetch)
    elif news.changed or news.gone:
        yield from _changes(feed, base, news, fetch)
    else:
        yield Unchanged(feed=feed.name)


def _since(status: FeedStatus | None) -> datetime | None:
    """The moment up to which all changes are in; None where nothing is. A document that was imported by hand has none,
    and does not move it."""
    return None if status is None else status.dated


def _too_many(base: str, news: _News, dated: datetime) -> FeedUnavailable:
    """The newest archive has none of them, and would be taken again at every sync."""
    return FeedUnavailable(
        f"{base}: {len(news.changed)} documents changed since {news.since:%Y-%m-%d %H:%M}, more than {MOST_CHANGES},"
        f" and the newest archive is of {dated:%Y-%m-%d}: the next one will have them, sync again then"
    )


def _newest(base: str, fetch: Fetch) -> tuple[str, datetime]:
    url = f"{base}archive_latest.txt"
    return archive_name(_fetched(fetch, url).path, url)


def _archive(feed: Recognises, base: str, name: str, dated: datetime, fetch: Fetch) -> FeedFile:
    found = downloaded(feed, feed.name, _fetched(fetch, base + name))
    # The validators that go with the next request are those of changes.csv, once that was read.
    return found.model_copy(
        update={"version": f"{dated:%Y-%m-%d}", "dated": dated, "etag": None, "last_modified": None}
    )


def _news(base: str, since: datetime, status: FeedStatus | None, fetch: Fetch) -> _News:
    url = f"{base}changes.csv"
    etag, last_modified = (None, None) if status is None else (status.etag, status.last_modified)
    changes = fetch(url, etag=etag, last_modified=last_modified)
    changed = {} if changes is None else changed_since(changes.path, url, since)
    url = f"{base}deletions.csv"
    deletions = _fetched(fetch, url)
    deleted = changed_since(deletions.path, url, since)
    gone = {name: at for name, at in deleted.items() if at > since and changed.get(name, since) <= at}
    return _News(since, {name: at for name, at in changed.items() if name not in gone}, gone, deletions, changes)


def _changes(feed: Recognises, base: str, news: _News, fetch: Fetch) -> Iterator[FeedFile]:
    names = list(news.changed)
    batches = [names[start : start + BATCH] for start in range(0, len(names), BATCH)]
    for batch in batches:
        path = _bundled(batch, base, fetch, news.deletions.path.with_name("redhat-changes.tar"))
        try:
            file = _file(feed, path, f"{base}changes.csv", news.changed[batch[-1]])
            yield _last(file, news) if batch is batches[-1] and not news.gone else file
        finally:
            path.unlink(missing_ok=True)
    if news.gone:
        at = max(itertools.chain([news.since], news.changed.values(), news.gone.values()))
        file = _file(feed, news.deletions.path, news.deletions.url, at)
        yield _last(file.model_copy(update={"deleted": tuple(entry_id(name) for name in news.gone)}), news)


def _file(feed: Recognises, path: Path, source: str, at: datetime) -> FeedFile:
    return FeedFile(path=path, feed=feed.name, source=source, is_whole=False, version=at.isoformat(), dated=at)


def _last(file: FeedFile, news: _News) -> FeedFile:
    """The file with which everything in changes.csv is in."""
    if news.changes is None:
        return file
    return file.model_copy(update={"etag": news.changes.etag, "last_modified": news.changes.last_modified})


def _bundled(names: Sequence[str], base: str, fetch: Fetch, into: Path) -> Path:
    """The documents in one archive, so that they are imported at once."""
    with tarfile.open(into, "w") as archive:
        for name in names:
            archive.add(_fetched(fetch, base + name).path, arcname=name, recursive=False)
    return into


def _fetched(fetch: Fetch, url: str) -> Fetched:
    found = fetch(url)
    if found is None:
        raise FeedUnavailable(f"{url}: the server says that it has not changed, and was not asked that")
    return found
