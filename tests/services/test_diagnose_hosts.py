"""The doctor: which step failed, and what that says of the others."""

import pytest

from orchestrator import errors
from orchestrator.core.diagnosis import Health, Result, Step, diagnose_error, diagnose_facts
from orchestrator.core.facts import Tool, ToolState
from orchestrator.errors import AuthenticationFailed, HostError, JumpFailed
from orchestrator.services.diagnose_hosts import PATCHING, DiagnoseHosts
from tests.core.exposure_builders import facts
from tests.fakes.dispatchers import InlineDispatcher
from tests.services.fleets import Checked

STEPS = {
    "name_unresolved": Step.NAME,
    "unreachable": Step.PORT,
    "connection_refused": Step.PORT,
    "connect_timed_out": Step.PORT,
    "banner_timed_out": Step.PORT,
    "jump_failed": Step.PORT,
    "host_key_unknown": Step.KEY,
    "host_key_changed": Step.KEY,
    "host_certificate_unsupported": Step.KEY,
    "authentication_failed": Step.LOGIN,
    "key_unusable": Step.LOGIN,
    "session_broken": Step.SHELL,
    "connection_dropped": Step.SHELL,
    "command_timed_out": Step.SHELL,
    "output_too_large": Step.SHELL,
    "answer_garbled": Step.SHELL,
    "shell_unusable": Step.SHELL,
    "root_unavailable": Step.SUDO,
    "sudo_password_missing": Step.SUDO,
    "sudo_password_wrong": Step.SUDO,
    "sudo_refused": Step.SUDO,
    "sudo_missing": Step.SUDO,
    "host_error": Step.PORT,
    "patch_refused": Step.LIVE_PATCH,
    "wrong_build": Step.LIVE_PATCH,
    "build_unreadable": Step.LIVE_PATCH,
    "signature_required": Step.LIVE_PATCH,
    "livepatch_unsupported": Step.LIVE_PATCH,
    "needs_root": Step.LIVE_PATCH,
    "tool_not_ready": Step.LIVE_PATCH,
    "foreign_patch": Step.LIVE_PATCH,
    "transition_under_way": Step.LIVE_PATCH,
    "host_locked": Step.LIVE_PATCH,
    "host_disk_full": Step.LIVE_PATCH,
    "module_invalid": Step.LIVE_PATCH,
    "downgrade": Step.LIVE_PATCH,
    "tool_missing": Step.LIVE_PATCH,
    "tool_locked": Step.LIVE_PATCH,
    "tool_network": Step.LIVE_PATCH,
    "tool_conflict": Step.LIVE_PATCH,
    "unlicensed": Step.LIVE_PATCH,
    "nothing_offered": Step.LIVE_PATCH,
    "other_level": Step.LIVE_PATCH,
    "no_rollback": Step.LIVE_PATCH,
}


def host_errors() -> list[type[HostError]]:
    """Every class of the branch."""
    classes = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, HostError)]
    return sorted(classes, key=lambda one: one.code)


def test_every_host_error_has_its_step() -> None:
    """A new error has to say where it belongs."""
    assert STEPS == {one.code: failing(one) for one in host_errors()}


def failing(kind: type[HostError]) -> Step:
    """The step that fails with it."""
    return next(result.step for result in diagnose_error(kind("why")) if result.health is Health.FAIL)


@pytest.mark.parametrize("kind", host_errors(), ids=lambda one: one.code)
def test_steps_before_are_well_and_steps_after_are_not_tried(kind: type[HostError]) -> None:
    """Every step is told of, in its order; the failing one says why. What nothing proves is not called well."""
    results = diagnose_error(kind("why"))
    at = list(Step).index(failing(kind))

    assert list(Step) == [result.step for result in results]
    before = Health.NOT_TRIED if kind.code in {"jump_failed", "unreachable", "host_error"} else Health.OK
    assert {before} >= {result.health for result in results[:at]}
    assert (Health.FAIL, "why") == (results[at].health, results[at].detail)
    assert {Health.NOT_TRIED} >= {result.health for result in results[at + 1 :]}


