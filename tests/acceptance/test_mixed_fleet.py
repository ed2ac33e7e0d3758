"""A rollout of what hosts' own tools offer over a fleet of all systems and tools, with random faults: what is said of
every host in the end is what is so, by the simulation's own truth."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest

from orchestrator.core.facts import Facts
from orchestrator.lab.simulated.faults import Faults
from orchestrator.lab.simulated.machines import describe
from orchestrator.lab.simulated.truth import Truth
from tests.acceptance.random_faults import KINDS, draw_for
from tests.acceptance.simulated import Simulate, SimulatedLab, hosts_of
from tests.lab.fleets import app_in
from tests.lab.in_force import LOADERS, NOTHING, said_of, truth_of
from tests.lab.simulated import eventually

DONE = ("patched", "already_patched")
AS_BEFORE = ("failed", "not_attempted")
"""States that promise a host as it was before."""

PLAYBOOK = {
    "apply": {"tool": "auto", "patch": None},
    "strategy": {"waves": ["40%", "100%"], "max_in_flight": 40, "per_site": 40},
    "budget": {"per_wave": 500, "total": 500},
    "limits": {"transition": "5s", "host": "20s"},
    "soak": "2s",
}


def test_every_fault_is_drawn() -> None:
    """The generator knows each that a simulated host can have."""
    told_with_others = {"drops_times", "drops_spare", "boot_seconds"}
    assert set(Faults.model_fields) == set(KINDS) | told_with_others


@pytest.mark.parametrize(("hosts", "seed"), [(200, 20_990_101), (40, 20_990_102)])
def test_what_a_rollout_over_the_mixed_fleet_says_is_so(simulate: Simulate, hosts: int, seed: int) -> None:
    """Faults before the first check and, on all but canaries, others from the plan on: whoever is called patched has
    the level in force that is told, in the boot in which it was patched; nobody who failed was changed; nobody who was
    left out was touched; no patch was enabled twice; and checks say of every host what is so, or less."""
    rng = Random(seed)
    lab = simulate(hosts=hosts, mixed=True, faults=draw_for(_names_of(hosts), rng, 0.15))
    end = _end_of_a_rollout(lab, rng, canaries_are_well=True)
    assert "succeeded" == end.rollout["state"], end.rollout["reason"]
    assert len(end.patched) > hosts // 3
    assert {"failed", "unreachable", "unknown"} & {host["state"] for host in end.states.values()}
    _without_faults_all_is_seen(lab)


def test_what_a_rollout_says_that_fails_with_its_canaries_is_so(simulate: Simulate) -> None:
    """The same of one whose canaries are in trouble as all others are: it stops, and says of nobody more than is so."""
    rng = Random(20_990_103)
    lab = simulate(hosts=40, mixed=True, faults=draw_for(_names_of(40), rng, 0.15))
    end = _end_of_a_rollout(lab, rng, canaries_are_well=False)
    assert "failed" == end.rollout["state"]
    _without_faults_all_is_seen(lab)


def _end_of_a_rollout(lab: SimulatedLab, rng: Random, *, canaries_are_well: bool) -> "End":
    """Check, plan, more faults, roll out; what is said in the end, compared with what is so."""
    lab.product.run("scan", "--deep")
    playbook = lab.playbook(**PLAYBOOK)
    plan = lab.product.ok("plan", playbook, "--json").json
    _change_faults(lab, plan, rng, canaries_are_well=canaries_are_well)
    before = lab.fleet.truth()
    rollout = _roll_out(lab, playbook)
    end = End(lab=lab, plan=plan, rollout=rollout, before=before, after=lab.fleet.truth(), facts=_facts(lab))
    mismatches = end.mismatches()
    assert not mismatches, "\n".join(mismatches)
    return end


def _names_of(hosts: int) -> tuple[str, ...]:
    return tuple(machine.name for machine in describe(hosts, mixed=True))


def _change_faults(lab: SimulatedLab, plan: Mapping[str, Any], rng: Random, *, canaries_are_well: bool) -> None:
    """Of the hosts in the plan half get into trouble now; canaries that fail end the rollout."""
    canaries = [host["name"] for host in plan["hosts"] if host["is_canary"] and canaries_are_well]
    for name in canaries:
        lab.fleet.host(name).set()
    others = [host["name"] for host in plan["hosts"] if host["name"] not in canaries]
    for name, faults in draw_for(others, rng, 0.5).items():
        lab.fleet.host(name).set(**faults.model_dump())


def _roll_out(lab: SimulatedLab, playbook: str) -> dict[str, Any]:
    """To its end: one that is held because a host drifted goes on by an operator's order."""
    ended = lab.product.run("rollout", "start", playbook, "--yes", "--json")
    while (rollout := lab.rollouts()[0])["state"] == "held":
        lab.product.run("rollout", "resume", rollout["id"])
    assert ended.exit_code in (0, 1), ended
    return rollout


