"""A module that is on the host already, loaded and unloaded by kpatch under the real guard."""

from pathlib import Path

import pytest

from orchestrator.backends.guard import GuardAnswer, GuardExit, GuardState
from orchestrator.core.attempts import Action
from orchestrator.core.facts import PatchState
from orchestrator.core.offers import Offer
from tests.backends.guarded_host import GuardedHost
from tests.backends.kpatch import test_kpatch_actions as catalogue
from tests.backends.kpatch.test_kpatch_actions import calls, carried_out, last, states
from tests.backends.local_host import RELEASE, SHELLS, LocalHost, make_attempt, make_work, module_bytes
from tests.needs import require

pytestmark = pytest.mark.scripts

NAME = "lab_found"
OFFER = Offer(tool="kpatch", kernel=RELEASE, package=NAME, level=NAME)
FILE = f"var/lib/kpatch/{RELEASE}/lab-found.ko"

KPATCH = catalogue.KPATCH.replace(
    "case $1 in\n  load)",
    'if [ "$1" = load ] && [ ! -f "$2" ]; then set -- load "$(ls "$root/var/lib/kpatch/"*/lab-found.ko)"; fi\n'
    "case $1 in\n  load)",
)
"""Which finds a module by its name, too."""


@pytest.fixture(params=SHELLS)
def host(request: pytest.FixtureRequest, tmp_path: Path) -> GuardedHost:
    """A host with each of the shells, kpatch and that module."""
    require(request.param)
    return prepared(LocalHost(tmp_path / "root", request.param))


@pytest.fixture
def dash(tmp_path: Path) -> GuardedHost:
    """A host with dash, for what does not depend on the shell."""
    require("dash")
    return prepared(LocalHost(tmp_path / "root", "dash"))


def prepared(local: LocalHost) -> GuardedHost:
    """With kpatch and an installed module."""
    guarded = GuardedHost(local, "")
    guarded.bring(KPATCH, "kpatch")
    install(guarded, b"")
    return guarded


def install(host: GuardedHost, modinfo: bytes, file: str = FILE) -> None:
    """Somebody installed it."""
    host.local.write(file, "")
    (host.local.root / file).write_bytes(module_bytes(NAME, "0f" * 20) + b"\0" + modinfo + b"\0")


def finished(
    host: GuardedHost, action: Action = Action.APPLY, attempt: str = "A1", offer: Offer = OFFER, limit: int = 2
) -> GuardAnswer:
    """Start it, and wait for its end."""
    sent = make_attempt(action, attempt).model_copy(update={"patch_id": "kpatch", "build_sha256": None})
    work = make_work(action, payload=offer, patch=None, module=b"", limit_seconds=limit)
    return carried_out(host, work.model_copy(update={"attempt": sent}))


def test_it_is_loaded_by_its_name(host: GuardedHost) -> None:
    """Nothing is sent, and once more changes nothing."""
    answer = finished(host)

    assert (GuardState.FINISHED, GuardExit.DONE) == (answer.state, answer.code), answer.text
    assert ([f"load {NAME}"], {NAME: PatchState.APPLIED}) == (calls(host), states(host))
    assert (GuardExit.DONE, 1, 1) == (finished(host, attempt="A2").code, len(calls(host)), host.local.enabling_lines())


def test_it_alone_is_unloaded(host: GuardedHost) -> None:
    """Somebody loaded another one since: that stays; and the file stays installed. Once more is done already."""
    finished(host)
    host.local.load("lab_other", "ee" * 20)

    codes = [finished(host, Action.REVERT, attempt).code for attempt in ("A2", "A3")]

    assert ([GuardExit.DONE] * 2, {"lab_other": PatchState.APPLIED}) == (codes, states(host))
    assert [f"load {NAME}", f"unload {NAME}"] == calls(host)
    assert [True, False] == [(host.local.root / path).exists() for path in (FILE, f"sys/module/{NAME}")]


def test_a_stall_is_kpatchs_to_revert(dash: GuardedHost) -> None:
    """With the same exit code and words as for a module of the catalogue."""
    dash.local.fault("transition", "never")

    answer = finished(dash)

    assert (GuardExit.STALLED_REVERTED, {}) == (answer.code, states(dash))
    assert "blocking 1247 java" in answer.text.splitlines()


def test_a_kpatch_that_had_to_be_ended_is_followed_by_the_guard(dash: GuardedHost) -> None:
    """The transition that it began is reverted."""
    dash.local.fault("transition", "never")
    dash.bring(KPATCH.replace("1 2 3 4 5", "$(seq 400)"), "kpatch")

    assert (GuardExit.STALLED_REVERTED, {}) == (finished(dash, limit=1).code, states(dash))


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("Required key not available", GuardExit.SIGNATURE_REQUIRED),
        ("Invalid module format", GuardExit.MODULE_FORMAT),
        ("Cannot allocate memory", GuardExit.INSERT_FAILED),
    ],
)
def test_the_words_of_insmod_count(dash: GuardedHost, words: str, code: GuardExit) -> None:
    """As for a module of the catalogue."""
    dash.local.fault("insmod", words)

    answer = finished(dash)

    assert (code, {}, True) == (answer.code, states(dash), last(answer).endswith(f": {words}"))


