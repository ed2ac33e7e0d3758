"""SSH keys of the lab: one to log in with, some per machine, and how known_hosts has them."""

from pathlib import Path

from orchestrator.lab.kernel.cache import Cache, recipe
from orchestrator.lab.kernel.programs import run

HOST_KEY_TYPES = ("ed25519", "ecdsa")


def client_key(cache: Cache) -> Path:
    """The private key that opens every account of every machine of this cache."""
    folder = cache.entry(
        "ssh", "client", recipe(__file__), lambda work: generate(work / "id_ed25519", "ed25519", "patchwave-lab")
    )
    return folder / "id_ed25519"


def generate(path: Path, kind: str, comment: str) -> None:
    """Make ``path`` and ``path.pub``."""
    run("ssh-keygen", "-q", "-t", kind, "-N", "", "-C", comment, "-f", path)


def known_hosts_line(name: str, public_key: str) -> str:
    """One line of known_hosts: the inventory's host name, the type, the key; the comment is left out."""
    kind, blob = public_key.split()[:2]
    return f"{name} {kind} {blob}\n"


def merge_known_hosts(text: str, lines: tuple[str, ...]) -> str:
    """``text`` with ``lines`` in place of all lines for the same hosts; everything else stays as it is."""
    ours = {line.split()[0] for line in lines}
    kept = [line for line in text.splitlines(keepends=True) if not (line.split() and line.split()[0] in ours)]
    if kept and not kept[-1].endswith("\n"):
        kept[-1] += "\n"
    return "".join([*kept, *lines])
