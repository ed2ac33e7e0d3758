"""SSH: commands on hosts, and the keys they are pinned to."""

from orchestrator.ssh.host_keys import HomeHostKeys
from orchestrator.ssh.transport import SshTransport

__all__ = ["HomeHostKeys", "SshTransport"]
