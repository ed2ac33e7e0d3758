"""The ports to hosts: running commands on them, and the keys they are pinned to."""

from collections.abc import Sequence
from typing import Protocol

from pydantic import Field, SecretBytes

from orchestrator.core.hosts import Host
from orchestrator.core.model import Frozen


class Reply(Frozen):
    """What to send when a marker appears in what the host says: a sudo password, the bytes of an upload.

    Sent once, at the marker's first appearance on stdout or stderr; `on_repeat` names what a second appearance means
    (the class name of an error in `orchestrator.errors`, e.g. ``SudoPasswordWrong``). ``then_eof`` closes stdin after.
    """

    marker: bytes
    data: SecretBytes
    on_repeat: str | None = None
    then_eof: bool = False


class Command(Frozen):
    """One remote command: an argv, quoted in one place by the transport; what goes to its stdin; its limits.

    ``stdin`` is sent at once; ``replies`` when their markers appear; stdin is closed at once when there are none.
    ``deadline`` in seconds from the moment the command was sent; ``max_output`` in bytes over stdout and stderr
    together: beyond it the channel is closed and `OutputTooLarge` is raised.
    """

    argv: tuple[str, ...] = Field(min_length=1)
    stdin: bytes = b""
    replies: tuple[Reply, ...] = ()
    deadline: float = 60.0
    max_output: int = 4 * 1024 * 1024


class Completed(Frozen):
    """How a remote command ended. ``exit_status`` is None when a signal ended it."""

    exit_status: int | None
    stdout: bytes
    stderr: bytes


class Transport(Protocol):
    """Runs commands on hosts over connections that it keeps and reuses. Thread-safe."""

    def run(self, host: Host, command: Command) -> Completed:
        """Run it and wait. Raises a `HostError` (Unreachable, SessionBroken, RootUnavailable) and nothing else."""
        ...

    def forget(self, host: Host) -> None:
        """Close the kept connection to this host, if there is one."""
        ...

    def close(self) -> None:
        """Close all connections."""
        ...


class PresentedKey(Frozen):
    """A host key as the host presented it: OpenSSH type and base64 blob, and its SHA256 fingerprint."""

    type: str
    blob: str
    fingerprint: str


class HostKeys(Protocol):
    """The pinned host keys, per inventory name (never per address)."""

    def pinned(self, name: str) -> tuple[PresentedKey, ...]:
        """The keys pinned for that name; empty when there are none."""
        ...

    def present(self, host: Host) -> PresentedKey:
        """Ask the host for its key, without logging in and without trusting it."""
        ...

    def jump_hosts(self, host: Host) -> tuple[Host, ...]:
        """The hosts on the way to it, nearest to us first, each named as its key is pinned and ready to be asked.

        Raises `Unreachable` where the way makes no sense.
        """
        ...

    def pin(self, name: str, keys: Sequence[PresentedKey]) -> None:
        """Pin exactly these keys for that name, durably."""
        ...
