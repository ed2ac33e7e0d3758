"""kpatch's actions under the real guard: a stand-in of kpatch that loads, waits and gives up as it does."""

from pathlib import Path

import pytest

from orchestrator.backends.base import Work
from orchestrator.backends.guard import GuardAnswer, GuardExit, GuardState
from orchestrator.backends.kpatch import Kpatch
from orchestrator.core.attempts import Action
from orchestrator.core.facts import PatchState
from tests.backends.guarded_host import GuardedHost, followed
from tests.backends.local_host import BUILD, RELEASE, SHELLS, LocalHost, make_work, module_bytes
from tests.needs import require

pytestmark = pytest.mark.scripts

KPATCH = r"""
root=$PATCHWAVE_ROOT sysfs=$PATCHWAVE_ROOT/sys/kernel/livepatch
wait_for() {
  for _ in 1 2 3 4 5; do
    [ "$(cat "$sysfs/$1/transition" 2>/dev/null)" = 1 ] || return 0
    sleep 0.1
  done
  return 1
}
unload() {
  echo "disabling patch module: $1"
  printf 0 | "$root/stand-ins/tee" "$sysfs/$1/enabled" >/dev/null
  wait_for "$1" || { echo "kpatch: transition stalled for $1" >&2; exit 1; }
  echo "unloading patch module: $1"
  "$root/stand-ins/rmmod" "$1" 2>/dev/null
}
case $1 in
  load)
    name=$(sed -n 's/^NAME=//p' "$2")
    echo "loading patch module: $2"
    "$root/stand-ins/insmod" "$2" || { echo "kpatch: failed to load module $2" >&2; exit 1; }
    wait_for "$name" && exit 0
    printf 'patch transition has stalled!\n\nStalled processes:\n1247 java\nstack:\n[<0>] futex_wait+0x1\n'
    echo "module $name did not complete its transition, unloading..."
    unload "$name"
    echo "kpatch: error: failed to load module $name (transition stalled)" >&2
    exit 1 ;;
  unload) unload "$2" ;;
  install)
    to=$root/var/lib/kpatch/$(cat "$root/proc/sys/kernel/osrelease")
    [ ! -e "$to/${2##*/}" ] || { echo "kpatch: ${2##*/} is already installed" >&2; exit 1; }
    mkdir -p "$to" && cp "$2" "$to" || exit 1
    echo "installing $2"
    [ -e "$root/stand-ins/systemctl" ] ;;
  uninstall) rm -f "$root/var/lib/kpatch/$3/$4"; echo "uninstalling $4 ($3)" ;;
esac
"""
INSTALLED = f"var/lib/kpatch/{RELEASE}/lab_0001.ko"


@pytest.fixture(params=SHELLS)
def host(request: pytest.FixtureRequest, tmp_path: Path) -> GuardedHost:
    """A host with each of the shells, and kpatch."""
    require(request.param)
    return prepared(LocalHost(tmp_path / "root", request.param))


@pytest.fixture
def dash(tmp_path: Path) -> GuardedHost:
    """A host with dash, for what does not depend on the shell."""
    require("dash")
    return prepared(LocalHost(tmp_path / "root", "dash"))


def prepared(local: LocalHost) -> GuardedHost:
    """With kpatch."""
    guarded = GuardedHost(local, "")
    guarded.bring(KPATCH, "kpatch")
    return guarded


def finished(host: GuardedHost, action: Action = Action.APPLY, attempt: str = "A1", **changes: object) -> GuardAnswer:
    """Start it, and wait for its end."""
    return carried_out(host, make_work(action, attempt, **changes))


def carried_out(host: GuardedHost, work: Work) -> GuardAnswer:
    """Start it, and wait for its end."""
    return followed(host.local, Kpatch(), work)


def last(answer: GuardAnswer) -> str:
    """What a person is told first."""
    return answer.text.strip().splitlines()[-1]


def calls(host: GuardedHost) -> list[str]:
    """What kpatch was told to do, without folders."""
    return [line.replace(f"{host.local.root}/", "") for line in host.local.read("calls/kpatch").splitlines()]


