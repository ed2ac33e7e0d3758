"""What ``ansible_ssh_common_args`` and its kin mean for us: a jump host, or nothing.

We are not the ssh program, so its arguments have no effect here. Those that say through which host to go are
understood; those that would lead elsewhere, or log in differently, are refused with the variable that says the same.
Source: ssh(1), ssh_config(5).
"""

import shlex
from collections.abc import Iterator
from typing import Any

from orchestrator.inventory.origins import Setting
from orchestrator.inventory.proxy_command import jump_of_command

_WITH_VALUE = frozenset("BbcDEeFIiJLlmOopQRSWw")
_REFUSED = {
    "proxycommand": "only 'ssh -W %h:%p [user@]host' is read, without a key of its own; patchwave_jump (or -J) names"
    " the host to go through",
    "hostname": "ansible_host says it",
    "port": "ansible_port says it",
    "user": "ansible_user says it",
    "identityfile": "ansible_ssh_private_key_file says it",
    "configfile": "only ~/.ssh/config is read",
}
_FLAGS = {"J": "proxyjump", "p": "port", "l": "user", "i": "identityfile", "F": "configfile"}


def jump_of(variable: str, value: Any, setting: Setting) -> str | None:
    """The ``ProxyJump`` among these arguments, or None. Raises for what would lead elsewhere."""
    if not isinstance(value, str):
        raise setting.origin.refuse("must be text", variable)
    try:
        words = shlex.split(value[:65_536])
    except ValueError as exc:
        raise setting.origin.refuse(f"not a list of arguments: {exc}", variable) from exc
    jump = None
    for option, argument in map(_as_jump, _options(words)):
        if option in _REFUSED:
            raise setting.origin.refuse(f"{option} among ssh arguments is not supported: {_REFUSED[option]}", variable)
        if option == "proxyjump" and jump is None:
            jump = argument
    if jump is not None and (not jump or jump.startswith("-") or any(c.isspace() for c in jump)):
        raise setting.origin.refuse("the jump host is missing or malformed", variable)
    return jump


def _as_jump(option: tuple[str, str]) -> tuple[str, str]:
    """A ProxyCommand that goes through a host is a ProxyJump; any other stays what it is."""
    name, argument = option
    if name != "proxycommand":
        return option
    jump = "none" if argument.lower() == "none" else jump_of_command(argument)
    return option if jump is None else ("proxyjump", jump)


def _options(words: list[str]) -> Iterator[tuple[str, str]]:
    """Each option by its ssh_config name in lower case, with its argument."""
    rest = iter(words)
    for word in rest:
        if not word.startswith("-") or len(word) < 2:
            continue
        for at, flag in enumerate(word[1:], start=1):
            if flag in _WITH_VALUE:
                argument = word[at + 1 :] or next(rest, "")
                yield _named(flag, argument)
                break


def _named(flag: str, argument: str) -> tuple[str, str]:
    if flag != "o":
        return _FLAGS.get(flag, flag), argument
    name, sign, value = argument.strip().partition("=")
    if not sign:
        name, _, value = argument.strip().partition(" ")
    return name.strip().lower(), value.strip()