def test_a_success_that_the_kernel_knows_nothing_of_is_none(dash: GuardedHost) -> None:
    """Whatever kpatch says."""
    dash.bring("exit 0", "kpatch")

    assert (GuardExit.NOT_LIVE, {}) == (finished(dash).code, states(dash))


@pytest.mark.parametrize("file", [f"var/lib/kpatch/{RELEASE}/lab-other.ko", "var/lib/kpatch/6.1.0-other/lab-found.ko"])
def test_what_is_not_installed_for_this_kernel_is_not_loaded(dash: GuardedHost, file: str) -> None:
    """Gone since it was offered, or there for another kernel alone."""
    (dash.local.root / FILE).unlink()
    install(dash, b"", file)

    answer = finished(dash)

    assert (GuardExit.NOTHING_OFFERED, []) == (answer.code, calls(dash))
    assert f"{NAME} is not installed for {RELEASE}" == last(answer)


@pytest.mark.parametrize(
    ("modinfo", "code"),
    [
        (b"name=lab_found", GuardExit.DONE),
        (b"name=lab_inside", GuardExit.NOTHING_OFFERED),
        (b"name=%s", GuardExit.DONE),
        (b"name=mtu\0name=lab_found", GuardExit.DONE),
    ],
)
def test_a_file_that_holds_a_module_of_another_name_is_not_loaded(
    dash: GuardedHost, modinfo: bytes, code: GuardExit
) -> None:
    """It could neither be verified nor taken out again by the name that was offered."""
    install(dash, modinfo)

    assert code == finished(dash).code


def test_beside_another_patch_in_force_it_is_not_loaded(dash: GuardedHost) -> None:
    """It might replace that one; one that is disabled is in nobody's way."""
    dash.local.load("lab_other", "ee" * 20)
    codes = [finished(dash).code]
    assert [] == calls(dash)

    dash.local.write("sys/kernel/livepatch/lab_other/enabled", "0\n")

    assert [GuardExit.FOREIGN_PATCH, GuardExit.DONE] == [*codes, finished(dash, attempt="A2").code]


@pytest.mark.parametrize(
    ("enabled", "transition", "code"),
    [
        ("1", "0", GuardExit.DONE),
        ("1", "1", GuardExit.TRANSITION_UNDER_WAY),
        ("0", "1", GuardExit.TRANSITION_UNDER_WAY),
        ("0", "0", GuardExit.FOREIGN_PATCH),
    ],
)
def test_what_somebody_else_did_with_it_is_left_so(
    dash: GuardedHost, enabled: str, transition: str, code: GuardExit
) -> None:
    """In force already is what was wanted; a transition that does not end, and one who disabled it, are not ours."""
    dash.local.load(NAME, "0f" * 20, transition=transition)
    dash.local.write(f"sys/kernel/livepatch/{NAME}/enabled", f"{enabled}\n")
    before = states(dash)

    assert (code, [], before) == (finished(dash, limit=1).code, calls(dash), states(dash))


@pytest.mark.parametrize("package", [None, "lab.found", "lab-found"])
@pytest.mark.parametrize("action", [Action.APPLY, Action.REVERT])
def test_what_is_no_name_of_a_module_is_not_acted_upon(dash: GuardedHost, package: str | None, action: Action) -> None:
    """Least of all nothing: that would be every module."""
    dash.local.load("lab_other", "ee" * 20)

    answer = finished(dash, action, offer=OFFER.model_copy(update={"package": package}))

    assert (GuardExit.USAGE, []) == (answer.code, calls(dash))


def test_another_boot_or_kernel_is_refused(dash: GuardedHost) -> None:
    """Nothing was changed."""
    codes = [finished(dash, offer=OFFER.model_copy(update={"kernel": "6.1.0-other"})).code]
    dash.local.write("proc/sys/kernel/random/boot_id", "99999999-2222-3333-4444-555555555555\n")

    assert [GuardExit.WRONG_BUILD, GuardExit.WRONG_BOOT] == [*codes, finished(dash, attempt="A2").code]
    assert [] == calls(dash)


def test_a_host_without_kpatch_is_refused(dash: GuardedHost) -> None:
    """Nothing was changed."""
    (dash.local.root / "stand-ins/kpatch").unlink()

    assert (GuardExit.TOOL_MISSING, {}) == (finished(dash).code, states(dash))


@pytest.mark.parametrize("action", [Action.PERSIST, Action.PIN, Action.UNPIN])
def test_nothing_else_can_be_done_with_it(dash: GuardedHost, action: Action) -> None:
    """Whoever installed it decided what comes back at boot."""
    assert (GuardExit.USAGE, []) == (finished(dash, action).code, calls(dash))
