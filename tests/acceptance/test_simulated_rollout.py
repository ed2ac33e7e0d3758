"""Rollouts over a simulated fleet, through the installed command: what we say is what is so, whatever goes wrong."""

import random
import sqlite3
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from orchestrator.lab.simulated.faults import Faults
from tests.acceptance.product import kill
from tests.acceptance.simulated import Simulate, SimulatedLab, host_states, hosts_of
from tests.lab.simulated import eventually

FIRST = "CVE-2099-0001"
PATCHED = ("lab_0001",)
KILLS, SEED = 15, 20_990_001


def test_fleet_is_patched_and_what_we_say_is_true(simulate: Simulate) -> None:
    """30 hosts, three kernel builds, three ways to become root: all patched once, none rebooted, all windows closed."""
    lab = simulate(hosts=30)
    before = lab.fleet.truth()
    assert lab.product.ok("scan", "--json").json["reachable"] == 30
    assert lab.states(FIRST) == {"exposed": 30}
    rollout = lab.product.ok("rollout", "start", lab.playbook(), "--yes", "--json").json
    assert (rollout["state"], host_states(rollout)) == ("succeeded", {"patched": 30})
    assert [3, 6, 21] == [len(wave["hosts"]) for wave in rollout["waves"]]
    truth = lab.fleet.truth()
    assert dict.fromkeys(lab.fleet.names, PATCHED) == lab.in_force()
    assert [{"lab_0001": 1}] * 30 == [one.enabled_count for one in truth.values()]
    assert {name: one.boot_id for name, one in before.items()} == {name: one.boot_id for name, one in truth.items()}
    assert (lab.states(FIRST), lab.attempts("apply")) == ({"covered": 30}, Counter(lab.fleet.names))
    again = lab.product.ok("rollout", "start", lab.playbook(), "--yes", "--json").json
    assert (again["waves"], lab.attempts("apply").total()) == ([], 30)


def test_a_rollback_reopens_the_windows(simulate: Simulate) -> None:
    """It says so before, as the plan did, takes every patch out, and the hosts are exposed again."""
    lab = simulate(hosts=6)
    lab.product.ok("scan")
    planned = lab.product.ok("plan", lab.playbook(), "--json").json["rollback_reopens"]
    rollout = lab.product.ok("rollout", "start", lab.playbook(), "--yes", "--json").json
    back = lab.product.ok("rollout", "rollback", rollout["id"], "--yes", "--json")
    assert f"web-001: will be exposed again to {FIRST}" in back.stderr
    assert (back.json["state"], host_states(back)) == ("rolled_back", {"reverted": 6})
    assert planned == back.json["reopens"] == [[name, FIRST] for name in sorted(lab.fleet.names)]
    assert set(lab.in_force().values()) == {()}
    assert lab.states(FIRST) == {"exposed": 6}


def test_a_stall_is_reverted_and_the_blocking_task_named(simulate: Simulate) -> None:
    """The host is as it was before, the wave's other hosts are patched, and the next wave does not start."""
    lab = simulate(hosts=12)
    lab.product.ok("scan")
    plan = lab.product.ok("plan", lab.playbook(), "--json").json
    names = {host["host_id"]: host["name"] for host in plan["hosts"]}
    stalling = names[plan["waves"][1]["host_ids"][0]]
    lab.fleet.host(stalling).set(stalls=True)
    ended = lab.product.run("rollout", "start", lab.playbook(limits={"transition": "3s"}), "--yes", "--json")
    assert (ended.exit_code, ended.json["state"]) == (1, "failed")
    host = hosts_of(ended.json)[stalling]
    assert host["state"] == "failed"
    assert "blocked by kswapd0 (57)" in host["detail"]
    assert [("done"), ("failed"), ("not_started")] == [wave["state"] for wave in ended.json["waves"]]
    truth = lab.fleet.truth()[stalling]
    assert (truth.in_force, truth.in_transition, truth.disabled_count) == ((), None, {"lab_0001": 1})
    _what_we_say_is_true(lab, ended.json)


def _what_we_say_is_true(lab: SimulatedLab, rollout: dict[str, object]) -> None:
    """Hosts that we call patched are, and all others are not."""
    said = {name: host["state"] == "patched" for name, host in hosts_of(rollout).items()}
    assert said == {name: forced == PATCHED for name, forced in lab.in_force().items() if name in said}


