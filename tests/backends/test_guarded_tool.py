"""A vendor's tool under the guard: the real scripts, run by real shells on a host of files."""

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
from pydantic import ValidationError

from orchestrator.backends.guard import REFUSALS, GuardExit, GuardState, start_tool
from orchestrator.backends.guard.commands import tool_of, tool_parts
from orchestrator.backends.pieces import pieces
from orchestrator.core.attempts import Action
from orchestrator.core.hosts import Host
from tests.backends.guarded_host import MADE_UP, GuardedHost, order, worker_text
from tests.backends.local_host import SHELLS, LocalHost, eventually, lives
from tests.needs import require

pytestmark = pytest.mark.scripts

BACKENDS = Path(__file__).parents[2] / "orchestrator" / "backends"
HOST = Host(name="web1", address="web1")
ACTIONS = (MADE_UP, *sorted(BACKENDS.glob("*/*actions.sh")))
NOT_TOOLS = ("guard", "klp")

HANGS = """
echo waiting
(trap '' TERM; until false; do sleep 5; echo $$; done) &
echo "$!" >>"$PATCHWAVE_ROOT/children"
sleep 300 &
echo "$!" >>"$PATCHWAVE_ROOT/children"
echo "$$" >>"$PATCHWAVE_ROOT/children"
wait
"""
"""A tool that never ends, with a child that ignores TERM."""


@pytest.fixture(params=SHELLS)
def host(request: pytest.FixtureRequest, tmp_path: Path) -> GuardedHost:
    """A host with each of the shells."""
    require(request.param)
    return GuardedHost(LocalHost(tmp_path / "root", request.param), MADE_UP.read_text())


@pytest.fixture
def dash(tmp_path: Path) -> GuardedHost:
    """A host with dash, for what does not depend on the shell."""
    require("dash")
    return GuardedHost(LocalHost(tmp_path / "root", "dash"), MADE_UP.read_text())


def children(host: GuardedHost) -> list[int]:
    """The processes that the tool noted."""
    return [int(line) for line in host.local.read("children").split()]


def named(file: Path) -> str:
    """As the file is called among those of the backends."""
    return f"{file.parent.name}/{file.stem}"


def left_over(host: GuardedHost) -> list[str]:
    """What is below /run/patchwave beside the folders of finished attempts, and in those what is for the run alone."""
    run = host.local.root / "run/patchwave"
    others = [path.name for path in run.iterdir() if not (path / "rc").is_file()]
    return sorted([*others, *(path.name for path in run.glob("*/*") if path.name in ("tool", "pipe"))])


# --- how a tool is run -----------------------------------------------------------------------------------------------


def test_what_a_tool_says_is_the_attempts_output(host: GuardedHost) -> None:
    """stdout and stderr, in order; the last line has its status and its last words; nothing is left over."""
    host.bring("echo one; echo two >&2; echo three")

    answer = host.finished()

    assert (GuardState.FINISHED, GuardExit.DONE) == (answer.state, answer.code)
    assert "+ made put fix-1 1.0-2 \none\ntwo\nthree\nmade: exit status 0: three" == answer.text
    assert (["put fix-1 1.0-2 "], []) == (host.calls, left_over(host))


@pytest.mark.parametrize(
    ("script", "code", "last"),
    [
        ("echo sorry; exit 37", GuardExit.TOOL_FAILED, "made: exit status 37: sorry"),
        ("exit 255", GuardExit.TOOL_FAILED, "made: exit status 255"),
        ("exit 124", GuardExit.TOOL_FAILED, "made: exit status 124"),
        ("exit 27", GuardExit.TOOL_FAILED, "made: exit status 27"),
        ("kill -9 $$", GuardExit.TOOL_FAILED, "made: exit status 137"),
        ("echo expired; exit 3", GuardExit.UNLICENSED, "made: exit status 3: expired"),
        ("echo 'No Route to host' >&2; exit 1", GuardExit.TOOL_NETWORK, "made: exit status 1: No Route to host"),
        ("printf 'working\\rfailed\\n\\n  \\n'; exit 1", GuardExit.TOOL_FAILED, "made: exit status 1: failed"),
    ],
)
def test_a_tool_that_fails_leaves_its_exact_status(host: GuardedHost, script: str, code: GuardExit, last: str) -> None:
    """The attempt's code is the action's; the tool's own status and last words are on the last line."""
    host.bring(script)

    answer = host.finished()

    assert (code, last) == (answer.code, answer.text.splitlines()[-1])


