"""The guard's real scripts, run by real shells on a host of files."""

import os
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestrator.backends.guard import GuardAnswer, GuardExit, GuardState
from orchestrator.backends.klp import Klp
from orchestrator.backends.klp.backend import PARTS
from orchestrator.backends.pieces import pieces
from orchestrator.core.attempts import Action
from orchestrator.core.facts import PatchState
from orchestrator.ports.ssh import Command
from tests.backends.local_host import (
    BOOT_ID,
    BUILD,
    KERNEL_BUILD,
    PATCH,
    SHELLS,
    LocalHost,
    eventually,
    lives,
    make_build,
    make_work,
    module_bytes,
    note,
)
from tests.needs import require

pytestmark = pytest.mark.scripts

KLP = Klp()


ALONE = """#!/bin/sh
mkdir "$PATCHWAVE_ROOT/alone" || echo overlap >>"$PATCHWAVE_ROOT/overlaps"
sleep 0.1
rmdir "$PATCHWAVE_ROOT/alone"
echo "Unknown symbol" >&2
exit 1
"""
"""An insmod that notices when another one runs beside it."""


SLOW_ONCE = """#!/bin/sh
if mkdir "$PATCHWAVE_ROOT/waiting" 2>/dev/null; then
    until [ -e "$PATCHWAVE_ROOT/faults/go" ]; do sleep 0.05; done
fi
exec /usr/bin/sha256sum
"""
"""A sha256sum that keeps the first upload waiting."""

NOTED_SYNC = """#!/bin/sh
mkdir -p "$PATCHWAVE_ROOT/calls"
echo "sync $*" >>"$PATCHWAVE_ROOT/calls/sync"
exec /usr/bin/sync "$@"
"""


@pytest.fixture(params=SHELLS)
def local(request: pytest.FixtureRequest, tmp_path: Path) -> LocalHost:
    """A host with each of the shells."""
    require(request.param)
    return LocalHost(tmp_path / "root", request.param)


@pytest.fixture
def dash(tmp_path: Path) -> LocalHost:
    """A host with dash, for what does not depend on the shell."""
    require("dash")
    return LocalHost(tmp_path / "root", "dash")


def start(local: LocalHost, work: object = None, nonce: str = "n1") -> GuardAnswer:
    """Start an attempt."""
    command = KLP.start(local.host, work or make_work(), nonce)  # type: ignore[arg-type]
    return KLP.answer(local.host, local.run(local.host, command), nonce)


def status(local: LocalHost, attempt: str = "A1") -> GuardAnswer:
    """Ask about one."""
    return KLP.answer(local.host, local.run(local.host, KLP.status(local.host, attempt, "q1")), "q1")


def finished(local: LocalHost, work: object = None, attempt: str = "A1") -> GuardAnswer:
    """Start one and wait for its end."""
    answer = start(local, work)
    if answer.state is not GuardState.REFUSED:
        eventually(lambda: status(local, attempt).state is not GuardState.RUNNING)
        answer = status(local, attempt)
    return answer


def state_of(local: LocalHost, name: str = "lab_0001") -> PatchState | None:
    """The patch's state by a check."""
    return next((patch.state for patch in local.facts().live_patches if patch.name == name), None)


def left_over(local: LocalHost) -> list[str]:
    """What the guard left below /run/patchwave beside the attempts' folders."""
    return sorted(path.name for path in (local.root / "run/patchwave").iterdir() if not (path / "rc").is_file())


def test_an_attempt_nobody_started_is_absent(local: LocalHost) -> None:
    """Status changes nothing and says absent, with the boot id."""
    answer = status(local)

    assert (GuardState.ABSENT, local.facts().boot_id) == (answer.state, answer.boot_id)
    assert not (local.root / "run/patchwave").exists()


def test_apply_brings_the_patch_in_force(local: LocalHost) -> None:
    """The module is inserted once, in force, its file removed, the lock free."""
    local.fault("transition", "1")

    answer = finished(local)

    assert (GuardExit.DONE, PatchState.APPLIED, 1) == (answer.code, state_of(local), local.enabling_lines())
    assert [] == left_over(local)
    assert not (local.root / "run/patchwave/A1/module.ko").exists()
    assert 0o700 == (local.root / "run/patchwave").stat().st_mode & 0o777