def test_unreachable_hosts_count_against_the_budget(simulate: Simulate) -> None:
    """They cannot be reached when their turn comes: the wave fails once they are more than it may lose."""
    lab = simulate(hosts=20)
    lab.product.ok("scan")
    plan = lab.product.ok("plan", lab.playbook(), "--json").json
    names = {host["host_id"]: host["name"] for host in plan["hosts"]}
    gone = [names[host_id] for host_id in plan["waves"][1]["host_ids"][:2]]
    for name in gone:
        lab.fleet.host(name).set(refuses=True)
    strict = lab.playbook(budget={"per_wave": 1, "total": 1}, limits={"transition": "3s", "host": "6s"})
    ended = lab.product.run("rollout", "start", strict, "--yes", "--json")
    assert (ended.exit_code, ended.json["state"]) == (1, "failed")
    assert dict.fromkeys(gone, "unreachable") == {name: hosts_of(ended.json)[name]["state"] for name in gone}
    assert host_states(ended)["not_attempted"] > 0
    _what_we_say_is_true(lab, ended.json)


def test_a_few_lost_hosts_are_within_the_budget(simulate: Simulate) -> None:
    """The rollout ends with all others patched, and exits 1: not every host has it."""
    lab = simulate(hosts=12)
    lab.product.ok("scan")
    lab.fleet.host("web-010").set(refuses=True)
    lenient = lab.playbook(budget={"per_wave": 1, "total": 1}, limits={"transition": "3s", "host": "6s"})
    ended = lab.product.run("rollout", "start", lenient, "--yes", "--json")
    states = host_states(ended)
    assert (states["patched"] + states["not_attempted"], states["unreachable"]) == (11, 1)
    _what_we_say_is_true(lab, ended.json)


def test_lies_are_not_believed(simulate: Simulate) -> None:
    """insmod says that it went well and loaded nothing: the host is not called patched, nor covered."""
    lab = simulate(hosts=1, faults={"web-001": Faults(lies=True)})
    lab.product.ok("scan")
    ended = lab.product.run("rollout", "start", lab.playbook(), "--yes", "--json")
    assert (ended.exit_code, hosts_of(ended.json)["web-001"]["state"]) == (1, "failed")
    assert lab.states(FIRST) == {"exposed": 1}


@pytest.mark.parametrize(
    ("faults", "state"),
    [
        (Faults(rejects="Key was rejected by service"), "failed"),
        (Faults(disk_full=True), "failed"),
        (Faults(reboots_after=0.3, boot_seconds=1), "lost_after_patch"),
        (Faults(drops_after=0, drops_spare=1, drops_times=2), "patched"),
    ],
)
def test_what_befalls_a_host_is_told_as_it_is(simulate: Simulate, faults: Faults, state: str) -> None:
    """A kernel that refuses, a full disk, a reboot right after the patch, connections that drop."""
    lab = simulate(hosts=1)
    lab.product.ok("scan")
    lab.fleet.host("web-001").set(**faults.model_dump())
    ended = lab.product.run("rollout", "start", lab.playbook(soak="5s"), "--yes", "--json")
    assert hosts_of(ended.json)["web-001"]["state"] == state, hosts_of(ended.json)
    _what_we_say_is_true(lab, ended.json)


def test_read_only_mode_changes_nothing(simulate: Simulate) -> None:
    """Checks and plans work; a rollout is refused with exit code 4."""
    lab = simulate(hosts=3)
    lab.product.ok("scan", PATCHWAVE_READ_ONLY="true")
    lab.product.ok("plan", lab.playbook(), PATCHWAVE_READ_ONLY="true")
    refused = lab.product.run("rollout", "start", lab.playbook(), "--yes", PATCHWAVE_READ_ONLY="true")
    assert (refused.exit_code, lab.rollouts()) == (4, [])
    assert set(lab.in_force().values()) == {()}


def test_pause_resume_and_abort(simulate: Simulate) -> None:
    """A paused rollout starts nothing; resumed it goes on; an aborted one leaves what is patched as it is."""
    lab = simulate(hosts=12)
    lab.product.ok("scan")
    playbook = lab.playbook(soak="15s")  # longer than a busy machine takes to start the command that pauses it
    engine = lab.product.start("rollout", "start", playbook, "--yes", "--json")
    try:
        rollout = lab.wait_for(lambda row: row["waves"][0]["state"] == "soaking")
        lab.product.run("rollout", "pause", rollout["id"])
        lab.wait_for(lambda row: row["state"] == "paused")
        engine.communicate(timeout=180)
    finally:
        kill(engine)
    assert lab.attempts("apply").total() == 3
    engine = lab.product.start("rollout", "resume", rollout["id"], "--json")
    try:
        lab.wait_for(lambda row: row["waves"][1]["state"] == "soaking")
        lab.product.run("rollout", "abort", rollout["id"])
        final = lab.wait_for(lambda row: row["state"] == "aborted")
        engine.communicate(timeout=180)
    finally:
        kill(engine)
    assert host_states(final)["not_attempted"] == 12 - lab.attempts("apply").total()
    _what_we_say_is_true(lab, final)


