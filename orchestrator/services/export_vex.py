"""Write what is known of hosts and CVEs as OpenVEX, so that scanners stop reporting what is live-patched."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from orchestrator.core.findings import Finding
from orchestrator.core.identity import HostRecord, host_called
from orchestrator.core.openvex import VexAuthor, VexFinding, vex_document
from orchestrator.core.patches import Cve
from orchestrator.core.sightings import Sighting
from orchestrator.errors import InvalidInput
from orchestrator.ports.runtime import Clock
from orchestrator.ports.store import Store
from orchestrator.services.know_hosts import KnowHosts

Json = dict[str, Any]

MOST = 200_000
"""Pairs of host and CVE in one document. OpenVEX names each host in each statement: more would be gigabytes."""


@dataclass(frozen=True, kw_only=True)
class ExportVex:
    """Read-only; contacts nobody. ``tooling`` names what writes the document, ``author`` who states it where nobody
    else is given."""

    store: Store
    clock: Clock
    tooling: str
    author: str
    most: int = MOST

    def of_host(
        self, name: str, author: str | None = None, *, cve: Cve | None = None, states_fixed: bool = False
    ) -> Json:
        """The document for scans of one host, by name or id. Raises `NotFound`."""
        record = host_called(self.store.hosts.all(), name)
        return self._document([record], author, cve, states_fixed=states_fixed, is_of_one_host=True)

    def of_fleet(
        self,
        author: str | None = None,
        *,
        host_ids: Sequence[str] | None = None,
        cve: Cve | None = None,
        states_fixed: bool = False,
    ) -> Json:
        """The document of these hosts, or of all that are not retired. Raises `InvalidInput` where that is too much
        for one."""
        known = self.store.hosts.all() if host_ids is None else self.store.hosts.some(host_ids)
        records = [one for one in known if not one.is_retired]
        return self._document(records, author, cve, states_fixed=states_fixed, is_of_one_host=False)

    def _document(
        self,
        records: Sequence[HostRecord],
        author: str | None,
        cve: Cve | None,
        *,
        states_fixed: bool,
        is_of_one_host: bool,
    ) -> Json:
        now = self.clock.now()
        found: list[VexFinding] = []
        for finding in self._findings(records, cve, now):
            found.append(finding)
            if len(found) > self.most:
                raise InvalidInput(
                    f"more than {self.most} pairs of host and CVE are too many for one document: name a host, a CVE"
                    " (--cve), or fewer hosts (--limit)"
                )
        signed = VexAuthor(name=author or self.author, tooling=self.tooling)
        return vex_document(found, signed, now, is_of_one_host=is_of_one_host, states_fixed=states_fixed)

    def _findings(self, records: Sequence[HostRecord], cve: Cve | None, now: datetime) -> Iterator[VexFinding]:
        """By host and CVE. What a former machine of the same name showed is not this one's."""
        latest = self.store.sightings.latest([record.id for record in records])
        seen = {
            record.id: sighting
            for record in records
            if (sighting := latest.get(record.id)) is not None and sighting.incarnation == record.incarnation
        }
        known = KnowHosts(store=self.store, catalogue=self.store.catalogue.history())
        known.learn(seen.values(), cves=() if cve is None else (cve,))
        of_view: dict[int, Mapping[Cve, Finding]] = {}
        for record in records:
            sighting = seen.get(record.id)
            if sighting is None:
                continue
            view = known.matcher.view_of(sighting)
            if view.number not in of_view:
                of_view[view.number] = _found(known, sighting, cve, now)
            for finding in of_view[view.number].values():
                yield _vex_finding(record, sighting, finding)


def _found(known: KnowHosts, sighting: Sighting, cve: Cve | None, now: datetime) -> Mapping[Cve, Finding]:
    if cve is None:
        return known.matcher.findings(sighting.facts, now)
    finding = known.matcher.finding(sighting.facts, cve, now)
    return {} if finding is None else {cve: finding}


def _vex_finding(record: HostRecord, sighting: Sighting, finding: Finding) -> VexFinding:
    return VexFinding(
        host=record.name,
        os=sighting.facts.os,
        arch=sighting.facts.arch,
        cve=finding.cve,
        state=finding.state,
        reason=finding.reason,
        rule=finding.rule,
        remedy=finding.remedy,
        tool=finding.tool,
        live_patch=finding.covered_by,
        packages=finding.packages,
        observed_at=sighting.last_seen,
        expected_by=sighting.expected_by,
        boot_id=sighting.facts.boot_id,
    )
