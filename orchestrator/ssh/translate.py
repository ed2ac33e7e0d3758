"""Errors of sockets and of paramiko, translated into ours in one place: which host, what happened, what to do."""

import errno
import socket

import paramiko
from paramiko.ssh_exception import IncompatiblePeer

from orchestrator.errors import (
    AuthenticationFailed,
    BannerTimedOut,
    ConnectionDropped,
    ConnectionRefused,
    ConnectTimedOut,
    HostError,
    JumpFailed,
    NameUnresolved,
    ShellUnusable,
    Unreachable,
)

CLOSED_AT_ONCE = (
    "accepted the connection and closed it before it said anything; "
    "look at its sshd log (MaxStartups, hosts.deny, a full disk) and at firewalls between"
)


def connecting(exc: Exception, name: str, place: str, timeout: float) -> Unreachable:
    """While a TCP connection was made to ``place`` (address:port)."""
    if isinstance(exc, socket.gaierror):
        return NameUnresolved(
            f"{name}: the address {place} does not resolve ({exc.strerror}); set ansible_host or correct DNS"
        )
    if isinstance(exc, UnicodeError):
        return NameUnresolved(f"{name}: {place} is not a valid address; correct ansible_host")
    if isinstance(exc, TimeoutError):
        return ConnectTimedOut(
            f"{name}: nothing answered at {place} within {timeout:g} s; is the host up, is a firewall in between?"
        )
    if isinstance(exc, ConnectionRefusedError):
        return ConnectionRefused(f"{name}: {place} refuses connections; does sshd run there, is ansible_port right?")
    if isinstance(exc, OSError) and exc.errno in {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN}:
        return ConnectTimedOut(f"{name}: there is no way to {place} ({exc.strerror}); check routes and VPN")
    return Unreachable(f"{name}: connecting to {place} failed: {exc}")


def forwarding(exc: Exception, name: str, place: str, jump: str) -> Unreachable:
    """While the jump host was asked to forward to ``place``."""
    if isinstance(exc, paramiko.ChannelException):
        # RFC 4254, 5.1: 1 prohibited, 2 connect failed
        what = "does not allow forwarding (AllowTcpForwarding)" if exc.code == 1 else "could not connect"
        return JumpFailed(f"{name}: the jump host {jump} {what} to {place}: {exc.text or 'no reason given'}")
    return JumpFailed(f"{name}: the jump host {jump} did not forward to {place}: {_said(exc)}; try again")


def handshaking(exc: Exception, name: str, place: str, timeout: float) -> Unreachable:
    """While versions and keys were exchanged."""
    said = str(exc)
    # paramiko keeps the reason of "Error reading SSH protocol banner" in the exception's context only.
    if "protocol banner" in said and not isinstance(exc.__context__, TimeoutError):
        return ConnectionRefused(f"{name}: {place} {CLOSED_AT_ONCE}")
    if isinstance(exc, TimeoutError) or "protocol banner" in said:
        return BannerTimedOut(
            f"{name}: {place} is open, but no SSH server spoke within {timeout:g} s; is that sshd's port?"
        )
    if isinstance(exc, EOFError | OSError):
        return Unreachable(f"{name}: {place} closed the connection while keys were exchanged; look at its sshd log")
    if isinstance(exc, IncompatiblePeer):
        return Unreachable(f"{name}: no common algorithm with {place}: {said}; its sshd is too old or too strict")
    return Unreachable(f"{name}: {place} does not speak SSH as it should: {said}")


def logging_in(exc: Exception, name: str, user: str, tried: str) -> Unreachable:
    """While the login was attempted."""
    if isinstance(exc, EOFError | OSError) or "saw EOF" in str(exc):
        return AuthenticationFailed(
            f"{name}: the server ended the login of {user} (tried: {tried}); "
            "too many keys offered, or the account is closed: set ansible_ssh_private_key_file"
        )
    if "timeout" in str(exc).lower():
        return AuthenticationFailed(f"{name}: the login of {user} got no answer in time (tried: {tried})")
    return AuthenticationFailed(
        f"{name}: the login of {user} was refused (tried: {tried}); "
        "check ansible_user, the key, and authorized_keys on the host"
    )


def opening(exc: Exception, name: str) -> HostError:
    """While a session channel was opened."""
    if isinstance(exc, paramiko.ChannelException):
        return ShellUnusable(
            f"{name}: the host opens no session ({exc.text or exc}); check MaxSessions and its sshd log"
        )
    return dropped(name, "before the command was sent")


def dropped(name: str, when: str) -> ConnectionDropped:
    """The connection ended."""
    return ConnectionDropped(f"{name}: the connection ended {when}; what the command did is not known: check the host")


def _said(exc: Exception) -> str:
    return str(exc) or type(exc).__name__
