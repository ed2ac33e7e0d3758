"""A host as the inventory describes it. Who it is over time is decided in `core.identity`."""

from typing import Annotated

from pydantic import Field, SecretStr

from orchestrator.core.model import Frozen


class Become(Frozen):
    """How to become root: Ansible's ``ansible_become*`` variables.

    ``enabled`` None means "where root is needed and the login is not root, try sudo".
    """

    enabled: bool | None = None
    method: str = "sudo"
    user: str = "root"
    password: SecretStr | None = None


class LeftOutHost(Frozen):
    """A host of an inventory that is no part of the fleet, and why: ``ansible_connection=local``."""

    name: str
    why: str


class Host(Frozen):
    """One machine reached over SSH, as an inventory names it.

    ``address`` is what to connect to (``ansible_host``, else the name). ``user``, ``port`` None: ssh_config or the
    default decides. ``jump`` is an ssh destination (``[user@]host[:port]``, comma-separated for several hops), or the
    name of another inventory host. ``groups`` are all groups it is in, parents included, ``all`` left out, sorted.
    """

    name: str
    address: str
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    user: str | None = None
    password: SecretStr | None = None
    identity_file: str | None = None
    identity_passphrase: SecretStr | None = None
    jump: str | None = None
    become: Become = Become()
    connect_timeout: Annotated[float, Field(gt=0, le=600)] | None = None
    customer: str | None = None
    site: str | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    backend: str | None = None
    ephemeral: bool = False
    groups: tuple[str, ...] = ()
