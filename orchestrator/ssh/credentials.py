"""What a login is attempted with: the inventory's key or password; else agent, ssh_config and default keys."""

import os
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from paramiko.pkey import PublicBlob, UnknownKeyType

from orchestrator.errors import AuthenticationFailed, KeyUnusable, Unreachable
from orchestrator.ssh import translate
from orchestrator.ssh.destinations import Hop
from orchestrator.ssh.wire import Wire

DEFAULT_KEYS = ("~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa")
MOST_KEYS = 5
"""Keys offered in one login: sshd ends the connection at the sixth failure (MaxAuthTries, sshd_config(5))."""


@dataclass(frozen=True, kw_only=True)
class _Stamp:
    """Which bytes of a key file were read, and with what."""

    path: str
    passphrase: str | None
    certificate: str | None
    times: tuple[int, ...]


class KeyFiles:
    """Private keys by file, parsed once: decrypting one takes a tenth of a second by design."""

    def __init__(self) -> None:
        self._keys: dict[_Stamp, paramiko.PKey] = {}
        self._lock = threading.Lock()

    def load(
        self, hop: Hop, path: str, *, passphrase: str | None = None, certificate: str | None = None
    ) -> paramiko.PKey:
        """The key, with its certificate where there is one beside it. Raises `KeyUnusable`."""
        file = Path(path).expanduser()
        times = tuple(_changed(part) for part in (file, file.with_name(file.name + "-cert.pub")))
        stamp = _Stamp(path=str(file), passphrase=passphrase, certificate=certificate, times=times)
        with self._lock:  # one thread decrypts, the others wait for it
            if stamp not in self._keys:
                self._keys[stamp] = _read(hop.name, file, passphrase, certificate)
            return self._keys[stamp]


def log_in(wire: Wire, hop: Hop, keys: KeyFiles) -> None:
    """Log in, or raise `AuthenticationFailed` or `KeyUnusable`."""
    tried: list[str] = []
    try:
        _attempt_all(wire, hop, keys, tried)
    except Unreachable:
        raise
    except (paramiko.SSHException, EOFError, OSError) as exc:
        raise translate.logging_in(exc, hop.name, hop.user, ", ".join(tried) or "nothing") from exc


def _attempt_all(wire: Wire, hop: Hop, keys: KeyFiles, tried: list[str]) -> None:
    if hop.identity_file:
        if _offer_named_key(wire, hop, keys, hop.identity_file, tried):
            return
    elif hop.password is None and _offer_found_keys(wire, hop, keys, tried):
        return
    if hop.password is not None and _offer_password(wire, hop, hop.password, tried):
        return
    if not tried:
        raise AuthenticationFailed(
            f"{hop.name}: there is no key and no password to log in with as {hop.user}; "
            "set ansible_ssh_private_key_file, or start an agent"
        )
    raise paramiko.AuthenticationException("refused")


def _offer_named_key(wire: Wire, hop: Hop, keys: KeyFiles, path: str, tried: list[str]) -> bool:
    try:
        key = keys.load(hop, path, passphrase=hop.identity_passphrase)
    except KeyUnusable as exc:
        # An encrypted key without a passphrase is usually in the agent already.
        with closing(paramiko.Agent()) as agent:
            held = _held_by(agent, path)
            if held is None:
                raise
            tried.append(f"key {path} of the agent")
            try:
                return _offer(wire, hop, held)
            except paramiko.AuthenticationException as refused:
                raise refused from exc
    tried.append(f"key {path}")
    return _offer(wire, hop, key)


def _offer_found_keys(wire: Wire, hop: Hop, keys: KeyFiles, tried: list[str]) -> bool:
    with closing(paramiko.Agent() if _uses_agent(hop) else _NoAgent()) as agent:
        for label, key in _found_keys(hop, keys, agent):
            if len(tried) == MOST_KEYS:
                break
            tried.append(label)
            if _offer(wire, hop, key):
                return True
    return False


