"""The metrics: right for what is known, never more labels than the words of the reference."""

import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from typing import cast

from prometheus_client.parser import text_string_to_metric_families as parse

from orchestrator.core.attempts import Outcome, OutcomeCode
from orchestrator.core.exposure_states import ClosedBy, ExposureState, Remedy
from orchestrator.core.facts import Deep, Tool, ToolState
from orchestrator.core.identity import HostRecord
from orchestrator.core.patches import Severity
from orchestrator.core.standings import Gap, Mark, Span, Standing
from tests.api.service import HOUR, Service, known_service, rolled_out
from tests.core.exposure_builders import LAB_1, facts, live
from tests.fakes.clock import START
from tests.fakes.rollouts import FakeAttempts
from tests.services.fleets import record

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "metrics.md"
DESIGNED = {
    "patchwave_build_info",
    "patchwave_check_duration_seconds",
    "patchwave_coverage_expiring_hosts",
    "patchwave_exposure_oldest_seconds",
    "patchwave_exposures",
    "patchwave_feed_last_success_timestamp_seconds",
    "patchwave_hosts",
    "patchwave_hosts_overdue",
    "patchwave_live_patches",
    "patchwave_oldest_check_timestamp_seconds",
    "patchwave_reboots_avoided_total",
    "patchwave_rollout_hosts_total",
    "patchwave_rollouts",
    "patchwave_sla_breaches",
    "patchwave_time_to_patch_seconds",
    "patchwave_transitions_stalled",
}


def samples(service: Service) -> dict[str, float]:
    """Every sample as ``name{label=value,…}``."""
    return {_shown(one.name, one.labels): one.value for family in parse(service.text()) for one in family.samples}


def _shown(name: str, labels: dict[str, str]) -> str:
    inside = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
    return f"{name}{{{inside}}}" if inside else name


def named(service: Service, prefix: str) -> dict[str, float]:
    """The samples whose names start so; the prefix left out."""
    return {name.removeprefix(prefix): value for name, value in samples(service).items() if name.startswith(prefix)}


def families(service: Service) -> set[str]:
    """The names of all families as they are queried: counters end in ``_total``."""
    found = set()
    for family in parse(service.text()):
        found.add(f"{family.name}_total" if family.type == "counter" else family.name)
    return {name for name in found if not name.endswith("_created")}


def test_every_metric_is_there() -> None:
    """All that the design names and that is true in this version."""
    service = known_service()
    rolled_out(service)
    assert DESIGNED == families(service)


def test_every_metric_is_documented_and_nothing_else() -> None:
    """A row in docs/reference/metrics.md each."""
    service = known_service(per_host=True)
    rolled_out(service)
    rows = re.compile(r"^\| `(patchwave_\w+)", re.MULTILINE)

    assert sorted(families(service)) == sorted(rows.findall(REFERENCE.read_text()))


def test_an_empty_store_has_metrics_too() -> None:
    """Zeros, and no family that would claim something."""
    service = Service()
    assert 0.0 == samples(service)["patchwave_hosts_overdue"]
    assert "patchwave_oldest_check_timestamp_seconds" not in families(service)


def test_time_to_patch_counts_by_clock() -> None:
    """Two windows closed on ``a`` an hour after they were detected, on a boot that was a day old."""
    found = named(known_service(), "patchwave_time_to_patch_seconds")
    label = "severity=high,tool=klp}"

    assert {"detected": 2.0, "disclosed": 2.0, "fix_available": 2.0} == {
        clock: found[f"_count{{clock={clock},{label}"] for clock in ("detected", "disclosed", "fix_available")
    }
    assert 2 * HOUR.total_seconds() == found[f"_sum{{clock=detected,{label}"]
    assert (0.0, 2.0, 2.0) == tuple(
        found[f"_bucket{{clock=detected,le={le},{label}"] for le in ("300.0", "3600.0", "+Inf")
    )
    assert (0.0, 2.0) == tuple(found[f"_bucket{{clock=disclosed,le={le},{label}"] for le in ("86400.0", "172800.0"))