def states(host: GuardedHost) -> dict[str, PatchState]:
    """What sysfs says."""
    return {patch.name: patch.state for patch in host.local.facts().live_patches}


def test_the_uploaded_module_is_loaded_by_kpatch(host: GuardedHost) -> None:
    """Under its own name: old versions take it from the file's. Nothing of it stays in the attempt's folder."""
    answer = finished(host)

    assert (GuardState.FINISHED, GuardExit.DONE) == (answer.state, answer.code)
    assert (["load run/patchwave/A1/lab_0001.ko"], {"lab_0001": PatchState.APPLIED}) == (calls(host), states(host))
    assert [] == list((host.local.root / "run/patchwave/A1").glob("*.ko"))


def test_what_is_in_force_already_is_left_alone(dash: GuardedHost) -> None:
    """kpatch is not even called."""
    dash.local.load("lab_0001", BUILD.module_build_id)

    assert (GuardExit.DONE, []) == (finished(dash).code, calls(dash))


def test_a_stall_is_kpatchs_to_revert(dash: GuardedHost) -> None:
    """It says who blocks, and unloads the module; we look whether it did."""
    dash.local.fault("transition", "never")

    answer = finished(dash)

    assert (GuardExit.STALLED_REVERTED, {}) == (answer.code, states(dash))
    assert "blocking 1247 java" in answer.text.splitlines()
    assert not (dash.local.root / "sys/module/lab_0001").exists()


def test_a_kpatch_that_had_to_be_ended_is_followed_by_the_guard(dash: GuardedHost) -> None:
    """The transition went on without it: it is waited for, and reverted."""
    dash.local.fault("transition", "never")
    dash.bring(KPATCH.replace("1 2 3 4 5", "$(seq 400)"), "kpatch")

    answer = finished(dash, limit_seconds=1)

    assert (GuardExit.STALLED_REVERTED, {}) == (answer.code, states(dash))
    assert "kpatch did not end within 1 s and was ended" in answer.text


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("Required key not available", GuardExit.SIGNATURE_REQUIRED),
        ("Invalid module format", GuardExit.MODULE_FORMAT),
        ("Device or resource busy", GuardExit.BUSY),
        ("Cannot allocate memory", GuardExit.INSERT_FAILED),
    ],
)
def test_the_words_of_insmod_count(dash: GuardedHost, words: str, code: GuardExit) -> None:
    """kpatch hands them on, and says nothing of its own."""
    dash.local.fault("insmod", words)

    answer = finished(dash, limit_seconds=1)

    assert (code, {}) == (answer.code, states(dash))
    assert last(answer).endswith(f": {words}")


def test_a_busy_kernel_is_waited_for(dash: GuardedHost) -> None:
    """Up to the limit, beyond what kpatch itself tries."""
    dash.local.fault("insmod_once", "Device or resource busy")

    assert (GuardExit.DONE, 2) == (finished(dash).code, len(calls(dash)))


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ('echo "kpatch: can\'t find core module" >&2; exit 1', GuardExit.TOOL_FAILED),
        ("exit 0", GuardExit.NOT_LIVE),
    ],
)
def test_what_kpatch_says_is_not_believed(dash: GuardedHost, script: str, code: GuardExit) -> None:
    """An error without insmod's words, and a success that the kernel knows nothing of."""
    dash.bring(script, "kpatch")

    assert (code, {}) == (finished(dash).code, states(dash))


def test_a_host_without_kpatch_is_refused(dash: GuardedHost) -> None:
    """Nothing was changed."""
    (dash.local.root / "stand-ins/kpatch").unlink()

    assert (GuardExit.TOOL_MISSING, {}) == (finished(dash).code, states(dash))


def test_it_is_unloaded_by_kpatch(host: GuardedHost) -> None:
    """And nothing is left for the next boot."""
    finished(host)
    answer = finished(host, Action.REVERT, "A2")

    assert (GuardExit.DONE, {}) == (answer.code, states(host))
    assert ("unload lab_0001", True) == (calls(host)[-1], "nothing of lab_0001 is left" in answer.text)
    assert not (host.local.root / "sys/module/lab_0001").exists()


