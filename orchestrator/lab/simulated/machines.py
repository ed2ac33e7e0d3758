"""What each simulated host is: its name, address, system, tools, site, customer and account."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.errors import InvalidInput
from orchestrator.lab.simulated import MOST_HOSTS
from orchestrator.lab.simulated.faults import Faults, faults_of
from orchestrator.lab.simulated.flavours import DEMO, MIXED, Flavour
from orchestrator.lab.simulated.kernels import SimulatedKernel
from orchestrator.lab.simulated.script import HostScript
from orchestrator.lab.simulated.tool_folders import exists

_ROLES = ("web", "web", "db", "worker")
_SITES = ("lisbon", "frankfurt", "oslo")
_CUSTOMERS = ("acme", "globex", "initech")
_NAMESPACE = uuid.UUID("6f0e0f0a-6f7d-4f5a-9d0e-3a8f6f1b2c44")


@dataclass(frozen=True, kw_only=True)
class Account:
    """Who logs in. ``sudo``: None for root itself, else "nopasswd", or the password that sudo wants."""

    user: str
    sudo: str | None = None

    @property
    def is_root(self) -> bool:
        """Whether the login is root itself."""
        return self.user == "root"

    @property
    def password(self) -> str | None:
        """What sudo wants to hear."""
        return None if self.sudo in (None, "nopasswd") else self.sudo


ROOT = Account(user="root")
DEPLOY = Account(user="deploy", sudo="nopasswd")
CAROL = Account(user="carol", sudo="carols-word")
_ACCOUNTS = (ROOT, DEPLOY, ROOT, CAROL, ROOT)


@dataclass(frozen=True, kw_only=True)
class Machine:
    """One host.

    ``vendor_tools``: its live-patch tools beside the kernel's own; ``offered``: how many patches its vendor offers for
    its kernel at first; ``uptime``: seconds it is up when the fleet starts.
    """

    index: int
    name: str
    address: str
    kernel: SimulatedKernel
    account: Account
    role: str
    site: str
    customer: str
    vendor_tools: tuple[str, ...] = ()
    offered: int = 2

    @property
    def tools(self) -> tuple[str, ...]:
        """The folders of stand-ins that it has; of those that are there."""
        kernels_own = ("klp",) if self.kernel.attributes is not None else ()
        wanted = ("base", self.kernel.system.packager.value, *kernels_own, *self.vendor_tools)
        return tuple(name for name in wanted if exists(name))

    @property
    def tool_seconds(self) -> float:
        """How long its tool takes for what reaches the network."""
        return 0.02 + self.index % 7 * 0.01

    @property
    def machine_id(self) -> str:
        """Its /etc/machine-id."""
        return uuid.uuid5(_NAMESPACE, self.name).hex

    @property
    def product_uuid(self) -> str:
        """What its firmware says."""
        return str(uuid.uuid5(_NAMESPACE, f"{self.name} board"))

    @property
    def uptime(self) -> int:
        """One to a hundred days, another one on each host."""
        return 86_400 + self.index * 7_919 * 97 % (99 * 86_400)

    @property
    def transition_seconds(self) -> float:
        """How long this host's kernel takes to move all its tasks."""
        return 0.2 + self.index % 5 * 0.15


def describe(count: int, *, mixed: bool = False, script: Mapping[str, Faults] | None = None) -> tuple[Machine, ...]:
    """The first ``count`` hosts: always the same ones, but for what the script says of their systems and tools.

    ``mixed``: of all distributions; else three kernels of Debian with the kernel's own live patching alone.
    """
    if not 1 <= count <= MOST_HOSTS:
        raise InvalidInput(f"a simulated fleet has 1 to {MOST_HOSTS} hosts", field="--hosts")
    return tuple(_machine(index, MIXED if mixed else DEMO, script or {}) for index in range(count))


def _machine(index: int, flavours: tuple[Flavour, ...], script: Mapping[str, Faults]) -> Machine:
    role, lap = _ROLES[index % len(_ROLES)], index // len(flavours)
    name = f"{role}-{index + 1:03d}"
    kernel, tools = flavours[index % len(flavours)].variant(lap)
    told = faults_of(name, script)
    if isinstance(told, HostScript):
        kernel, tools = told.applied_to(kernel, tools, lap)
    offers = told.offers if isinstance(told, HostScript) else None
    # What kpatch loads has no vendor: somebody has to have installed it.
    usual = 0 if tools == ("kpatch",) else 2
    return Machine(
        index=index,
        name=name,
        address=f"127.0.{100 + index // 250}.{index % 250 + 1}",
        kernel=kernel,
        vendor_tools=tools,
        offered=usual if offers is None else offers,
        account=_ACCOUNTS[index // 2 % len(_ACCOUNTS)],
        role=role,
        # A number of flavours that three divides would put each of them at one site.
        site=_SITES[(index + (lap if flavours is MIXED else 0)) % len(_SITES)],
        customer=_CUSTOMERS[index // 2 % len(_CUSTOMERS)],
    )