def test_time_in_which_nobody_could_tell_is_no_time_to_patch() -> None:
    """As in the report: of an hour, twenty minutes are left."""
    service = known_service()
    store, (last,) = service.known.store, (one for one in service.known.members if one.name == "gone")
    gap = Gap(START - 2 * HOUR, START + 2 * HOUR / 3)
    closed = {"closed_at": START + HOUR, "method": ClosedBy.REBOOT, "severity": Severity.LOW, "gaps": (gap,)}
    span = Span.model_validate({"since": START, "detected_at": START} | closed)
    values = {"severity": Severity.LOW, "state": ExposureState.COVERED, "remedy": Remedy.NONE, "since": START}
    marks = (Mark("CVE-2099-0001", (START,), (START - HOUR,)), Mark("CVE-2099-0002", (None,), (None,)))
    standing = Standing.model_validate({"host_id": last.record.id, "spans": (span,), "marks": marks} | values)
    store.exposures.replace_many({last.record.id: [standing]})

    found = named(service, "patchwave_time_to_patch_seconds")
    label = "severity=low,tool=reboot}"
    assert [(1.0, 1200.0), (1.0, 1200.0), (2.0, 2400.0)] == [
        (found[f"_count{{clock={clock},{label}"], found[f"_sum{{clock={clock},{label}"])
        for clock in ("disclosed", "fix_available", "detected")
    ]
    assert 2.0 == found[f"_bucket{{clock=detected,le=3600.0,{label}"]


def test_what_was_not_fixed_is_no_time_to_patch() -> None:
    """A host that was retired with open windows was not patched."""
    service = known_service()
    retire(service, "b")

    closed = service.known.store.exposures.closures()
    assert {ClosedBy.LIVE_PATCH, ClosedBy.WITHDRAWN} == {one.span.method for one in closed}
    assert 2.0 == named(service, "patchwave_time_to_patch_seconds")["_count{clock=detected,severity=high,tool=klp}"]


def retire(service: Service, name: str) -> HostRecord:
    """Retire a host now."""
    known = service.known
    gone = record(name, retired_at=known.clock.now())
    known.store.hosts.save([gone])
    known.update_exposures([gone.id])
    return gone


def test_reboots_avoided_counts_once_per_host_and_boot() -> None:
    """Two windows closed on one boot are one reboot less; the next boot is another one."""
    service = known_service()
    known = service.known
    assert 1.0 == samples(service)["patchwave_reboots_avoided_total"]

    for seen in (facts(boot="boot-1"), facts(live("LAB-0002"), boot="boot-1")):
        known.clock.advance(60)
        known.eyes.shows = {"a": seen, "b": facts()}
        known.check_hosts(known.members)

    assert 2.0 == samples(service)["patchwave_reboots_avoided_total"]


def test_reboots_avoided_never_goes_down() -> None:
    """Neither when everything is rebuilt, nor when the patch leaves the catalogue or the host the fleet."""
    service = known_service()
    known = service.known
    seen = []
    for change in (
        known.update_exposures.everywhere,
        lambda: known.store.catalogue.remove("LAB-0002", known.clock.now()),
        known.update_exposures.everywhere,
        lambda: retire(service, "a"),
    ):
        change()
        seen.append(samples(service)["patchwave_reboots_avoided_total"])
    assert [1.0, 1.0, 1.0, 1.0] == seen


def test_a_closure_is_counted_once_however_many_scrapes_read_it() -> None:
    """Also by scrapes at the same time; one that is appended later is added to what was counted."""
    service = known_service()
    name = "patchwave_time_to_patch_seconds_count{clock=detected,severity=high,tool=klp}"
    with ThreadPoolExecutor(4) as pool:
        assert [2.0] * 8 == list(pool.map(lambda _: samples(service)[name], range(8)))

    known = service.known
    known.clock.advance(60)
    known.eyes.shows = {"b": facts(live("LAB-0001"), live("LAB-0002"))}
    known.check_hosts([one for one in known.members if one.name == "b"])

    closed = sum(len(one.marks) for one in known.store.exposures.closures())
    assert closed == samples(service)[name] > 2.0