def test_a_tool_that_is_not_there_is_a_refusal(dash: GuardedHost) -> None:
    """Nothing was changed."""
    assert GuardExit.TOOL_MISSING == dash.finished().code
    assert GuardExit.TOOL_MISSING in REFUSALS


def test_a_program_that_is_not_there_ends_with_127(host: GuardedHost) -> None:
    """Also where nobody looked before."""
    host.actions = 'apply() { run_tool other; [ "$status" = 127 ] || return 1; return "$EXIT_TOOL_FAILED"; }\n'

    assert GuardExit.TOOL_FAILED == host.finished().code


def test_the_words_of_an_order_arrive_as_they_are(host: GuardedHost) -> None:
    """Each is one argument, whatever stands in it."""
    host.bring("printf '<%s>\\n' \"$@\"")
    sent = order(package="a+b~c:d@e", level="", setting="cut = $(id) * `x` \\n")

    answer = host.finished(sent)

    assert "<put>\n<a+b~c:d@e>\n<>\n<cut = $(id) * `x` \\n>\n" in answer.text


def test_the_surroundings_of_a_tool(host: GuardedHost) -> None:
    """Nothing on stdin, the C locale, a fixed path, files that others may read, and pipes that close as ever."""
    host.bring(
        'cat; echo "$LC_ALL $(umask)"; echo "$PATH" | cut -d: -f2-; sed -n "s/^SigIgn:[^0-9a-f]*//p" /proc/self/status'
    )

    locale, path, ignored = host.finished().text.splitlines()[1:4]

    assert ("C 0022", "/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin") == (locale, path)
    assert 0 == int(ignored, 16) & (1 << (signal.SIGPIPE - 1))


def test_without_room_the_tool_is_not_run(dash: GuardedHost) -> None:
    """Its words would have nowhere to go."""
    dash.bring("echo patched")
    dash.bring("exit 1", "mkfifo")

    answer = dash.finished()

    assert (GuardExit.TOOL_FAILED, []) == (answer.code, dash.calls)
    assert "made was not run" in answer.text.splitlines()[-1]


@pytest.mark.parametrize("has_setsid", [True, False])
def test_a_tool_that_never_ends_is_ended_with_all_that_it_started(host: GuardedHost, has_setsid: bool) -> None:
    """After the limit TERM, then KILL: no child is left behind, and the attempt says so."""
    host.bring(HANGS)
    if not has_setsid:
        (host.local.root / "stand-ins/setsid").unlink(missing_ok=True)
        host.bring('exec "$@"', "setsid")

    answer = host.finished(order(limit_seconds=1))

    assert GuardExit.TOOL_FAILED == answer.code
    assert "made did not end within 1 s and was ended: waiting" == answer.text.splitlines()[-1]
    assert (3, []) == (len(children(host)), [pid for pid in children(host) if lives(pid)])
    assert [] == left_over(host)


def test_what_a_tool_says_is_bounded_on_the_host(dash: GuardedHost) -> None:
    """/run is memory. The last words are kept, whatever went before them."""
    dash.bring("yes a line of no use | head -n 1000000; echo the end; exit 1")

    answer = dash.finished()

    assert "made: exit status 1: the end" == answer.text.splitlines()[-1]
    assert 60_000 >= len(answer.text)
    assert 2_200_000 > (dash.local.root / "run/patchwave/A1/output").stat().st_size


def test_a_daemon_that_a_tool_leaves_is_neither_ended_nor_waited_for(host: GuardedHost) -> None:
    """It may be what was installed. It holds the tool's stdout."""
    host.bring('echo begun; sleep 60 & echo "$!" >>"$PATCHWAVE_ROOT/children"; echo done')

    answer = host.finished()
    (daemon,) = children(host)
    was_alive = lives(daemon)
    os.kill(daemon, signal.SIGKILL)

    assert (GuardExit.DONE, True) == (answer.code, was_alive)
    assert "made: exit status 0: done" == answer.text.splitlines()[-1]


def test_a_lock_of_another_process_is_waited_for(host: GuardedHost) -> None:
    """The tool is run again until nobody holds it."""
    held = 'mkdir "$PATCHWAVE_ROOT/free" 2>/dev/null && { echo "database is locked by dnf"; exit 7; }'
    host.bring(f"{held}\necho patched")

    assert (GuardExit.DONE, 2) == (host.finished().code, len(host.calls))