def test_a_stall_is_reported_and_reverted(local: LocalHost) -> None:
    """The blocking task is named with its stack, the patch taken out, the module removed."""
    local.fault("transition", "never")
    for pid, patch_state in (("7", "0"), ("8", "1")):
        task = f"proc/{pid}/task/{pid}"
        local.write(f"{task}/patch_state", f"{patch_state}\n")
        local.write(f"{task}/comm", "kswapd0\n")
        local.write(f"{task}/stack", "[<0>] kswapd+0x1/0x2\n")

    answer = finished(local)

    assert (GuardExit.STALLED_REVERTED, None) == (answer.code, state_of(local))
    assert "blocking 7 kswapd0\nstack [<0>] kswapd+0x1/0x2\nblocking tasks in all: 1" in answer.text
    assert not (local.root / "sys/module/lab_0001").exists()


def test_a_stall_that_cannot_be_reverted_says_so(dash: LocalHost) -> None:
    """Never force: the patch stays in transition, and the exit code tells."""
    dash.fault("transition", "never")
    dash.fault("revert", "never")

    answer = finished(dash)

    assert (GuardExit.STALLED_NOT_REVERTED, PatchState.REVERTING) == (answer.code, state_of(dash))


def test_another_transition_is_waited_for(local: LocalHost) -> None:
    """Nothing is inserted while another patch moves; then it is."""
    local.load("other", "ee" * 20, transition="1")
    start(local)
    assert "" == local.read("calls/insmod")

    local.write("sys/kernel/livepatch/other/transition", "0\n")
    eventually(lambda: status(local).state is GuardState.FINISHED)

    assert (GuardExit.DONE, PatchState.APPLIED) == (status(local).code, state_of(local))


def test_another_transition_without_end_is_a_refusal(dash: LocalHost) -> None:
    """After the limit nothing was inserted."""
    dash.load("other", "ee" * 20, transition="1")

    assert (GuardExit.TRANSITION_UNDER_WAY, "") == (finished(dash).code, dash.read("calls/insmod"))


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("Key was rejected by service", GuardExit.SIGNATURE_REQUIRED),
        ("Required key not available", GuardExit.SIGNATURE_REQUIRED),
        ("required key not available", GuardExit.SIGNATURE_REQUIRED),
        ("Operation not permitted", GuardExit.INSERT_FAILED),
        ("Invalid module format", GuardExit.MODULE_FORMAT),
        ("invalid module format", GuardExit.MODULE_FORMAT),
        ("File exists", GuardExit.MODULE_EXISTS),
        ("Device or resource busy", GuardExit.BUSY),
        ("Unknown symbol in module", GuardExit.INSERT_FAILED),
    ],
)
def test_each_failure_of_insmod_has_its_exit_code(dash: LocalHost, words: str, code: GuardExit) -> None:
    """The words of kmod and of busybox are told apart, and kept."""
    dash.fault("insmod", words)

    answer = finished(dash)

    assert (code, None) == (answer.code, state_of(dash))
    assert words in answer.text


