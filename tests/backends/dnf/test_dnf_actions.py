"""dnf's actions under the real guard, with tiny stand-ins of dnf, yum and rpm."""

from pathlib import Path

import pytest

from orchestrator.backends.dnf import Dnf
from orchestrator.backends.guard import GuardAnswer, GuardExit, GuardState
from orchestrator.core.attempts import Action
from orchestrator.core.offers import Offer
from tests.backends.guarded_host import GuardedHost, followed
from tests.backends.local_host import SHELLS, LocalHost, make_work
from tests.needs import require

pytestmark = pytest.mark.scripts

RELEASE = "5.14.0-503.11.1.el9_5.x86_64"
PACKAGE = "kpatch-patch-5_14_0-503_11_1"
RPM = """
IFS= read -r version <"$PATCHWAVE_ROOT/installed" || { echo "package $4 is not installed"; exit 1; }
echo "(none):$version"
"""
"""Answers with what the file `installed` has."""

PUTS = 'echo 1-5.el9_5 >"$PATCHWAVE_ROOT/installed"; echo Complete!'
NETWORK = 'echo "Curl error (6): Couldn\'t resolve host name for https://mirror.example/" >&2; exit 1'
HELD = "echo 'Existing lock /var/run/yum.pid: another copy is running as pid 812.' >&2; exit 200"
HELD_ONCE = f'mkdir "$PATCHWAVE_ROOT/waited" 2>/dev/null && {{ {HELD}; }}\n{PUTS}'
NO_SCRIPT = f"{PUTS}; echo 'warning: %post({PACKAGE}-1-5.el9_5.x86_64) scriptlet failed, exit status 1' >&2"


@pytest.fixture(params=SHELLS)
def host(request: pytest.FixtureRequest, tmp_path: Path) -> GuardedHost:
    """A host with each of the shells."""
    require(request.param)
    return prepared(LocalHost(tmp_path / "root", request.param))


@pytest.fixture
def dash(tmp_path: Path) -> GuardedHost:
    """A host with dash, for what does not depend on the shell."""
    require("dash")
    return prepared(LocalHost(tmp_path / "root", "dash"))


def prepared(local: LocalHost) -> GuardedHost:
    """With Red Hat's kernel, rpm, and a dnf that installs."""
    guarded = GuardedHost(local, "")
    local.write("proc/sys/kernel/osrelease", f"{RELEASE}\n")
    guarded.bring(RPM, "rpm")
    guarded.bring(PUTS, "dnf")
    return guarded


def finished(
    host: GuardedHost, action: Action = Action.APPLY, *, limit_seconds: int = 20, **offer: str | None
) -> GuardAnswer:
    """Start it, and wait for its end."""
    values = {"tool": "dnf", "kernel": RELEASE, "package": PACKAGE, "level": "1-5.el9_5"} | offer
    work = make_work(action, patch=None, payload=Offer.model_validate(values), module=b"", limit_seconds=limit_seconds)
    return followed(host.local, Dnf(), work)


def last(answer: GuardAnswer) -> str:
    """What a person is told first."""
    return answer.text.strip().splitlines()[-1]


def calls(host: GuardedHost, program: str = "dnf") -> list[str]:
    """The arguments of each call of it."""
    return host.local.read(f"calls/{program}").splitlines()


def test_the_very_version_is_installed(host: GuardedHost) -> None:
    """As the offer names it, by one call."""
    answer = finished(host)

    assert (GuardState.FINISHED, GuardExit.DONE, f"{PACKAGE} 1-5.el9_5") == (answer.state, answer.code, last(answer))
    assert [f"-y --setopt=exit_on_lock=True install {PACKAGE}-1-5.el9_5"] == calls(host)


def test_what_is_installed_already_is_left_alone(host: GuardedHost) -> None:
    """dnf is not even asked."""
    host.local.write("installed", "1-5.el9_5\n")

    answer = finished(host)

    assert (GuardExit.DONE, f"{PACKAGE} 1-5.el9_5 is installed already") == (answer.code, last(answer))
    assert [] == calls(host)