@pytest.mark.parametrize("script", ["echo 'Database IS LOCKED by 77'; exit 7", "echo 'is locked by 77'; sleep 60"])
def test_a_lock_that_stays_is_a_refusal(host: GuardedHost, script: str) -> None:
    """The tool gives up at once, or waits for the lock itself."""
    host.bring(script)

    answer = host.finished(order(limit_seconds=1))

    assert GuardExit.TOOL_LOCKED == answer.code
    assert "locked by 77" in answer.text.splitlines()[-1].lower()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"boot_id": "99999999-0000"}, GuardExit.WRONG_BOOT),
        ({"release": "6.1.0-other"}, GuardExit.WRONG_BUILD),
        ({"release": None}, GuardExit.DONE),
        ({"action": Action.REVERT}, GuardExit.USAGE),
        ({"action": Action.PERSIST}, GuardExit.USAGE),
    ],
)
def test_what_the_host_itself_checks_before_the_tool_runs(
    host: GuardedHost, changes: dict[str, object], code: GuardExit
) -> None:
    """The boot, the kernel, and that the tool has such an action at all."""
    host.bring("echo patched")

    assert (code, code is GuardExit.DONE) == (host.finished(order(**changes)).code, host.calls != [])


def test_a_transition_of_another_patch_is_waited_for(dash: GuardedHost) -> None:
    """Only one can be under way."""
    dash.bring("echo patched")
    dash.local.load("other", "ee" * 20, transition="1")

    assert (GuardExit.TRANSITION_UNDER_WAY, []) == (dash.finished(order(limit_seconds=1)).code, dash.calls)


# --- one tool at a time ----------------------------------------------------------------------------------------------


def test_a_second_start_does_not_run_the_tool_again(host: GuardedHost) -> None:
    """Neither while it runs nor when it is through."""
    host.bring('until [ -e "$PATCHWAVE_ROOT/faults/go" ]; do sleep 0.05; done')

    states = [host.start().state, host.start(nonce="n2").state]
    host.local.fault("go", "")
    eventually(lambda: host.status().state is GuardState.FINISHED)
    states.append(host.start(nonce="n3").state)

    assert [GuardState.RUNNING, GuardState.RUNNING, GuardState.FINISHED] == states
    assert 1 == len(host.calls)


def test_another_controller_is_refused_by_name(host: GuardedHost) -> None:
    """While the tool runs."""
    host.bring('until [ -e "$PATCHWAVE_ROOT/faults/go" ]; do sleep 0.05; done')
    host.start()

    answer = host.start(order(attempt_id="B1", controller="controller-2"), "n2")
    host.local.fault("go", "")
    eventually(lambda: host.status().state is GuardState.FINISHED)

    assert (GuardState.REFUSED, GuardExit.LOCKED, "controller-1 A1") == (answer.state, answer.code, answer.text)


def test_a_tool_outlives_its_worker_and_holds_the_host(host: GuardedHost) -> None:
    """The worker was killed: the attempt runs until the tool ends, and nobody starts a second one; then it died."""
    host.bring('until [ -e "$PATCHWAVE_ROOT/faults/go" ]; do sleep 0.05; done')
    host.start()
    eventually(lambda: host.calls != [])
    host.local.kill_worker()

    states = [host.status().state, host.start(nonce="n2").state]
    refused = host.start(order(attempt_id="B1", controller="controller-2"), "n3")
    host.local.fault("go", "")
    eventually(lambda: host.status().state is not GuardState.RUNNING)
    states.append(host.status().state)

    assert [GuardState.RUNNING, GuardState.RUNNING, GuardState.DIED] == states
    assert (GuardExit.LOCKED, "controller-1 A1") == (refused.code, refused.text)
    assert GuardExit.DONE == host.finished(order(attempt_id="C1")).code
    assert 2 == len(host.calls)


def test_a_killed_worker_and_its_tool_died(host: GuardedHost) -> None:
    """There is no exit code, and no process."""
    host.bring('echo "$$" >"$PATCHWAVE_ROOT/children"; exec sleep 60')
    host.start()
    eventually(lambda: children(host) != [])
    host.local.kill_worker()
    os.kill(children(host)[0], signal.SIGKILL)
    eventually(lambda: not lives(children(host)[0]))

    assert GuardState.DIED is host.status().state
    assert (GuardState.DIED, 1) == (host.start(nonce="n2").state, len(host.calls))