@pytest.mark.parametrize(
    ("file", "content", "code", "told"),
    [
        ("proc/sys/kernel/modules_disabled", "1\n", GuardExit.INSERT_FAILED, "kernel.modules_disabled is 1"),
        ("proc/sys/kernel/modules_disabled", "0\n", GuardExit.INSERT_FAILED, "Operation not permitted\n"),
        (
            "proc/self/status",
            "CapPrm:\t000001ffffffffff\nCapEff:\t000001fffffeffff\n",
            GuardExit.NEEDS_ROOT,
            "no CAP_SYS_MODULE",
        ),
        (
            "proc/self/status",
            "CapPrm:\t0000000000000000\nCapEff:\t000001ffffffffff\n",
            GuardExit.INSERT_FAILED,
            "Operation not permitted\n",
        ),
        (
            "sys/kernel/security/lockdown",
            "none [integrity] confidentiality\n",
            GuardExit.INSERT_FAILED,
            "the kernel is locked down",
        ),
    ],
    ids=["modules-disabled", "modules-enabled", "no-capability", "capability", "lockdown"],
)
def test_an_insmod_that_is_not_permitted_says_why(
    dash: LocalHost, file: str, content: str, code: GuardExit, told: str
) -> None:
    """EPERM alone is no word about signatures; what the host tells of its cause stands behind insmod's own words."""
    dash.write(file, content)
    dash.fault("insmod", "Operation not permitted")

    answer = finished(dash)

    assert (code, None) == (answer.code, state_of(dash))
    assert "Operation not permitted" in answer.text.rstrip("\n").splitlines()[-1]
    assert told in answer.text + "\n"


def test_the_words_of_insmod_are_bounded(dash: LocalHost) -> None:
    """However much it says."""
    dash.fault("insmod", "x" * 50_000)

    answer = finished(dash)

    assert GuardExit.INSERT_FAILED == answer.code
    assert len(answer.text) < 2_000


def test_a_busy_insmod_is_tried_again(local: LocalHost) -> None:
    """Busy means that another transition began since we looked."""
    local.fault("insmod_once", "Device or resource busy")

    assert (GuardExit.DONE, 1) == (finished(local).code, local.enabling_lines())


@pytest.mark.parametrize("sent", [0, 1, 4096, 65536, BUILD.size - 1])
def test_a_truncated_upload_is_refused_and_leaves_nothing(local: LocalHost, sent: int) -> None:
    """Wherever the connection ends, nothing is loaded, no lock is held, the attempt never started."""
    cut = local.run_cut(KLP.start(local.host, make_work(), "n1"), sent)
    answer = KLP.answer(local.host, cut, "n1")

    assert (GuardState.REFUSED, GuardExit.MODULE_INVALID) == (answer.state, answer.code)
    assert ([], "", GuardState.ABSENT) == (left_over(local), local.read("calls/insmod"), status(local).state)


def test_other_bytes_of_the_same_size_are_refused(local: LocalHost) -> None:
    """The hash is taken on the host."""
    command = KLP.start(local.host, make_work(), "n1")
    reply = command.replies[-1]
    other = type(reply.data)(b"x" * BUILD.size)
    command = command.model_copy(update={"replies": (reply.model_copy(update={"data": other}),)})

    answer = KLP.answer(local.host, local.run(local.host, command), "n1")

    assert (GuardExit.MODULE_INVALID, []) == (answer.code, left_over(local))


def test_a_full_disk_is_refused_and_leaves_nothing(dash: LocalHost) -> None:
    """The module does not fit: a clean refusal, the lock free."""
    dash.write("stand-ins/head", "#!/bin/sh\necho 'head: write error: No space left on device' >&2\nexit 1\n")
    (dash.root / "stand-ins/head").chmod(0o755)

    answer = start(dash)

    assert (GuardState.REFUSED, GuardExit.DISK_FULL, []) == (answer.state, answer.code, left_over(dash))
    assert "No space left" in answer.text


def test_a_run_folder_that_cannot_be_made_is_refused(local: LocalHost) -> None:
    """Whatever stands in the way below /run."""
    local.write("run/patchwave", "a file")

    assert (GuardState.REFUSED, GuardExit.DISK_FULL) == (start(local).state, start(local).code)


def test_another_controller_is_refused_by_name(local: LocalHost) -> None:
    """While one works, the other is told who, before it uploads anything."""
    local.fault("transition", "never")
    start(local, make_work(limit_seconds=30))

    answer = start(local, make_work(attempt="B1", controller="controller-2"), "n2")
    local.kill_worker()

    assert (GuardState.REFUSED, GuardExit.LOCKED, "controller-1 A1") == (answer.state, answer.code, answer.text)
    assert GuardState.ABSENT is status(local, "B1").state


