"""Running a script as root on a host, and what it means when that failed. The contract with sudo is the probe's.

The script is a constant; its root part is one word of it, quoted when the module is loaded, so that whatever prefix of
it arrives runs nothing.
"""

import shlex
from functools import lru_cache

from orchestrator.backends.pieces import pieces
from orchestrator.core.hosts import Host
from orchestrator.errors import AnswerGarbled, HostError, NeedsRoot, RootUnavailable, SudoMissing
from orchestrator.ports.ssh import Completed
from orchestrator.probe.script import ROOT_CALL_PIECES, piece
from orchestrator.probe.sudo import sudo_complaint
from orchestrator.probe.text import clean

_SWITCHED_OFF = 77
"""become.sh's exit code where root is needed and sudo may not be used."""

_NO_SUDO = 78
"""become.sh's exit code where there is no sudo."""


@lru_cache(maxsize=32)
def root_script(root_part: tuple[str, ...], worker: str = "") -> bytes:
    """The script that runs these pieces as root (`.sh` files of the backends, joined in this order), and hands
    them the worker's text."""
    holders = [
        f"{name}={shlex.quote(text)}" for name, text in (("ROOT_PART", pieces(root_part)), ("WORKER_PART", worker))
    ]
    return "\n".join([*holders, *map(piece, ROOT_CALL_PIECES), pieces(("guard/become",))]).encode()


def why_no_answer(host: Host, completed: Completed) -> HostError:
    """The error for an answer without a section of ours: becoming root failed, or the script did not run."""
    said = completed.stderr.decode(errors="replace").strip()
    # sudo's last words say what went wrong; before them may stand a banner of any length.
    words = clean(said[-300:], 300)
    if completed.exit_status == _SWITCHED_OFF:
        return NeedsRoot(
            f"{host.name}: root is needed, and become is switched off or is not sudo to root; set ansible_become or "
            "log in as root"
        )
    if completed.exit_status == _NO_SUDO:
        return SudoMissing(f"{host.name}: root is needed, and the host has no sudo; install it or log in as root")
    error = sudo_complaint(said)
    if error is not None:
        return error(f"{host.name}: {words}; see the sudoers lines in the README")
    if "sudo:" in said:
        return RootUnavailable(f"{host.name}: {words}")
    return AnswerGarbled(f"{host.name}: no answer of ours (exit status {completed.exit_status}): {words or 'silence'}")
