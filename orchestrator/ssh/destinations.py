"""Where a host is and how to get there: inventory and ssh_config joined into a route of hops."""

import getpass
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import paramiko

from orchestrator.core.hosts import Host
from orchestrator.errors import JumpFailed, Unreachable
from orchestrator.ssh.ssh_config import SshConfig

ResolveHost = Callable[[str], Host | None]
"""The inventory's host of that name, if there is one."""

DESTINATION = re.compile(
    r"(?:ssh://)?(?:(?P<user>[^@\s]+)@)?(?P<host>\[[^\]\s]+\]|[^:@\s\[\]]+)(?::(?P<port>\d{1,5}))?/?"
)
DEFAULT_PORT = 22


@dataclass(frozen=True, kw_only=True)
class Hop:
    """One SSH server on the way, the last being the host itself. ``name`` is what its key is pinned under."""

    name: str
    address: str
    port: int
    user: str
    connect_timeout: float | None = None
    identity_file: str | None = None
    identity_passphrase: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    config_keys: tuple[str, ...] = ()
    config_certificates: tuple[str, ...] = ()
    identities_only: bool = False
    agent: str | None = None
    trusted_with: str | None = field(default=None, compare=False)
    """The host of the inventory on whose way it stands, where it is none itself."""

    @property
    def to_trust(self) -> str:
        """What to give to `hosts trust` so that this one is asked."""
        return self.trusted_with or self.name

    @property
    def place(self) -> str:
        """``address:port``, for people."""
        address = f"[{self.address}]" if ":" in self.address else self.address
        return f"{address}:{self.port}"


Route = tuple[Hop, ...]
"""From the first jump host to the host itself."""


class Destinations:
    """Finds the route to a host. ``resolve_host`` knows the inventory, for jump hosts that are named in it."""

    def __init__(self, config: SshConfig, resolve_host: ResolveHost) -> None:
        self._config = config
        self._resolve_host = resolve_host

    def route(self, host: Host) -> Route:
        """Raises `JumpFailed` for a jump host that cannot be understood, `Unreachable` for a ProxyCommand."""
        try:
            return self._route(host, ())
        except (paramiko.SSHException, ValueError, LookupError, OSError) as exc:
            # A port that is no number, CanonicalizeHostname without domains, a Match exec that cannot be run.
            raise Unreachable(f"{host.name}: what ssh_config says of {host.address} cannot be used: {exc!r}") from exc

    def jump_hosts(self, host: Host) -> tuple[Host, ...]:
        """The jump hosts themselves, nearest to us first, with the names under which their keys are pinned.

        Each leads through those before it. Raises as `route` does.
        """
        self.route(host)
        jumps = self._jumps(host)
        if not jumps:
            return ()
        before = tuple(text.strip() for text in self._written_jump(host).split(","))
        rest = (jump.model_copy(update={"jump": ",".join(before[:at])}) for at, jump in enumerate(jumps) if at)
        return (*self.jump_hosts(jumps[0]), jumps[0], *rest)

    def _route(self, host: Host, seen: tuple[str, ...]) -> Route:
        if host.name in seen:
            raise JumpFailed(f"{host.name}: its jump hosts form a loop ({' -> '.join((*seen, host.name))})")
        jumps = self._jumps(host)
        # As with `ssh -J a,b`: only the first hop may need jump hosts of its own.
        before = self._route(jumps[0], (*seen, host.name)) if jumps else ()
        hops = (*before, *(self._hop(jump) for jump in jumps[1:]))
        return (*(self._explained(hop, host) for hop in hops), self._hop(host))

    def _explained(self, hop: Hop, host: Host) -> Hop:
        return hop if self._resolve_host(hop.name) is not None else replace(hop, trusted_with=host.name)

    def _jumps(self, host: Host) -> tuple[Host, ...]:
        written = self._written_jump(host)
        return tuple(self._jump(host, text.strip()) for text in written.split(",")) if written else ()

    def _written_jump(self, host: Host) -> str:
        about = self._config.about(host.address)
        written = host.jump if host.jump is not None else about.get("proxyjump")
        if written is None and about.get("proxycommand"):
            raise Unreachable(f"{host.name}: ssh_config gives it a ProxyCommand, which is not supported; use ProxyJump")
        return "" if not written or written.strip().lower() == "none" else written

    def _jump(self, host: Host, text: str) -> Host:
        known = self._resolve_host(text)
        if known is not None:
            return known
        matched = DESTINATION.fullmatch(text)
        if matched is None or not 0 < int(matched["port"] or DEFAULT_PORT) < 65536:
            raise JumpFailed(
                f"{host.name}: the jump host {text!r} is not [user@]host[:port] nor a host of the inventory"
            )
        return _jump_host(matched)

    def _hop(self, host: Host) -> Hop:
        about = self._config.about(host.address)
        return Hop(
            name=host.name,
            address=about.get("hostname", host.address),
            port=host.port or int(about.get("port", DEFAULT_PORT)),
            user=host.user or about.get("user") or getpass.getuser(),
            connect_timeout=host.connect_timeout,
            identity_file=host.identity_file,
            identity_passphrase=host.identity_passphrase.get_secret_value() if host.identity_passphrase else None,
            password=host.password.get_secret_value() if host.password else None,
            config_keys=tuple(about.get("identityfile", ())),
            config_certificates=tuple(filter(None, [about.get("certificatefile")])),
            identities_only=about.get("identitiesonly", "no").lower() == "yes",
            agent=about.get("identityagent"),
        )


def _jump_host(matched: re.Match[str]) -> Host:
    address = matched["host"].strip("[]")
    port = int(matched["port"]) if matched["port"] else None
    # OpenSSH's own notation for a port in known_hosts, so that two servers on one jump host stay two names.
    name = address if port in {None, DEFAULT_PORT} else f"[{address}]:{port}"
    return Host(name=name, address=address, port=port, user=matched["user"])
