"""One command over one channel: quoted, sent, answered where it asks, cut off where it floods, ended in time."""

import shlex
import time
from collections.abc import Sequence
from threading import Event

import paramiko
from paramiko.common import cMSG_CHANNEL_REQUEST
from paramiko.message import Message

from orchestrator import errors
from orchestrator.errors import CommandTimedOut, HostError, OutputTooLarge, ShellUnusable
from orchestrator.ports.ssh import Command, Completed, Reply
from orchestrator.ssh import translate
from orchestrator.ssh.wire import WINDOW, Wire

CHUNK = 32 * 1024
PIECES = WINDOW // CHUNK // 2
"""Pieces of an answer, 32 KiB each at most, that may lie unread."""

OPEN_TIMEOUT = 15.0
"""Seconds for the host to open a channel: a kept connection whose host is gone is noticed by this at the latest."""

DEATH_NOTICE = 0.5
"""Seconds to find out whether a channel ended with its connection: paramiko ends the channels first."""


def quoted(name: str, argv: Sequence[str]) -> str:
    """The one place where a command becomes text for a login shell. Newlines are refused: csh splits on them."""
    for argument in argv:
        if any(char in argument for char in "\0\r\n"):
            raise HostError(
                f"{name}: refused to send {argv[0]}: an argument holds a line break or NUL; send it on stdin"
            )
    return shlex.join(argv)


def open_channel(wire: Wire, name: str) -> paramiko.Channel:
    """A session channel. Raises `ConnectionDropped`, `ShellUnusable`; nothing of a command was sent then."""
    try:
        return wire.open_session(timeout=OPEN_TIMEOUT)
    except (paramiko.SSHException, EOFError, OSError) as exc:
        raise translate.opening(exc, name) from exc


def converse(wire: Wire, channel: paramiko.Channel, name: str, command: Command, line: str) -> Completed:
    """Run it to its end. Raises a `SessionBroken`, or what a repeated marker stands for."""
    conversation = _Conversation(wire, channel, name, command)
    try:
        return conversation.run(line)
    except TimeoutError as exc:
        raise conversation.timed_out() from exc
    except (paramiko.SSHException, EOFError, OSError) as exc:
        raise translate.dropped(name, "in mid-command") from exc
    finally:
        _close(channel)


class _Awake(Event):
    """Set by both of a channel's buffers. Only the reader clears it: one buffer's end would hide the other's start.

    ``at_once``: whether the reader has to see each piece when it comes. Otherwise it is woken by as many of them as
    fill half the window, or by the end: to wake a thread for each piece costs more than to read it.
    """

    def __init__(self, channel: paramiko.Channel, *, at_once: bool) -> None:
        super().__init__()
        self._channel, self._pieces = channel, 0
        self._enough = 1 if at_once else PIECES

    def set(self) -> None:
        self._pieces += 1
        if self._pieces >= self._enough or self._channel.eof_received or self._channel.closed:
            super().set()

    def clear(self) -> None:
        return

    def sleep(self, seconds: float) -> None:
        """Wait until something happens."""
        self.wait(seconds)
        self._pieces = 0
        super().clear()


