"""KernelCare under the real guard, in real shells, with a kcarectl of a few lines."""

from pathlib import Path

import pytest

from orchestrator.backends.guard import GuardExit, ToolOrder, start_tool
from orchestrator.core.attempts import Action
from orchestrator.ports.ssh import Command
from tests.backends.guarded_host import GuardedHost, order
from tests.backends.local_host import SHELLS, LocalHost
from tests.needs import require

pytestmark = pytest.mark.scripts

CONF = "etc/sysconfig/kcare/kcare.conf"
PIN = "var/lib/patchwave/pins/kernelcare"

KCARECTL = r"""
state=$PATCHWAVE_ROOT/kcare
case $1 in
    --info)
        [ ! -f "$state/broken" ] || { echo 'Traceback (most recent call last):'; exit 1; }
        if [ -s "$state/level" ]; then
            echo 'kpatch-state: patch is applied'
            echo "kpatch-description: $(cat "$state/level")"
        else
            echo 'No patches applied'
        fi
        ;;
    --update)
        if [ -f "$state/refused" ]; then
            cat "$state/refused"
            exit "$(cat "$state/status")"
        fi
        cp "$state/offered" "$state/level"
        echo 'Kernel is safe'
        ;;
    --unload)
        [ -f "$state/stays" ] || : >"$state/level"
        echo 'KernelCare protection disabled. Your kernel might not be safe'
        ;;
esac
"""


class KernelCareHost(GuardedHost):
    """A host of files with kcarectl and its settings."""

    def __init__(self, local: LocalHost) -> None:
        super().__init__(local, "")
        self.bring(KCARECTL, "kcarectl")
        self.state("offered", "40-:1705486212;5.4.0-177.197")
        self.local.write(CONF, "PATCH_METHOD=normal\nAUTO_UPDATE = YES\n# the end\n")

    def command(self, sent: ToolOrder, nonce: str = "n1") -> Command:
        """As the backend starts it."""
        return start_tool(self.local.host, sent, "kernelcare/actions", nonce)

    def state(self, name: str, text: str) -> None:
        """What the vendor and the kernel are like."""
        self.local.write(f"kcare/{name}", text)

    def does(self, action: Action = Action.APPLY, attempt: str = "A1", **changes: object) -> tuple[int | None, str]:
        """The exit code and the last line."""
        changes = {"level": "", "package": "", **changes}
        answer = self.finished(order(action=action, attempt_id=attempt, **changes))
        return answer.code, answer.text.strip().rpartition("\n")[2]

    @property
    def calls(self) -> list[str]:
        """The arguments of each call of kcarectl that changes something."""
        return [line for line in self.local.read("calls/kcarectl").splitlines() if line != "--info"]


@pytest.fixture(params=SHELLS)
def host(request: pytest.FixtureRequest, tmp_path: Path) -> KernelCareHost:
    """A host with each of the shells."""
    require(request.param)
    return KernelCareHost(LocalHost(tmp_path / "root", request.param))


@pytest.fixture
def dash(tmp_path: Path) -> KernelCareHost:
    """A host with dash, for what does not depend on the shell."""
    require("dash")
    return KernelCareHost(LocalHost(tmp_path / "root", "dash"))


def test_an_apply_says_which_level_is_in_force(host: KernelCareHost) -> None:
    """In the words of a check."""
    assert host.does() == (GuardExit.DONE, "patch level 40@5.4.0-177.197 is in force")
    assert host.calls == ["--update"]


@pytest.mark.parametrize(
    ("description", "level"),
    [
        ("40-:1705486212;5.4.0-177.197", "40@5.4.0-177.197"),
        ("49-extra:1626109916;3.10.0-1160.31.1.el7.x86_64", "49-extra@3.10.0-1160.31.1.el7"),
        ("7;2.6.32-642.4.2.el6.x86_64+", "7@2.6.32-642.4.2.el6"),
        ("5;3.16.36-1+deb8u2", "5@3.16.36-1+deb8u2"),
    ],
)
def test_an_apply_of_what_is_there_already_calls_nothing(dash: KernelCareHost, description: str, level: str) -> None:
    """Whatever the client's year: its level is told as a check tells it."""
    dash.state("level", description)
    assert dash.does(level=level) == (GuardExit.DONE, f"patch level {level} is in force already")
    assert dash.calls == []


