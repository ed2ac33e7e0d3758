"""What is done on a host with Canonical's client, under the real guard."""

import re
import shutil
from pathlib import Path

import pytest

from orchestrator.backends.canonical import Canonical
from orchestrator.backends.guard import GuardAnswer, GuardExit, ToolOrder, start_tool
from orchestrator.core.attempts import Action
from orchestrator.ports.ssh import Command
from tests.backends.guarded_host import GuardedHost, order
from tests.backends.local_host import SHELLS, LocalHost
from tests.needs import require

pytestmark = pytest.mark.scripts

CLIENT = Path(__file__).parent / "client"
CONFIG = "var/snap/canonical-livepatch/common/config"
PIN = "var/lib/patchwave/pins/canonical"
MOMENT = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ")


class Livepatched(GuardedHost):
    """A host with the client and the backend's own actions."""

    def __init__(self, root: Path, shell: str) -> None:
        super().__init__(LocalHost(root, shell), "")
        shutil.copy(CLIENT, root / "stand-ins/canonical-livepatch")
        (root / "stand-ins/canonical-livepatch").chmod(0o755)

    def command(self, sent: ToolOrder, nonce: str = "n1") -> Command:
        """The start of it, as the backend makes it."""
        return start_tool(self.local.host, sent, Canonical.actions, nonce)

    def says(self, **words: str) -> None:
        """What the client keeps."""
        for key, text in words.items():
            self.local.write(f"client/{key}", text)

    def asked(self) -> list[str]:
        """The calls of the client beside those for its status."""
        return [call for call in self.local.read("client/calls").splitlines() if not call.startswith("status")]

    def do(self, action: Action, level: str = "", attempt: str = "A1", limit: int = 20) -> GuardAnswer:
        """Start it and wait for its end."""
        changes = {"action": action, "level": level, "attempt_id": attempt, "limit_seconds": limit}
        return self.finished(order(package="livepatch", **changes))

    def apply(self, level: str = "", attempt: str = "A1", limit: int = 20) -> tuple[int | None, str]:
        """Its exit code and last line."""
        answer = self.do(Action.APPLY, level, attempt, limit)
        return answer.code, answer.text.splitlines()[-1]


@pytest.fixture(params=SHELLS)
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Livepatched:
    """A host with each of the shells."""
    require(request.param)
    return Livepatched(tmp_path / "root", request.param)


@pytest.fixture
def dash(tmp_path: Path) -> Livepatched:
    """A host with dash, for what does not depend on the shell."""
    require("dash")
    return Livepatched(tmp_path / "root", "dash")


def test_the_newest_is_applied(host: Livepatched) -> None:
    """By one refresh; the last line tells the level."""
    host.says(offered="107.2")
    assert (GuardExit.DONE, "107.2 is in force") == host.apply()
    assert ["refresh"] == host.asked()


def test_the_level_of_the_canary_is_applied(host: Livepatched) -> None:
    """99.2 is older than 107.2: versions are compared by their numbers."""
    host.says(version="99.2", offered="107.2")
    assert (GuardExit.DONE, "107.2 is in force, 107.2 was asked for") == host.apply("107.2")


def test_what_is_in_force_already_is_left_alone(dash: Livepatched) -> None:
    """The client is not even refreshed."""
    dash.says(version="107.2", offered="108.1")
    assert (GuardExit.DONE, "107.2 is in force already") == dash.apply("107.2")
    assert [] == dash.asked()


def test_a_newer_level_is_left_alone(dash: Livepatched) -> None:
    """There is no way back to an older one."""
    dash.says(version="107.10")
    assert (GuardExit.OTHER_LEVEL, "107.10 is in force, and 107.2 was asked for") == dash.apply("107.2")
    assert [] == dash.asked()


def test_applying_again_changes_nothing(dash: Livepatched) -> None:
    """The second time ends as the first."""
    dash.says(offered="107.2")
    assert dash.apply() == dash.apply(attempt="A2")


def test_a_patch_that_is_inserted_later_is_waited_for(dash: Livepatched) -> None:
    """`unapplied` after a refresh is not the end."""
    dash.says(offered="107.2", later="unapplied")
    assert (GuardExit.DONE, "107.2 is in force") == dash.apply()


def test_a_client_without_json_is_refreshed(dash: Livepatched) -> None:
    """What is in force then the next check tells."""
    dash.says(old="", offered="107.2")
    last = "the client was refreshed, and does not say in JSON what is in force"
    assert (GuardExit.DONE, last) == dash.apply()
    assert ["refresh"] == dash.asked()