def test_a_dead_controllers_lock_is_taken_over(local: LocalHost) -> None:
    """Its worker was killed: the lock is stale, and the next attempt takes it."""
    local.fault("transition", "never")
    start(local, make_work(limit_seconds=30))
    eventually(lambda: state_of(local) is PatchState.TRANSITIONING)
    local.kill_worker()
    local.fault("transition", "0")
    local.write("sys/kernel/livepatch/lab_0001/transition", "0\n")

    answer = finished(local, make_work(attempt="B1", controller="controller-2"), "B1")

    assert (GuardExit.DONE, 1) == (answer.code, local.enabling_lines())
    assert ["A1"] == left_over(local)


def test_a_lock_whose_pid_was_taken_by_another_process_is_stale(local: LocalHost) -> None:
    """The start time tells one process from another with the same pid."""
    for key, value in {"pid": "1", "start": "1", "controller": "x", "attempt": "X1", "id": "x1"}.items():
        local.write(f"run/patchwave/lock/{key}", f"{value}\n")
    local.write("run/patchwave/lock/boot", local.facts().boot_id or "")

    assert GuardExit.DONE == finished(local).code


def test_the_heir_of_a_dead_lock_that_died_is_followed(local: LocalHost) -> None:
    """A worker killed in the middle of a takeover holds nobody up."""
    for key, value in {"pid": "999999", "start": "1", "controller": "x", "attempt": "X1", "id": "x1"}.items():
        local.write(f"run/patchwave/lock/{key}", f"{value}\n")
    (local.root / "run/patchwave/heir.x1").symlink_to("999998:1:y1")

    assert (GuardExit.DONE, []) == (finished(local).code, left_over(local))


def test_of_many_who_want_a_dead_lock_one_works_at_a_time(dash: LocalHost) -> None:
    """Twelve starts at once on a stale lock: at no time do two of them hold it."""
    for key, value in {"pid": "999999", "start": "1", "controller": "x", "attempt": "X1", "id": "x1"}.items():
        dash.write(f"run/patchwave/lock/{key}", f"{value}\n")
    dash.write("stand-ins/insmod", ALONE)
    works = [make_work(attempt=f"C{number}", controller=f"c{number}") for number in range(12)]
    commands = [KLP.start(dash.host, work, f"m{number}") for number, work in enumerate(works)]

    answers = _run_at_once(dash, commands)

    assert "" == dash.read("overlaps")
    assert {GuardState.RUNNING, GuardState.FINISHED, GuardState.REFUSED} >= {answer.state for answer in answers}
    assert any(answer.state is not GuardState.REFUSED for answer in answers)


def _run_at_once(local: LocalHost, commands: Sequence[Command]) -> list[GuardAnswer]:
    with ThreadPoolExecutor(len(commands)) as pool:
        done = list(pool.map(lambda command: local.run(local.host, command), commands))
    return [KLP.answer(local.host, completed, f"m{number}") for number, completed in enumerate(done)]


def test_what_a_killed_start_was_making_is_removed(dash: LocalHost) -> None:
    """By the next start; what a living one makes is left alone, though its owner's name is not in it yet."""
    dead = subprocess.Popen(["true"])
    dead.wait()
    for pid in (dead.pid, os.getpid()):
        dash.write(f"run/patchwave/making.n0.{pid}/worker.sh", "")

    finished(dash)

    assert [f"making.n0.{os.getpid()}"] == left_over(dash)


def test_a_second_start_while_it_runs_does_nothing(local: LocalHost) -> None:
    """The same attempt, sent twice: the second is told that it runs."""
    local.fault("transition", "1")

    assert [GuardState.RUNNING, GuardState.RUNNING] == [start(local).state, start(local, nonce="n2").state]
    eventually(lambda: status(local).state is GuardState.FINISHED)
    assert (GuardState.FINISHED, 0, 1) == (start(local, nonce="n3").state, start(local).code, local.enabling_lines())