def test_a_level_above_the_ordered_one_stays(dash: KernelCareHost) -> None:
    """Nothing is ever downgraded."""
    dash.state("level", "41-:1705486212;5.4.0-181.201")
    assert dash.does(level="40@5.4.0-177.197") == (
        GuardExit.OTHER_LEVEL,
        "patch level 41@5.4.0-181.201 is in force; it is above 40@5.4.0-177.197 and stays",
    )
    assert dash.calls == []


def test_levels_are_compared_as_numbers(dash: KernelCareHost) -> None:
    """9 is below 40."""
    dash.state("level", "9-:1605486212;5.4.0-139.156")
    assert dash.does(level="40@5.4.0-177.197")[0] == GuardExit.DONE


def test_another_level_than_the_ordered_one_is_told(dash: KernelCareHost) -> None:
    """kcarectl takes no level: the check finds that the host has drifted."""
    assert dash.does(level="39@5.4.0-174.193") == (
        GuardExit.DONE,
        "patch level 40@5.4.0-177.197 is in force; 39@5.4.0-174.193 was asked for",
    )


def test_the_ordered_level_that_is_not_offered_is_a_refusal(dash: KernelCareHost) -> None:
    """kcarectl says that all is well and changes nothing."""
    dash.state("level", "40-:1705486212;5.4.0-177.197")
    code, words = dash.does(level="41@5.4.0-181.201")
    assert (code, "nothing else is offered" in words) == (GuardExit.NOTHING_OFFERED, True)


def test_the_newest_that_is_there_already_is_done(dash: KernelCareHost) -> None:
    """Without an order for a level, that there is nothing newer is no failure."""
    dash.state("level", "40-:1705486212;5.4.0-177.197")
    assert dash.does()[0] == GuardExit.DONE


@pytest.mark.parametrize(
    ("status", "words", "code"),
    [
        (1, "No valid license found for IP 198.51.100.7", GuardExit.UNLICENSED),
        (0, "Unknown kernel (Ubuntu 5.4.0-1031-raspi), no patches available", GuardExit.NOTHING_OFFERED),
        (1, "Unknown kernel (Ubuntu 5.4.0-1031-raspi), no patches available", GuardExit.NOTHING_OFFERED),
        (1, "<urlopen error [Errno -2] Name or service not known>", GuardExit.TOOL_NETWORK),
        (1, "Unable to apply patch: kthread cannot be frozen", GuardExit.TOOL_FAILED),
        (0, "Kernel is safe", GuardExit.NOTHING_OFFERED),
    ],
)
def test_each_refusal_of_kcarectl_has_its_own_code(
    dash: KernelCareHost, status: int, words: str, code: GuardExit
) -> None:
    """Its exit code alone does not tell them apart."""
    dash.state("refused", words + "\n")
    dash.state("status", str(status))
    assert dash.does()[0] == code


def test_a_lock_is_waited_for_until_the_limit(dash: KernelCareHost) -> None:
    """And is then told as one."""
    dash.state("refused", "Another instance of kcarectl is running\n")
    dash.state("status", "1")
    assert dash.does(limit_seconds=3)[0] == GuardExit.TOOL_LOCKED
    assert len(dash.calls) > 1


def test_what_cannot_be_told_afterwards_is_no_success(dash: KernelCareHost) -> None:
    """The check that follows decides."""
    dash.state("broken", "")
    assert dash.does() == (GuardExit.TOOL_FAILED, "kcarectl --info does not tell what is in force")


def test_a_revert_takes_the_patches_out(host: KernelCareHost) -> None:
    """And says that the agent will put them back unless it is pinned; a second one finds nothing to do."""
    host.state("level", "40-:1705486212;5.4.0-177.197")
    code, words = host.does(Action.REVERT, level="40@5.4.0-177.197")
    assert (code, "within four hours" in words) == (GuardExit.DONE, True)
    assert host.does(Action.REVERT, "A2") == (GuardExit.DONE, "no patch level is in force")
    assert host.calls == ["--unload"]


def test_a_revert_leaves_another_level_alone(dash: KernelCareHost) -> None:
    """It is not what was to be taken out."""
    dash.state("level", "41-:1705486212;5.4.0-181.201")
    assert dash.does(Action.REVERT, level="40@5.4.0-177.197")[0] == GuardExit.OTHER_LEVEL
    assert dash.calls == []