def test_a_second_controller_is_refused_by_name(simulate: Simulate, tmp_path: Path) -> None:
    """While one controller's attempts run on two hosts, another one's are refused on both, and told who has them:
    nothing of its own is begun there, and it exits with 1."""
    lab = simulate(hosts=2, faults={"*": Faults(stalls=True)})
    first, second = lab.controller(tmp_path / "a", "alpha"), lab.controller(tmp_path / "b", "beta")
    for controller in (first, second):
        controller.ok("scan")
    playbook = lab.playbook(limits={"transition": "40s", "host": "1m"})
    engine = first.start("rollout", "start", playbook, "--yes", "--json")
    try:
        eventually(lambda: all(one.in_transition is not None for one in lab.fleet.truth().values()), 180)
        before = (lab.fleet.truth(), _begun(lab))
        ended = second.run("rollout", "start", playbook, "--yes", "--json")
        assert before == (lab.fleet.truth(), _begun(lab))
    finally:
        kill(engine)
    assert (ended.exit_code, ended.json["state"]) == (1, "failed")
    hosts = hosts_of(ended.json)
    assert dict.fromkeys(lab.fleet.names, ("failed", True)) == {
        name: (host["state"], "alpha" in host["detail"]) for name, host in hosts.items()
    }


def _begun(lab: SimulatedLab) -> dict[str, tuple[str, list[str]]]:
    """Who holds each host, and what its guard keeps of attempts."""
    runs = {name: lab.fleet.host(name).root / "run/patchwave" for name in lab.fleet.names}
    return {
        name: ((run / "lock/controller").read_text(), sorted(one.name for one in run.iterdir()))
        for name, run in runs.items()
    }


def test_a_controller_killed_at_any_instant_patches_every_host_once(simulate: Simulate) -> None:
    """SIGKILLed again and again, each time at another instant, and resumed until the end: every host is patched exactly
    once, by one intent, and every final state is true."""
    lab = simulate(hosts=30, faults={"*": Faults(transition=0.8)})
    lab.product.ok("scan")
    playbook, instants, struck = lab.playbook(soak="3s"), random.Random(SEED), 0
    for number in range(KILLS):
        rollout = next(iter(lab.rollouts()), None)
        if rollout is not None and rollout["state"] == "succeeded":
            break
        words = ("resume", rollout["id"]) if rollout else ("start", playbook, "--yes")
        engine = lab.product.start("rollout", *words)
        struck += _let_it_drive(lab, engine, instants.uniform(0, 2.5))
        kill(engine)
        if number % 5 != 4:  # now and then the lease of the dead runs out by itself
            _end_lease(lab)
    assert struck >= KILLS // 2
    rollout = lab.rollouts()[0]
    if rollout["state"] != "succeeded":
        lab.product.ok("rollout", "resume", rollout["id"])
    final = lab.rollouts()[0]
    assert (final["state"], host_states(final)) == ("succeeded", {"patched": 30})
    assert lab.attempts("apply") == Counter(lab.fleet.names)
    assert [{"lab_0001": 1}] * 30 == [truth.enabled_count for truth in lab.fleet.truth().values()]
    assert {PATCHED} == set(lab.in_force().values())
    assert lab.states(FIRST) == {"covered": 30}


def _let_it_drive(lab: SimulatedLab, engine: "subprocess.Popen[str]", seconds: float) -> bool:
    """Wait until it holds the lease, and then that long; whether it still drives."""
    eventually(lambda: engine.poll() is not None or f":{engine.pid}:" in _holders(lab), 120)
    try:
        engine.wait(seconds)
    except subprocess.TimeoutExpired:
        return True
    return False


def _holders(lab: SimulatedLab) -> str:
    with sqlite3.connect(lab.product.home / "patchwave.db") as database:
        rows = database.execute("SELECT holder FROM lease WHERE holder IS NOT NULL").fetchall()
    database.close()
    return " ".join(holder for (holder,) in rows)


def _end_lease(lab: SimulatedLab) -> None:
    """What fifteen seconds do: its holder is dead."""
    with sqlite3.connect(lab.product.home / "patchwave.db") as database:
        database.execute("UPDATE lease SET holder = NULL")
    database.close()
