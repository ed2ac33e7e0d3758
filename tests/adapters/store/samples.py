"""Objects to store."""

from datetime import UTC, datetime, timedelta
from typing import Any

from orchestrator.core.attempts import Action, Attempt, Outcome, OutcomeCode
from orchestrator.core.exposure_states import ClosedBy, CoveredBy, ExposureState, Remedy
from orchestrator.core.facts import Facts, Kernel, LivePatch, Observation, Package, Packages, PatchState, Volatile
from orchestrator.core.identity import Evidence, HostRecord
from orchestrator.core.patches import Build, Fix, Patch, Severity
from orchestrator.core.sightings import CheckRecord
from orchestrator.core.standings import Closure, Gap, Mark, Span, Standing
from orchestrator.ports.store import Lease, RolloutRow, Store

T0 = datetime(2099, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
CVE = "CVE-2099-0001"


def host(name: str = "web1", **changes: Any) -> HostRecord:
    """A registered host, whose id is ``id-NAME``."""
    values: dict[str, Any] = {
        "id": f"id-{name}",
        "name": name,
        "address": "192.0.2.1",
        "incarnated_at": T0,
        "first_listed_at": T0,
        "last_listed_at": T0,
    }
    return HostRecord(**(values | changes))


def full_host() -> HostRecord:
    """A host with every field set."""
    return host(
        "full",
        customer="acme",
        site="lisbon",
        labels={"role": "web", "größe": "x"},
        groups=("prod", "web"),
        ephemeral=True,
        incarnation=2,
        evidence=Evidence(host_key="SHA256:k", machine_id="m", product_uuid="u", boot_id="b"),
        retired_at=T0 + HOUR,
        quarantined_at=T0,
        quarantine_reason="drifted",
    )


def packages(fingerprint: str = "fp-1", items: int | None = 2) -> Packages:
    """A package list, ``items`` long; None: not sent."""
    if items is None:
        return Packages(manager="dpkg", fingerprint=fingerprint)
    listed = tuple(
        Package(name=f"package-{n}", version=f"1:{n}.2-3+deb12u{n}", arch="amd64", source=f"source-{n}")
        for n in range(items)
    )
    return Packages(manager="dpkg", fingerprint=fingerprint, items=listed)


def facts(boot_id: str = "boot-1", **changes: Any) -> Facts:
    """What a check saw."""
    values: dict[str, Any] = {
        "kernel": Kernel(running="6.1.0-41-cloud-amd64", build_id="ab" * 20),
        "boot_id": boot_id,
        "volatile": Volatile(uptime=timedelta(minutes=90), clock_skew=timedelta(seconds=-1.5)),
        "live_patches": (LivePatch(tool="klp", name="lab_0001", state=PatchState.APPLIED, cves=(CVE,)),),
        "unknown": {"lockdown": "needs_root"},
    }
    return Facts(**(values | changes))


def check(name: str = "web1", at: datetime = T0, seen: Facts | None = None, **changes: Any) -> CheckRecord:
    """A check that started at ``at``, took two seconds, and wants the next one within an hour."""
    end = at + timedelta(seconds=2)
    observation = Observation(started_at=at, observed_at=end, facts=facts() if seen is None else seen)
    values: dict[str, Any] = {
        "host_id": f"id-{name}",
        "started_at": at,
        "finished_at": end,
        "expected_by": at + HOUR,
        "observation": observation,
    }
    return CheckRecord(**(values | changes))


def failed_check(name: str = "web1", at: datetime = T0) -> CheckRecord:
    """A check that did not reach its host."""
    return check(name, at, observation=None, error_code="connect_timed_out", error="no answer within 10 s")


def patch(patch_id: str = "LAB-0001", **changes: Any) -> Patch:
    """An item of the catalogue."""
    build = Build(
        module="lab-0001.ko",
        kernel="6.1.0-41-cloud-amd64",
        build_id="ab" * 20,
        sha256="cd" * 32,
        name="lab_0001",
        module_build_id="ef" * 20,
        size=4096,
    )
    values: dict[str, Any] = {
        "id": patch_id,
        "summary": "keeps the boot secret out of /proc/cmdline",
        "fixes": (Fix(cve=CVE, severity=Severity.HIGH, disclosed=T0),),
        "replaces": ("LAB-0000",),
        "builds": (build,),
        "added_at": T0,
    }
    return Patch(**(values | changes))


def span(at: datetime = T0, **changes: Any) -> Span:
    """An open window, detected at ``at``, of what was told an hour before."""
    values: dict[str, Any] = {"since": at - HOUR, "detected_at": at, "severity": Severity.HIGH}
    return Span(**(values | changes))


def closed_span(at: datetime = T0, **changes: Any) -> Span:
    """A window that a live patch closed after an hour, of which nobody could tell for a minute and a half."""
    gaps = (Gap(at, at + timedelta(seconds=90.5)),)
    closed = {"closed_at": at + HOUR, "method": ClosedBy.LIVE_PATCH, "tool": "klp", "boot_id": "boot-1", "gaps": gaps}
    return span(at, **(closed | changes))


def mark(number: int = 1, windows: int = 1, **changes: Any) -> Mark:
    """A CVE, disclosed a day ago, with a fix for every other window."""
    fixes = tuple(None if n % 2 else T0 - HOUR for n in range(windows))
    return Mark(f"CVE-2099-{number:04}", (T0 - timedelta(days=1),) * windows, fixes, **changes)


def standing(name: str = "web1", *spans: Span, marks: tuple[Mark, ...] | None = None, **changes: Any) -> Standing:
    """Where a host stands with a CVE (or with those of ``marks``): exposed while its last window is open."""
    is_open = not spans or spans[-1].closed_at is None
    values: dict[str, Any] = {
        "host_id": f"id-{name}",
        "severity": Severity.HIGH,
        "state": ExposureState.EXPOSED if is_open else ExposureState.COVERED,
        "reason": None if is_open else CoveredBy.LIVE_PATCHED,
        "remedy": Remedy.LIVE_PATCH if is_open else Remedy.NONE,
        "since": T0,
        "spans": spans,
        "unknown_seconds": 0.25,
        "marks": (mark(1, len(spans)),) if marks is None else marks,
    }
    return Standing(**(values | changes))


def closure(name: str = "web1", closed: Span | None = None, *marks: Mark) -> Closure:
    """What closed of a host, by default as `standing` has it."""
    return Closure(host_id=f"id-{name}", span=closed or closed_span(), marks=marks or (mark(),))


def rollout(rollout_id: str = "R1", **changes: Any) -> RolloutRow:
    """A rollout that was just planned."""
    values: dict[str, Any] = {
        "id": rollout_id,
        "playbook": "kernel-livepatch",
        "state_name": "planned",
        "plan": {"waves": [["id-web1"], ["id-web2"]]},
        "state": {"wave": 0},
        "version": 0,
        "created_at": T0,
        "updated_at": T0,
        "started_by": "ops",
    }
    return RolloutRow(**(values | changes))


def attempt(attempt_id: str = "A1", name: str = "web1", **changes: Any) -> Attempt:
    """An intent to apply LAB-0001."""
    values: dict[str, Any] = {
        "id": attempt_id,
        "rollout_id": "R1",
        "host_id": f"id-{name}",
        "host": name,
        "action": Action.APPLY,
        "patch_id": "LAB-0001",
        "build_sha256": "cd" * 32,
        "boot_id": "boot-1",
        "intent_at": T0,
    }
    return Attempt(**(values | changes))


def outcome(attempt_id: str = "A1", **changes: Any) -> Outcome:
    """A verified end."""
    values: dict[str, Any] = {"attempt_id": attempt_id, "code": OutcomeCode.DONE, "finished_at": T0 + HOUR}
    return Outcome(**(values | changes))


def started(store: Store, rollout_id: str = "R1", *hosts: str) -> Lease:
    """A rollout in the store, over these hosts (web1, web2 when none are named), and the lease on it."""
    store.hosts.save([host(name) for name in hosts or ("web1", "web2")])
    store.rollouts.create(rollout(rollout_id))
    return store.leases.acquire(rollout_id, f"engine-of-{rollout_id}", T0, 60)


def step(store: Store, lease: Lease, *, intents: tuple[Attempt, ...] = (), outcomes: tuple[Outcome, ...] = ()) -> None:
    """One commit of that lease's engine on the rollout as it is stored."""
    row = store.rollouts.load(lease.rollout_id)
    store.rollouts.commit(row=row, lease=lease, events=[], intents=intents, outcomes=outcomes)