def _facts(lab: SimulatedLab) -> dict[str, Facts]:
    """What is stored of every host that was ever seen."""
    app = app_in(lab.product.home)
    try:
        members = app.fleet().members
        latest = app.store.sightings.latest([member.record.id for member in members])
        return {member.host.name: latest[member.record.id].facts for member in members if member.record.id in latest}
    finally:
        app.close()


@dataclass(frozen=True, kw_only=True)
class End:
    """The end of a rollout, from both sides."""

    lab: SimulatedLab
    plan: Mapping[str, Any]
    rollout: Mapping[str, Any]
    before: Mapping[str, Truth]
    after: Mapping[str, Truth]
    facts: Mapping[str, Facts]

    @property
    def states(self) -> dict[str, dict[str, Any]]:
        """The rollout's hosts by name."""
        return hosts_of(self.rollout)

    @property
    def tools(self) -> dict[str, str]:
        """The tool that was to patch each host of the plan."""
        return {host["name"]: host["backend"] for host in self.plan["hosts"]}

    @property
    def patched(self) -> list[str]:
        """Whom the rollout calls patched."""
        return [name for name, host in self.states.items() if host["state"] in DONE]

    def mismatches(self) -> list[str]:
        """Where what is said is not so, one line each."""
        found = [
            *self._patched_and_not_so(),
            *self._failed_and_changed(),
            *self._left_out_and_changed(),
            *self._twice(),
            *(line for name in self.facts for line in self._seen_and_not_so(name)),
        ]
        return [f"{line}; faults {self._faults(line.split()[0])}" for line in found]

    def _faults(self, name: str) -> str:
        return self.lab.fleet.host(name).server.faults.model_dump_json(exclude_defaults=True)

    def _patched_and_not_so(self) -> list[str]:
        return [
            f"{name} is called {self.states[name]['state']} with {said} of {tool}, and has {so}"
            for name in self.patched
            if (so := truth_of(self.after[name], tool := self.tools[name])) != (said := said_of(self.facts[name], tool))
            or so == NOTHING
            or self.before[name].boot_id != self.after[name].boot_id
        ]

    def _failed_and_changed(self) -> list[str]:
        return [
            f"{name} is called {host['state']} ({host['detail']}), and {self.after[name].tools} is in force"
            for name, host in self.states.items()
            if host["state"] in AS_BEFORE and self._is_changed(name)
        ]

    def _left_out_and_changed(self) -> list[str]:
        outside = [name for name in self.before if name not in self.states]
        return [f"{name} was left out, and {self.after[name]} is so" for name in outside if self._is_changed(name)]

    def _is_changed(self, name: str) -> bool:
        """By us: the tool's own agent may change what it likes."""
        before, after = self.before[name], self.after[name]
        is_other = (before.in_force, before.boot_id, before.tools) != (after.in_force, after.boot_id, after.tools)
        return is_other and self.lab.fleet.host(name).server.faults.agent_outruns is None

    def _twice(self) -> list[str]:
        return [
            f"{name} enabled {module} {count} times"
            for name, truth in self.after.items()
            for module, count in truth.enabled_count.items()
            if truth.boot_id == self.before[name].boot_id and count - self.before[name].enabled_count.get(module, 0) > 1
        ]

    def _seen_and_not_so(self, name: str) -> list[str]:
        """The last check of a host that did not reboot since says no more than is so."""
        facts, truth = self.facts[name], self.after[name]
        if facts.boot_id != truth.boot_id:
            return []
        return [
            f"{name} is seen with {said} of {tool.name}, and has {so}"
            for tool in facts.tools
            if tool.name not in LOADERS
            if not (said := said_of(facts, tool.name)).is_no_more_than(so := truth_of(truth, tool.name))
        ]


def _is_seen_in_its_boot(lab: SimulatedLab) -> bool:
    """Whether a scan reaches every host, in the boot that it still is in."""
    scan = lab.product.run("scan", "--json")
    truth = lab.fleet.truth()
    return scan.json["unreachable"] == 0 and all(
        host["boot_id"] == truth[host["name"]].boot_id for host in scan.json["hosts"]
    )


def _without_faults_all_is_seen(lab: SimulatedLab) -> None:
    """Once nothing is wrong with the hosts any more, a check sees of every tool exactly what is so."""
    eventually(lambda: not any(lab.fleet.host(name).server.is_rebooting for name in lab.fleet.names), 240)
    stalled = {name for name in lab.fleet.names if lab.fleet.host(name).server.faults.stalls}
    for name in lab.fleet.names:
        lab.fleet.host(name).set()
    eventually(
        lambda: all(truth.in_transition is None for name, truth in lab.fleet.truth().items() if name not in stalled),
        120,
    )
    # A reboot that a fault had set off before may still come.
    eventually(lambda: _is_seen_in_its_boot(lab), 240)
    facts, truth = _facts(lab), lab.fleet.truth()
    assert len(lab.fleet.names) == len(facts)
    differing = {
        f"{name} {tool.name}": (said, so)
        for name, seen in facts.items()
        for tool in seen.tools
        if tool.name not in LOADERS
        if (said := said_of(seen, tool.name)) != (so := truth_of(truth[name], tool.name))
    }
    assert {} == differing, json.dumps(differing, default=str)
