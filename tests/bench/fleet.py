"""What is scanned: one real sshd that is a fleet, reached as addresses of 127.0.0.0/8."""

import json
import secrets
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from orchestrator.backends.registry import probe_parts
from orchestrator.bootstrap import App
from orchestrator.core.hosts import Become
from orchestrator.probe.command import check_command
from orchestrator.settings import load_settings
from orchestrator.ssh.known_hosts import key_of
from tests.adapters.sshd import Sshd, User

FORKS = 64
"""Hosts at a time: the product's default, and so everybody's."""


class BenchFleet:
    """The server, its account with the login shell /bin/sh, and the files that each contestant reads.

    Nobody becomes root: what sudo takes on the host would be the same for all and hide what they cost themselves.
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="pwt-bench-"))
        self._sshd = Sshd()

    def __enter__(self) -> Self:
        try:
            self._sshd.start()
            self.user: User = self._sshd.add_user(shell="/bin/sh")
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        self._sshd.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def port(self) -> int:
        """Where the server answers."""
        return self._sshd.port

    def settle(self) -> None:
        """Wait until the server has ended the sessions of whoever came before: nobody pays for another's."""
        ends = time.monotonic() + 10
        while self._sshd.sessions() and time.monotonic() < ends:
            time.sleep(0.02)

    def inventory(self, count: int) -> Path:
        """An Ansible inventory of so many addresses: the product's and Ansible's."""
        file = self.folder / f"hosts-{count}.yml"
        common = {
            "ansible_port": self.port,
            "ansible_user": self.user.name,
            "ansible_ssh_private_key_file": str(self.user.key),
            "ansible_become": False,
            "ansible_python_interpreter": "/usr/bin/python3",
        }
        hosts = {f"host{n:03}": {"ansible_host": address} for n, address in enumerate(addresses(count))}
        file.write_text(json.dumps({"all": {"hosts": hosts, "vars": common}}))
        return file

    def new_home(self, count: int) -> Path:
        """A home folder of the product in which nothing was ever checked, every host's key pinned."""
        template = self.folder / f"home-{count}"
        if not template.exists():
            self._initialise(template, count)
        home = self.folder / f"home-{secrets.token_hex(4)}"
        shutil.copytree(template, home)
        return home

    def _initialise(self, home: Path, count: int) -> None:
        settings, origins = load_settings({"PATCHWAVE_INVENTORY": str(self.inventory(count))}, home)
        app = App(settings=settings, origins=origins, folder=home)
        app.initialise()
        key = key_of(*self._sshd.host_key())
        (home / "known_hosts").write_text("".join(f"host{n:03} {key.type} {key.blob}\n" for n in range(count)))
        app.close()

    def known_hosts(self, count: int) -> Path:
        """The server's key under every address, as ssh writes it."""
        kind, blob = self._sshd.host_key()
        file = self.folder / f"known_hosts-{count}"
        file.write_text("".join(f"[{address}]:{self.port} {kind} {blob}\n" for address in addresses(count)))
        return file

    def work_of_the_floor(self, count: int, *, script: str | None = None) -> Path:
        """What the bare pool is to do: the very script and arguments that a check sends, a nonce each; or the same with
        another script."""
        parts = probe_parts(deep=False)
        commands = [
            check_command(nonce=secrets.token_hex(16), become=Become(enabled=False), known_packages=None, extra=parts)
            for _ in range(count)
        ]
        file = self.folder / f"floor-{count}{'' if script is None else '-other'}.json"
        work = {
            "port": self.port,
            "user": self.user.name,
            "key": str(self.user.key),
            "forks": FORKS,
            "script": commands[0].stdin.decode() if script is None else script,
            "jobs": [[address, command.argv] for address, command in zip(addresses(count), commands, strict=True)],
        }
        file.write_text(json.dumps(work))
        return file


def addresses(count: int) -> Sequence[str]:
    """So many addresses of 127.0.0.0/8."""
    return [f"127.0.{1 + n // 200}.{1 + n % 200}" for n in range(count)]
