"""What one VEX document says of each package, collected over all products, and the statements that it comes to.

A document names a flaw's fix once for each repository, architecture and minor release. Here that becomes one set of
ranges for each package of a major release. Where products disagree, what says most against the host stays.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from orchestrator.core.advisories import Claim, Statement
from orchestrator.core.patches import Severity
from orchestrator.core.versions import without_epoch
from orchestrator.feeds.redhat_products import DEBUG, LIVE_PATCH, Component
from orchestrator.feeds.redhat_ranges import Fixed, behind, latest, minor_of, ranges
from orchestrator.feeds.values import Node, prose

IN_KERNEL = frozenset({"bpftool", "libperf", "libperf-devel", "perf", "python3-perf", "rtla", "rv"})
"""Built from the kernel's source without its name: judged by the kernel that runs."""

_NUMERIC = re.compile(r"[0-9]+(?:\.[0-9]+)*")


class Open(NamedTuple):
    """A claim without a fix. ``minor``: the newest minor release that it was made of; None for all of them."""

    claim: Claim
    minor: int | None
    note: str | None
    place: str
    severity: Severity


@dataclass
class PackageTally:
    """What is said of one package in one major release, by module and stream (None: of no module)."""

    fixes: defaultdict[str | None, list[Fixed]] = field(default_factory=lambda: defaultdict(list))
    opens: dict[str | None, Open] = field(default_factory=dict)
    unaffected: Open | None = None
    upstream: str | None = None

    @property
    def is_concerned(self) -> bool:
        """Whether anything but its innocence is said."""
        return bool(self.fixes or self.opens)

    @property
    def modules(self) -> list[str | None]:
        """The modules that it comes in, sorted."""
        return sorted({*self.fixes, *self.opens}, key=lambda module: module or "")


PackageId = tuple[str, str, bool]
"""Distribution, name, whether that is the name of a source package."""


class Tally:
    """Collects what is said about one CVE."""

    def __init__(self) -> None:
        self.packages: defaultdict[PackageId, PackageTally] = defaultdict(PackageTally)

    def fixed(self, distribution: str, component: Component, fix: Fixed) -> None:
        """A version has the fix."""
        if (found := self._of(distribution, component)) is not None:
            found.fixes[component.module].append(fix)

    def open(self, distribution: str, component: Component, claim: Open) -> None:
        """There is no fix, or nobody knows; affected goes before unknown, and all minor releases before one."""
        if (found := self._of(distribution, component)) is None:
            return
        known = found.opens.get(component.module)
        if known is None or _weight(claim) > _weight(known):
            found.opens[component.module] = claim

    def unaffected(self, distribution: str, component: Component, claim: Open) -> None:
        """It never had the flaw."""
        found = self._of(distribution, component)
        if found is not None and found.unaffected is None:
            found.unaffected = claim

    def _of(self, distribution: str, component: Component) -> PackageTally | None:
        if DEBUG.fullmatch(component.name) or (component.is_source and component.name.startswith(LIVE_PATCH)):
            return None
        found = self.packages[distribution, component.name, component.is_source]
        found.upstream = found.upstream or component.upstream
        return found

    def statements(self, cve: str, disclosed: datetime | None, node: Node) -> Iterator[Statement]:
        """All that is said, by distribution and package; what is said of binary packages only where their source
        package does not say it for them. ``node`` is the vulnerability, for errors."""
        sources: defaultdict[str, _Sources] = defaultdict(_Sources)
        for (distribution, name, is_source), tally in self.packages.items():
            if is_source:
                sources[distribution].add(name, tally)
        for (distribution, name, is_source), tally in sorted(self.packages.items(), key=lambda item: item[0]):
            said = tally if is_source else _own(name, tally, sources[distribution])
            for fields in _fields(name, said):
                yield node.make(
                    Statement,
                    cve=cve,
                    distribution=distribution,
                    package=name,
                    is_source=is_source,
                    disclosed=disclosed,
                    **fields,
                )