def test_two_starts_at_once_insert_once(dash: LocalHost) -> None:
    """The same attempt sent by two connections in the same moment."""
    commands = [KLP.start(dash.host, make_work(), f"m{number}") for number in range(6)]

    answers = _run_at_once(dash, commands)
    eventually(lambda: status(dash).state is GuardState.FINISHED)

    assert (GuardExit.DONE, 1) == (status(dash).code, dash.enabling_lines())
    assert {answer.state for answer in answers} <= {GuardState.STARTING, GuardState.RUNNING, GuardState.FINISHED}
    assert [] == left_over(dash)


def test_an_attempt_is_not_locked_by_itself(dash: LocalHost) -> None:
    """Its second start is in its upload while the first one claims and runs: it is told that it runs."""
    dash.fault("transition", "1")
    slow = dash.root / "stand-ins/sha256sum"
    slow.write_text(SLOW_ONCE)
    slow.chmod(0o755)

    with ThreadPoolExecutor() as pool:
        second = pool.submit(start, dash, None, "n2")
        eventually((dash.root / "waiting").exists)
        first = start(dash)
        dash.fault("go", "")

        assert [GuardState.RUNNING] * 2 == [first.state, second.result().state]
    eventually(lambda: status(dash).state is GuardState.FINISHED)
    assert (GuardExit.DONE, 1) == (status(dash).code, dash.enabling_lines())


def test_a_lock_of_this_very_attempt_is_no_refusal(dash: LocalHost) -> None:
    """Its owner lives, but has not claimed the attempt yet: the start goes no further, and nothing was refused."""
    for name, text in (("attempt", "A1"), ("controller", "controller-1"), ("id", "n0"), ("boot", BOOT_ID)):
        dash.write(f"run/patchwave/lock/{name}", f"{text}\n")
    dash.write("run/patchwave/lock/pid", f"{os.getpid()}\n")
    started = Path(f"/proc/{os.getpid()}/stat").read_text().rpartition(")")[2].split()[19]
    dash.write("run/patchwave/lock/start", f"{started}\n")

    assert (GuardState.ABSENT, "") == (start(dash).state, dash.read("calls/insmod"))


def test_another_boot_than_the_intents_is_refused(local: LocalHost) -> None:
    """A start that comes late, after a reboot, loads nothing."""
    local.reboot()

    assert (GuardExit.WRONG_BOOT, "") == (finished(local).code, local.read("calls/insmod"))


@pytest.mark.parametrize(
    ("path", "content", "code"),
    [
        ("proc/sys/kernel/osrelease", b"6.1.0-other\n", GuardExit.WRONG_BUILD),
        ("sys/kernel/notes", b"\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU\0" + b"\xcd" * 20, GuardExit.WRONG_BUILD),
        ("sys/kernel/notes", b"", GuardExit.BUILD_UNREADABLE),
    ],
)
def test_another_kernel_is_refused_on_the_host_itself(
    local: LocalHost, path: str, content: bytes, code: GuardExit
) -> None:
    """The last look before the module is inserted."""
    (local.root / path).write_bytes(content)

    assert (code, "") == (finished(local).code, local.read("calls/insmod"))


def test_a_disabled_module_is_removed_before_it_is_inserted_again(local: LocalHost) -> None:
    """insmod would say that the file exists."""
    local.load_module("lab_0001", BUILD.module_build_id)

    assert (GuardExit.DONE, PatchState.APPLIED) == (finished(local).code, state_of(local))


def test_a_disabled_module_of_somebody_else_is_left_alone(local: LocalHost) -> None:
    """The same name, another build."""
    local.load_module("lab_0001", "ff" * 20)

    assert (GuardExit.FOREIGN_PATCH, "") == (finished(local).code, local.read("calls/rmmod"))


def test_a_disabled_module_of_an_unreadable_build_is_left_alone(local: LocalHost) -> None:
    """Nothing is no build id of the catalogue, be the catalogue empty."""
    local.write("sys/module/lab_0001/initstate", "live\n")

    assert (GuardExit.FOREIGN_PATCH, "") == (finished(local).code, local.read("calls/rmmod"))


