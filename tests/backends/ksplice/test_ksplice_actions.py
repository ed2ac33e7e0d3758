"""Ksplice's actions under the real guard, with a small stand-in of its programs."""

from pathlib import Path

import pytest

from orchestrator.backends.guard import GuardAnswer, GuardExit
from orchestrator.backends.ksplice import Ksplice
from orchestrator.backends.ksplice.answers import level_of
from orchestrator.core.attempts import Action
from orchestrator.core.offers import Offer
from tests.backends.guarded_host import carried_out
from tests.backends.local_host import RELEASE, SHELLS, LocalHost
from tests.needs import require

pytestmark = pytest.mark.scripts

KSPLICE = Ksplice()
STAND_IN = Path(__file__).parent / "uptrack.sh"
PROGRAMS = ("uptrack-show", "uptrack-upgrade", "uptrack-remove")
OLD = "[aaaa1111] CVE-2030-0001: One."
NEW = "[bbbb2222] CVE-2030-0002: Two."
THIRD = "[cccc3333] Three."
CONF = "[Auth]\naccesskey = 0123\n\n[Settings]\nautoinstall=yes  \n# upgrade_on_reboot = no\nupgrade_on_reboot : Yes"


class Host:
    """A host of files with Ksplice on it."""

    def __init__(self, root: Path, shell: str, programs: tuple[str, ...] = PROGRAMS) -> None:
        self.local = LocalHost(root, shell)
        for program in programs:
            (root / "stand-ins" / program).write_text(STAND_IN.read_text())
            (root / "stand-ins" / program).chmod(0o755)
        self.has(OLD)
        self.offers(OLD, NEW)
        self.local.write("etc/uptrack/uptrack.conf", CONF)

    def has(self, *lines: str) -> None:
        """What is in force."""
        self.local.write("ksplice/installed", "".join(f"{line}\n" for line in lines))

    def offers(self, *lines: str) -> None:
        """All that the newest level consists of."""
        self.local.write("ksplice/offered", "".join(f"{line}\n" for line in lines))

    def fails(self, verb: str, text: str) -> None:
        """An exit code, and words."""
        self.local.write(f"ksplice/exit-{verb}", text)

    @property
    def installed(self) -> list[str]:
        """What is in force."""
        return self.local.read("ksplice/installed").splitlines()

    @property
    def calls(self) -> list[str]:
        """What the programs were called with."""
        return self.local.read("calls/uptrack").splitlines()

    @property
    def conf(self) -> str:
        """The client's settings."""
        return self.local.read("etc/uptrack/uptrack.conf")

    def run(self, action: Action = Action.APPLY, level: str | None = None, attempt: str = "A1") -> GuardAnswer:
        """Start an attempt and wait for its end."""
        offer = Offer(tool="ksplice", kernel=RELEASE, level=level)
        return carried_out(self.local, KSPLICE, offer, action, attempt, limit_seconds=20)


@pytest.fixture(params=SHELLS)
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Host:
    """A host with each of the shells."""
    require(request.param)
    return Host(tmp_path / "root", request.param)


@pytest.fixture
def dash(tmp_path: Path) -> Host:
    """A host with dash, for what does not depend on the shell."""
    require("dash")
    return Host(tmp_path / "root", "dash")


def last(answer: GuardAnswer) -> str:
    """What a person sees first."""
    return answer.text.splitlines()[-1]


def test_what_is_offered_is_put_in_force_and_taken_out_again(host: Host) -> None:
    """Of the updates in force a revert takes those that we brought; another apply in between changes nothing."""
    both = level_of(["aaaa1111", "bbbb2222"])

    applied = host.run(attempt="A1")
    again = host.run(attempt="A2", level=both)
    then = host.installed
    reverted = host.run(Action.REVERT, attempt="A3")

    assert [GuardExit.DONE] * 3 == [applied.code, again.code, reverted.code]
    assert (f"in force: {both}", f"in force already: {both}") == (last(applied), last(again))
    assert ([OLD, NEW], [OLD]) == (then, host.installed)
    assert "uptrack-remove -y bbbb2222" in host.calls
    assert "" == host.local.read("var/lib/patchwave/ksplice/brought")