def test_exposures_by_severity_state_and_remedy() -> None:
    """``a`` is covered twice, ``b`` and ``gone`` are exposed twice; what nobody saw in time is unknown."""
    service = known_service()
    assert 4.0 == named(service, "patchwave_exposures")["{remedy=live_patch,severity=high,state=exposed}"]
    assert {"exposed": 4.0, "covered": 2.0} == by_state(service)

    service.known.clock.advance(2.5 * HOUR.total_seconds())
    assert {"exposed": 2.0, "covered": 2.0, "unknown": 2.0} == by_state(service)


def by_state(service: Service) -> dict[str, float]:
    """The exposures, by state alone."""
    found: dict[str, float] = {}
    for key, value in named(service, "patchwave_exposures").items():
        state = key.rsplit("state=", 1)[1].rstrip("}")
        found[state] = found.get(state, 0.0) + value
    return found


def test_the_oldest_open_window() -> None:
    """By severity, since it was detected; nothing where none is open."""
    found = named(known_service(), "patchwave_exposure_oldest_seconds")
    assert {"{severity=high}": HOUR.total_seconds(), "{severity=critical}": 0.0} == {
        key: found[key] for key in ("{severity=high}", "{severity=critical}")
    }


def test_hosts_by_state_and_who_is_overdue() -> None:
    """A quarantined host is told apart, a retired one is not counted; overdue is who was not seen in time."""
    service = known_service()
    known = service.known
    known.store.hosts.save([record("b", quarantined_at=START), record("new"), record("old", retired_at=START)])

    assert {"reachable": 1.0, "unreachable": 1.0, "never_checked": 1.0, "quarantined": 1.0} == {
        key.removesuffix("}"): value for key, value in named(service, "patchwave_hosts{state=").items()
    }
    assert 1.0 == samples(service)["patchwave_hosts_overdue"]
    known.clock.advance(2.5 * HOUR.total_seconds())
    assert 2.0 == samples(service)["patchwave_hosts_overdue"]


def test_live_patches_and_stalled_transitions() -> None:
    """By tool and state, as the last sighting of each host has them."""
    service = known_service()
    assert {"{state=applied,tool=klp}": 1.0, "{state=stalled,tool=klp}": 1.0} == named(
        service, "patchwave_live_patches"
    )
    assert 1.0 == samples(service)["patchwave_transitions_stalled"]


def test_a_host_not_seen_in_time_has_no_live_patches_to_count() -> None:
    """Nor a stalled transition: it is overdue, and what it has now nobody knows."""
    service = known_service()
    service.known.clock.advance(30 * 24 * HOUR.total_seconds())

    assert {} == named(service, "patchwave_live_patches")
    assert (0.0, 3.0) == tuple(
        samples(service)[name] for name in ("patchwave_transitions_stalled", "patchwave_hosts_overdue")
    )


def test_hosts_whose_coverage_ends_soon() -> None:
    """Within each span, ended ones included; who has a tool that lasts longer is not among them."""
    ends = {"soon": (8,), "ended": (-1,), "late": (3, 90)}
    service = Service(*ends)
    known, today = service.known, service.known.clock.now().date()
    for name, days in ends.items():
        tools = tuple(_covered(f"tool{n}", today + timedelta(days=day)) for n, day in enumerate(days))
        known.eyes.shows[name] = facts().model_copy(update={"tools": tools})
    known.check_hosts(known.members)

    assert {"{within=7d}": 1.0, "{within=14d}": 2.0, "{within=30d}": 2.0} == named(
        service, "patchwave_coverage_expiring_hosts"
    )


def _covered(name: str, until: date) -> Tool:
    return Tool(name=name, state=ToolState.READY, deep=Deep(coverage_until=until))