def test_a_patch_in_force_already_is_not_inserted_again(local: LocalHost) -> None:
    """The very build is live: done, without insmod."""
    local.load("lab_0001", BUILD.module_build_id)

    assert (GuardExit.DONE, "") == (finished(local).code, local.read("calls/insmod"))


def test_a_foreign_patch_is_not_replaced(local: LocalHost) -> None:
    """It came up since the last check: the host itself refuses."""
    local.load("kpatch_1", "ee" * 20)
    work = make_work()
    work = work.model_copy(update={"patch": PATCH.model_copy(update={"replaces": "all"})})

    assert (GuardExit.FOREIGN_PATCH, "") == (finished(local, work).code, local.read("calls/insmod"))


def test_a_patch_of_ours_is_replaced(local: LocalHost) -> None:
    """Its build id is among those that the catalogue knows."""
    local.load("lab_0000", "ee" * 20)
    work = make_work(ours=("dd" * 20, "ee" * 20))
    work = work.model_copy(update={"patch": PATCH.model_copy(update={"replaces": "all"})})

    assert GuardExit.DONE == finished(local, work).code


def test_revert_takes_the_patch_out_and_removes_its_module(local: LocalHost) -> None:
    """No module is sent for it."""
    local.load("lab_0001", BUILD.module_build_id)
    local.fault("revert", "1")

    answer = finished(local, make_work(Action.REVERT))

    assert (GuardExit.DONE, None) == (answer.code, state_of(local))
    assert not (local.root / "sys/module/lab_0001").exists()


def test_a_module_has_no_agent_to_pin(dash: LocalHost) -> None:
    """klp has no such action."""
    assert GuardExit.USAGE == finished(dash, make_work(Action.PIN)).code


def test_revert_again_is_done(local: LocalHost) -> None:
    """There is nothing to take out."""
    assert GuardExit.DONE == finished(local, make_work(Action.REVERT)).code


def test_revert_touches_no_other_build(local: LocalHost) -> None:
    """A module of the same name that we did not load."""
    local.load("lab_0001", "ff" * 20)

    answer = finished(local, make_work(Action.REVERT))

    assert (GuardExit.FOREIGN_PATCH, PatchState.APPLIED) == (answer.code, state_of(local))


@pytest.mark.parametrize("release", [BUILD.kernel, "6.1.0-other"])
def test_a_revert_after_a_reboot_removes_what_was_persisted(local: LocalHost, release: str) -> None:
    """Into another kernel, too: this one may be booted again. What came back is taken out."""
    local.load("lab_0001", BUILD.module_build_id)
    finished(local, make_work(Action.PERSIST, "P1"), "P1")
    local.reboot()
    local.write("proc/sys/kernel/osrelease", f"{release}\n")
    if release == BUILD.kernel:
        local.load("lab_0001", BUILD.module_build_id)

    answer = finished(local, make_work(Action.REVERT))

    assert (GuardExit.DONE, None, []) == (answer.code, state_of(local), list((local.root / "etc").rglob("*.conf")))
    assert "nothing of lab_0001 is left for the next boot" in answer.text


def test_a_revert_that_cannot_remove_what_was_persisted_says_so(dash: LocalHost) -> None:
    """The patch is taken out all the same."""
    dash.load("lab_0001", BUILD.module_build_id)
    (dash.root / "etc/modules-load.d/patchwave-lab_0001.conf").mkdir(parents=True)

    answer = finished(dash, make_work(Action.REVERT))

    assert (GuardExit.PERSIST_FAILED, None) == (answer.code, state_of(dash))
    assert "is left for the next boot" not in answer.text


def test_only_what_was_persisted_is_synced(dash: LocalHost) -> None:
    """A network file system that hangs would hold the lock for ever: no sync is one of everything."""
    noted = dash.root / "stand-ins/sync"
    noted.write_text(NOTED_SYNC)
    noted.chmod(0o755)

    finished(dash)
    assert "" == dash.read("calls/sync")
    finished(dash, make_work(Action.PERSIST, "P1"), "P1")
    finished(dash, make_work(Action.REVERT, "V1"), "V1")

    calls = dash.read("calls/sync").splitlines()
    assert all(call.startswith(f"sync {dash.root}/") for call in calls)
    persisted = f"{dash.root}/lib/modules/{BUILD.kernel}/updates/patchwave/lab_0001.ko"
    assert f"sync {persisted}.patchwave-new" in calls


