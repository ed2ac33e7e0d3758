"""SUSE's actions under the real guard, with small stand-ins of klp, zypper and rpm."""

from pathlib import Path

import pytest

from orchestrator.backends.guard import GuardAnswer, GuardExit, GuardState
from orchestrator.backends.suse import Suse
from orchestrator.core.attempts import Action
from orchestrator.core.offers import Offer
from tests.backends.guarded_host import carried_out, status_of
from tests.backends.local_host import RELEASE, SHELLS, LocalHost, eventually, make_work
from tests.needs import require

pytestmark = pytest.mark.scripts

SUSE = Suse()
PROGRAMS = Path(__file__).parent / "programs.sh"
PACKAGE = "kernel-livepatch-6_1_0-test"
SEED, ONE, TWO, THREE = "1-1.3", "2-150.1.1", "3-150.1.1", "10-150.1.1"


class Host:
    """A host of files with SUSE's programs, and the initial live patch in force."""

    def __init__(self, root: Path, shell: str, programs: tuple[str, ...] = ("klp", "zypper", "rpm")) -> None:
        self.local = LocalHost(root, shell)
        for program in programs:
            (root / "stand-ins" / program).write_text(PROGRAMS.read_text())
            (root / "stand-ins" / program).chmod(0o755)
        self.local.write("suse/repository", "".join(f"{one}\n" for one in (SEED, ONE, TWO, THREE)))
        self.has(SEED)

    def has(self, version: str, *, transition: str = "0") -> None:
        """What is installed and loaded."""
        self.local.write("suse/installed", f"{version}\n")
        folder = f"sys/kernel/livepatch/livepatch_{version.replace('.', '_').replace('-', '_')}"
        self.local.write(f"{folder}/enabled", "1\n")
        self.local.write(f"{folder}/transition", f"{transition}\n")

    def set(self, name: str, text: str = "") -> None:
        """Something of the stand-ins."""
        self.local.write(f"suse/{name}", text)

    @property
    def live(self) -> list[str]:
        """The patches in sysfs that are enabled and move no tasks."""
        folders = sorted((self.local.root / "sys/kernel/livepatch").iterdir())
        states = {one.name: [(one / file).read_text().strip() for file in ("enabled", "transition")] for one in folders}
        return [name for name, state in states.items() if state == ["1", "0"]]

    @property
    def calls(self) -> list[str]:
        """What the programs were called with."""
        return self.local.read("calls/suse").splitlines()

    def run(self, action: Action = Action.APPLY, level: str | None = None, attempt: str = "A1") -> GuardAnswer:
        """Start an attempt and wait for its end."""
        offer = Offer(tool="suse", kernel=RELEASE, package=PACKAGE, level=level)
        return carried_out(self.local, SUSE, offer, action, attempt, limit_seconds=4)

    def status(self, attempt: str) -> GuardAnswer:
        """Ask about it."""
        return status_of(self.local, SUSE, attempt)


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


def zypper(host: Host) -> list[str]:
    """How zypper was called."""
    return [call for call in host.calls if call.startswith("zypper")]


def test_exactly_what_is_asked_for_is_installed_and_taken_back(host: Host) -> None:
    """Not the newest; once more changes nothing; klp goes back, step by step, to what was in force before."""
    applied = host.run(level=TWO, attempt="A1")
    again = host.run(level=TWO, attempt="A2")
    then = host.live
    reverted = host.run(Action.REVERT, level=TWO, attempt="A3")

    assert [GuardExit.DONE] * 3 == [applied.code, again.code, reverted.code]
    assert (f"in force: {TWO}", f"in force already: {TWO}") == (last(applied), last(again))
    assert f"in force: no live patch, before {TWO}" == last(reverted)
    assert (["livepatch_3_150_1_1"], ["livepatch_1_1_3"]) == (then, host.live)
    expected = f"zypper --non-interactive install --no-recommends --no-force-resolution {PACKAGE}={TWO}"
    assert [expected] == zypper(host)


def test_without_a_level_the_newest_is_installed(dash: Host) -> None:
    """And nothing newer is no failure."""
    answers = [dash.run(attempt="A1"), dash.run(attempt="A2")]

    assert [GuardExit.DONE] * 2 == [one.code for one in answers]
    assert [f"in force: {THREE}", f"nothing newer than {THREE} is offered"] == [last(one) for one in answers]


