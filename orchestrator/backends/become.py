"""Running a script as root on a host: which way the host allows, and what it means when it failed.

The script is a constant; its root part is one word of it, quoted when the module is loaded, so that whatever prefix of
it arrives runs nothing.
"""

import shlex
from functools import lru_cache
from importlib import resources

from pydantic import SecretBytes

from orchestrator.core.hosts import Host
from orchestrator.errors import (
    AnswerGarbled,
    HostError,
    NeedsRoot,
    RootUnavailable,
    SudoMissing,
    SudoPasswordMissing,
    SudoPasswordWrong,
    SudoRefused,
)
from orchestrator.ports.ssh import Completed, Reply

_SWITCHED_OFF = 77
"""become.sh's exit code where root is needed and become is off."""

_SUDO_SAYS: tuple[tuple[str, type[RootUnavailable]], ...] = (
    ("a password is required", SudoPasswordMissing),
    ("incorrect password", SudoPasswordWrong),
    ("sorry, try again", SudoPasswordWrong),
    ("no password was provided", SudoPasswordWrong),
    ("not in the sudoers", SudoRefused),
    ("not allowed to", SudoRefused),
    ("may not run sudo", SudoRefused),
    ("you must have a tty", SudoRefused),
    ("sudo: not found", SudoMissing),
    ("sudo: command not found", SudoMissing),
    ("sudo: no such file", SudoMissing),
)
"""sudo's words under LC_ALL=C (sudo 1.8 and 1.9), and those of the shells that did not find it."""


@lru_cache(maxsize=8)
def root_script(root_part: tuple[str, ...], worker_part: tuple[str, ...] = ()) -> bytes:
    """The script that runs these pieces as root (names of `.sh` files of this package, joined in this order)."""
    holders = "".join(
        f"{name}={shlex.quote(pieces(names))}\n"
        for name, names in (("ROOT_PART", root_part), ("WORKER_PART", worker_part))
    )
    return (holders + pieces(("become",))).encode()


@lru_cache(maxsize=8)
def pieces(names: tuple[str, ...]) -> str:
    """These `.sh` files of this package, one after the other."""
    return "".join(resources.files(__package__).joinpath(f"{name}.sh").read_text(encoding="utf-8") for name in names)


def sudo_mode(host: Host) -> str:
    """How become.sh may get root: ``password``, ``nopassword`` or ``never``."""
    if host.become.enabled is False:
        return "never"
    return "nopassword" if host.become.password is None else "password"


def sudo_prompt(nonce: str) -> str:
    """What sudo asks with, so that the password is sent to nothing else. No ``%``: sudo expands it."""
    return f"patchwave-{nonce}-password:"


def sudo_reply(host: Host, nonce: str) -> tuple[Reply, ...]:
    """The password, for when the prompt appears; empty where none is configured."""
    password = host.become.password
    if password is None or sudo_mode(host) != "password":
        return ()
    line = SecretBytes(password.get_secret_value().encode() + b"\n")
    return (Reply(marker=sudo_prompt(nonce).encode(), data=line, on_repeat=SudoPasswordWrong.__name__),)


def why_no_answer(host: Host, completed: Completed) -> HostError:
    """The error for an answer without a section of ours: becoming root failed, or the script did not run."""
    said = completed.stderr.decode(errors="replace").strip()
    if completed.exit_status == _SWITCHED_OFF:
        return NeedsRoot(
            f"{host.name}: root is needed and become is switched off; set ansible_become or log in as root"
        )
    for words, error in _SUDO_SAYS:
        if words in said.lower():
            return error(f"{host.name}: {said[-300:]}; see the sudoers lines in the README")
    if "sudo:" in said:
        return RootUnavailable(f"{host.name}: {said[-300:]}")
    return AnswerGarbled(
        f"{host.name}: no answer of ours (exit status {completed.exit_status}): {said[-300:] or 'silence'}"
    )
