"""A ``ProxyCommand`` that is a jump host in older words: ``ssh -W %h:%p [user@]bastion``.

Only that form is understood, and only where nothing in it changes how to log in on the way. Source: ssh(1).
"""

import ipaddress
import re
import shlex
from pathlib import PurePosixPath

_TARGETS = frozenset({"%h:%p", "[%h]:%p"})
_WITHOUT_VALUE = frozenset("46AaCKkNnqTvXxYy")
"""Flags of ssh that change neither the way nor the login."""

_WITH_VALUE = frozenset("BbcEemSW")
"""The same, of those that take a value; ``-p``, ``-l`` and ``-o`` are read for themselves."""

_CHANGES_THE_WAY = frozenset(
    {
        "certificatefile",
        "hostkeyalias",
        "hostname",
        "identitiesonly",
        "identityagent",
        "identityfile",
        "pkcs11provider",
        "proxycommand",
        "proxyjump",
        "remotecommand",
        "securitykeyprovider",
        "tag",
    }
)
"""Options of ssh_config(5) that lead elsewhere, or log in with something else than our own settings would."""

_SHELL = re.compile(r"[$`|;&<>(){}*?!#\\\n]")

_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")


def jump_of_command(command: str) -> str | None:
    """``[user@]host[:port]`` when that is all the command means; None when it means anything else."""
    if _SHELL.search(command):
        return None
    try:
        program, *words = shlex.split(command)
    except ValueError:
        return None
    if PurePosixPath(program).name != "ssh":
        return None
    return _destination(_read(words))


def _read(words: list[str]) -> dict[str, str] | None:
    """``W``, ``port``, ``user``, ``host`` of these arguments, the first of each as ssh does; None: not understood."""
    found: dict[str, str] = {}
    rest = iter(words)
    for word in rest:
        if not word.startswith("-"):
            if "host" in found:
                return None  # a command to run on the bastion: `ssh bastion nc %h %p`
            user, _, found["host"] = word.rpartition("@")
            if user:
                found.setdefault("user", user)
            continue
        flags = word[1:].lstrip("".join(_WITHOUT_VALUE))
        if not flags:
            continue
        setting = _setting(flags[0], flags[1:] or next(rest, ""))
        if setting is None:
            return None
        found.setdefault(*setting)
    return found


def _setting(flag: str, value: str) -> tuple[str, str] | None:
    if flag == "o":
        name, _, value = re.sub(r"\s*=\s*|\s+", "=", value.strip(), count=1).partition("=")
        name = name.lower()
        return None if name in _CHANGES_THE_WAY else (name, value)
    if flag in "pl":
        return {"p": "port", "l": "user"}[flag], value
    return (flag, value) if flag in _WITH_VALUE else None


def _destination(found: dict[str, str] | None) -> str | None:
    if found is None or found.get("W") not in _TARGETS or not found.get("host"):
        return None
    host, user, port = found["host"], found.get("user"), found.get("port")
    if _is_ipv6(host):
        host = f"[{host}]"
    elif not _WORD.fullmatch(host):
        return None  # a token that only ssh fills in, a URI, several hosts
    if user is not None and not _WORD.fullmatch(user):
        return None
    if port is not None and not (port.isascii() and port.isdecimal() and 0 < int(port[:6]) < 65536):
        return None
    return (f"{user}@" if user else "") + host + (f":{port}" if port else "")


def _is_ipv6(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).version == 6
    except ValueError:
        return False