def test_a_jump_host_that_failed_proves_no_name() -> None:
    """The name of a host behind it was never looked up."""
    assert (Step.NAME, Health.NOT_TRIED) == (
        (first := diagnose_error(JumpFailed("gate: down"))[0]).step,
        first.health,
    )


def diagnosed(unknown: dict[str, str]) -> dict[Step, Result]:
    """The steps of a check that came back with these fields unknown."""
    return {result.step: result for result in diagnose_facts(facts(unknown=unknown), PATCHING)}


@pytest.mark.parametrize(
    "why",
    ["needs_root", "root_unavailable", "sudo_password_missing", "sudo_password_wrong", "sudo_refused", "sudo_missing"],
)
def test_root_that_was_not_had_is_told_of_at_sudo(why: str) -> None:
    """Whatever the reason, unknown words of sudo's too; the shell did its part."""
    found = diagnosed({"root": why, "product_uuid": why})

    assert (Health.WARN, Health.OK) == (found[Step.SUDO].health, found[Step.SHELL].health)
    assert why in found[Step.SUDO].detail


def test_an_answer_that_was_cut_is_told_of_at_the_shell_and_at_sudo() -> None:
    """It broke off before root was reached."""
    cut = "answer_incomplete"
    found = diagnosed({"root": cut, "answer": cut, "kernel": cut})

    assert (Health.WARN, Health.WARN) == (found[Step.SUDO].health, found[Step.SHELL].health)
    assert "could not be read: answer, kernel" == found[Step.SHELL].detail


def test_what_only_one_file_lacks_says_nothing_of_sudo() -> None:
    """Root was had."""
    assert Health.OK == diagnosed({"lockdown": "absent"})[Step.SUDO].health


def tool(name: str, state: ToolState = ToolState.READY, **more: object) -> Tool:
    """A tool in that state."""
    return Tool.model_validate({"name": name, "state": state} | more)


@pytest.mark.parametrize(
    ("tools", "health", "detail"),
    [
        ([tool("klp"), tool("dnf", ToolState.ABSENT, detail="no dnf")], Health.OK, "klp"),
        (
            [tool("klp"), tool("canonical", ToolState.UNLICENSED, detail="no token")],
            Health.WARN,
            "klp; canonical is unlicensed: no token",
        ),
        ([tool("dnf", disagrees=("says too much",))], Health.WARN, "dnf; dnf says too much"),
        ([tool("dnf", ToolState.LOCKED)], Health.FAIL, "dnf is locked"),
        (
            [tool("klp", ToolState.ABSENT, detail="no CONFIG_LIVEPATCH"), tool("libcare")],
            Health.FAIL,
            "no live-patch tool; no CONFIG_LIVEPATCH",
        ),
        ([], Health.FAIL, "no live-patch tool"),
    ],
)
def test_the_last_step_is_whether_a_tool_can_patch_the_kernel(tools: list[Tool], health: Health, detail: str) -> None:
    """One that is ready is enough; what is there and is not ready is named. Patches of processes are another matter."""
    seen = facts().model_copy(update={"tools": tuple(tools)})

    found = {result.step: result for result in diagnose_facts(seen, PATCHING)}[Step.LIVE_PATCH]

    assert (health, detail) == (found.health, found.detail)


def test_many_hosts_are_diagnosed_beside_each_other_and_nothing_is_stored() -> None:
    """Each by its own check, in the order of the members."""
    fleet = Checked("b", "a")
    ready = Tool(name="klp", state=ToolState.READY)
    fleet.eyes.shows = {"a": facts().model_copy(update={"tools": (ready,)}), "b": AuthenticationFailed("no")}

    found = DiagnoseHosts(check=fleet.eyes, dispatcher=InlineDispatcher())(fleet.members)

    assert ["b", "a"] == list(found)
    assert {"b": Step.LOGIN, "a": None} == {
        name: next((one.step for one in results if one.health is Health.FAIL), None) for name, results in found.items()
    }
    assert {} == fleet.store.sightings.last_checks()