def test_an_older_version_is_upgraded(dash: GuardedHost) -> None:
    """By upgrade, which never goes down."""
    dash.local.write("installed", "1-4.el9_5\n")

    answer = finished(dash)

    assert (GuardExit.DONE, f"{PACKAGE} 1-5.el9_5, before 1-4.el9_5") == (answer.code, last(answer))
    assert [f"-y --setopt=exit_on_lock=True upgrade {PACKAGE}-1-5.el9_5"] == calls(dash)


def test_a_newer_version_is_never_replaced_by_an_older_one(dash: GuardedHost) -> None:
    """dnf has nothing to do then, and says so with 0."""
    dash.local.write("installed", "1-9.el9_5\n")
    dash.bring("echo 'Nothing to do.'", "dnf")

    answer = finished(dash)

    assert (GuardExit.OTHER_LEVEL, f"{PACKAGE} 1-9.el9_5 is installed, not 1-5.el9_5, and was left as it is") == (
        answer.code,
        last(answer),
    )
    assert "1-9.el9_5\n" == dash.local.read("installed")


def test_the_newest_is_installed_where_no_version_is_asked_for(dash: GuardedHost) -> None:
    """Named by what is installed afterwards; where that was so already, that is the newest."""
    first = finished(dash, package=None, level=None)
    dash.bring("echo 'Nothing to do.'", "dnf")
    dash.local.reboot()
    dash.local.write("proc/sys/kernel/random/boot_id", "11111111-2222-3333-4444-555555555555\n")
    second = finished(dash, package=None, level=None)

    assert (GuardExit.DONE, f"{PACKAGE} 1-5.el9_5") == (first.code, last(first))
    assert (GuardExit.DONE, f"{PACKAGE} 1-5.el9_5 is the newest that is offered") == (second.code, last(second))
    assert f"-y --setopt=exit_on_lock=True install {PACKAGE}" == calls(dash)[0]


@pytest.mark.parametrize(
    ("release", "package", "call"),
    [
        (
            "6.1.141-155.222.amzn2023.x86_64",
            "kernel-livepatch-6.1.141-155.222",
            "dnf: -y --setopt=exit_on_lock=True install kernel-livepatch-6.1.141-155.222-1.0-3.amzn2023",
        ),
        (
            "5.10.238-231.953.amzn2.x86_64",
            "kernel-livepatch-5.10.238-231.953",
            "yum: -y --setopt=exit_on_lock=True install kernel-livepatch-5.10.238-231.953-1.0-3.amzn2023",
        ),
        (RELEASE, PACKAGE, f"dnf5: -y install {PACKAGE}-1.0-3.amzn2023"),
    ],
)
def test_each_program_is_called_as_it_likes(dash: GuardedHost, release: str, package: str, call: str) -> None:
    """Amazon Linux 2 has yum alone; dnf5 goes before dnf, and knows no such setting."""
    program = call.partition(":")[0]
    dash.local.write("proc/sys/kernel/osrelease", f"{release}\n")
    if program != "dnf":
        (dash.local.root / "stand-ins/dnf").unlink()
    dash.bring('echo 1.0-3.amzn2023 >"$PATCHWAVE_ROOT/installed"', program)

    answer = finished(dash, kernel=release, package=package, level="1.0-3.amzn2023")

    assert (GuardExit.DONE, [call.partition(": ")[2]]) == (answer.code, calls(dash, program))


