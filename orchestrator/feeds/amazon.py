"""Amazon Linux: the updateinfo of its package repositories, with one update for each bulletin (ALAS).

Format: ``<updates><update type="security" status="final"><id>ALAS2023-2024-001</id><issued date="2024-01-02 03:04"/>
<severity>…</severity><references><reference type="cve" id="CVE-…"/></references><pkglist><collection><package name=""
epoch="" version="" release="" arch=""/>…`` (createrepo_c, ``updateinfo.xml``). Each repository is a part and a file of
its own: core, live patches, and kernels of Amazon Linux 2 from its extras. https://alas.aws.amazon.com/
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from orchestrator.core.advisories import Entry
from orchestrator.errors import NotFound
from orchestrator.feeds.amazon_repositories import MIRRORS, URL, synced
from orchestrator.feeds.amazon_update import BULLETIN, DIST_TAG, entry_of
from orchestrator.feeds.opening import beginning, opened
from orchestrator.feeds.skipped import Skipped
from orchestrator.feeds.xml_stream import elements
from orchestrator.ports.advisories import FeedFile
from orchestrator.ports.feeds import Fetch, Known, Unchanged

_START = re.compile(
    rb"\A(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]{0,200}\?>)?\s*(?:<!--.{0,2000}?-->\s*)*<updates[\s>]", re.DOTALL
)
_FIRST_ID = re.compile(rb"<id>\s*(ALAS[A-Za-z0-9._-]{5,80})\s*</id>")


class Amazon:
    """The updateinfo of one repository, which is whole."""

    name = "amazon"

    def recognise(self, path: Path) -> FeedFile | None:
        start = beginning(path)
        found = _FIRST_ID.search(start) if _START.match(start) else None
        part = None if found is None else part_of(found[1].decode(), start.decode("utf-8", "replace"))
        return None if part is None else FeedFile(path=path, feed=part, source=str(path))

    def entries(self, file: FeedFile) -> Iterator[Entry]:
        skipped = Skipped()
        with opened(file.path, name=file.source) as content:
            for update in elements(content, file.source, root="updates", name="update", skipped=("description",)):
                entry = entry_of(update, skipped)
                if entry is not None:
                    yield entry
        skipped.tell(self.name, file.source)

    def parts(self, known: Known) -> Sequence[str]:
        releases = {one.partition(":")[2] for one in known.runs("amzn")}
        return tuple(part for part in MIRRORS if part.split("/")[1] in releases)

    def files(self, part: str, known: Known, fetch: Fetch) -> Iterator[FeedFile | Unchanged]:
        if part not in MIRRORS:
            raise NotFound(f"{self.name} has no part {part!r}; there are: {', '.join(MIRRORS)}")
        mirrors = known.url(part, f"{known.url(self.name, URL).rstrip('/')}/{MIRRORS[part]}")
        return synced(self, part, mirrors, known.status(part), fetch)


def part_of(bulletin: str, text: str) -> str | None:
    """The repository that a bulletin is from: ``amazon/2/kernel-5.15`` of ``ALAS2KERNEL-5.15-2022-001``. Where its id
    does not name the release, the packages' dist tags do."""
    found = BULLETIN.fullmatch(bulletin)
    if found is None:
        return None
    tag = DIST_TAG.search(text)
    release = found["release"] or (tag["release"] if tag else None)
    return None if release is None else f"amazon/{release}/{(found['topic'] or 'core').lower()}"
