"""Commands on a real sshd: what comes back, what is answered, what is cut off."""

import os
import signal
import threading
import time
import tracemalloc
from pathlib import Path

import pytest

from orchestrator.core.hosts import Host
from orchestrator.errors import (
    CommandTimedOut,
    ConnectionDropped,
    HostError,
    OutputTooLarge,
    SudoPasswordMissing,
    SudoPasswordWrong,
)
from orchestrator.ports.ssh import Command, Completed, Reply
from orchestrator.ssh import HomeHostKeys, SshTransport
from tests.adapters.ssh.conftest import host_of, pinned, shell
from tests.adapters.sshd import Sshd, kill
from tests.needs import require

pytestmark = pytest.mark.sshd

ROOT = ("sh", "-c", 'exec sudo -S -p "$0" -- sh -c "id -u"')
PROMPT = "prompt-4f1c"


def test_streams_and_status_come_back_apart(transport: SshTransport, host: Host) -> None:
    """Stdout, stderr and the exit status are what the command left."""
    expected = Completed(exit_status=3, stdout=b"out", stderr=b"err")
    assert expected == transport.run(host, shell("printf out; printf err >&2; exit 3"))


def test_a_signal_is_no_exit_status(transport: SshTransport, host: Host) -> None:
    """A command that a signal ended has no exit status, and the connection is still good."""
    assert transport.run(host, Command(argv=("sh", "-c", "kill -9 $PPID"))).exit_status is None
    assert transport.run(host, shell("echo on")).stdout == b"on\n"


@pytest.mark.parametrize("path", ["/bin/sh", "/bin/bash", "busybox"])
def test_arguments_arrive_as_they_are(
    sshd: Sshd, transport: SshTransport, host_keys: HomeHostKeys, path: str, tmp_path: Path
) -> None:
    """Every login shell hands over each argument unchanged."""
    if path == "busybox":
        busybox = require("busybox")
        path = str(sshd.folder / "ash")
        Path(path).unlink(missing_ok=True)
        Path(path).symlink_to(busybox)
    arguments = ("a b", "$HOME", "it's", 'say "x"', "*", "\\n", "`id`", "!x", "")
    host = pinned(host_of(sshd, sshd.add_user(shell=path)), sshd, host_keys)
    expected = "".join(f"<{one}>" for one in arguments).encode()
    assert expected == transport.run(host, Command(argv=("printf", "<%s>", *arguments))).stdout


@pytest.mark.parametrize("argument", ["a\nb", "a\0b", "a\rb"])
def test_arguments_that_no_shell_takes_are_refused(transport: SshTransport, host: Host, argument: str) -> None:
    """A line break or NUL in an argument is refused before anything is sent."""
    with pytest.raises(HostError, match="line break or NUL"):
        transport.run(host, Command(argv=("echo", argument)))


def test_a_login_shell_may_print_a_banner(sshd: Sshd, transport: SshTransport, host_keys: HomeHostKeys) -> None:
    """What a profile prints comes first; the answer behind it is whole."""
    user = sshd.add_user(shell="/bin/bash")
    (user.home / ".bashrc").write_text("echo WELCOME; echo beware >&2\n")
    host = pinned(host_of(sshd, user), sshd, host_keys)
    expected = Completed(exit_status=0, stdout=b"WELCOME\nmine\n", stderr=b"beware\n")
    assert expected == transport.run(host, shell("echo mine"))


def test_a_shell_that_refuses_leaves_its_words(sshd: Sshd, transport: SshTransport, host_keys: HomeHostKeys) -> None:
    """With nologin, status and words are the caller's to judge."""
    host = pinned(host_of(sshd, sshd.add_user(shell="/usr/sbin/nologin")), sshd, host_keys)
    done = transport.run(host, shell("echo no"))
    assert (done.exit_status, b"not available" in done.stdout) == (1, True)


def test_more_input_than_any_buffer_holds(transport: SshTransport, host: Host) -> None:
    """Ten megabytes go in while as many come out, without a deadlock."""
    data = os.urandom(1024) * 10_240
    done = transport.run(host, Command(argv=("cat",), stdin=data, max_output=20_000_000))
    assert done.stdout == data


def test_an_answer_of_more_than_a_window_arrives_whole(transport: SshTransport, host: Host) -> None:
    """Three windows in many pieces: none is lost while the reader sleeps, and the host never waits for us in vain."""
    program = "i=0; while [ $i -lt 3 ]; do head -c 1048576 /dev/zero; echo $i; echo $i >&2; i=$((i + 1)); done"
    completed = transport.run(host, shell(program))
    assert completed.stdout == b"".join(bytes(1048576) + b"%d\n" % n for n in range(3))
    assert completed.stderr == b"0\n1\n2\n"


def test_a_reply_is_sent_once_its_marker_appears(transport: SshTransport, host: Host) -> None:
    """The bytes follow the marker, stdin ends after them, and the script goes on."""
    script = 'read line; printf "%s" "READY-" >&2; sleep 0.2; printf 77 >&2; cat; echo end'
    reply = Reply(marker=b"READY-77", data=b"uploaded\n", then_eof=True)
    done = transport.run(host, Command(argv=("sh", "-c", script), stdin=b"first\n", replies=(reply,)))
    assert (done.stdout, done.stderr) == (b"uploaded\nend\n", b"READY-77")


