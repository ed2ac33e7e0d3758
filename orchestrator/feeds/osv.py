"""OSV: one format for the advisories of many distributions, by archive (``all.zip`` of an ecosystem) or single file.

Archives: https://osv-vulnerabilities.storage.googleapis.com/ECOSYSTEM/all.zip (google.github.io/osv.dev/data). Records
that concern several ecosystems are in the archive of each; of an archive, only what concerns its own is read.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from orchestrator.core.advisories import Entry
from orchestrator.errors import NotFound
from orchestrator.feeds.archives import zip_members
from orchestrator.feeds.base import whole_file
from orchestrator.feeds.json_stream import MIB, document
from orchestrator.feeds.opening import OpenLimits
from orchestrator.feeds.osv_files import Look, is_record_name, look_at, read_record
from orchestrator.feeds.osv_record import entry_of
from orchestrator.feeds.skipped import Skipped
from orchestrator.ports.advisories import FeedFile
from orchestrator.ports.feeds import Fetch, Known, Unchanged

URL = "https://osv-vulnerabilities.storage.googleapis.com"

FAMILIES: Mapping[str, tuple[str, ...]] = {
    "Ubuntu": ("ubuntu",),
    "AlmaLinux": ("almalinux",),
    "Rocky Linux": ("rocky",),
    "SUSE": ("sles",),
    "openSUSE": ("opensuse-leap", "opensuse-tumbleweed"),
    "Alpine": ("alpine",),
    "Debian": (),
    "Red Hat": (),
}
"""Ecosystems, and the distributions for which they are downloaded. Debian's own tracker and Red Hat's own CSAF say more
than their OSV forms do: those are read where somebody imports or asks for them."""

LIMITS = OpenLimits(expanded=64 << 30, member=32 * MIB)
"""Ubuntu's records list every version of every kernel: half a megabyte each, and some ten thousand of them."""


class Osv:
    """Every ecosystem that we follow, each a part of its own."""

    name = "osv"

    def recognise(self, path: Path) -> FeedFile | None:
        look = look_at(path)
        if look is None or look.is_live_patches or look.family is None:
            return None
        return FeedFile(path=path, feed=f"{self.name}/{look.family}", source=str(path), is_whole=look.is_archive)

    def entries(self, file: FeedFile) -> Iterator[Entry]:
        skipped = Skipped()
        read = _of_archive if Look.of_start(file.path).is_archive else _of_file
        yield from read(file, skipped)
        skipped.tell(file.feed, file.source)

    def parts(self, known: Known) -> Sequence[str]:
        return tuple(f"{self.name}/{family}" for family, ids in FAMILIES.items() if ids and known.runs(*ids))

    def files(self, part: str, known: Known, fetch: Fetch) -> Iterator[FeedFile | Unchanged]:
        family = part.partition("/")[2]
        if part != f"{self.name}/{family}" or family not in FAMILIES:
            raise NotFound(f"there is no {part!r} in {self.name}; there are: {', '.join(FAMILIES)}")
        url = known.url(part, f"{known.url(self.name, URL).rstrip('/')}/{quote(family)}/all.zip")
        return whole_file(self, part, url, known, fetch)


def _of_archive(file: FeedFile, skipped: Skipped) -> Iterator[Entry]:
    """Only what concerns the archive's own ecosystem: the rest is whole in another archive."""
    family = file.feed.partition("/")[2]
    for member in zip_members(file.path, name=file.source, wanted=is_record_name, limits=LIMITS):
        entry = entry_of(document(member.data, file.source, part=member.name), skipped, family)
        if entry is not None:
            yield entry


def _of_file(file: FeedFile, skipped: Skipped) -> Iterator[Entry]:
    entry = entry_of(read_record(file), skipped)
    if entry is not None:
        yield entry
