"""Modules that somebody installed on simulated hosts for kpatch, and did not load: rolled out and taken out again."""

from collections import Counter

from orchestrator.lab.simulated.script import HostScript
from tests.acceptance.simulated import Simulate, SimulatedLab, host_states

HOST = HostScript(os="debian-12", tools=("kpatch",), offers=1)
MODULE = "lab_offered_1"


def test_what_is_on_the_hosts_is_rolled_out_and_taken_out_again(simulate: Simulate) -> None:
    """Each host gets its own, whatever its kernel; one on which nothing is installed is left out by name."""
    lab = simulate(4, {"*": HOST, "worker-004": HOST.model_copy(update={"offers": 0})})
    lab.product.ok("scan", "--deep")
    playbook = lab.playbook(apply={"tool": "auto", "patch": None})

    plan = lab.product.ok("plan", playbook, "--json").json
    assert [("worker-004", "no_tool")] == [(one["name"], one["reason"]) for one in plan["left_out"]]
    rollout = lab.product.ok("rollout", "start", playbook, "--yes", "--json").json

    assert ("succeeded", {"patched": 3}) == (rollout["state"], host_states(rollout))
    assert {(MODULE,): 3, (): 1} == Counter(lab.in_force().values())
    assert [] == _offered_again(lab, playbook)

    back = lab.product.ok("rollout", "rollback", rollout["id"], "--yes", "--json").json
    assert ("rolled_back", {"reverted": 3}) == (back["state"], host_states(back))
    assert {()} == set(lab.in_force().values())


def _offered_again(lab: SimulatedLab, playbook: str) -> list[str]:
    lab.product.ok("scan", "--deep")
    plan = lab.product.ok("plan", playbook, "--json").json
    assert {"already_patched": 3, "no_tool": 1} == Counter(one["reason"] for one in plan["left_out"])
    return [host["name"] for host in plan["hosts"]]
