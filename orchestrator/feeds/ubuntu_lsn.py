"""Ubuntu's live patch notices (LSN), as single files or zipped together.

They also come with Ubuntu's OSV archive, which is how they are downloaded: this feed is for importing them alone, from
https://github.com/canonical/ubuntu-security-notices (``osv/lsn``). What they say is read in `feeds.osv_live_patches`.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from orchestrator.core.advisories import Entry
from orchestrator.errors import NotFound
from orchestrator.feeds.archives import zip_members
from orchestrator.feeds.json_stream import document
from orchestrator.feeds.osv_files import Look, is_record_name, look_at, read_record
from orchestrator.feeds.osv_live_patches import is_live_patch_notice
from orchestrator.feeds.osv_record import entry_of
from orchestrator.feeds.skipped import Skipped
from orchestrator.feeds.values import Node
from orchestrator.ports.advisories import FeedFile
from orchestrator.ports.feeds import Fetch, Known, Unchanged


class UbuntuLsn:
    """Live patch notices. No file is whole: numbers are skipped, so that nobody can tell what is missing."""

    name = "ubuntu-lsn"

    def recognise(self, path: Path) -> FeedFile | None:
        look = look_at(path)
        if look is None or not look.is_live_patches:
            return None
        return FeedFile(path=path, feed=self.name, source=str(path), is_whole=False)

    def entries(self, file: FeedFile) -> Iterator[Entry]:
        skipped = Skipped()
        for record in _records(file):
            if not is_live_patch_notice(record.text("id", 200)):
                raise record.child("id").invalid("is no live patch notice: their ids are LSN-NUMBER-NUMBER")
            entry = entry_of(record, skipped)
            if entry is not None:
                yield entry
        skipped.tell(self.name, file.source)

    def parts(self, known: Known) -> Sequence[str]:  # noqa: ARG002  none, whatever the fleet runs
        return ()

    def files(
        self,
        part: str,
        known: Known,  # noqa: ARG002  nothing is downloaded
        fetch: Fetch,  # noqa: ARG002
    ) -> Iterator[FeedFile | Unchanged]:
        raise NotFound(f"{part!r} is not downloaded: live patch notices come with osv/Ubuntu")


def _records(file: FeedFile) -> Iterator[Node]:
    if Look.of_start(file.path).is_archive:
        for member in zip_members(file.path, name=file.source, wanted=is_record_name):
            yield document(member.data, file.source, part=member.name)
    else:
        yield read_record(file)
