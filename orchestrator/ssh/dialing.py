"""Making a connection: TCP or through a jump host, handshake, host key, login. Every step under its deadline."""

import socket
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import paramiko

from orchestrator.errors import (
    BannerTimedOut,
    HostCertificateUnsupported,
    HostKeyChanged,
    HostKeyUnknown,
    InvalidInput,
    NotAvailable,
)
from orchestrator.ports.ssh import PresentedKey
from orchestrator.ssh import translate
from orchestrator.ssh.credentials import KeyFiles, log_in
from orchestrator.ssh.destinations import Hop
from orchestrator.ssh.known_hosts import fingerprint_of
from orchestrator.ssh.wire import Wire, tune

KEEPALIVE = 30
"""Seconds without traffic after which a packet keeps the path through firewalls open."""


@dataclass(frozen=True, kw_only=True)
class Timeouts:
    """Deadlines in seconds. ``banner`` covers the whole handshake, ``login`` all attempts together."""

    connect: float = 10.0
    banner: float = 15.0
    login: float = 20.0


class Pins(Protocol):
    """The part of `HostKeys` that dialing needs."""

    def pinned(self, name: str) -> tuple[PresentedKey, ...]:
        """The keys pinned for that name."""
        ...


@runtime_checkable
class KnowsAuthorities(Protocol):
    """Pins that can also tell of certificate authorities."""

    def has_only_authority(self, name: str) -> bool:
        """Does nothing but a certificate authority stand for that name?"""
        ...


class Through(Protocol):
    """A connection to a jump host, and the turn-taking of handshakes through it."""

    @property
    def name(self) -> str:
        """Under which its key is pinned."""
        ...

    @property
    def wire(self) -> Wire:
        """The connection."""
        ...

    @property
    def turn(self) -> AbstractContextManager[Any]:
        """Held during a handshake through it."""
        ...


class Dialer:
    """Makes connections; keeps none. Thread-safe."""

    def __init__(self, pins: Pins, timeouts: Timeouts, at_a_time: int) -> None:
        """At most ``at_a_time`` handshakes at a time."""
        self._pins = pins
        self._timeouts = timeouts
        self._keys = KeyFiles()
        self._turns = threading.BoundedSemaphore(at_a_time)

    def dial(self, hop: Hop, through: Through | None) -> Wire:
        """A connection, its key checked and the login done. Raises `Unreachable`."""
        pinned = self._pinned(hop)
        return self._dialed(hop, through, pinned, lambda wire: self._enter(wire, hop, pinned))

    def ask_key(self, hop: Hop, through: Through | None) -> PresentedKey:
        """The key that the server presents; nothing is trusted and nobody logs in. Raises `Unreachable`.

        Of several keys that it has, the pinned one: so that another type is not taken for a change.
        """
        wire = self._dialed(hop, through, self._pinned(hop), lambda _: None)
        try:
            return _presented(wire)
        finally:
            wire.close()

    def _dialed(
        self, hop: Hop, through: Through | None, pinned: tuple[PresentedKey, ...], finish: Callable[[Wire], None]
    ) -> Wire:
        types = tuple(key.type for key in pinned)
        if through is not None:
            with through.turn:
                return self._shaken(hop, self._forwarded(hop, through), types, finish)
        sock = self._connected(hop)
        with self._turns:
            return self._shaken(hop, sock, types, finish)

    def _connected(self, hop: Hop) -> socket.socket:
        timeout = hop.connect_timeout or self._timeouts.connect
        try:
            sock = socket.create_connection((_encoded(hop.address), hop.port), timeout)
        except (OSError, UnicodeError) as exc:
            raise translate.connecting(exc, hop.name, hop.place, timeout) from exc
        tune(sock)
        return sock

    def _forwarded(self, hop: Hop, through: Through) -> paramiko.Channel:
        timeout = hop.connect_timeout or self._timeouts.connect
        try:
            return through.wire.open_channel("direct-tcpip", (hop.address, hop.port), ("127.0.0.1", 0), timeout=timeout)
        except (paramiko.SSHException, EOFError, OSError) as exc:
            raise translate.forwarding(exc, hop.name, hop.place, through.name) from exc

    def _shaken(self, hop: Hop, sock: Any, types: tuple[str, ...], finish: Callable[[Wire], None]) -> Wire:
        try:
            wire = Wire(sock, pinned_types=types)
        except BaseException:
            sock.close()
            raise
        try:
            self._shake(wire, hop)
            finish(wire)
        except BaseException:
            wire.close()
            raise
        wire.settle(KEEPALIVE)
        return wire

    def _shake(self, wire: Wire, hop: Hop) -> None:
        ended = threading.Event()
        allowed = self._timeouts.banner
        wire.banner_timeout = wire.handshake_timeout = allowed
        try:
            wire.start_client(event=ended)
            if not ended.wait(allowed + 1):
                raise BannerTimedOut(f"{hop.name}: {hop.place} did not finish the key exchange within {allowed:g} s")
            if not wire.is_active():
                raise wire.failure()
        except (paramiko.SSHException, EOFError, OSError) as exc:
            raise translate.handshaking(exc, hop.name, hop.place, allowed) from exc

    def _pinned(self, hop: Hop) -> tuple[PresentedKey, ...]:
        try:
            return self._pins.pinned(hop.name)
        except (InvalidInput, NotAvailable) as exc:
            raise HostKeyUnknown(f"{hop.name}: the pinned host keys cannot be read: {exc}") from exc

    def _enter(self, wire: Wire, hop: Hop, pinned: tuple[PresentedKey, ...]) -> None:
        presented = _presented(wire)
        if not pinned and isinstance(self._pins, KnowsAuthorities) and self._pins.has_only_authority(hop.name):
            raise HostCertificateUnsupported(
                f"{hop.name}: only a certificate authority is pinned for it, and host certificates are not verified; "
                f"pin its own key ({presented.type} {presented.fingerprint}): patchwave hosts trust {hop.to_trust}"
            )
        _check_key(presented, hop, pinned)
        wire.allow_for_login(self._timeouts.login)
        log_in(wire, hop, self._keys)


def _encoded(address: str) -> Any:
    """As bytes where it is ASCII, as nearly always: text goes through Python's IDNA codec, which is loaded for it."""
    return address.encode() if address.isascii() else address


def _presented(wire: Wire) -> PresentedKey:
    key = wire.get_remote_server_key()
    return PresentedKey(type=key.get_name(), blob=key.get_base64(), fingerprint=fingerprint_of(key.asbytes()))


def _check_key(presented: PresentedKey, hop: Hop, pinned: tuple[PresentedKey, ...]) -> None:
    if not pinned:
        raise HostKeyUnknown(
            f"{hop.name}: no host key is pinned; it presents {presented.type} {presented.fingerprint}. "
            f"Compare that with the host's own (ssh-keygen -lf), then run: patchwave hosts trust {hop.to_trust}"
        )
    if presented not in pinned:
        known = ", ".join(f"{key.type} {key.fingerprint}" for key in pinned)
        raise HostKeyChanged(
            f"{hop.name}: the host key is not the pinned one: pinned {known}, presented {presented.type} "
            f"{presented.fingerprint}. Somebody may be in between. If the host was reinstalled, compare with the "
            f"host's own (ssh-keygen -lf), then run: patchwave hosts trust --replace {hop.to_trust}"
        )