def test_a_revert_that_stalls_says_so(dash: LocalHost) -> None:
    """Those that stay in the new code are named."""
    dash.load("lab_0001", BUILD.module_build_id)
    dash.fault("revert", "never")
    dash.write("proc/9/task/9/patch_state", "1\n")
    dash.write("proc/9/task/9/comm", "worker\n")

    answer = finished(dash, make_work(Action.REVERT))

    assert (GuardExit.REVERT_STALLED, True) == (answer.code, "blocking 9 worker" in answer.text)


def test_a_module_that_stays_is_told(dash: LocalHost) -> None:
    """The patch is out of force; its module could not be removed."""
    dash.load("lab_0001", BUILD.module_build_id)
    dash.fault("rmmod", "Device or resource busy")

    assert (GuardExit.MODULE_STAYS, None) == (finished(dash, make_work(Action.REVERT)).code, state_of(dash))


def test_persist_installs_for_the_next_boot_and_revert_removes_it(local: LocalHost) -> None:
    """The module, the list for the boot, depmod; again changes nothing; a revert takes all of it away."""
    module = local.root / f"lib/modules/{BUILD.kernel}/updates/patchwave/lab_0001.ko"
    listed = local.root / "etc/modules-load.d/patchwave-lab_0001.conf"
    rule = local.root / "etc/modprobe.d/patchwave-lab_0001.conf"
    local.load("lab_0001", BUILD.module_build_id)

    codes = [finished(local, make_work(Action.PERSIST, name), name).code for name in ("P1", "P2")]

    assert [GuardExit.DONE, GuardExit.DONE] == codes
    assert module_bytes("lab_0001", BUILD.module_build_id) == module.read_bytes()
    assert "lab_0001" == listed.read_text().splitlines()[-1]
    assert {0o644} == {file.stat().st_mode & 0o777 for file in (module, listed, rule)}
    assert [BUILD.kernel] * 2 == local.read("calls/depmod").split()
    assert GuardExit.DONE == finished(local, make_work(Action.REVERT, "V1"), "V1").code
    assert [False] * 3 == [file.exists() for file in (module, listed, rule)]


@pytest.mark.parametrize(("found", "loads"), [(KERNEL_BUILD, True), ("cd" * 20, False)])
def test_a_persisted_patch_only_goes_into_its_own_build(dash: LocalHost, found: str, loads: bool) -> None:
    """The rule for modprobe asks the running kernel: a release name may be used for a second build."""
    dash.load("lab_0001", BUILD.module_build_id)
    finished(dash, make_work(Action.PERSIST))
    rule = dash.read("etc/modprobe.d/patchwave-lab_0001.conf").splitlines()[-1]
    (dash.root / "notes").write_bytes(note(found))
    command = rule.removeprefix("install lab_0001 ").replace("/sys/kernel/notes", str(dash.root / "notes"))
    assert "\\" not in rule

    done = subprocess.run(
        ["sh", "-c", command.replace("modprobe", "echo")], capture_output=True, text=True, check=False
    )

    assert ("--ignore-install lab_0001\n" if loads else "") == done.stdout


def test_a_patch_out_of_force_is_not_persisted(local: LocalHost) -> None:
    """What has not proved itself must not come back at boot."""
    assert (GuardExit.NOT_LIVE, "") == (finished(local, make_work(Action.PERSIST)).code, local.read("calls/depmod"))


def test_a_persist_that_fails_leaves_nothing(dash: LocalHost) -> None:
    """depmod fails: the module and the list go again."""
    dash.load("lab_0001", BUILD.module_build_id)
    dash.fault("depmod", "")

    assert GuardExit.PERSIST_FAILED == finished(dash, make_work(Action.PERSIST)).code
    assert [] == [path for path in (dash.root / "lib").rglob("*") if path.is_file()]
    assert [] == list((dash.root / "etc").rglob("*.conf"))


