"""What each simulated host is: its name, address, kernel, site, customer and account."""

import uuid
from dataclasses import dataclass

from orchestrator.errors import InvalidInput
from orchestrator.lab.simulated.kernels import BOOKWORM, OLDER_BOOKWORM, TRIXIE, SimulatedKernel

MOST_HOSTS = 5000
_PLACES = (BOOKWORM, TRIXIE, BOOKWORM, TRIXIE, OLDER_BOOKWORM)
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
    """One host. ``tools``: the folders of stand-ins that it has; ``uptime``: seconds it is up when the fleet starts."""

    index: int
    name: str
    address: str
    kernel: SimulatedKernel
    account: Account
    role: str
    site: str
    customer: str
    tools: tuple[str, ...] = ("base", "klp")

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


def describe(count: int) -> tuple[Machine, ...]:
    """The first ``count`` hosts: always the same ones."""
    if not 1 <= count <= MOST_HOSTS:
        raise InvalidInput(f"a simulated fleet has 1 to {MOST_HOSTS} hosts", field="--hosts")
    return tuple(_machine(index) for index in range(count))


def _machine(index: int) -> Machine:
    role = _ROLES[index % len(_ROLES)]
    return Machine(
        index=index,
        name=f"{role}-{index + 1:03d}",
        address=f"127.0.{100 + index // 250}.{index % 250 + 1}",
        kernel=_PLACES[index % len(_PLACES)],
        account=_ACCOUNTS[index // 2 % len(_ACCOUNTS)],
        role=role,
        site=_SITES[index % len(_SITES)],
        customer=_CUSTOMERS[index // 2 % len(_CUSTOMERS)],
    )