def test_a_revert_that_changes_nothing_failed(dash: KernelCareHost) -> None:
    """Whatever kcarectl says."""
    dash.state("level", "40-:1705486212;5.4.0-177.197")
    dash.state("stays", "")
    assert dash.does(Action.REVERT) == (
        GuardExit.TOOL_FAILED,
        "patch level 40@5.4.0-177.197 is still in force",
    )


@pytest.mark.parametrize(
    ("before", "pinned"),
    [
        ("A=1\nAUTO_UPDATE = YES\n# the end\n", "A=1\nAUTO_UPDATE=False\n# the end\n"),
        ("A=1\nAUTO_UPDATE=True", "A=1\nAUTO_UPDATE=False"),
        ("AUTO_UPDATE=no\n", "AUTO_UPDATE=False\n"),
        ("A=1\nAUTO_UPDATE_DELAY=24h\n", "A=1\nAUTO_UPDATE_DELAY=24h\nAUTO_UPDATE=False\n"),
        (r"B=\n $x & / 'y'" + "\n  AUTO_UPDATE=a&b/c\\n\n", r"B=\n $x & / 'y'" + "\nAUTO_UPDATE=False\n"),
        ("", "AUTO_UPDATE=False\n"),
    ],
)
def test_a_pin_is_saved_set_and_put_back_to_the_byte(dash: KernelCareHost, before: str, pinned: str) -> None:
    """Every other line stays as it is, and so does the file's mode."""
    dash.local.write(CONF, before)
    (dash.local.root / CONF).chmod(0o640)

    assert dash.does(Action.PIN)[0] == GuardExit.DONE
    assert dash.local.read(CONF) == pinned
    assert dash.local.read(PIN)
    assert dash.does(Action.UNPIN, "A3")[0] == GuardExit.DONE

    assert dash.local.read(CONF) == before
    assert dash.local.read(PIN) == ""
    assert (dash.local.root / CONF).stat().st_mode & 0o777 == 0o640
    assert [file.name for file in (dash.local.root / CONF).parent.iterdir()] == ["kcare.conf"]


def test_a_second_pin_saves_nothing_of_its_own(host: KernelCareHost) -> None:
    """What is put back is what stood there before the first."""
    before = host.local.read(CONF)
    assert [host.does(Action.PIN, attempt)[0] for attempt in ("A1", "A2")] == [GuardExit.DONE] * 2
    assert host.local.read(CONF) == before.replace("AUTO_UPDATE = YES", "AUTO_UPDATE=False")
    assert host.does(Action.UNPIN, "A3")[0] == GuardExit.DONE
    assert host.local.read(CONF) == before


@pytest.mark.parametrize("before", ["AUTO_UPDATE=True\nAUTO_UPDATE=False\n", "AUTO_UPDATE=caf\u00e9\n", None])
def test_what_could_not_be_put_back_is_not_pinned(dash: KernelCareHost, before: str | None) -> None:
    """Two lines, one that is no plain text, or no file at all."""
    if before is None:
        (dash.local.root / CONF).unlink()
    else:
        dash.local.write(CONF, before)
    assert dash.does(Action.PIN)[0] == GuardExit.PIN_FAILED
    assert dash.local.read(CONF) == (before or "")


def test_what_somebody_changed_meanwhile_stays(dash: KernelCareHost) -> None:
    """It is theirs; our mark goes."""
    dash.does(Action.PIN)
    dash.local.write(CONF, "AUTO_UPDATE=True # by hand\n")
    code, words = dash.does(Action.UNPIN, "A2")
    assert (code, "left as it is" in words) == (GuardExit.DONE, True)
    assert dash.local.read(CONF) == "AUTO_UPDATE=True # by hand\n"
    assert dash.local.read(PIN) == ""


def test_a_host_without_kcarectl_is_refused(dash: KernelCareHost) -> None:
    """By the name of what is missing."""
    (dash.local.root / "stand-ins/kcarectl").unlink()
    assert [dash.does(action, f"A{action}")[0] for action in (Action.APPLY, Action.REVERT, Action.PIN)] == [
        GuardExit.TOOL_MISSING
    ] * 3