def test_a_patch_that_does_not_leave_is_said_to_stall(dash: GuardedHost) -> None:
    """kpatch gives up, and so do we after the limit."""
    finished(dash)
    dash.local.fault("revert", "never")

    answer = finished(dash, Action.REVERT, "A2", limit_seconds=1)

    assert (GuardExit.REVERT_STALLED, {"lab_0001": PatchState.REVERTING}) == (answer.code, states(dash))


def test_a_module_that_is_not_ours_is_not_touched(dash: GuardedHost) -> None:
    """Neither replaced nor unloaded."""
    dash.local.load("lab_0001", "ee" * 20)

    codes = [finished(dash).code, finished(dash, Action.REVERT, "A2").code]

    assert ([GuardExit.FOREIGN_PATCH] * 2, []) == (codes, calls(dash))


@pytest.mark.parametrize("with_systemctl", [True, False])
def test_it_is_installed_for_the_next_boot(dash: GuardedHost, *, with_systemctl: bool) -> None:
    """Also where there is no systemctl, though kpatch exits 1 then; and once more changes nothing."""
    if with_systemctl:
        dash.bring("exit 0", "systemctl")
    finished(dash)

    codes = [finished(dash, Action.PERSIST, attempt).code for attempt in ("A2", "A3")]

    assert [GuardExit.DONE] * 2 == codes
    assert module_bytes("lab_0001", "01" * 20) == (dash.local.root / INSTALLED).read_bytes()
    assert with_systemctl == ("enable kpatch.service\n" in dash.local.read("calls/systemctl"))


def test_what_could_not_be_enabled_is_not_left_behind(dash: GuardedHost) -> None:
    """A module that nobody loads at boot, or somebody later, is worse than none."""
    finished(dash)
    dash.bring("echo 'Failed to enable unit: Unit file kpatch.service does not exist.' >&2; exit 1", "systemctl")

    answer = finished(dash, Action.PERSIST, "A2")

    assert (GuardExit.PERSIST_FAILED, "") == (answer.code, dash.local.read(INSTALLED))


def test_what_is_not_in_force_is_not_persisted(dash: GuardedHost) -> None:
    """A bad patch must not come back at every boot."""
    assert (GuardExit.NOT_LIVE, []) == (finished(dash, Action.PERSIST).code, calls(dash))


def test_a_module_that_somebody_installed_stays(dash: GuardedHost) -> None:
    """Under the same name, with other content: neither replaced by persist nor removed by revert."""
    finished(dash)
    dash.local.write(INSTALLED, "somebody's")

    codes = [finished(dash, Action.PERSIST, "A2").code, finished(dash, Action.REVERT, "A3").code]

    assert ([GuardExit.FOREIGN_PATCH, GuardExit.DONE], "somebody's") == (codes, dash.local.read(INSTALLED))


def test_a_revert_removes_ours_for_all_kernels(dash: GuardedHost) -> None:
    """Whichever boots next: the very module, and those of the catalogue by the build id in them."""
    finished(dash)
    finished(dash, Action.PERSIST, "A2")
    note = b"\4\0\0\0\x14\0\0\0\3\0\0\0GNU\0" + b"\x0b" * 20
    for kernel, content in (("6.1.0-other", b"x" * 1000 + note), ("6.1.0-third", b"x" * 1000 + note[:-1] + b"\0")):
        dash.local.write(f"var/lib/kpatch/{kernel}/lab_0001.ko", "")
        (dash.local.root / f"var/lib/kpatch/{kernel}/lab_0001.ko").write_bytes(content)

    answer = finished(dash, Action.REVERT, "A3", ours=("0b" * 20,))

    left = sorted(path.parent.name for path in (dash.local.root / "var/lib/kpatch").glob("*/lab_0001.ko"))
    assert (GuardExit.DONE, ["6.1.0-third"], {}) == (answer.code, left, states(dash))