@pytest.mark.parametrize("fault", ["insmod_sleep", "transition"])
def test_a_killed_worker_died(local: LocalHost, fault: str) -> None:
    """During insmod, or in mid-transition: there is no exit code and no process."""
    local.fault(fault, "5" if fault == "insmod_sleep" else "never")
    start(local, make_work(limit_seconds=30))
    eventually(lambda: local.read("calls/insmod") != "")

    local.kill_worker()

    assert GuardState.DIED is status(local).state
    assert GuardState.DIED is start(local, nonce="n2").state


def test_a_reboot_makes_an_attempt_absent(dash: LocalHost) -> None:
    """The answer carries the new boot id."""
    dash.fault("transition", "never")
    start(dash, make_work(limit_seconds=30))

    dash.reboot()

    answer = status(dash)
    assert (GuardState.ABSENT, dash.facts().boot_id) == (answer.state, answer.boot_id)


def test_the_worker_outlives_its_connection(local: LocalHost) -> None:
    """SIGKILL of the whole session of the start leaves it running."""
    local.fault("insmod_sleep", "1")
    command = KLP.start(local.host, make_work(), "n1")
    process = local._popen(command)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdin.write(command.stdin)
    process.stdin.flush()
    process.stdout.read(len(command.replies[-1].marker))
    process.stdin.write(command.replies[-1].data.get_secret_value())
    process.stdin.close()
    eventually(lambda: local.worker_pid() is not None)
    subprocess.run(["pkill", "-KILL", "-s", str(process.pid)], check=False)
    process.wait()
    process.stdout.close()
    process.stderr.close()

    eventually(lambda: status(local).state is GuardState.FINISHED)

    assert (GuardExit.DONE, 1) == (status(local).code, local.enabling_lines())
    pid = local.worker_pid()
    assert pid is not None
    eventually(lambda: not lives(pid))


def test_only_the_newest_attempts_are_kept(dash: LocalHost) -> None:
    """/run is memory: of the finished ones, twenty stay beside the new one."""
    for number in range(30):
        dash.write(f"run/patchwave/01A{number:02}/rc", "0\n")

    finished(dash, make_work(attempt="02A"), "02A")

    assert [f"01A{number}" for number in range(10, 30)] + ["02A"] == sorted(
        path.name for path in (dash.root / "run/patchwave").iterdir()
    )


def test_a_large_module_arrives_whole(local: LocalHost) -> None:
    """Three megabytes, more than any pipe holds."""
    build = make_build("lab_big", "0b" * 20, padding=3_000_000)
    module = module_bytes("lab_big", "0b" * 20, 3_000_000)

    assert GuardExit.DONE == finished(local, make_work(payload=build, module=module)).code


@pytest.mark.parametrize("parts", [("guard/start",), ("guard/status",), PARTS[1:]], ids=lambda parts: parts[-1])
def test_the_scripts_pass_shellcheck(parts: tuple[str, ...]) -> None:
    """Each part as it is sent: what it shares with the others first. SC2317: not every part calls all of that."""
    text = pieces(("guard/common", *parts))

    done = subprocess.run(
        [require("shellcheck"), "-s", "sh", "-e", "SC2317", "-"],
        input=text,
        text=True,
        capture_output=True,
        check=False,
    )

    assert (0, "") == (done.returncode, done.stdout)


def test_what_becomes_root_passes_shellcheck() -> None:
    """The part around the others."""
    done = subprocess.run(
        [require("shellcheck"), "-s", "sh", "-"],
        input=pieces(("guard/become",)),
        text=True,
        capture_output=True,
        check=False,
    )

    assert (0, "") == (done.returncode, done.stdout)


def test_the_exit_codes_of_script_and_enum_agree() -> None:
    """One table, written twice because two languages read it."""
    lines = [line.split("=") for line in pieces(("guard/common",)).splitlines() if line.startswith("EXIT_")]

    assert {code.name: code.value for code in GuardExit} == {name[5:]: int(value) for name, value in lines}