class _Sources:
    """The source packages of one major release: all of them, those that have or had the flaw, versions of fixes."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.concerned: set[str] = set()
        self.fixes: set[str] = set()

    def add(self, name: str, tally: PackageTally) -> None:
        """One more."""
        self.names.add(name)
        if tally.is_concerned:
            self.concerned.add(name)
        self.fixes.update(without_epoch(fix.version) for fixes in tally.fixes.values() for fix in fixes)


def _weight(claim: Open) -> tuple[bool, float]:
    return claim.claim is Claim.AFFECTED, float("inf") if claim.minor is None else claim.minor


def _own(name: str, tally: PackageTally, sources: _Sources) -> PackageTally:
    """What is said of a binary package that is not said of its source package as well."""
    if name.startswith(LIVE_PATCH) or not sources.names:
        return tally
    own = PackageTally()
    if name in IN_KERNEL and "kernel" in sources.names:
        return own
    for module, fixes in tally.fixes.items():
        if left := [fix for fix in fixes if without_epoch(fix.version) not in sources.fixes]:
            own.fixes[module] = left
    parts = name.split("-")
    may_be_from = {"-".join(parts[:count]) for count in range(1, len(parts) + 1)}
    if sources.concerned.isdisjoint({*may_be_from, tally.upstream}):
        own.opens = tally.opens
    return own


def _fields(name: str, tally: PackageTally) -> Iterator[dict[str, object]]:
    if not tally.is_concerned:
        if tally.unaffected is not None:
            yield _claimed(tally.unaffected)
        return
    for module in tally.modules:
        fixes = tally.fixes.get(module, [])
        begin, last = _module_bounds(name, module, tally)
        for found in ranges(name, fixes, begin):
            yield {
                "claim": Claim.AFFECTED,
                "introduced": found.introduced,
                "fixed": found.fixed.version,
                "published": found.published,
                "severity": found.fixed.severity,
                "note": _note(module, found.fixed.advisory, found.fixed.support),
                "where": found.fixed.place,
            }
        claim = tally.opens.get(module)
        if claim is not None and not fixes:
            bounds = {"introduced": begin, "last_affected": last} if claim.claim is Claim.AFFECTED else {}
            yield _claimed(claim, module) | bounds
        elif claim is not None and _is_behind(claim, latest(fixes)):
            bounds = {"introduced": behind(name, latest(fixes).version)} if claim.claim is Claim.AFFECTED else {}
            yield _claimed(claim, module) | bounds


def _is_behind(claim: Open, fix: Fixed) -> bool:
    """Whether a claim without a fix is about later releases than the last that has a fix."""
    minor = minor_of(fix.version)
    return claim.minor is None or minor is None or claim.minor >= minor


def _claimed(claim: Open, module: str | None = None) -> dict[str, object]:
    return {
        "claim": claim.claim,
        "severity": claim.severity,
        "note": _note(module, claim.note),
        "where": claim.place,
    }


def _note(module: str | None, said: str | None, support: str = "") -> str | None:
    parts = (f"module {module}" if module else "", said or "", f"extended support: {support}" if support else "")
    return prose("; ".join(part for part in parts if part)) if any(parts) else None


def _module_bounds(name: str, module: str | None, tally: PackageTally) -> tuple[str | None, str | None]:
    """Between which versions builds of a module's stream are, as far as its name tells: from 18 on of nodejs:18, about
    which the fix of nodejs:20 says nothing. Hosts do not tell which module a package came from.

    The last one is told where the stream has no fix and another one has: then later versions are not of this stream.
    """
    stream = "" if module is None else module.partition(":")[2]
    if not _NUMERIC.fullmatch(stream):
        return None, None
    own = [fix.version for fix in tally.fixes.get(module, ())]
    if own:
        return (f"{_epoch(own[0])}{stream}", None) if all(_is_of(one, stream) for one in own) else (None, None)
    others = [fix.version for fixes in tally.fixes.values() for fix in fixes]
    if module is None or module.partition(":")[0] != name or not others:
        return None, None
    return f"{_epoch(others[0])}{stream}", f"{_epoch(others[0])}{stream}.99999"


def _is_of(version: str, stream: str) -> bool:
    return without_epoch(version).startswith((f"{stream}.", f"{stream}-"))


def _epoch(version: str) -> str:
    epoch, colon, _ = version.rpartition(":")
    return epoch + colon
