"""Hosts, catalogue items and checks for the tests of exposure: small, on two kernels, at whole minutes."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from orchestrator.core.exposure import windows
from orchestrator.core.facts import Facts, Kernel, LivePatch, Observation, PatchState, Volatile
from orchestrator.core.matcher import Matcher
from orchestrator.core.patches import Build, Fix, Patch, Severity
from orchestrator.core.sightings import CheckRecord, Sighting, next_sighting
from orchestrator.core.standings import Closure, window_of
from orchestrator.core.windows import Exposure, Window

START = datetime(2026, 3, 1, tzinfo=UTC)
DISCLOSED = datetime(2026, 1, 15, tzinfo=UTC)
ADDED = datetime(2026, 2, 1, tzinfo=UTC)
SILENCE = timedelta(minutes=180)

KERNELS = {"a": ("6.1.0-40-cloud-amd64", "aa" * 20), "b": ("6.12.9-cloud-amd64", "bb" * 20)}
FIRST, SECOND = "CVE-2099-0001", "CVE-2099-0002"


def at(minutes: float) -> datetime:
    """That many minutes after the start."""
    return START + timedelta(minutes=minutes)


def module_id(patch_id: str, kernel: str = "a") -> str:
    """The build id of the module of that item for that kernel."""
    return (patch_id + kernel).encode().hex().ljust(40, "0")[:40]


def item(
    patch_id: str = "LAB-0001",
    cves: Sequence[str] = (FIRST,),
    *,
    kernels: str = "ab",
    added_at: datetime = ADDED,
    disclosed: datetime | None = DISCLOSED,
    severity: Severity = Severity.HIGH,
    replaces: str = "none",
) -> Patch:
    """A catalogue item with a module for each of the kernels."""
    builds = [
        Build(
            module=f"{patch_id}-{name}.ko",
            kernel=KERNELS[name][0],
            build_id=KERNELS[name][1],
            sha256=module_id(patch_id, name).ljust(64, "0"),
            name=patch_id.lower().replace("-", "_"),
            module_build_id=module_id(patch_id, name),
            size=1000,
        )
        for name in kernels
    ]
    fixes = tuple(Fix(cve=cve, severity=severity, disclosed=disclosed) for cve in cves)
    return Patch.model_validate(
        {
            "id": patch_id,
            "summary": "a test",
            "fixes": fixes,
            "replaces": replaces,
            "builds": tuple(builds),
            "added_at": added_at,
        }
    )


LAB_1 = item("LAB-0001")
LAB_2 = item("LAB-0002", (FIRST, SECOND), replaces="all")


def live(patch_id: str, state: PatchState = PatchState.APPLIED, kernel: str = "a") -> LivePatch:
    """The live patch that this item's module makes."""
    name = patch_id.lower().replace("-", "_")
    return LivePatch(tool="klp", name=name, state=state, build_id=module_id(patch_id, kernel))


def facts(*patches: LivePatch, kernel: str = "a", boot: str = "boot-0", unknown: dict[str, str] | None = None) -> Facts:
    """What a check sees on that kernel and boot."""
    release, build_id = KERNELS[kernel]
    return Facts(
        kernel=Kernel(running=release, build_id=build_id),
        boot_id=boot,
        live_patches=patches,
        unknown=unknown or {},
    )


def check(
    minutes: float,
    seen: Facts,
    *,
    booted: float = -60.0,
    host_id: str = "host-1",
    incarnation: int = 1,
    due_in: timedelta = SILENCE,
    overlapped: bool = False,
) -> CheckRecord:
    """A check that saw these facts in no time at all, on a host booted at that minute."""
    uptime = timedelta(minutes=minutes - booted)
    seen = seen.model_copy(update={"volatile": Volatile(uptime=uptime)})
    return CheckRecord(
        host_id=host_id,
        incarnation=incarnation,
        started_at=at(minutes),
        finished_at=at(minutes),
        expected_by=at(minutes) + due_in,
        observation=Observation(started_at=at(minutes), observed_at=at(minutes), facts=seen),
        overlapped_mutation=overlapped,
    )


def history(*checks: CheckRecord) -> tuple[Sighting, ...]:
    """The sightings that these checks make, one after the other."""
    found: list[Sighting] = []
    for number, one in enumerate(checks):
        latest = found[-1] if found else None
        sighting = next_sighting(latest, one, f"sighting-{number}")
        if sighting is None:
            continue
        if latest is not None and sighting.id == latest.id:
            found.pop()
        found.append(sighting)
    return tuple(found)


def exposure(
    sightings: Sequence[Sighting],
    patches: Sequence[Patch] | Matcher,
    now: float,
    *,
    cve: str = FIRST,
    retired_at: datetime | None = None,
    incarnated_at: dict[int, datetime] | None = None,
) -> Exposure:
    """Where the host stands with one CVE at that minute."""
    found = windows(sightings, patches, now=at(now), retired_at=retired_at, incarnated_at=incarnated_at)
    return next(one for one in found if one.cve == cve)


def closed_windows(closure: Closure) -> Iterator[Window]:
    """One by one, by CVE. Their index is not kept: it is 0."""
    for mark in closure.marks:
        yield window_of(closure.host_id, closure.span, mark)
