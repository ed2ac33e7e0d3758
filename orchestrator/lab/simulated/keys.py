"""The keys of a fleet: each host's, and the one to log in with everywhere. Made once, kept in the fleet's folder."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncssh

KIND = "ssh-ed25519"


@dataclass(frozen=True, kw_only=True)
class Keys:
    """``login``: the private key for every host's account, also in the file ``login_file``."""

    login: asyncssh.SSHKey
    login_file: Path
    hosts: dict[str, asyncssh.SSHKey]

    def known_hosts_lines(self) -> tuple[str, ...]:
        """A line of known_hosts for each host."""
        return tuple(f"{name} {_public(key)}\n" for name, key in self.hosts.items())


def make_keys(folder: Path, names: Sequence[str]) -> Keys:
    """The keys of these hosts; those that are missing are made."""
    file, login_file = folder / "host_keys.json", folder / "id_ed25519"
    kept = json.loads(file.read_text()) if file.exists() else {}
    texts = {name: kept.get(name) or _new() for name in names}
    if texts != kept:
        _write(file, json.dumps({**kept, **texts}))
    if not login_file.exists():
        _write(login_file, _new())
    return Keys(
        login=asyncssh.read_private_key(login_file),
        login_file=login_file,
        hosts={name: asyncssh.import_private_key(text) for name, text in texts.items()},
    )


def _new() -> str:
    return asyncssh.generate_private_key(KIND).export_private_key("openssh").decode()


def _public(key: asyncssh.SSHKey) -> str:
    return " ".join(key.export_public_key("openssh").decode().split()[:2])


def _write(path: Path, text: str) -> None:
    """Nobody else may read it."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
        handle.write(text)
    new.replace(path)
