"""Take in files of vulnerability data, wherever they come from."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from orchestrator.core.advisories import FeedImport, Imported
from orchestrator.errors import Conflict, FeedInvalid, InvalidInput, PatchwaveError
from orchestrator.ports.advisories import AdvisoryFeed, FeedFile, FeedStore
from orchestrator.ports.feeds import LikelihoodFeed
from orchestrator.ports.runtime import Clock

MOST_FILES = 20_000
"""Files in a folder: each is an import of its own."""


class FeedState(StrEnum):
    """What came of one file, or of one part of a feed."""

    IMPORTED = "imported"
    """It was read whole, and is what we know now."""
    UNCHANGED = "unchanged"
    """The source has nothing newer than what was imported."""
    OUTDATED = "outdated"
    """It is older than what was imported, and changed nothing."""
    LEFT_OUT = "left_out"
    """It lies in a folder beside others, and is no file of a feed that is known."""
    FAILED = "failed"
    """It changed nothing; the error says why."""


@dataclass(frozen=True, kw_only=True)
class FeedResult:
    """What came of one file, or of one part of a feed. ``source``: file or URL, without secrets."""

    feed: str
    state: FeedState
    source: str | None = None
    imported: Imported = field(default_factory=Imported)
    error: PatchwaveError | None = None


@dataclass(frozen=True, kw_only=True)
class ImportAdvisories:
    """Each file is taken in whole or not at all, and one that is broken leaves the others alone.

    ``digest`` is the SHA-256 of a file. ``on_change`` is told what the files together changed, if anything: the
    exposures that it concerns are to be brought up to date. ``may_shrink``: files that lack many entries are believed.
    """

    feeds: Mapping[str, AdvisoryFeed]
    scores: Mapping[str, LikelihoodFeed]
    store: FeedStore
    clock: Clock
    digest: Callable[[Path], str]
    on_change: Callable[[Imported], None]
    may_shrink: bool = False

    def __call__(
        self, paths: Iterable[Path], on_result: Callable[[FeedResult], None] = lambda _result: None
    ) -> tuple[FeedResult, ...]:
        """Take in these files, and those in these folders that are of a feed.

        Raises `FeedInvalid` before anything is taken in where a file that was named is none of any feed's.
        """
        results: list[FeedResult] = []
        try:
            for file in [found for path in paths for found in self._found(path)]:
                left_out = FeedResult(feed="", state=FeedState.LEFT_OUT, source=str(file))
                results.append(left_out if isinstance(file, Path) else self.take_in(file))
                on_result(results[-1])
        finally:  # a bug in the reader of one file must not keep what the others changed from the hosts
            self.tell(results)
        return tuple(results)

    def _found(self, path: Path) -> list[FeedFile | Path]:
        if not path.exists():
            raise InvalidInput("there is no such file", file=str(path))
        if not path.is_dir():
            if not path.is_file():
                raise InvalidInput(
                    "is neither a file nor a folder: pipes and devices cannot be read twice", file=str(path)
                )
            return [self.recognise(path)]
        return [self._recognised(file) or file for file in _files(path)]

    def recognise(self, path: Path) -> FeedFile:
        """What a file is. Raises `FeedInvalid` when no feed knows it, or when two do."""
        found = self._recognised(path)
        if found is None:
            names = ", ".join([*self.feeds, *self.scores])
            raise FeedInvalid(f"is no file of a feed that is known ({names})", file=str(path))
        return found

    def _recognised(self, path: Path) -> FeedFile | None:
        known: list[AdvisoryFeed | LikelihoodFeed] = [*self.feeds.values(), *self.scores.values()]
        try:
            found = [file for file in (feed.recognise(path) for feed in known) if file is not None]
        except OSError as exc:
            raise FeedInvalid(f"cannot be read: {exc.strerror}", file=str(path)) from exc
        if len(found) > 1:
            raise FeedInvalid(f"may be of {' or of '.join(file.feed for file in found)}", file=str(path))
        return found[0] if found else None

    def take_in(self, file: FeedFile) -> FeedResult:
        """Take in one file. A failure is remembered with its feed, and told."""
        now = self.clock.now()
        try:
            imported = self._import(file)
        except PatchwaveError as exc:
            # Where somebody else was faster, the feed is as good as they made it.
            if not isinstance(exc, Conflict):
                self.store.failed(file.feed, now, str(exc), file.source)
            return FeedResult(feed=file.feed, state=FeedState.FAILED, source=file.source, error=exc)
        state = FeedState.OUTDATED if imported.is_outdated else FeedState.IMPORTED
        return FeedResult(feed=file.feed, state=state, source=file.source, imported=imported)

    def tell(self, results: Sequence[FeedResult]) -> None:
        """Tell what these changed together, if anything. Scores decide no exposure: they are not told of."""
        together = merged([one.imported for one in results if one.feed.partition("/")[0] not in self.scores])
        if together.packages or together.cves:
            self.on_change(together)

    def _import(self, file: FeedFile) -> Imported:
        about = FeedImport(
            feed=file.feed,
            at=self.clock.now(),
            source=file.source[:500],
            sha256=file.sha256 or self.digest(file.path),
            version=file.version,
            dated=file.dated,
            is_whole=file.is_whole,
            deleted=file.deleted,
            etag=file.etag,
            last_modified=file.last_modified,
            may_shrink=self.may_shrink,
        )
        name = file.feed.partition("/")[0]
        if name in self.scores:
            return self.store.put_likelihoods(about, self.scores[name].likelihoods(file), self.clock.now)
        return self.store.import_entries(about, self.feeds[name].entries(file), self.clock.now)


def merged(imports: Iterable[Imported]) -> Imported:
    """What several imports changed together."""
    every = tuple(imports)
    return Imported(
        added=sum(one.added for one in every),
        changed=sum(one.changed for one in every),
        withdrawn=sum(one.withdrawn for one in every),
        unchanged=sum(one.unchanged for one in every),
        is_outdated=bool(every) and all(one.is_outdated for one in every),
        packages=frozenset().union(*(one.packages for one in every)),
        cves=frozenset().union(*(one.cves for one in every)),
    )


def _files(folder: Path) -> list[Path]:
    """Those below the folder, by name; hidden ones are left out. Raises `InvalidInput`."""
    found = sorted(one for one in folder.rglob("[!.]*") if one.is_file())
    if not found:
        raise InvalidInput("the folder has no files", file=str(folder))
    if len(found) > MOST_FILES:
        raise InvalidInput(f"the folder has more than {MOST_FILES} files: import an archive of them", file=str(folder))
    return found
