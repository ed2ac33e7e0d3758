"""Windows, hosts and policies for the tests of service levels. Moments are days and hours after `T0`."""

from datetime import datetime, timedelta
from typing import Any

from orchestrator.core.acceptances import Acceptance, Scope
from orchestrator.core.exposure_states import ClosedBy, ExposureState, Remedy
from orchestrator.core.identity import HostRecord
from orchestrator.core.patches import Severity
from orchestrator.core.sla_policy import Adopted, Policy
from orchestrator.core.standings import Graded, Mark, Span, Standing

T0 = datetime.fromisoformat("2026-02-01T00:00:00+00:00")
CVE = "CVE-2099-1001"
OTHER = "CVE-2099-1002"


def record(name: str, **changes: object) -> HostRecord:
    """A host whose id is ``id-NAME``, listed since the beginning."""
    listed = dict.fromkeys(("incarnated_at", "first_listed_at", "last_listed_at"), T0)
    return HostRecord.model_validate({"id": f"id-{name}", "name": name, "address": name, **listed, **changes})


HOST = record("web1", labels={"env": "prod"}, customer="acme", groups=("web",))


def day(number: float) -> datetime:
    """So many days after the beginning."""
    return T0 + timedelta(days=number)


def span(
    detected: float = 0,
    closed: float | None = None,
    *,
    severity: Severity = Severity.MEDIUM,
    grades: tuple[tuple[Severity, float], ...] = (),
    method: ClosedBy = ClosedBy.PACKAGE,
    due: float | None = None,
    since: float | None = None,
) -> Span:
    """A window."""
    return Span(
        since=day(detected if since is None else since),
        detected_at=day(detected),
        severity=severity,
        grades=tuple(Graded(grade, day(at)) for grade, at in grades),
        closed_at=None if closed is None else day(closed),
        method=None if closed is None else method,
        due_at=None if due is None else day(due),
    )


def standing(
    *spans: Span, cves: tuple[str, ...] = (CVE,), host: HostRecord = HOST, kev: dict[str, Any] | None = None
) -> Standing:
    """A host's standing with these CVEs; ``kev`` are more fields of their marks."""
    is_open = spans[-1].closed_at is None
    nothing = (None,) * len(spans)
    return Standing(
        host_id=host.id,
        severity=spans[-1].severity,
        state=ExposureState.EXPOSED if is_open else ExposureState.COVERED,
        remedy=Remedy.PACKAGE,
        since=spans[-1].since,
        spans=spans,
        marks=tuple(Mark(cve, nothing, nothing, **(kev or {})) for cve in cves),
    )


def policy(**fields: object) -> Policy:
    """A policy that says this and is the default otherwise."""
    return Policy.model_validate({"apiVersion": "patchwave/v1", "kind": "ServiceLevels", "name": "test", **fields})


def adopted(at: float, **fields: object) -> Adopted:
    """The same, in force since that day."""
    return Adopted(policy=policy(**fields), since=day(at), set_by="ann@cli")


def acceptance(
    start: float, end: float, *, scope: Scope = Scope.HOST, value: str = HOST.id, cve: str = CVE, **fields: object
) -> Acceptance:
    """An accepted risk from one day to another."""
    values: dict[str, object] = {
        "id": f"A{start}-{end}",
        "cve": cve,
        "scope": scope,
        "value": value,
        "owner": "Head of web",
        "reason": "behind the firewall",
        "accepted_by": "ann@cli",
        "accepted_at": day(start),
        "expires_at": day(end),
    }
    return Acceptance.model_validate(values | fields)