def test_a_tool_that_hangs_without_its_worker_holds_the_host_for_its_limit(dash: GuardedHost) -> None:
    """Nobody is left who would end it; but it does not hold the lock for ever."""
    dash.bring('echo "$$" >"$PATCHWAVE_ROOT/children"; exec sleep 60')
    dash.start()
    eventually(lambda: children(dash) != [])
    dash.local.kill_worker()
    pid, start, _ = dash.local.read("run/patchwave/A1/tool").split()
    dash.local.write("run/patchwave/A1/tool", f"{pid} {start} 1\n")

    state = dash.status().state
    os.kill(int(pid), signal.SIGKILL)

    assert GuardState.DIED is state


# --- pins ------------------------------------------------------------------------------------------------------------


def pinned(host: GuardedHost, action: Action, attempt: str) -> int | None:
    """The code of a pin or unpin."""
    return host.finished(order(action=action, attempt_id=attempt)).code


def test_a_pin_keeps_what_was_before_and_unpin_puts_it_back(host: GuardedHost) -> None:
    """Also after a reboot; what is kept says whose it is, and only root may read it."""
    host.local.write("etc/made.conf", "auto = yes; $HOME & more\n")
    kept = host.local.root / "var/lib/patchwave/pins/made"

    assert GuardExit.DONE == pinned(host, Action.PIN, "P1")
    assert "hold\n" == host.local.read("etc/made.conf")
    words = dict(line.split("=", 1) for line in kept.read_text().splitlines()[1:])
    assert ("controller-1", "P1", "auto = yes; $HOME & more") == (
        words["controller"],
        words["attempt"],
        words["setting"],
    )
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", words["time"])
    assert [0o600, 0o700, 0o700] == [path.stat().st_mode & 0o777 for path in (kept, kept.parent, kept.parent.parent)]
    host.local.reboot()
    assert GuardExit.DONE == pinned(host, Action.UNPIN, "U1")
    assert ("auto = yes; $HOME & more\n", False) == (host.local.read("etc/made.conf"), kept.exists())


def test_a_second_pin_does_not_save_our_own_setting(host: GuardedHost) -> None:
    """What was saved first is what is put back."""
    host.local.write("etc/made.conf", "auto\n")

    assert [0, 0, 0] == [pinned(host, *step) for step in ((Action.PIN, "P1"), (Action.PIN, "P2"), (Action.UNPIN, "U1"))]
    assert "auto\n" == host.local.read("etc/made.conf")


def test_an_empty_setting_is_one(dash: GuardedHost) -> None:
    """The agent had none: that is put back, too."""
    dash.local.write("etc/made.conf", "\n")

    assert [0, 0] == [pinned(dash, Action.PIN, "P1"), pinned(dash, Action.UNPIN, "U1")]
    assert "\n" == dash.local.read("etc/made.conf")


def test_nothing_pinned_is_nothing_to_put_back(dash: GuardedHost) -> None:
    """And so it is done."""
    dash.local.write("etc/made.conf", "auto\n")

    assert (GuardExit.DONE, "auto\n") == (pinned(dash, Action.UNPIN, "U1"), dash.local.read("etc/made.conf"))


@pytest.mark.parametrize("setting", ["one\ntwo\n", "x" * 201, "caf\u00e9\n", "a\tb\n"])
def test_a_setting_that_cannot_be_kept_is_not_changed(host: GuardedHost, setting: str) -> None:
    """What could not be put back as it was is no pin: more than a line, more than 200 characters, not printable."""
    host.local.write("etc/made.conf", setting)

    assert (GuardExit.PIN_FAILED, setting) == (pinned(host, Action.PIN, "P1"), host.local.read("etc/made.conf"))
    assert [] == [path for path in (host.local.root / "var").rglob("*") if path.is_file()]


@pytest.mark.parametrize("obstacle", ["var/lib/patchwave", "var/lib/patchwave/pins/made"])
def test_a_pin_that_cannot_be_saved_changes_nothing(dash: GuardedHost, obstacle: str) -> None:
    """No room on the disk, or a file that is none of ours or was damaged: what was before would be lost."""
    dash.local.write("etc/made.conf", "auto\n")
    dash.local.write(obstacle, "a file")

    assert (GuardExit.PIN_FAILED, "auto\n") == (pinned(dash, Action.PIN, "P1"), dash.local.read("etc/made.conf"))