def test_the_newer_command_does_the_same(tmp_path: Path) -> None:
    """``ksplice -y kernel upgrade`` and its like, where there is no uptrack-upgrade."""
    require("dash")
    host = Host(tmp_path / "root", "dash", ("ksplice",))

    codes = [host.run(attempt="A1").code, host.run(Action.REVERT, attempt="A2").code]

    assert ([GuardExit.DONE] * 2, [OLD]) == (codes, host.installed)
    assert "ksplice -y kernel upgrade" in host.calls
    assert "ksplice -y kernel remove bbbb2222" in host.calls


def test_all_of_it_is_removed_by_the_saved_plan(dash: Host) -> None:
    """Where all was ours: without network it ends with 10, and is done all the same."""
    dash.has()

    codes = [dash.run(attempt="A1").code, dash.run(Action.REVERT, attempt="A2").code]

    assert ([GuardExit.DONE] * 2, []) == (codes, dash.installed)
    assert "uptrack-remove -y --all" in dash.calls


def test_an_update_that_takes_anothers_place(dash: Host) -> None:
    """The removed one leaves the level that is reached."""
    dash.local.write("ksplice/replaced", f"Remove {OLD}\n")
    dash.offers(NEW, THIRD)

    answer = dash.run(level=level_of(["bbbb2222", "cccc3333"]))

    assert (GuardExit.DONE, [NEW, THIRD]) == (answer.code, dash.installed)


@pytest.mark.parametrize(
    ("offered", "level", "code"),
    [
        ((OLD, NEW, THIRD), level_of(["aaaa1111", "bbbb2222"]), GuardExit.NOTHING_OFFERED),
        ((OLD,), level_of(["aaaa1111", "bbbb2222"]), GuardExit.OTHER_LEVEL),
        ((OLD,), None, GuardExit.DONE),
    ],
)
def test_another_level_than_the_one_asked_for_is_never_put_in_force(
    dash: Host, offered: tuple[str, ...], level: str | None, code: GuardExit
) -> None:
    """The plan is asked before anything is done; nothing newer is no failure where the newest was asked for."""
    dash.offers(*offered)

    assert (code, [OLD]) == (dash.run(level=level).code, dash.installed)
    assert not [call for call in dash.calls if "-y" in call]


@pytest.mark.parametrize(
    ("verb", "text", "code"),
    [
        ("upgrade-n", "10\nCould not connect", GuardExit.TOOL_NETWORK),
        ("upgrade-n", "13\nCannot find information", GuardExit.NOTHING_OFFERED),
        ("upgrade-n", "14\nbad key", GuardExit.UNLICENSED),
        ("upgrade-n", "17\nInstalling updates is disabled.", GuardExit.UNLICENSED),
        ("upgrade-n", "19\nnot activated", GuardExit.UNLICENSED),
        ("show", "20\nno key", GuardExit.UNLICENSED),
        ("upgrade-y", "10\nCould not connect", GuardExit.TOOL_NETWORK),
        ("upgrade-y", "12\nAborting.", GuardExit.TOOL_FAILED),
        ("upgrade-y", "1\nThe following actions failed:\nInstall x\n  - nfsd (pid 12)", GuardExit.TOOL_FAILED),
        ("upgrade-n", "0\nNichts zu tun.", GuardExit.TOOL_FAILED),
        ("show", "0\nInstallierte Aktualisierungen:", GuardExit.TOOL_FAILED),
        ("upgrade-n", "18\nserver error", GuardExit.TOOL_FAILED),
    ],
)
def test_each_exit_code_has_its_meaning(dash: Host, verb: str, text: str, code: GuardExit) -> None:
    """A refusal only where nothing was changed, and here nothing was."""
    dash.fails(verb, text)

    assert (code, [OLD]) == (dash.run().code, dash.installed)


def test_a_tool_that_lies_is_found_out(dash: Host) -> None:
    """It ends with 0, and what it was to install is not there."""
    dash.local.write("ksplice/lies", "")

    answer = dash.run()

    assert GuardExit.TOOL_FAILED == answer.code