@pytest.mark.parametrize(
    ("says", "level", "code", "last"),
    [
        ({"state": "nothing-to-apply"}, "", "NOTHING_OFFERED", "nothing-to-apply: no patch is offered for this kernel"),
        ({"state": "apply-failed"}, "", "TOOL_FAILED", "the patch is not in force: apply-failed"),
        ({"state": "unapplied"}, "", "TOOL_FAILED", "the patch is not in force: unapplied"),
        ({"version": "105.1"}, "107.2", "NOTHING_OFFERED", "107.2 is not offered; 105.1 stayed in force"),
        (
            {"version": "105.1", "check": "check-failed"},
            "",
            "TOOL_NETWORK",
            "the client could not reach its server; 105.1 stayed in force",
        ),
        (
            {"version": "105.1", "offered": "108.1"},
            "107.2",
            "DONE",
            "108.1 is in force, 107.2 was asked for",
        ),
        (
            {"refresh_fails": 'livepatch check failed: POST request to "https://example" failed\n'},
            "",
            "TOOL_NETWORK",
            'canonical-livepatch: exit status 1: livepatch check failed: POST request to "https://example" failed',
        ),
        (
            {"refresh_fails": "detected a crash last time the module was applied\n"},
            "",
            "TOOL_LOCKED",
            "canonical-livepatch: exit status 1: detected a crash last time the module was applied",
        ),
        (
            {"status_fails": "Machine is not enabled. Please run 'sudo canonical-livepatch enable'\n"},
            "",
            "UNLICENSED",
            "canonical-livepatch: exit status 1: Machine is not enabled. Please run 'sudo canonical-livepatch enable'",
        ),
        ({"refresh_fails": "no\n"}, "", "TOOL_FAILED", "canonical-livepatch: exit status 1: no"),
    ],
)
def test_an_apply_that_ends_otherwise(
    dash: Livepatched, says: dict[str, str], level: str, code: str, last: str
) -> None:
    """Each end has its code, and the client's words or ours on the last line."""
    dash.says(**says)
    assert (GuardExit[code], last) == dash.apply(level, limit=3)


def test_a_host_without_the_client(dash: Livepatched) -> None:
    """Nothing is tried; what was saved of its settings is of no use any more."""
    dash.do(Action.PIN)
    (dash.local.root / "stand-ins/canonical-livepatch").unlink()
    assert (GuardExit.TOOL_MISSING, "canonical-livepatch is not on the host") == dash.apply(attempt="A2")
    assert GuardExit.DONE == dash.do(Action.UNPIN, attempt="A3").code
    assert "" == dash.local.read(PIN)


def test_nothing_is_taken_out_again(dash: Livepatched) -> None:
    """A refusal, and the client is not called."""
    assert GuardExit.NO_ROLLBACK == dash.do(Action.REVERT).code
    assert "" == dash.local.read("client/calls")


# --- pins ----------------------------------------------------------------------------------------------------------


SETTINGS = 'http-proxy: "http://u:secret@10.0.0.1"\ncheck-interval: "120"\n'


def test_a_pin_comes_and_goes(host: Livepatched) -> None:
    """The settings are afterwards what they were, and no other setting is told; the last lines say what was done."""
    host.local.write(CONFIG, SETTINGS)
    pinned = host.do(Action.PIN)
    assert "the client is held by check-interval=0 cutoff-date=NOW" == MOMENT.sub("NOW", pinned.text.splitlines()[-1])
    assert "secret" not in host.local.read(PIN) + pinned.text
    freed = host.do(Action.UNPIN, attempt="A2")
    assert "put back: check-interval=120 cutoff-date=" == freed.text.splitlines()[-1]
    assert (GuardExit.DONE, GuardExit.DONE) == (pinned.code, freed.code)
    assert sorted(SETTINGS.splitlines()) == sorted(host.local.read(CONFIG).splitlines())
    assert "" == host.local.read(PIN)


@pytest.mark.parametrize("before", ["", 'cutoff-date: "2024-10-01T12:00:00Z"\ncheck-interval: "0"\n'])
def test_a_pin_is_set_and_taken_back_once(dash: Livepatched, before: str) -> None:
    """A second pin does not take our own settings for the host's; a second unpin changes nothing."""
    dash.local.write(CONFIG, before)
    actions = (Action.PIN, Action.PIN, Action.UNPIN, Action.UNPIN)
    codes = [dash.do(action, attempt=f"A{at}").code for at, action in enumerate(actions)]
    assert [GuardExit.DONE] * 4 == codes
    assert sorted(before.splitlines()) == sorted(dash.local.read(CONFIG).splitlines())


def test_a_cutoff_date_of_somebody_else_stays(dash: Livepatched) -> None:
    """An earlier date holds the host already: it is not moved to a later one."""
    dash.local.write(CONFIG, 'cutoff-date: "2024-10-01T12:00:00Z" # frozen\n')
    dash.do(Action.PIN)
    assert ["config check-interval=0"] == dash.asked()


def test_one_setting_is_enough(dash: Livepatched) -> None:
    """A free subscription has no cut-off date."""
    dash.says(unknown="cutoff-date")
    assert GuardExit.DONE == dash.do(Action.PIN).code
    assert 'check-interval: "0"\n' == dash.local.read(CONFIG)


def test_a_client_that_cannot_be_held(dash: Livepatched) -> None:
    """Then nothing is saved either."""
    dash.says(unknown="cutoff-date check-interval")
    assert GuardExit.PIN_FAILED == dash.do(Action.PIN).code
    assert "" == dash.local.read(PIN)


def test_a_number_that_cannot_be_cleared(dash: Livepatched) -> None:
    """Such a client is told its default."""
    dash.do(Action.PIN)
    dash.says(unknown="check-interval=")
    assert GuardExit.DONE == dash.do(Action.UNPIN, attempt="A2").code
    assert 'check-interval: "60"\n' == dash.local.read(CONFIG)


def test_a_setting_that_cannot_be_put_back(dash: Livepatched) -> None:
    """What was saved stays, so that it can be tried again."""
    dash.do(Action.PIN)
    dash.says(unknown="cutoff-date")
    answer = dash.do(Action.UNPIN, attempt="A2")
    assert (GuardExit.PIN_FAILED, True) == (answer.code, "setting=" in dash.local.read(PIN))
    assert "the settings of the client could not be put back: check-interval= cutoff-date=" in answer.text
