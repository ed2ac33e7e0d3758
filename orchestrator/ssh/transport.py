"""The `Transport` port over paramiko: commands on hosts over connections that are kept and reused."""

import paramiko

from orchestrator.core.hosts import Host
from orchestrator.errors import (
    CommandTimedOut,
    ConnectionDropped,
    HostError,
    OutputTooLarge,
    PatchwaveError,
    SessionBroken,
    ShellUnusable,
    Unreachable,
)
from orchestrator.ports.ssh import Command, Completed
from orchestrator.ssh.channel import converse, open_channel, quoted
from orchestrator.ssh.connections import Connection, Connections
from orchestrator.ssh.destinations import Destinations, ResolveHost, Route
from orchestrator.ssh.dialing import Dialer, Pins, Timeouts
from orchestrator.ssh.ssh_config import SshConfig
from orchestrator.ssh.wire import quiet_library_logging


class SshTransport:
    """Runs commands over SSH. Implements `Transport`. Thread-safe.

    ``forks`` bounds the handshakes at a time, ``max_connections`` the connections kept in all (what is in use is never
    closed for it); ``ssh_config_path`` replaces the user's and the system's ssh_config; ``resolve_host`` knows the
    inventory, for jump hosts named in it. Timeouts are in seconds.
    """

    def __init__(
        self,
        host_keys: Pins,
        *,
        forks: int = 64,
        connect_timeout: float = 10,
        banner_timeout: float = 15,
        auth_timeout: float = 20,
        max_connections: int = 256,
        ssh_config_path: str | None = None,
        resolve_host: ResolveHost = lambda _: None,
    ) -> None:
        quiet_library_logging()
        timeouts = Timeouts(connect=connect_timeout, banner=banner_timeout, login=auth_timeout)
        self._destinations = Destinations(SshConfig(ssh_config_path), resolve_host)
        self._connections = Connections(Dialer(host_keys, timeouts, forks), max_connections)

    def run(self, host: Host, command: Command) -> Completed:
        """Run it and wait. Raises a `HostError` and nothing else.

        A kept connection that turns out broken before anything of the command was sent is replaced once. A command
        that may have run is never run again.
        """
        try:
            return self._run(host, command)
        except HostError:
            raise
        except PatchwaveError as exc:
            raise Unreachable(f"{host.name}: {exc}") from exc
        except Exception as exc:
            # Whatever a library throws at us is this host's trouble, not the end of a run over many.
            raise SessionBroken(f"{host.name}: unexpected {type(exc).__name__}; this is worth a bug report") from exc

    def forget(self, host: Host) -> None:
        """Close the kept connection to this host, if there is one; a command under way ends first."""
        self._connections.forget(host.name)

    def close(self) -> None:
        """Close all connections."""
        self._connections.close()

    @property
    def kept(self) -> int:
        """How many connections are kept now."""
        return len(self._connections)

    def _run(self, host: Host, command: Command) -> Completed:
        line = quoted(host.name, command.argv)
        route = self._destinations.route(host)
        try:
            return self._attempt(route, host, command, line, may_replace=True)
        except _NothingSent:
            return self._attempt(route, host, command, line, may_replace=False)

    def _attempt(self, route: Route, host: Host, command: Command, line: str, *, may_replace: bool) -> Completed:
        connection, reused = self._connections.acquire(route)
        try:
            channel = self._open(connection, host, replaceable=reused and may_replace)
            return converse(connection.wire, channel, host.name, command, line)
        except (ConnectionDropped, CommandTimedOut, OutputTooLarge):
            self._connections.retire(connection)
            raise
        finally:
            self._connections.release(connection)

    def _open(self, connection: Connection, host: Host, *, replaceable: bool) -> paramiko.Channel:
        try:
            return open_channel(connection.wire, host.name)
        except (ConnectionDropped, ShellUnusable) as exc:
            self._connections.retire(connection)
            if replaceable:
                raise _NothingSent from exc
            raise


class _NothingSent(Exception):
    """The kept connection was broken before the command was sent."""