def test_the_oldest_check() -> None:
    """When the host that was seen longest ago was last seen."""
    assert START.timestamp() == samples(known_service())["patchwave_oldest_check_timestamp_seconds"]


def test_rollouts_and_their_hosts() -> None:
    """Rollouts by state, attempts by outcome and the plan's tool."""
    service = known_service()
    rolled_out(service)
    assert {"{state=failed}": 1.0} == named(service, "patchwave_rollouts")
    assert {"{outcome=refused,tool=klp}": 1.0} == named(service, "patchwave_rollout_hosts_total")


class _Counting:
    """Attempts that tell whose outcomes were read."""

    def __init__(self, attempts: FakeAttempts) -> None:
        self._attempts, self.read = attempts, list[str]()

    def __getattr__(self, name: str) -> object:
        return getattr(self._attempts, name)

    def outcomes(self, rollout_id: str) -> Mapping[str, Outcome]:
        self.read.append(rollout_id)
        return self._attempts.outcomes(rollout_id)


def test_a_rollout_is_counted_again_only_once_it_moved() -> None:
    """A scrape does not read every rollout that ever was; one that moved has its new outcomes."""
    service = known_service()
    ended = rolled_out(service)
    store = service.known.store
    store.attempts = counting = cast("FakeAttempts", _Counting(store.attempts))
    read = cast("_Counting", counting).read
    assert [{"{outcome=refused,tool=klp}": 1.0}] * 3 == [
        named(service, "patchwave_rollout_hosts_total") for _ in range(3)
    ]
    assert [ended] == read

    store.rollouts.create(store.rollouts.load(ended).model_copy(update={"id": "later", "state_name": "running"}))
    assert {"{state=failed}": 1.0, "{state=running}": 1.0} == named(service, "patchwave_rollouts")
    lease = store.leases.acquire("later", "engine", START, 60)
    row = store.rollouts.load("later")
    known = store.attempts.of_rollout(ended)[0]
    intent = known.model_copy(update={"id": "a2", "rollout_id": "later"})
    outcome = Outcome(attempt_id="a2", code=OutcomeCode.DONE, finished_at=START)
    store.rollouts.commit(row=row, lease=lease, events=[], intents=[intent], outcomes=[outcome])
    assert {"{outcome=refused,tool=klp}": 1.0, "{outcome=done,tool=klp}": 1.0} == named(
        service, "patchwave_rollout_hosts_total"
    )
    assert [ended, "later", "later"] == read


def test_checks_of_this_process_are_timed() -> None:
    """From their start to their end."""
    service = known_service()
    known = service.known
    known.eyes.takes = 2.0
    known.check_hosts(known.members[:2], on_result=service.metrics.observe_check)
    assert (2.0, 4.0) == tuple(samples(service)[f"patchwave_check_duration_seconds_{key}"] for key in ("count", "sum"))


def test_per_host_gauges_only_when_asked() -> None:
    """By default no label has as many values as there are hosts."""
    assert "patchwave_host_exposed" not in families(known_service())
    assert {"{host=a}": 0.0, "{host=b}": 2.0, "{host=gone}": 2.0} == named(
        known_service(per_host=True), "patchwave_host_exposed"
    )


def test_no_label_grows_with_the_fleet() -> None:
    """A fleet ten times as large has the same series, and no label but those of the design."""
    small, large = fleet_of(3), fleet_of(30)
    labels = {label for family in parse(large.text()) for one in family.samples for label in one.labels}

    assert set(samples(small)) == set(samples(large))
    assert set() == labels - {"version", "severity", "tool", "clock", "state", "remedy", "outcome", "le", "within"}


def fleet_of(hosts: int) -> Service:
    """So many hosts, all patched."""
    service = Service(*(f"h{n:02}" for n in range(hosts)))
    known = service.known
    known.store.catalogue.add(LAB_1)
    for seen in (facts(), facts(live("LAB-0001"))):
        known.eyes.shows = {f"h{n:02}": seen for n in range(hosts)}
        known.check_hosts(known.members)
    return service