def _found_keys(hop: Hop, keys: KeyFiles, agent: "paramiko.Agent | _NoAgent") -> Iterator[tuple[str, paramiko.PKey]]:
    named = [path for path in hop.config_keys if Path(path).expanduser().is_file()]
    certificate = hop.config_certificates[0] if hop.config_certificates else None
    allowed = {_public_blob(path) for path in named} if hop.identities_only else None
    for key in agent.get_keys():
        if allowed is None or key.asbytes() in allowed:
            yield "agent key", key
    for path in named or [path for path in DEFAULT_KEYS if Path(path).expanduser().is_file()]:
        try:
            yield f"key {path}", keys.load(hop, path, certificate=certificate)
        except KeyUnusable:
            continue  # nobody named it for this host: another may do


def _offer(wire: Wire, hop: Hop, key: paramiko.PKey) -> bool:
    """True when the login is complete. A key that is right but not enough goes on with the password."""
    try:
        more = wire.auth_publickey(hop.user, key)
    except paramiko.AuthenticationException as exc:
        if not wire.is_active() or "timeout" in str(exc).lower():
            raise
        return False
    if not more:
        return True
    if hop.password is None:
        raise AuthenticationFailed(f"{hop.name}: beside the key, the host wants {' or '.join(more)} for {hop.user}")
    return False


def _offer_password(wire: Wire, hop: Hop, password: str, tried: list[str]) -> bool:
    tried.append("password")
    try:
        return not wire.auth_password(hop.user, password)
    except paramiko.BadAuthenticationType as exc:
        raise AuthenticationFailed(
            f"{hop.name}: the host takes no password for {hop.user} (it takes {', '.join(exc.allowed_types)}); "
            "set ansible_ssh_private_key_file"
        ) from exc


class _NoAgent:
    def get_keys(self) -> tuple[paramiko.AgentKey, ...]:
        return ()

    def close(self) -> None:
        return


def _uses_agent(hop: Hop) -> bool:
    return (hop.agent or "").lower() != "none" and "SSH_AUTH_SOCK" in os.environ


def _held_by(agent: paramiko.Agent, path: str) -> paramiko.PKey | None:
    """The agent's key whose public half stands beside that file."""
    public = _public_blob(path)
    return next((key for key in agent.get_keys() if public is not None and key.asbytes() == public), None)


def _public_blob(path: str) -> bytes | None:
    try:
        return bytes(PublicBlob.from_file(str(Path(path + ".pub").expanduser())).key_blob)
    except (OSError, ValueError, IndexError):
        return None


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _read(name: str, file: Path, passphrase: str | None, certificate: str | None) -> paramiko.PKey:
    try:
        key = _parse(file, passphrase)
        if certificate is not None:
            key.load_certificate(str(Path(certificate).expanduser()))
    except FileNotFoundError as exc:
        raise KeyUnusable(f"{name}: there is no key file {file}; correct ansible_ssh_private_key_file") from exc
    except OSError as exc:
        raise KeyUnusable(f"{name}: the key file {file} cannot be read ({exc.strerror})") from exc
    except (ValueError, TypeError, paramiko.SSHException, UnknownKeyType, UnsupportedAlgorithm) as exc:
        raise KeyUnusable(f"{name}: the key {file} {_why(exc, file, passphrase)}") from exc
    return key


def _parse(file: Path, passphrase: str | None) -> paramiko.PKey:
    # paramiko's annotation says str, the cryptography library below it insists on bytes.
    password: Any = passphrase.encode() if passphrase else None
    try:
        return paramiko.PKey.from_path(str(file), password=password)
    except TypeError:
        if password is None:
            raise
        return paramiko.PKey.from_path(str(file))  # a passphrase given for a whole group, a key that needs none


def _why(exc: Exception, file: Path, passphrase: str | None) -> str:
    said = str(exc).lower()
    if passphrase is None and (isinstance(exc, TypeError | paramiko.PasswordRequiredException) or "password" in said):
        return "is encrypted; set ansible_ssh_private_key_passphrase, or add it to an agent with ssh-add"
    if passphrase is not None and b"PRIVATE KEY-----" in file.read_bytes():
        return "does not open with the passphrase given; correct ansible_ssh_private_key_passphrase"
    # The exception's own text may quote the file.
    return "cannot be used; is it an OpenSSH or PEM private key (RSA, ECDSA, Ed25519)?"
