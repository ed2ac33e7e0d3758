"""The guard's answers, whole and cut; and becoming root with the stand-in of sudo."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from orchestrator.backends.guard import REFUSALS, GuardAnswer, GuardExit, GuardState, parse_answer, start_command
from orchestrator.backends.klp import Klp
from orchestrator.core.attempts import Action
from orchestrator.core.hosts import Become, Host
from orchestrator.errors import (
    AnswerGarbled,
    HostError,
    ModuleInvalid,
    NeedsRoot,
    SudoMissing,
    SudoPasswordMissing,
    SudoRefused,
)
from orchestrator.ports.ssh import Completed
from orchestrator.probe.sudo import sudo_replies
from tests.backends.local_host import SHELLS, LocalHost, eventually, make_work
from tests.needs import require

HOST = Host(name="web1", address="web1")
WHOLE = b"Welcome!\n\nn1 ready\n\nn1 state finished 40 1111-22\nblocking 7 kswapd0\nn1 end 0 18\nbye\n"
KLP = Klp()


def completed(stdout: bytes = b"", stderr: bytes = b"", exit_status: int | None = 0) -> Completed:
    """An answer of a host."""
    return Completed(exit_status=exit_status, stdout=stdout, stderr=stderr)


def test_a_whole_answer_is_read() -> None:
    """Noise around it is passed over."""
    expected = GuardAnswer(state=GuardState.FINISHED, code=40, boot_id="1111-22", text="blocking 7 kswapd0")

    assert expected == parse_answer(HOST, completed(WHOLE), "n1")


@given(st.integers(min_value=0, max_value=WHOLE.index(b" 18\n") + 3))
def test_an_answer_cut_anywhere_says_nothing(length: int) -> None:
    """Never more than the whole would say: an error, not a state."""
    with pytest.raises(HostError):
        parse_answer(HOST, completed(WHOLE[:length]), "n1")


@pytest.mark.parametrize(
    "stdout",
    [
        b"",
        b"n2 state finished 0 1111\n\nn2 end 0 0\n",
        b"n1 state patched 0 1111\n\nn1 end 0 0\n",
        b"n1 state finished - 1111\n\nn1 end 0 0\n",
        b"n1 state running 0 1111\n\nn1 end 0 0\n",
        b"n1 state finished 0 1111\nabc\nn1 end 0 2\n",
        b"\xff\xfe\x00" * 50,
    ],
)
def test_a_garbled_answer_says_nothing(stdout: bytes) -> None:
    """Another nonce, another state, an exit code too many or too few, another count."""
    with pytest.raises(HostError) as caught:
        parse_answer(HOST, completed(stdout), "n1")
    assert "answer_garbled" == caught.value.code


def test_output_that_imitates_a_trailer_is_output() -> None:
    """The byte count says which trailer is ours."""
    body = b"x\nn1 end 0 99\ny"
    stdout = b"n1 state finished 0 1111\n" + body + b"\nn1 end 0 15\n"

    assert body.decode() == parse_answer(HOST, completed(stdout), "n1").text


@pytest.mark.parametrize(
    ("code", "exit_status", "stderr"),
    [
        ("needs_root", 77, b""),
        ("sudo_missing", 78, b""),
        ("sudo_refused", 1, b"joe is not in the sudoers file."),
        ("root_unavailable", 1, b"sudo: unable to open /etc/sudoers"),
        ("answer_garbled", 1, b"sh: syntax error"),
    ],
)
def test_each_way_not_to_become_root_has_its_error(code: str, exit_status: int, stderr: bytes) -> None:
    """By become.sh's exit code, or by sudo's words."""
    with pytest.raises(HostError) as caught:
        parse_answer(HOST, completed(stderr=stderr, exit_status=exit_status), "n1")
    assert code == caught.value.code


@pytest.mark.parametrize("action", [Action.APPLY, Action.REVERT])
def test_an_answer_lost_after_root_was_had_refuses_nothing(local: LocalHost, action: Action) -> None:
    """Whatever sudo said of names that do not resolve: the worker may be at it, so the guard is asked."""
    done = local.run(local.host, KLP.start(local.host, make_work(action), "n1"))
    cut = done.stdout[: done.stdout.index(b"n1 ready\n") + len(b"n1 ready\n")]

    with pytest.raises(AnswerGarbled):
        parse_answer(HOST, completed(cut, b"sudo: unable to resolve host web1", None), "n1")


def test_a_module_that_is_not_the_ordered_one_is_never_sent() -> None:
    """Its hash is taken here, too."""
    with pytest.raises(ModuleInvalid):
        KLP.start(HOST, make_work(module=b"another"), "n1")


def test_a_revert_sends_no_module() -> None:
    """So it needs no upload."""
    assert () == KLP.start(HOST, make_work(Action.REVERT), "n1").replies


def test_the_password_is_no_argument_and_in_no_representation() -> None:
    """It goes to the prompt alone."""
    host = HOST.model_copy(update={"become": Become(password=SecretStr("hunter2"))})
    command = KLP.start(host, make_work(), "n1")

    assert "hunter2" not in repr(command)
    assert b"hunter2" not in command.stdin
    assert all("hunter2" not in argument for argument in command.argv)
    assert sudo_replies(host.become, "n1")[0] == command.replies[0]
    assert command.replies[0].marker not in command.stdin + " ".join(command.argv).encode()


def test_every_refusal_is_an_exit_code_of_the_guard() -> None:
    """And "done" or "stalled" are none."""
    assert set(GuardExit) >= set(REFUSALS)
    assert GuardExit.DONE not in REFUSALS
    assert start_command.__doc__


@pytest.fixture(params=SHELLS)
def local(request: pytest.FixtureRequest, tmp_path: Path) -> LocalHost:
    """A host whose login is not root."""
    require(request.param)
    host = LocalHost(tmp_path / "root", request.param)
    host.fault("uid", "1000")
    return host


def start(local: LocalHost, become: Become) -> GuardAnswer:
    """Start an attempt on a host with such a become."""
    host = local.host.model_copy(update={"become": become})
    return KLP.answer(host, local.run(host, KLP.start(host, make_work(), "n1")), "n1")


def asked(local: LocalHost, become: Become) -> GuardAnswer:
    """Ask about it."""
    host = local.host.model_copy(update={"become": become})
    return KLP.answer(host, local.run(host, KLP.status(host, "A1", "q1")), "q1")


@pytest.mark.parametrize("wants_password", [False, True])
@pytest.mark.parametrize("password", [None, "pass word'$x"])
def test_root_by_sudo(local: LocalHost, wants_password: bool, password: str | None) -> None:
    """With a password where sudo wants one; where it wants none, it is never sent: it would arrive as the module."""
    become = Become(password=None if password is None else SecretStr(password))
    if wants_password:
        local.fault("sudo_password", password or "secret")

    if wants_password and password is None:
        with pytest.raises(SudoPasswordMissing):
            start(local, become)
        return
    start(local, become)
    eventually(lambda: asked(local, become).state is GuardState.FINISHED)

    assert (GuardExit.DONE, 1) == (asked(local, become).code, local.enabling_lines())


def test_sudo_that_refuses(local: LocalHost) -> None:
    """Nothing ran as root."""
    local.fault("sudo", "joe is not in the sudoers file.\n")

    with pytest.raises(SudoRefused):
        start(local, Become())


def test_a_host_without_sudo(local: LocalHost) -> None:
    """The script looks before it calls."""
    (local.root / "stand-ins/sudo").unlink()

    with pytest.raises(SudoMissing):
        start(local, Become())


def test_become_switched_off_needs_root(local: LocalHost) -> None:
    """sudo is not even tried."""
    with pytest.raises(NeedsRoot):
        start(local, Become(enabled=False))


def test_the_reference_has_every_exit_code() -> None:
    """docs/reference/guard.md: code, name, and the error of those that mean "nothing changed"."""
    page = (Path(__file__).parents[2] / "docs/reference/guard.md").read_text()
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \| (?:`(\w+)`|outcome `lost`|) ?\|", page, re.MULTILINE)

    expected = [(code, REFUSALS[code].code if code in REFUSALS else "") for code in GuardExit]
    assert [(str(code.value), code.name.lower(), error) for code, error in expected] == rows
