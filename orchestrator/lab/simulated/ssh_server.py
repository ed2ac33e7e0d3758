"""One simulated host's SSH server: logs in the lab's key, and runs what it is sent with this machine's ``sh``."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import asyncssh

from orchestrator.lab.simulated.disks import Disk
from orchestrator.lab.simulated.faults import NO_FAULTS, Faults
from orchestrator.lab.simulated.processes import kill_below

CHUNK = 65_536
FLOOD = b"0123456789abcdef" * 4096
LOST = (ConnectionError, asyncssh.Error)


@dataclass(kw_only=True, eq=False)
class HostServer:
    """Listens on one address. All methods run in the fleet's event loop.

    ``logins`` and ``sessions``: connections and channels with a command since the fleet started.
    """

    disk: Disk
    port: int
    host_key: asyncssh.SSHKey
    login_key: asyncssh.SSHKey
    faults: Faults = NO_FAULTS
    booted: float = 0
    agents_at: float | None = None
    connections: "set[asyncssh.SSHServerConnection]" = field(default_factory=set)
    is_rebooting: bool = False
    logins: int = 0
    sessions: int = 0
    _listener: asyncssh.SSHAcceptor | None = None
    _drops: int = 0
    _commands: int = 0

    def prepare(self) -> None:
        """Make its disk and power it on; `Disk.bring_back` is left to do. Blocks."""
        self.disk.install()
        self.disk.power_on()
        self._tell_faults()
        self.booted = time.time() - self.disk.machine.uptime

    def _tell_faults(self) -> None:
        """The disk, and when its agents have their turn."""
        self.disk.set_faults(self.faults)
        outruns = self.faults.agent_outruns
        self.agents_at = None if outruns is None else time.time() + outruns

    async def listen(self) -> None:
        """Answer on its address, unless its faults say otherwise. Raises `OSError` when the port is taken."""
        if self.faults.refuses or self._listener is not None:
            return
        self._listener = await asyncssh.listen(
            self.disk.machine.address,
            self.port,
            server_factory=lambda: _Login(self),
            server_host_keys=[self.host_key],
            process_factory=self._serve,
            encoding=None,
            gss_host=None,
            allow_scp=False,
            agent_forwarding=False,
            compression_algs=["none"],
            login_timeout=30,
        )

    async def close(self) -> None:
        """Stop listening, and drop every connection."""
        if self._listener is not None:
            self._listener.close()
            await self._listener.wait_closed()
            self._listener = None
        for connection in list(self.connections):
            connection.abort()

    async def set_faults(self, faults: Faults) -> None:
        """Other faults from now on."""
        self.faults, self._drops, self._commands = faults, 0, 0
        self._tell_faults()
        if faults.refuses:
            await self.close()
        elif not self.is_rebooting:
            await self.listen()

    async def reboot(self) -> None:
        """Go down at once, as at a power cut, and come back in another boot."""
        if self.is_rebooting:
            return
        self.is_rebooting = True
        try:
            await self.close()
            await asyncio.to_thread(kill_below, self.disk.root)
            await asyncio.sleep(self.faults.boot_seconds)
            await asyncio.to_thread(self.disk.boot)
            self._tell_faults()
            self.booted = time.time()
        finally:
            self.is_rebooting = False
        await self.listen()

    async def _serve(self, process: "asyncssh.SSHServerProcess[bytes]") -> None:
        self.sessions += 1
        with contextlib.suppress(*LOST):
            await asyncio.sleep(self.faults.slow)
            if self.faults.floods:
                await _flood(process)
            else:
                await self._run(process)

    async def _run(self, process: "asyncssh.SSHServerProcess[bytes]") -> None:
        self.disk.set_uptime(time.time() - self.booted)
        if self.agents_at is not None and time.time() >= self.agents_at:
            await asyncio.to_thread(self.disk.run_agents)
        child = await asyncio.create_subprocess_exec(
            "/bin/sh",
            "-c",
            process.command or "echo no interactive sessions here >&2",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self.disk.environment(self.disk.machine.account),
            cwd=self.disk.root,
            start_new_session=True,
        )
        assert child.stdin is not None and child.stdout is not None and child.stderr is not None  # noqa: S101, PT018
        feeding = asyncio.create_task(_feed(process.stdin, child.stdin))
        wire = _Wire(limit=self._next_drop(), cut=lambda: self._cut(process))
        await asyncio.gather(wire.carry(child.stdout, process.stdout), wire.carry(child.stderr, process.stderr))
        status = await child.wait()
        feeding.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await feeding
        process.exit(status if status >= 0 else 128 - status)

    def _next_drop(self) -> int | None:
        """After how many bytes of output this command's connection ends."""
        self._commands += 1
        if self._commands <= self.faults.drops_spare:
            return None
        if self.faults.drops_times is not None and self._drops >= self.faults.drops_times:
            return None
        return self.faults.drops_after

    def _cut(self, process: "asyncssh.SSHServerProcess[bytes]") -> None:
        self._drops += 1
        process.channel.get_connection().abort()


class _Login(asyncssh.SSHServer):
    """One connection: lets in the host's account with the lab's key."""

    def __init__(self, host: HostServer) -> None:
        self._host = host
        self._connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._host.connections.add(conn)
        self._host.logins += 1

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  the names are asyncssh's
        if self._connection is not None:
            self._host.connections.discard(self._connection)

    def begin_auth(self, username: str) -> bool:  # noqa: ARG002
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        account = self._host.disk.machine.account
        return username == account.user and key.public_data == self._host.login_key.public_data


@dataclass(kw_only=True)
class _Wire:
    """Carries a command's output. A command whose connection is gone goes on; what it still says is lost."""

    limit: int | None
    cut: Callable[[], None]
    carried: int = 0
    is_cut: bool = False

    async def carry(self, source: asyncio.StreamReader, target: Any) -> None:
        while data := await source.read(CHUNK):
            if self.limit is not None and not self.is_cut and self.carried + len(data) >= self.limit:
                data = data[: self.limit - self.carried]
                self._send(data, target)
                self.is_cut = True
                self.cut()
            if self.is_cut:
                continue
            self.carried += len(data)
            try:
                self._send(data, target)
                await target.drain()
            except LOST:
                self.is_cut = True

    @staticmethod
    def _send(data: bytes, target: Any) -> None:
        if data:
            target.write(data)


async def _feed(source: Any, target: asyncio.StreamWriter) -> None:
    """The channel's stdin to the command's; the command may end first, or the connection."""
    try:
        while data := await source.read(CHUNK):
            target.write(data)
            await target.drain()
    except LOST:
        return
    finally:
        with contextlib.suppress(OSError):
            target.close()


async def _flood(process: "asyncssh.SSHServerProcess[bytes]") -> None:
    while not process.stdout.is_closing():
        process.stdout.write(FLOOD)
        await process.stdout.drain()