def test_another_uptrack_is_waited_for(dash: Host) -> None:
    """It ends with 1 and says so; then it is tried again."""
    dash.local.write("ksplice/once", "")
    dash.fails("upgrade-n", "1\nIt appears that another Uptrack process is currently running on this\nsystem.")

    assert (GuardExit.DONE, [OLD, NEW]) == (dash.run().code, dash.installed)


def test_a_kernel_whose_list_was_never_read_has_nothing_in_force(dash: Host) -> None:
    """Unless there are modules of Ksplice in it."""
    dash.has()
    dash.local.write("ksplice/once", "")
    dash.fails("show", "1\nUnable to read the package list.")
    done = dash.run(attempt="A1")
    dash.fails("show", "1\nUnable to read the package list.")
    dash.local.write("sys/module/ksplice_aaaa1111/x", "")

    assert [GuardExit.DONE, GuardExit.TOOL_FAILED] == [done.code, dash.run(attempt="A2").code]


def test_what_somebody_else_brought_is_left_alone(dash: Host) -> None:
    """Also where removing ours would take it along; nothing in force is nothing to revert."""
    foreign = dash.run(Action.REVERT, attempt="A1").code
    dash.run(attempt="A2")
    dash.local.write("ksplice/dependents", "aaaa1111\n")
    along = dash.run(Action.REVERT, attempt="A3").code
    kept = dash.installed
    dash.has()

    assert [GuardExit.FOREIGN_PATCH] * 2 == [foreign, along]
    assert [OLD, NEW] == kept
    assert GuardExit.DONE == dash.run(Action.REVERT, attempt="A4").code


def test_without_the_tool(tmp_path: Path) -> None:
    """It is missing."""
    require("dash")
    host = Host(tmp_path / "root", "dash", ())

    assert GuardExit.TOOL_MISSING == host.run().code


def test_the_agents_settings_come_back_byte_by_byte(host: Host) -> None:
    """Both that make it install by itself are off while it is pinned; a second pin changes nothing."""
    pinned = [host.run(Action.PIN, attempt="A1").code, host.run(Action.PIN, attempt="A2").code]
    held = host.conf
    unpinned = [host.run(Action.UNPIN, attempt="A3").code, host.run(Action.UNPIN, attempt="A4").code]

    assert [GuardExit.DONE] * 4 == [*pinned, *unpinned]
    assert CONF.replace("=yes  ", "=no  ").replace(": Yes", ": no") == held.rstrip("\n")
    assert CONF == host.conf.rstrip("\n")
    assert "0123" not in host.local.read("var/lib/patchwave/pins/ksplice")


def test_a_setting_that_was_changed_meanwhile_is_somebody_elses(dash: Host) -> None:
    """Only what the pin wrote is put back."""
    dash.run(Action.PIN, attempt="A1")
    dash.local.write("etc/uptrack/uptrack.conf", "[Settings]\nautoinstall = off\nupgrade_on_reboot = no\n")

    code = dash.run(Action.UNPIN, attempt="A2").code

    assert (GuardExit.DONE, "[Settings]\nautoinstall = off\nupgrade_on_reboot = Yes\n") == (code, dash.conf)


@pytest.mark.parametrize(
    "conf", ["autoinstall = yes ; always\n", "autoinstall = yes\nautoinstall = no\n", "autoinstall =\n"]
)
def test_a_setting_that_is_not_understood_is_not_touched(dash: Host, conf: str) -> None:
    """Nor is it taken for pinned."""
    dash.local.write("etc/uptrack/uptrack.conf", conf)

    assert (GuardExit.PIN_FAILED, conf) == (dash.run(Action.PIN).code, dash.conf)
    assert "" == dash.local.read("var/lib/patchwave/pins/ksplice")


def test_a_client_without_settings_is_held_already(dash: Host) -> None:
    """Not set means no: it is marked as ours, and nothing is written."""
    dash.local.write("etc/uptrack/uptrack.conf", "[Auth]\n")

    codes = [dash.run(Action.PIN, attempt="A1").code, dash.run(Action.UNPIN, attempt="A2").code]

    assert ([GuardExit.DONE] * 2, "[Auth]\n") == (codes, dash.conf)