def test_a_reply_whose_marker_never_appears_is_never_sent(transport: SshTransport, host: Host) -> None:
    """With no prompt, the password stays here."""
    reply = Reply(marker=b"prompt", data=b"secret\n")
    done = transport.run(host, Command(argv=("sh", "-c", "echo hello"), replies=(reply,)))
    assert done.stdout == b"hello\n"


def test_sudo_with_its_password(sshd: Sshd, transport: SshTransport, host_keys: HomeHostKeys) -> None:
    """The password answers the prompt and the command runs as root."""
    user = sshd.add_user(sudo="password")
    done = transport.run(pinned(host_of(sshd, user), sshd, host_keys), _as_root(user.password))
    assert (done.exit_status, done.stdout) == (0, b"0\n")


def test_sudo_without_a_password(sshd: Sshd, transport: SshTransport, host_keys: HomeHostKeys) -> None:
    """With NOPASSWD no prompt appears, and nothing is sent to be read by the command."""
    user = sshd.add_user(sudo="nopasswd")
    reply = Reply(marker=PROMPT.encode(), data=b"secret\n")
    argv = ("sh", "-c", 'sudo -S -p "$0" -- sh -c "id -u; cat"', PROMPT)
    host = pinned(host_of(sshd, user), sshd, host_keys)
    ready = Reply(marker=b"0\n", data=b"upload", then_eof=True)
    assert transport.run(host, Command(argv=argv, replies=(reply, ready))).stdout == b"0\nupload"


def test_sudo_with_a_wrong_password(sshd: Sshd, transport: SshTransport, host_keys: HomeHostKeys) -> None:
    """The second prompt means that the password was wrong: it is not tried until the account is locked."""
    user = sshd.add_user(sudo="password")
    with pytest.raises(SudoPasswordWrong, match="web1") as caught:
        transport.run(pinned(host_of(sshd, user), sshd, host_keys), _as_root("not-the-password"))
    assert "not-the-password" not in str(caught.value)


def test_no_password_where_sudo_wants_one(sshd: Sshd, transport: SshTransport, host_keys: HomeHostKeys) -> None:
    """A marker may also stand for an error at once: two appearances of what sudo says are one too many."""
    user = sshd.add_user(sudo="password")
    reply = Reply(marker=b"a password is required", data=b"", on_repeat="SudoPasswordMissing")
    script = "sudo -n true; sudo -n true"
    with pytest.raises(SudoPasswordMissing):
        transport.run(
            pinned(host_of(sshd, user), sshd, host_keys), Command(argv=("sh", "-c", script), replies=(reply,))
        )


def test_endless_output_is_cut_off_and_memory_stays_flat(transport: SshTransport, host: Host) -> None:
    """A host that floods costs an error and a few megabytes, no more."""
    tracemalloc.start()
    try:
        with pytest.raises(OutputTooLarge, match="1000000 bytes"):
            transport.run(host, Command(argv=("cat", "/dev/zero"), max_output=1_000_000))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16_000_000
    assert transport.run(host, shell("echo on")).stdout == b"on\n"


def test_a_command_that_does_not_end(transport: SshTransport, host: Host) -> None:
    """The deadline ends the wait, not the host; the next command gets a fresh connection."""
    started = time.monotonic()
    with pytest.raises(CommandTimedOut, match=r"0\.5 s"):
        transport.run(host, shell("sleep 30", deadline=0.5))
    assert time.monotonic() - started < 15
    assert transport.run(host, shell("echo on")).stdout == b"on\n"


def test_a_command_that_reads_nothing_runs_into_its_deadline(transport: SshTransport, host: Host) -> None:
    """Input that nobody takes does not hold the caller for ever."""
    with pytest.raises(CommandTimedOut):
        transport.run(host, Command(argv=("sleep", "30"), stdin=bytes(16_000_000), deadline=1))


def test_a_connection_dropped_in_mid_command(sshd: Sshd, transport: SshTransport, host: Host, tmp_path: Path) -> None:
    """The command is not run again, whatever it did, and the next one gets a fresh connection."""
    count = sshd.folder / "count"
    count.write_text("")
    count.chmod(0o666)
    killer = threading.Thread(target=_kill_when_written, args=(sshd, count))
    killer.start()
    with pytest.raises(ConnectionDropped, match="web1"):
        transport.run(host, shell(f"echo x >>{count}; sleep 20"))
    killer.join()
    assert count.read_text() == "x\n"
    assert transport.run(host, shell("echo on")).stdout == b"on\n"


def test_a_connection_that_freezes_is_noticed_by_the_deadline(sshd: Sshd, transport: SshTransport, host: Host) -> None:
    """A server that stops in mid-command without closing: the deadline holds."""
    transport.run(host, shell("true"))
    frozen = sshd.sessions()
    timer = threading.Timer(0.3, kill, (frozen, signal.SIGSTOP))
    timer.start()
    try:
        with pytest.raises(CommandTimedOut):
            transport.run(host, shell("sleep 20", deadline=1))
    finally:
        timer.join()
        kill(frozen, signal.SIGCONT)


def _as_root(password: str) -> Command:
    reply = Reply(marker=PROMPT.encode(), data=f"{password}\n".encode(), on_repeat="SudoPasswordWrong")
    return Command(argv=(*ROOT, PROMPT), replies=(reply,), deadline=20)


def _kill_when_written(sshd: Sshd, count: Path) -> None:
    for _ in range(200):
        if count.read_text():
            break
        time.sleep(0.02)
    kill(pid for pid in sshd.sessions() if _is_sshd(pid))


def _is_sshd(pid: int) -> bool:
    return Path(f"/proc/{pid}/comm").read_text().strip() == "sshd"