# --- orders and scripts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"package": "-y"},
        {"package": "a b"},
        {"package": "a\n"},
        {"package": "x" * 201},
        {"package": "a/b"},
        {"level": "1.0 2"},
        {"level": "$(id)"},
        {"level": "1\n"},
        {"setting": 'say "x"'},
        {"setting": "it's"},
        {"setting": "a\nb"},
        {"setting": "caf\u00e9"},
        {"setting": "x" * 201},
        {"release": "../x"},
        {"attempt_id": "../A1"},
        {"controller": "a b"},
        {"limit_seconds": 0},
    ],
)
def test_an_order_takes_only_words_that_are_safe_to_send(changes: dict[str, object]) -> None:
    """Nothing that a tool could take for an option, nothing of more than a line."""
    with pytest.raises(ValidationError):
        order(**changes)


def test_an_order_goes_as_words_and_the_script_is_a_constant() -> None:
    """Each word is one argument, KEY=VALUE, with the tool's name, which its pin is called by."""
    commands = [start_tool(HOST, order(setting=setting), "klp/actions", "n1") for setting in ("", "a b")]

    assert {"setting=a b", "package=fix-1", "level=1.0-2", "tool=klp", "size=0"} <= set(commands[1].argv)
    assert commands[0].stdin == commands[1].stdin
    assert "klp/actions" in tool_parts("klp/actions")


@pytest.mark.parametrize(
    "name", ["made", "made_actions", "../made/actions", "Made/actions", "/actions", "made/actions\n"]
)
def test_actions_have_names_of_their_form(name: str) -> None:
    """They stand in a folder that names the tool."""
    with pytest.raises(ValueError, match="TOOL/actions"):
        tool_of(name)


@pytest.mark.parametrize("file", ACTIONS, ids=named)
def test_actions_pass_shellcheck_as_they_are_sent(file: Path) -> None:
    """Behind what they use, before the worker. SC2317: not every worker calls all of that."""
    text = worker_text(file.read_text())

    done = subprocess.run(
        [require("shellcheck"), "-s", "sh", "-e", "SC2317", "-"],
        input=text,
        text=True,
        capture_output=True,
        check=False,
    )

    assert (0, "") == (done.returncode, done.stdout)


@pytest.mark.parametrize("file", [file for file in ACTIONS if file.parent.name not in NOT_TOOLS], ids=named)
def test_actions_keep_to_the_contract(file: Path) -> None:
    """They define functions alone, never exit, and never hand a tool's own status on as the guard's."""
    lines = [line for line in file.read_text().splitlines() if not line.lstrip().startswith("#")]

    assert [] == [line for line in lines if re.search(r"(^|[;&|{(])\s*exit\b", line)]
    assert [] == [
        line
        for line in lines
        if re.search(r"(run_tool|run_unlocked|call) .*\|\| return *(\"?\$(status|\?)\"?)?$", line)
    ]
    assert [] == [
        line for line in lines if re.match(r"\S", line) and not re.match(r"[a-z_]+\(\) [{(]|[})]$|[a-z_]+=", line)
    ]


FUNCTION = re.compile(r"^([a-z_]+)\(\)", re.MULTILINE)
VARIABLE = re.compile(r"(?:(?<![\w$\"-])(?=[a-z_]+=)|\bfor (?=[a-z_]+ in\b)|\bread -r )([a-z_]+)")
ORDERED = ("root", "run", "folder", "nonce", "attempt", "controller", "action", "boot", "boot_now", "tool", "limit")
SHARED = ("guard/actions", "guard/tool", "guard/pins")


def without_comments(text: str) -> str:
    """The script's lines that are run."""
    return re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE)


@pytest.mark.parametrize("file", [file for file in ACTIONS if file.parent.name not in NOT_TOOLS], ids=named)
def test_actions_leave_the_names_of_the_guard_alone(file: Path) -> None:
    """No variable of a shell is local, and the last function of a name is the one that is called."""
    text, guard = without_comments(file.read_text()), without_comments(worker_text(""))
    shared = without_comments(pieces(SHARED))
    theirs = {"apply", "revert", "persist", "pin", "unpin"}

    assert set() == (set(FUNCTION.findall(text)) - theirs) & set(FUNCTION.findall(guard))
    reserved = {*VARIABLE.findall(shared), *ORDERED, "line", "called"} - {"bs", "count"}  # Those are operands of dd.
    assert set() == set(VARIABLE.findall(text)) & reserved
