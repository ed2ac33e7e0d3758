"""Download what feeds have that is new, and take it in."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from orchestrator.errors import NotFound, PatchwaveError
from orchestrator.ports.advisories import FeedFile
from orchestrator.ports.feeds import FeedSource, Fetch, Known, Unchanged
from orchestrator.ports.runtime import Clock
from orchestrator.ports.store import Store
from orchestrator.services.import_advisories import FeedResult, FeedState, ImportAdvisories, merged


@dataclass(frozen=True, kw_only=True)
class SyncAdvisories:
    """Every part of every feed by itself: one that fails leaves the others alone, and its failure is remembered.

    ``source`` finds a feed by its name, or raises `NotFound`; ``enabled`` are those that are synced when none is named;
    ``urls`` those that have a mirror. Contacts no host, and changes none.
    """

    source: Callable[[str], FeedSource]
    enabled: Sequence[str]
    take: ImportAdvisories
    store: Store
    clock: Clock
    urls: Mapping[str, str]

    def __call__(
        self,
        fetch: Fetch,
        names: Sequence[str] = (),
        *,
        older_than: timedelta = timedelta(0),
        on_part: Callable[[str], None] = lambda _part: None,
        on_result: Callable[[FeedResult], None] = lambda _result: None,
    ) -> tuple[FeedResult, ...]:
        """Sync these feeds or parts; without any, all that the fleet needs. What was named is synced even if no host
        needs it.

        ``older_than``: what was tried less long ago is left alone. ``on_part`` is told before a part is downloaded,
        ``on_result`` after it. Raises `NotFound` for a feed that there is not, and, after the others, for a part.
        """
        known = self.known()
        parts = [part for name in names or self.enabled for part in self._parts(name, known, is_asked=bool(names))]
        results: list[FeedResult] = []
        surprises: list[Exception] = []
        for part in self._due(parts, known, older_than):
            on_part(part)
            try:
                result = self._part(part, known, fetch)
            except Exception as exc:  # a bug in one feed must not keep the others from their news
                surprises.append(exc)
                continue
            on_result(result)
            results.append(result)
        if surprises:
            raise surprises[0]
        return tuple(results)

    def known(self) -> Known:
        """What downloads start from."""
        return Known(
            statuses={status.feed: status for status in self.store.feeds.statuses()},
            distributions=self.store.sightings.distributions(),
            urls=self.urls,
        )

    def _due(self, parts: Iterable[str], known: Known, older_than: timedelta) -> Iterator[str]:
        last = self.clock.now() - older_than
        for part in dict.fromkeys(parts):
            status = known.statuses.get(part)
            if status is None or status.attempted_at is None or status.attempted_at <= last:
                yield part

    def _parts(self, name: str, known: Known, *, is_asked: bool) -> Sequence[str]:
        """Somebody who names a feed wants it, whatever the fleet runs today."""
        source = self.source(name.partition("/")[0])
        if "/" in name:
            return (name,)
        parts = source.parts(known)
        return parts or ((name,) if is_asked else ())

    def _part(self, part: str, known: Known, fetch: Fetch) -> FeedResult:
        started = self.clock.now()
        taken: list[FeedResult] = []
        try:
            for file in self._files(part, known, fetch):
                if isinstance(file, Unchanged):
                    self.store.feeds.unchanged(part, started)
                    taken.append(FeedResult(feed=part, state=FeedState.UNCHANGED))
                else:
                    taken.append(self.take.take_in(file))
                if taken[-1].error is not None:
                    break
        except NotFound:  # nobody remembers what there is not
            raise
        except PatchwaveError as exc:
            self.store.feeds.failed(part, started, str(exc))
            taken.append(FeedResult(feed=part, state=FeedState.FAILED, error=exc))
        finally:  # whatever ended it, hosts are told of what was taken in
            self.take.tell(taken)
        return together(part, taken)

    def _files(self, part: str, known: Known, fetch: Fetch) -> Iterator[FeedFile | Unchanged]:
        return self.source(part.partition("/")[0]).files(part, known, fetch)


def together(part: str, taken: Sequence[FeedResult]) -> FeedResult:
    """What came of the files of one part: it failed if one of them did."""
    error = next((result.error for result in taken if result.error is not None), None)
    source = next((result.source for result in reversed(taken) if result.source is not None), None)
    states = {result.state for result in taken}
    order = (FeedState.FAILED, FeedState.IMPORTED, FeedState.OUTDATED)
    state = next((state for state in order if state in states), FeedState.UNCHANGED)
    imported = merged([result.imported for result in taken])
    return FeedResult(feed=part, state=state, source=source, imported=imported, error=error)