@pytest.mark.parametrize(
    ("script", "code", "said"),
    [
        (NETWORK, GuardExit.TOOL_NETWORK, "dnf: exit status 1: Curl error (6)"),
        ("echo 'No match for argument: x'; echo 'Error: Unable to find a match: x' >&2; exit 1", 84, "dnf: exit"),
        ("echo 'This system is not registered with an entitlement server.'; exit 1", GuardExit.UNLICENSED, "dnf:"),
        ("echo 'At least 12MB more space needed on the / filesystem.' >&2; exit 1", GuardExit.DISK_FULL, "dnf: exit"),
        ("echo 'Error: Transaction test error:' >&2; exit 1", GuardExit.TOOL_FAILED, "dnf: exit status 1: Error: T"),
        ("echo 'Nothing to do.'", GuardExit.NOTHING_OFFERED, f"{PACKAGE} 1-5.el9_5 is not offered"),
        (HELD, GuardExit.TOOL_LOCKED, "dnf: exit status 200: Existing lock"),
        ("echo 'Error: metadata already locked by 812' >&2; exit 200", GuardExit.TOOL_LOCKED, "dnf: exit status 200"),
        ("echo 'Waiting for process with pid 812 to finish.'; sleep 60", GuardExit.TOOL_LOCKED, "dnf did not end"),
        ("sleep 60", GuardExit.TOOL_FAILED, "dnf did not end within 2 s"),
    ],
)
def test_what_went_wrong_is_named(dash: GuardedHost, script: str, code: int, said: str) -> None:
    """Nothing was changed; the last line has the program's words."""
    dash.bring(script, "dnf")

    answer = finished(dash, limit_seconds=2)

    assert (code, said) == (answer.code, last(answer)[: len(said)])


def test_another_process_lock_is_waited_for(host: GuardedHost) -> None:
    """Up to the limit."""
    host.bring(HELD_ONCE, "dnf")

    assert (GuardExit.DONE, 2) == (finished(host).code, len(calls(host)))


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (NO_SCRIPT, f"{PACKAGE} 1-5.el9_5"),
        (f"{PUTS}; exit 1", f"{PACKAGE} 1-5.el9_5"),
        ('echo 1-6.el9_5 >"$PATCHWAVE_ROOT/installed"', f"{PACKAGE} 1-6.el9_5"),
    ],
)
def test_what_was_changed_and_went_wrong_is_no_refusal(dash: GuardedHost, script: str, said: str) -> None:
    """A module that did not get in, an error behind a change, another version: the check that follows decides."""
    dash.bring(script, "dnf")

    answer = finished(dash)

    assert (GuardExit.TOOL_FAILED, said) == (answer.code, last(answer))


def test_a_package_of_another_kernel_is_refused(dash: GuardedHost) -> None:
    """It would change nothing in the one that runs."""
    answer = finished(dash, package="kpatch-patch-5_14_0-427_13_1")

    assert (GuardExit.WRONG_BUILD, []) == (answer.code, calls(dash))


def test_another_kernel_or_boot_is_refused(dash: GuardedHost) -> None:
    """The host is not the one that was planned for any more."""
    dash.local.write("proc/sys/kernel/osrelease", "5.14.0-570.el9.x86_64\n")
    assert GuardExit.WRONG_BUILD == finished(dash).code

    dash.local.reboot()
    assert GuardExit.WRONG_BOOT == finished(dash).code


def test_where_rpm_cannot_tell_nothing_is_changed(dash: GuardedHost) -> None:
    """What is installed has to be known before and afterwards."""
    dash.bring("echo 'error: rpmdb: BDB0113 Thread/process failed' >&2; exit 1", "rpm")

    assert (GuardExit.TOOL_FAILED, []) == (finished(dash).code, calls(dash))


def test_a_host_without_dnf_is_refused(dash: GuardedHost) -> None:
    """Neither dnf nor yum."""
    (dash.local.root / "stand-ins/dnf").unlink()

    assert GuardExit.TOOL_MISSING == finished(dash).code


def test_there_is_no_way_back(dash: GuardedHost) -> None:
    """Red Hat does not support unloading; nothing is tried."""
    answer = finished(dash, Action.REVERT)

    assert (GuardExit.NO_ROLLBACK, []) == (answer.code, calls(dash))