@pytest.mark.parametrize("code", [102, 103, 106, 107])
def test_what_is_in_force_decides_not_zyppers_code(dash: Host, code: int) -> None:
    """Those tell of a reboot, a restart, skipped repositories, a script that failed."""
    dash.set("ends", f"{code}\n")

    assert GuardExit.DONE == dash.run(level=TWO).code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("6\nNo repositories defined.", GuardExit.UNLICENSED),
        ("5\nRoot privileges are required.", GuardExit.NEEDS_ROOT),
        ("7\nSystem management is locked by the application with pid 4242 (zypper).", GuardExit.TOOL_LOCKED),
        ("104\nNo provider of 'x' found.", GuardExit.NOTHING_OFFERED),
        ("4\nDownload (curl) error for 'https://x': Error code: Connection failed", GuardExit.TOOL_NETWORK),
        ("4\nError code: 403", GuardExit.UNLICENSED),
        ("8\nInstallation has failed: not enough disk space", GuardExit.DISK_FULL),
        ("4\nProblem: conflicting requests", GuardExit.TOOL_FAILED),
        ("107\nscriptlet failed", GuardExit.TOOL_FAILED),
    ],
)
def test_each_exit_code_has_its_meaning(dash: Host, text: str, code: GuardExit) -> None:
    """A refusal only where nothing was changed, and here nothing was."""
    dash.set("exit-zypper", text)

    assert (code, ["livepatch_1_1_3"]) == (dash.run(level=TWO).code, dash.live)


def test_a_lock_is_waited_for(dash: Host) -> None:
    """Then it is tried again."""
    dash.set("once")
    dash.set("exit-zypper", "7\nSystem management is locked by the application with pid 4242 (zypper).")

    assert (GuardExit.DONE, 2) == (dash.run(level=TWO).code, len(zypper(dash)))


def test_installed_is_not_in_force(dash: Host) -> None:
    """A package whose module was not loaded, and one that zypper finds installed already."""
    dash.set("not-loaded")

    answers = [dash.run(level=TWO, attempt="A1"), dash.run(level=TWO, attempt="A2")]

    assert [GuardExit.TOOL_FAILED] * 2 == [one.code for one in answers]
    assert f"{PACKAGE} {TWO} is installed, and not in force" == last(answers[1])


def test_a_level_that_is_not_offered_is_refused(dash: Host) -> None:
    """What is in force stays."""
    assert (GuardExit.NOTHING_OFFERED, ["livepatch_1_1_3"]) == (dash.run(level="4-150.1.1").code, dash.live)


def test_a_transition_that_does_not_end_is_taken_back(dash: Host) -> None:
    """By the opposite value; who blocks it is told, and nothing is forced."""
    dash.set("stalls")

    answer = dash.run(level=TWO)

    assert GuardExit.STALLED_REVERTED == answer.code
    assert "+ klp -v blocking\n57\n" in answer.text
    assert [] == dash.live


def test_another_transition_is_waited_for(dash: Host) -> None:
    """Until the limit: nothing is begun."""
    dash.has(ONE, transition="1")

    assert (GuardExit.TRANSITION_UNDER_WAY, []) == (dash.run(level=TWO).code, zypper(dash))


def test_what_somebody_else_brought_is_left_alone(dash: Host) -> None:
    """Also a newer version than ours; the initial live patch is nothing to revert."""
    nothing = dash.run(Action.REVERT, attempt="A1").code
    dash.run(level=ONE, attempt="A2")
    dash.has(TWO)
    newer = dash.run(Action.REVERT, level=ONE, attempt="A3").code
    dash.set("../var/lib/patchwave/suse/brought", "")
    unknown = dash.run(Action.REVERT, level=TWO, attempt="A4").code

    assert [GuardExit.DONE, GuardExit.FOREIGN_PATCH, GuardExit.FOREIGN_PATCH] == [nothing, newer, unknown]
    assert not [call for call in dash.calls if "downgrade" in call]


def test_what_was_in_force_before_comes_back(dash: Host) -> None:
    """Also where klp has to pass other versions; an apply that changes nothing in between does not matter."""
    dash.has(ONE)
    dash.run(attempt="A1")
    dash.run(attempt="A2")

    assert (GuardExit.DONE, ["livepatch_2_150_1_1"]) == (dash.run(Action.REVERT, attempt="A3").code, dash.live)
    assert 2 == dash.calls.count("klp -n downgrade")


def test_without_a_version_before_there_is_no_way_back(dash: Host) -> None:
    """klp says so."""
    dash.run(level=ONE, attempt="A1")
    dash.set("repository", f"{ONE}\n{TWO}\n")

    assert GuardExit.NO_ROLLBACK == dash.run(Action.REVERT, level=ONE, attempt="A2").code


@pytest.mark.parametrize("missing", ["klp", "zypper", "rpm"])
def test_without_one_of_the_programs(tmp_path: Path, missing: str) -> None:
    """It is missing, and nothing is begun."""
    require("dash")
    programs = tuple(one for one in ("klp", "zypper", "rpm") if one != missing)
    host = Host(tmp_path / "root", "dash", programs)

    assert (GuardExit.TOOL_MISSING, []) == (host.run().code, zypper(host))


def test_the_package_of_another_kernel_is_refused(dash: Host) -> None:
    """It would change nothing here."""
    offer = Offer(tool="suse", kernel=RELEASE, package="kernel-livepatch-5_3_18-24-default")
    work = make_work(patch=None, payload=offer, module=b"", limit_seconds=4)
    dash.local.run(dash.local.host, SUSE.start(dash.local.host, work, "n1"))
    eventually(lambda: dash.status("A1").state is GuardState.FINISHED)

    assert GuardExit.WRONG_BUILD == dash.status("A1").code
