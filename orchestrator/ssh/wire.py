"""paramiko's transport with the deadlines, the algorithms and the quiet that we need.

What is changed, each for a reason: the reading thread sleeps until something happens (paramiko wakes ten times a second
per connection to look whether it was closed; we shut the socket down instead, which wakes it at once); the handshake's
deadline is a comparison instead of one more thread; a write that makes no progress gives up; host certificates are
never negotiated, since paramiko does not verify them; AES-GCM goes first, one of OpenSSH's own defaults, because
paramiko compares a MAC byte by byte in Python; what has arrived is read in one call instead of two for each packet.
"""

import logging
import socket
import threading
import time
from typing import Any, cast

import paramiko
from paramiko.message import Message
from paramiko.packet import Packetizer

WINDOW = 1024 * 1024
"""Bytes a host may send before we have read them: bounds the memory that a flood can take."""

AHEAD = 32 * 1024
"""Bytes that are taken from a socket at a time, at most."""

WAKE_UP = 15.0
"""Seconds after which a connection's idle thread looks around on its own (keepalive, re-keying)."""

WRITE_STALL = 15.0
"""Seconds without progress after which a write counts as broken."""

DEAD_PEER_MS = 30_000
"""TCP_USER_TIMEOUT: the kernel gives a peer up that acknowledged nothing for so long (tcp(7))."""


def quiet_library_logging() -> None:
    """Keep paramiko's log lines (refused logins as tracebacks) out of ours, unless a level was asked for."""
    logger = logging.getLogger("paramiko")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.CRITICAL + 1)


class _ReadsAhead:
    """A socket for the one thread that reads: takes what has arrived at once, and hands it out as it is asked for."""

    def __init__(self, sock: Any) -> None:
        self._sock = sock
        self._held, self._at = b"", 0

    def recv(self, count: int) -> bytes:
        """At most so many bytes; none at the end. Raises as the socket does."""
        if self._at == len(self._held):
            self._held, self._at = self._sock.recv(max(count, AHEAD)), 0
        found = self._held[self._at : self._at + count]
        self._at += len(found)
        return found

    def close(self) -> None:
        """Close the socket."""
        self._sock.close()


class _Packets(Packetizer):
    """Packets with a handshake deadline that needs no timer thread, and writes that give up."""

    def __init__(self, sock: Any) -> None:
        super().__init__(cast("socket.socket", _ReadsAhead(sock)))
        self._sock = sock
        self._handshake_ends: float | None = None

    def start_handshake(self, timeout: float) -> None:
        self._handshake_ends = time.monotonic() + timeout

    def handshake_timed_out(self) -> bool:
        return self._handshake_ends is not None and time.monotonic() > self._handshake_ends

    def complete_handshake(self) -> None:
        self._handshake_ends = None

    def write_all(self, out: Any) -> None:
        """Raises `EOFError` when the peer takes nothing for `WRITE_STALL` seconds."""
        gives_up = time.monotonic() + WRITE_STALL
        while out:
            sent = self._send_some(out)
            if self.closed or (sent is None and time.monotonic() > gives_up):
                raise EOFError("the peer takes no data")
            if sent:
                out, gives_up = out[sent:], time.monotonic() + WRITE_STALL

    def _send_some(self, out: bytes) -> int | None:
        """Bytes sent; None when there was no room for any for a while."""
        try:
            sent: int = self._sock.send(out)
        except TimeoutError:
            return None
        except OSError as exc:
            raise EOFError(str(exc)) from exc
        if sent == 0:  # a jump host's channel that was closed
            raise EOFError("the connection is closed")
        return sent


class Wire(paramiko.Transport):
    """One connection. ``pinned_types`` are the host key types to ask for first."""

    # While the handshake runs, its deadlines are looked at this often.
    _active_check_timeout = 0.5
    _preferred_ciphers = tuple(
        sorted(paramiko.Transport._preferred_ciphers, key=lambda name: "-gcm@" not in name)  # type: ignore[attr-defined]  # noqa: SLF001
    )
    _CLIENT_ID = "patchwave"

    def __init__(self, sock: Any, *, pinned_types: tuple[str, ...] = ()) -> None:
        self._pinned_types = _algorithms_of(pinned_types)
        self._login_ends = 0.0
        super().__init__(sock, default_window_size=WINDOW, packetizer_class=_Packets)

    @property
    def preferred_keys(self) -> tuple[str, ...]:
        """Pinned types first, so that a host with several keys shows the one we know; never certificates."""
        others = self._filter_algorithm("keys")  # type: ignore[attr-defined]
        return (*self._pinned_types, *(name for name in others if name not in self._pinned_types))

    def settle(self, keepalive: int) -> None:
        """The handshake is over: sleep long between packets, keep the path alive."""
        self.sock.settimeout(WAKE_UP)
        self.set_keepalive(keepalive)

    def allow_for_login(self, seconds: float) -> None:
        """All attempts to log in together get that long."""
        self._login_ends = time.monotonic() + seconds

    def auth_publickey(self, username: str, key: paramiko.PKey, event: threading.Event | None = None) -> list[str]:
        self.auth_timeout = max(0.0, self._login_ends - time.monotonic())
        return super().auth_publickey(username, key, event)

    def auth_password(
        self, username: str, password: str, event: threading.Event | None = None, fallback: bool = True
    ) -> list[str]:
        self.auth_timeout = max(0.0, self._login_ends - time.monotonic())
        return super().auth_password(username, password, event, fallback)

    def send(self, message: Message) -> None:
        """Send a message of our own making, waiting while keys are exchanged."""
        self._send_user_message(message)  # type: ignore[attr-defined]

    def _parse_debug(self, message: Message) -> None:
        """What a server says for debugging (sshd: where it found the key) nobody reads: paramiko would make it
        printable letter by letter."""

    def failure(self) -> Exception:
        """Why it ended, as far as it is known."""
        return self.get_exception() or EOFError("the connection was closed")

    def close(self) -> None:
        """Close now and for sure: wake the reading thread, wait for it, leave no socket open."""
        _shut_down(self.sock)
        super().close()
        if self.is_alive() and threading.current_thread() is not self:
            self.join(2)
        self.sock.close()


def tune(sock: socket.socket) -> None:
    """Send small packets at once; let the kernel notice a dead peer, so that no thread has to."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        ("TCP_KEEPIDLE", 20),
        ("TCP_KEEPINTVL", 5),
        ("TCP_KEEPCNT", 3),
        ("TCP_USER_TIMEOUT", DEAD_PEER_MS),
    ):
        if hasattr(socket, option):  # Linux; elsewhere the system's own defaults hold
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


def _algorithms_of(types: tuple[str, ...]) -> tuple[str, ...]:
    """Signature algorithms for key types: an RSA key signs with SHA-2 only (RFC 8332)."""
    found: list[str] = []
    for kind in types:
        found += ("rsa-sha2-512", "rsa-sha2-256") if kind == "ssh-rsa" else (kind,)
    return tuple(name for name in found if name in paramiko.Transport._preferred_keys)  # type: ignore[attr-defined]  # noqa: SLF001


def _shut_down(sock: Any) -> None:
    if isinstance(sock, socket.socket):
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # never connected, or gone already
