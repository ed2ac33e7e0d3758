"""What sources share. A feed is one class in one file: it has

- ``name``, ``recognise`` and ``entries`` of `ports.advisories.AdvisoryFeed`: how its files are read, whoever brought
  them;
- ``parts`` and ``files`` of `ports.feeds.FeedSource`: where they are downloaded.

It is added to `feeds.registry`, its page ``docs/reference/feed-NAME.md`` and its case in ``tests/feeds/cases``.
JSON is read with `feeds.json_stream` and taken apart with `feeds.values.Node`, compressed files are opened with
`feeds.opening`: they keep every bound, and every error names file and place.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from orchestrator.errors import FeedInvalid
from orchestrator.ports.advisories import FeedFile
from orchestrator.ports.feeds import Fetch, Fetched, Known, Unchanged


class Recognises(Protocol):
    """The part of a feed that tells its files from others."""

    name: str

    def recognise(self, path: Path) -> FeedFile | None:
        """What this file is."""
        ...


def whole_file(feed: Recognises, part: str, url: str, known: Known, fetch: Fetch) -> Iterator[FeedFile | Unchanged]:
    """Download a part that is one file at one URL, unless it is as it was when it was imported last."""
    status = known.status(part)
    etag, last_modified = (status.etag, status.last_modified) if status is not None else (None, None)
    fetched = fetch(url, etag=etag, last_modified=last_modified)
    yield Unchanged(feed=part) if fetched is None else downloaded(feed, part, fetched)


def downloaded(feed: Recognises, part: str, fetched: Fetched) -> FeedFile:
    """The downloaded file as its feed knows it. Raises `FeedInvalid` when it is none of this feed's, as the page of a
    proxy that wants a login, which comes with status 200."""
    found = feed.recognise(fetched.path)
    if found is None:
        raise FeedInvalid(f"this is no file of {part}", file=fetched.url)
    return found.model_copy(
        update={
            "feed": part,
            "source": fetched.url,
            "sha256": fetched.sha256,
            "etag": fetched.etag,
            "last_modified": fetched.last_modified,
        }
    )
