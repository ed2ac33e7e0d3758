"""What Patchwave needs to know of a simulated fleet, written into a home: inventory, pins, catalogue."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import yaml

from orchestrator.bootstrap import App
from orchestrator.errors import Conflict, NotAllowed
from orchestrator.lab.kernel.keys import merge_known_hosts
from orchestrator.lab.simulated.catalogue import write_catalogue
from orchestrator.lab.simulated.fleet import SimulatedFleet
from orchestrator.lab.simulated.keys import Keys
from orchestrator.lab.simulated.machines import Machine
from orchestrator.settings import FILE, load_settings

SETTINGS_FILE = """\
# The home of a lab: its inventory is its own.
inventory = "inventory"
"""
OURS = "lab-"
"""Inventory files of labs begin so."""


def state_folder(home: Path) -> Path:
    """What a simulated fleet keeps in a home."""
    return home / "lab" / "simulated"


def take_back(home: Path) -> None:
    """The fleet is down: its inventory goes."""
    inventory_file(home).unlink(missing_ok=True)


def inventory_file(home: Path) -> Path:
    """The fleet's inventory: a file of its own."""
    return home / "inventory" / "lab-simulated.yml"


def demand_home_of_a_lab(app: App) -> None:
    """Raise `NotAllowed` where the home has an inventory that is not a lab's: a lab does not mix with real hosts."""
    home, mine = app.settings.home, app.settings.home / "inventory"
    is_new = app.settings.inventory is None and not (home / FILE).exists()
    used = mine if is_new else app.settings.inventory_path(app.folder)
    foreign = [file for file in sorted(mine.glob("*")) if not file.name.startswith((OURS, "."))]
    if used != mine or foreign:
        raise NotAllowed(
            f"the inventory in use is not a lab's ({foreign[0] if foreign else used}): give the lab a home of its own, "
            "as in `patchwave --home ~/.patchwave-lab lab up`, and unset PATCHWAVE_INVENTORY if it is set"
        )


def hand_over(
    app: App,
    machines: tuple[Machine, ...],
    port: int,
    keys: Keys,
    progress: Callable[[str], None] = lambda _line: None,
) -> None:
    """Describe a fleet in the application's home: it can be scanned then."""
    home = app.settings.home
    for line in app.initialise(SETTINGS_FILE):
        progress(line)
    _replace(app.settings.known_hosts, _pins(app.settings.known_hosts, keys.known_hosts_lines()))
    document = inventory(machines, port, str(keys.login_file))
    _replace(inventory_file(home), yaml.safe_dump(document, sort_keys=False))
    folder = state_folder(home) / "catalogue"
    write_catalogue(folder)
    for file in sorted(folder.glob("*.yaml")):
        _add(app, file, progress)


def _add(app: App, file: Path, progress: Callable[[str], None]) -> None:
    """Add a patch to the catalogue, unless it has it already."""
    try:
        progress(f"catalogue: {app.add_patch(file).id}")
    except Conflict:
        progress(f"catalogue: {file.stem} is there already")


def hand_over_to(home: Path, fleet: SimulatedFleet, environ: Mapping[str, str] | None = None) -> Path:
    """The same for a home folder; its path."""
    settings, origins = load_settings(environ or {}, home)
    app = App(settings=settings, origins=origins, folder=home)
    try:
        hand_over(app, fleet.machines, fleet.port, fleet.keys)
    finally:
        app.close()
    return home


def inventory(machines: tuple[Machine, ...], port: int, login: str) -> dict[str, object]:
    """An Ansible inventory: a group for each role, site and distribution, all of them below ``lab_simulated``."""
    common = {"ansible_port": port, "ansible_ssh_private_key_file": login}
    children: dict[str, dict[str, object]] = {"lab_simulated": {"hosts": {}, "vars": common}}
    hosts = {machine.name: _variables(machine) for machine in machines}
    children["lab_simulated"]["hosts"] = hosts
    for group in sorted({group for machine in machines for group in _groups(machine)}):
        members = [machine.name for machine in machines if group in _groups(machine)]
        children[group] = {"hosts": dict.fromkeys(members, None)}
    return {"all": {"children": children}}


def _groups(machine: Machine) -> tuple[str, ...]:
    return machine.role, machine.site, machine.kernel.system.id


def _variables(machine: Machine) -> dict[str, object]:
    variables: dict[str, object] = {
        "ansible_host": machine.address,
        "ansible_user": machine.account.user,
        "patchwave_site": machine.site,
        "patchwave_customer": machine.customer,
        "patchwave_labels": {"lab": "simulated", "role": machine.role, "os": machine.kernel.system.key},
    }
    if machine.account.password is not None:
        variables["ansible_become_password"] = machine.account.password
    return variables


def _pins(path: Path, lines: tuple[str, ...]) -> str:
    return merge_known_hosts(path.read_text() if path.exists() else "", lines)


def _replace(path: Path, text: str) -> None:
    """Write a file that nobody else may read, whole or not at all."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
        handle.write(text)
    new.replace(path)