class _Conversation:
    def __init__(self, wire: Wire, channel: paramiko.Channel, name: str, command: Command) -> None:
        self._wire, self._channel, self._name, self._command = wire, channel, name, command
        self._out, self._err = bytearray(), bytearray()
        self._replies = [_Pending(reply) for reply in command.replies]
        self._ends = time.monotonic() + command.deadline
        self._awake = _Awake(channel, at_once=bool(command.replies))
        channel.in_buffer.set_event(self._awake)
        channel.in_stderr_buffer.set_event(self._awake)

    def run(self, line: str) -> Completed:
        self._request(line)
        self._send(self._command.stdin)
        if not self._replies:
            self._channel.shutdown_write()
        while True:
            self._listen()
            if self._is_over():
                return self._completed()
            # The exit status may come after the end of output, and wakes nobody.
            self._awake.sleep(min(self._left(), 0.2) if self._channel.eof_received else self._left())

    def timed_out(self) -> CommandTimedOut:
        return CommandTimedOut(
            f"{self._name}: the command did not end within {self._command.deadline:g} s and was left alone; "
            "look at what the host is busy with"
        )

    def _request(self, line: str) -> None:
        """Ask for the command without waiting for the answer: input may follow at once (RFC 4254, 6.5), and a host
        that never answers runs into the command's deadline."""
        message = Message()
        message.add_byte(cMSG_CHANNEL_REQUEST)
        message.add_int(self._channel.remote_chanid)
        message.add_string("exec")
        message.add_boolean(True)
        message.add_string(line)
        self._channel.event.clear()
        self._channel.event_ready = False
        self._wire.send(message)

    def _send(self, data: bytes) -> None:
        """Send all of it, listening in between: a host that waits for us to read would never read."""
        sent = 0
        while sent < len(data) and not self._channel.closed:
            self._take()
            self._channel.settimeout(min(self._left(), 0.05))
            try:
                sent += self._channel.send(data[sent : sent + CHUNK])
            except TimeoutError:
                continue
            except OSError:
                return  # it closed its end: what it said tells why

    def _answer(self) -> None:
        for pending in self._replies:
            if pending.is_due:
                pending.is_due = False
                self._send(pending.reply.data.get_secret_value())
                if pending.reply.then_eof:
                    self._channel.shutdown_write()

    def _listen(self) -> None:
        """Take what has arrived and answer it, until nothing more is there."""
        while self._take():
            self._answer()
            self._left()

    def _take(self) -> bool:
        channel, heard = self._channel, False
        if channel.recv_ready():
            self._hear(self._out, channel.recv(CHUNK))
            heard = True
        if channel.recv_stderr_ready():
            self._hear(self._err, channel.recv_stderr(CHUNK))
            heard = True
        return heard

    def _hear(self, stream: bytearray, chunk: bytes) -> None:
        start = len(stream)
        stream += chunk
        if len(self._out) + len(self._err) > self._command.max_output:
            raise OutputTooLarge(
                f"{self._name}: it sent more than {self._command.max_output} bytes and was cut off; "
                "look at what its login shell or a tool prints without end"
            )
        for pending in self._replies:
            pending.look(stream, start, self._name)

    def _is_over(self) -> bool:
        channel = self._channel
        # What arrived together with the end is still to be taken: ask for the end first, then for what is left.
        is_at_end = channel.closed or (channel.eof_received and channel.status_event.is_set())
        return bool(is_at_end) and not (channel.recv_ready() or channel.recv_stderr_ready())

    def _left(self) -> float:
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def _completed(self) -> Completed:
        channel = self._channel
        was_refused = channel.closed and not channel.event_ready
        if not (channel.eof_received and channel.exit_status != -1):
            self._wire.join(DEATH_NOTICE)
            if not self._wire.is_alive():
                raise translate.dropped(self._name, "in mid-command")
        if was_refused and channel.exit_status == -1:
            raise ShellUnusable(
                f"{self._name}: the host refuses to run commands; check the account's shell and sshd_config"
            )
        # -1 is paramiko's "none was sent": a signal ended it (RFC 4254, 6.10).
        status = None if channel.exit_status == -1 else channel.exit_status
        return Completed(exit_status=status, stdout=bytes(self._out), stderr=bytes(self._err))


class _Pending:
    """A reply and how often its marker was seen."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.is_due = False
        self._seen = 0

    def look(self, stream: bytearray, start: int, name: str) -> None:
        """Count the marker in what was appended at ``start``, also where it began before that."""
        marker = self.reply.marker
        at = stream.find(marker, max(0, start - len(marker) + 1))
        while at >= 0:
            self._seen += 1
            self.is_due = self.is_due or self._seen == 1
            if self._seen > 1 and self.reply.on_repeat:
                raise _named_error(self.reply.on_repeat, name)
            at = stream.find(marker, at + len(marker))


def _named_error(error: str, name: str) -> HostError:
    kind: type[HostError] = getattr(errors, error)
    what = (kind.__doc__ or error).splitlines()[0].rstrip(".")
    return kind(f"{name}: {what}; correct it in the inventory or on the host")


def _close(channel: paramiko.Channel) -> None:
    try:
        channel.close()
    except (paramiko.SSHException, EOFError, OSError):
        return  # the connection is gone, and the channel with it
