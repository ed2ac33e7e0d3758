"""What Patchwave needs to know of the lab, written into its home: inventory, pins, and the key to log in with."""

import os
from collections.abc import Iterable
from pathlib import Path

import yaml

from orchestrator.lab.kernel.keys import merge_known_hosts
from orchestrator.lab.kernel.vms import LOOPBACK

ROLES = ("web", "db", "worker")
CUSTOMERS = ("acme", "globex")


def inventory_file(home: Path) -> Path:
    """The lab's inventory: a file of its own beside others."""
    return home / "inventory" / "lab-kernel.yml"


def known_hosts_file(home: Path) -> Path:
    """Patchwave's pins."""
    return home / "known_hosts"


def inventory(ports: Iterable[tuple[str, int]], login: Path) -> dict[str, object]:
    """An Ansible inventory of machines on the loopback address."""
    hosts = {name: _variables(position, port) for position, (name, port) in enumerate(ports)}
    common = {
        "ansible_host": LOOPBACK,
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(login),
        "patchwave_site": "lab",
    }
    return {"all": {"children": {"lab_kernel": {"hosts": hosts, "vars": common}}}}


def _variables(position: int, port: int) -> dict[str, object]:
    return {
        "ansible_port": port,
        "patchwave_customer": CUSTOMERS[position % len(CUSTOMERS)],
        "patchwave_labels": {"lab": "kernel", "role": ROLES[position % len(ROLES)]},
    }


def write_inventory(home: Path, ports: Iterable[tuple[str, int]], login: Path) -> None:
    """Write the lab's inventory file."""
    _replace(inventory_file(home), yaml.safe_dump(inventory(ports, login), sort_keys=False).encode())


def write_known_hosts(home: Path, lines: tuple[str, ...]) -> None:
    """Pin the machines' host keys, in place of what was pinned for their names."""
    path = known_hosts_file(home)
    old = path.read_text() if path.exists() else ""
    _replace(path, merge_known_hosts(old, lines).encode())


def write_login(folder: Path, key: Path) -> Path:
    """Copy the private key to log in with; ssh demands that only its owner can read it."""
    path = folder / key.name
    _replace(path, key.read_bytes())
    return path


def _replace(path: Path, data: bytes) -> None:
    """Write a file that nobody else may read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as handle:
        handle.write(data)
    temporary.replace(path)
