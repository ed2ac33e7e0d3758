"""Explain one CVE on one host: which fact, which rule, which source, and what it was over time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from orchestrator.core.acceptances import AcceptedRisks
from orchestrator.core.advisories import Statement, Told
from orchestrator.core.exposure_states import ExposureState, Remedy
from orchestrator.core.findings import Finding
from orchestrator.core.host_view import moment
from orchestrator.core.identity import HostRecord
from orchestrator.core.patches import Severity
from orchestrator.core.sightings import Sighting
from orchestrator.core.sla_policy import in_force
from orchestrator.core.timeline import eras
from orchestrator.core.timelines import Timelines
from orchestrator.core.windows import Exposure
from orchestrator.ports.runtime import Clock
from orchestrator.ports.store import Store
from orchestrator.services.know_hosts import KnowHosts
from orchestrator.services.read_exposures import ReadExposures, Wanted, row_of

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class ExplainExposure:
    """Read-only; contacts nobody. Answers for any CVE, also one that never was more than fixed on the host."""

    store: Store
    clock: Clock

    def __call__(self, record: HostRecord, cve: str) -> Json:
        """The row of ``exposure list --json``, and what it was made of.

        ``rule`` says which fact and which source decided it; ``facts`` is what it was held against; ``told`` everything
        that any source says of the CVE for what is on the host; ``epss`` its likelihood, where it is known.
        """
        now = self.clock.now()
        history = [
            one
            for one in self.store.sightings.history([record.id]).get(record.id, ())
            if one.incarnation == record.incarnation
        ]
        sighting = history[-1] if history else None
        timelines = self._timelines(history, cve)
        life = eras(history, now, None, {})
        finding = timelines.track(life, cve)[-1].at(now).finding if life else None
        stored = list(ReadExposures(store=self.store, clock=self.clock)(Wanted(host_ids=[record.id], cve=cve)))
        exposure = stored[0] if stored else _exposure(record, cve, finding, sighting, now)
        policy = in_force(self.store.policies.all(), now)
        row = row_of(record, exposure, AcceptedRisks(self.store.acceptances.all()), policy.due_soon, now)
        return row | {
            "rule": _rule(finding, sighting, now),
            "packages": [{"name": name, "version": version} for name, version in finding.packages] if finding else [],
            "is_kernel": None if finding is None else finding.is_kernel,
            "live_patch": finding and finding.covered_by,
            "tool": finding and finding.tool,
            "facts": _facts(sighting),
            "told": [_said(one) for one in self._told(cve, timelines, sighting)],
            "epss": self._epss(cve),
        }

    def _timelines(self, history: Sequence[Sighting], cve: str) -> Timelines:
        known = KnowHosts(store=self.store, catalogue=self.store.catalogue.history())
        known.learn(history, cves=[cve])
        return known.timelines

    def _told(self, cve: str, timelines: Timelines, sighting: Sighting | None) -> Sequence[Told[Statement]]:
        """What is said of the packages on the host, and else of its distribution."""
        statements, _, _ = self.store.advisories.about(cve)
        if sighting is None:
            return ()
        image = timelines.matcher.view_of(sighting).image
        own = [one for one in statements if (one.said.distribution, one.said.package) in image.keys]
        return own or [one for one in statements if one.said.distribution == image.distribution]

    def _epss(self, cve: str) -> Json | None:
        found = self.store.advisories.likelihoods([cve]).get(cve)
        return None if found is None else found.model_dump(mode="json", exclude={"cve"})


def _exposure(
    record: HostRecord, cve: str, finding: Finding | None, sighting: Sighting | None, now: datetime
) -> Exposure:
    """Of what never was more than fixed there, or is not known at all."""
    is_known = finding is not None and sighting is not None and now <= sighting.expected_by
    return Exposure(
        host_id=record.id,
        cve=cve,
        severity=Severity.UNKNOWN if finding is None else finding.severity,
        state=finding.state if finding is not None and is_known else ExposureState.UNKNOWN,
        reason=finding.reason if finding is not None and is_known else None,
        remedy=Remedy.NONE if finding is None else finding.remedy,
        since=now if sighting is None else sighting.first_seen if is_known else sighting.last_seen,
        windows=(),
        is_over=finding is None,
    )


def _rule(finding: Finding | None, sighting: Sighting | None, now: datetime) -> str:
    if sighting is None:
        return "the host was never checked"
    told = "no source tells of it for anything on this host" if finding is None else finding.rule
    if now > sighting.expected_by:
        return f"nobody saw the host since {moment(sighting.last_seen)}; by then: {told}"
    return told


def _facts(sighting: Sighting | None) -> Json | None:
    if sighting is None:
        return None
    facts = sighting.facts
    return {
        "observed_at": moment(sighting.last_seen),
        "expected_by": moment(sighting.expected_by),
        "os": facts.os and facts.os.model_dump(mode="json"),
        "kernel": facts.kernel and facts.kernel.model_dump(mode="json", exclude={"installed"}),
        "boot_id": facts.boot_id,
        "live_patches": [
            {"tool": one.tool, "name": one.name, "version": one.version, "state": one.state}
            for one in facts.live_patches
        ],
    }


def _said(told: Told[Statement]) -> Json:
    return {
        "feed": told.feed,
        "entry": told.entry,
        "since": moment(told.since),
        **told.said.model_dump(mode="json", exclude={"cve"}),
    }
