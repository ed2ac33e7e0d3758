"""The peers, as their own command lines run them. Only their time counts: nothing of them is imported."""

import json
from pathlib import Path

from tests.bench.fleet import FORKS, BenchFleet, addresses
from tests.bench.measured import run, wall_of

FIVE_FACTS = (
    "server.LinuxDistribution",
    "server.KernelVersion",
    "server.Arch",
    "server.RebootRequired",
    "deb.DebPackages",
)
"""What comes nearest to ours: the distribution, the kernel, the machine, whether to reboot, the packages."""

PYINFRA_INVENTORY = """\
import json
from pathlib import Path

fleet = [(address, {data!r}) for address in json.loads({addresses!r})]
"""

PLAYBOOK = """\
- hosts: all
  gather_facts: true
  tasks:
    - package_facts:
"""


def pyinfra(fleet: BenchFleet, count: int, programs: Path) -> float:
    """Seconds that pyinfra takes to read five facts of each host."""
    known = fleet.known_hosts(count)
    data = {
        "ssh_port": fleet.port,
        "ssh_user": fleet.user.name,
        "ssh_key": str(fleet.user.key),
        "ssh_known_hosts_file": str(known),
        "ssh_strict_host_key_checking": "yes",
    }
    file = fleet.folder / "pyinfra_inventory.py"
    file.write_text(PYINFRA_INVENTORY.format(data=data, addresses=json.dumps(addresses(count))))
    argv = (str(programs / "pyinfra"), "-y", "--parallel", str(FORKS), str(file), "fact", *FIVE_FACTS)
    fleet.settle()
    return wall_of(argv, home=fleet.folder)


def ansible(fleet: BenchFleet, count: int, programs: Path) -> float:
    """Seconds that Ansible takes for `gather_facts` and `package_facts` of each host, with pipelining."""
    playbook = fleet.folder / "facts.yml"
    playbook.write_text(PLAYBOOK)
    environ = {
        "PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin",
        "ANSIBLE_PIPELINING": "1",
        "ANSIBLE_FORKS": str(FORKS),
        "ANSIBLE_HOST_KEY_CHECKING": "1",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_SSH_COMMON_ARGS": f"-o UserKnownHostsFile={fleet.known_hosts(count)}",
        "ANSIBLE_HOME": str(fleet.folder / "ansible"),
        # A path of a socket may be 108 bytes long (unix(7)).
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(fleet.folder / "cp"),
    }
    argv = (str(programs / "ansible-playbook"), "-i", str(fleet.inventory(count)), str(playbook))
    fleet.settle()
    return wall_of(argv, home=fleet.folder, environ=environ)


def versions(programs: Path, home: Path) -> list[str]:
    """What the peers call themselves."""
    said = [run((str(programs / name), "--version"), home=home) for name in ("pyinfra", "ansible")]
    return [text.splitlines()[0].strip() for text in said]
