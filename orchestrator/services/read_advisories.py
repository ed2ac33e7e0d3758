"""What is known of vulnerabilities, and where it comes from, as it is shown. Contacts nobody."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from orchestrator.core.advisories import Entry, FeedStatus, Told
from orchestrator.errors import NotFound
from orchestrator.ports.store import Store

_CVE = re.compile(r"CVE-[0-9]{4}-[0-9]{4,19}", re.IGNORECASE)
_SAID = {"statements", "module_fixes", "grades"}


@dataclass(frozen=True, kw_only=True)
class ReadAdvisories:
    """Documents for the CLI and the API."""

    store: Store

    def statuses(self) -> list[dict[str, Any]]:
        """Every feed, or part of one, that was ever tried. ``state``: ``ok``, ``failed`` (the last attempt did, and
        ``error`` says why; what was imported before is still used), ``never`` (nothing of it was ever imported)."""
        return [{"state": _state(one)} | one.model_dump(mode="json") for one in self.store.feeds.statuses()]

    def entries(self, *, feed: str | None, text: str | None, after: str | None, most: int) -> dict[str, Any]:
        """A page of entries, without what they say; ``next`` is what the next page comes after, or None."""
        found = self.store.advisory_index.list(feed=feed, text=text, after=after, most=most + 1)
        page = found[:most]
        last = f"{page[-1][0]}/{page[-1][1].id}" if len(found) > most else None
        return {"entries": [_head(of, entry) for of, entry in page], "next": last}

    def show(self, name: str) -> dict[str, Any]:
        """A CVE: all that any source says of it, and since when we know; any other name: the entries of that id.

        Raises `NotFound`.
        """
        found = self._about(name.upper()) if _CVE.fullmatch(name) else self._entries(name)
        if found is None:
            raise NotFound(
                f"nothing is known of {name!r}: `patchwave advisories status` shows the feeds that were read"
            )
        return found

    def _about(self, cve: str) -> dict[str, Any] | None:
        statements, module_fixes, grades = self.store.advisories.about(cve)
        likelihood = self.store.advisories.likelihoods([cve]).get(cve)
        if not (statements or module_fixes or grades or likelihood):
            return None
        return {
            "cve": cve,
            "likelihood": None if likelihood is None else likelihood.model_dump(mode="json", exclude={"cve"}),
            "grades": _told(grades),
            "statements": _told(statements),
            "module_fixes": _told(module_fixes),
        }

    def _entries(self, name: str) -> dict[str, Any] | None:
        found = self.store.advisory_index.show(name)
        said = [_head(feed, entry) | entry.model_dump(mode="json", include=_SAID) for feed, entry in found]
        return {"entries": said} if said else None


def _head(feed: str, entry: Entry) -> dict[str, Any]:
    return {"feed": feed} | entry.model_dump(mode="json", exclude=_SAID)


def _told(told: Iterable[Told[Any]]) -> list[dict[str, Any]]:
    """``since`` is when we came to know it; with ``is_baseline`` it may have been published long before."""
    return [
        {"feed": one.feed, "entry": one.entry, "since": one.since.isoformat(), "is_baseline": one.is_baseline}
        | one.said.model_dump(mode="json", exclude={"cve"})
        for one in told
    ]


def _state(status: FeedStatus) -> str:
    if status.error is not None:
        return "failed"
    return "never" if status.succeeded_at is None else "ok"
