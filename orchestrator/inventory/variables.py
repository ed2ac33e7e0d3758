"""The variables that are read, and the values they may have. docs/reference/inventory.md lists them all."""

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.core.hosts import Become, Host
from orchestrator.inventory.origins import Setting, Settings, Vaulted
from orchestrator.inventory.ssh_args import jump_of

SPELLINGS: Mapping[str, tuple[str, ...]] = {
    "connection": ("ansible_connection",),
    "address": ("ansible_host", "ansible_ssh_host"),
    "port": ("ansible_port", "ansible_ssh_port"),
    "user": ("ansible_user", "ansible_ssh_user"),
    "password": ("ansible_password", "ansible_ssh_pass", "ansible_ssh_password"),
    "identity_file": ("ansible_private_key_file", "ansible_ssh_private_key_file"),
    "identity_passphrase": ("ansible_private_key_passphrase", "ansible_ssh_private_key_passphrase"),
    "connect_timeout": ("ansible_timeout", "ansible_ssh_timeout"),
    "become.enabled": ("ansible_become",),
    "become.method": ("ansible_become_method",),
    "become.user": ("ansible_become_user", "ansible_sudo_user"),
    "become.password": ("ansible_become_password", "ansible_become_pass", "ansible_sudo_pass"),
    "ssh_args": ("ansible_ssh_args",),
    "ssh_common_args": ("ansible_ssh_common_args",),
    "ssh_extra_args": ("ansible_ssh_extra_args",),
    "customer": ("patchwave_customer",),
    "site": ("patchwave_site",),
    "labels": ("patchwave_labels",),
    "backend": ("patchwave_backend",),
    "jump": ("patchwave_jump",),
    "ephemeral": ("patchwave_ephemeral",),
}
"""What we want to know of a host, and the variables that say it. Of several the last one wins, as in Ansible: see the
``vars`` of each option in ansible-core's ``plugins/connection/ssh.py`` and ``plugins/become/sudo.py``."""

PRIORITY = "ansible_group_priority"
"""Read on groups in inventory files only, as in Ansible."""

ALL_VARIABLES = frozenset(name for names in SPELLINGS.values() for name in names) | {PRIORITY}
PREFIX = "patchwave_"
OURS = frozenset(name for name in ALL_VARIABLES if name.startswith(PREFIX))

_SSH_CONNECTIONS = ("ssh", "paramiko", "paramiko_ssh", "smart")
_TRUE = frozenset(("y", "yes", "on", "1", "true", "t"))
_FALSE = frozenset(("n", "no", "off", "0", "false", "f"))
_MAX_TEXT = 4096
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_./-]{0,126}[A-Za-z0-9])?")


def is_read(name: Any) -> bool:
    """Whether we read this variable; all others are Ansible's and of no concern here."""
    return name in ALL_VARIABLES


def is_ours(name: Any) -> bool:
    """Whether this variable is meant for us, known or not."""
    return isinstance(name, str) and name.startswith(PREFIX)


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What values are read against: the folder of the inventory, and the names of the backends (empty: any)."""

    folder: Path
    backends: frozenset[str] = frozenset()


def make_host(name: str, groups: tuple[str, ...], settings: Settings, around: Surroundings) -> Host:
    """The host as these variables describe it. Raises `InventoryInvalid` with file, line and variable."""
    found = {field: _winning(field, settings) for field in SPELLINGS}

    def read(field: str, convert: Callable[[str, Any, Setting], Any], default: Any = None) -> Any:
        winner = found[field]
        if winner is None:
            return default
        variable, setting = winner
        return convert(variable, _readable(variable, setting), setting)

    return Host(
        name=name,
        address=read("address", _plain_word, name),
        port=read("port", _port),
        user=read("user", _plain_word),
        password=read("password", _text),
        identity_file=read("identity_file", lambda v, x, s: _path(v, x, s, around.folder)),
        identity_passphrase=read("identity_passphrase", _text),
        jump=read("jump", _jump) if found["jump"] else _jump_of_args(read),
        become=Become(
            enabled=read("become.enabled", _boolean),
            method=read("become.method", _sudo, "sudo"),
            user=read("become.user", _plain_word, "root"),
            password=read("become.password", _text),
        ),
        connect_timeout=read("connect_timeout", _seconds),
        customer=read("customer", _text),
        site=read("site", _text),
        labels=read("labels", _labels, {}),
        backend=read("backend", lambda v, x, s: _backend(v, x, s, around.backends)),
        ephemeral=read("ephemeral", _boolean, False),
        groups=groups,
    )


def _winning(field: str, settings: Settings) -> tuple[str, Setting] | None:
    for variable in reversed(SPELLINGS[field]):
        setting = settings.get(variable)
        if setting is not None and setting.value is not None:
            return variable, setting
    return None


def _readable(variable: str, setting: Setting) -> Any:
    """The value, once it is known to be one: neither vaulted nor a template."""
    value = setting.value
    if value is Vaulted.VALUE or (isinstance(value, str) and value.startswith("$ANSIBLE_VAULT")):
        raise setting.origin.refuse(
            "the value is vaulted and cannot be read here; keep it out of the inventory (an SSH agent or a key file,"
            " sudo without a password), or give us the output of 'ansible-inventory --list', where Ansible decrypts it",
            variable,
        )
    if isinstance(value, str) and ("{{" in value or "{%" in value):
        raise setting.origin.refuse(
            "the value is a Jinja template, which only Ansible can render; write it out, or give us a rendered copy",
            variable,
        )
    return value


def other_connection(settings: Settings) -> str | None:
    """``ansible_connection=VALUE`` where that is not SSH (``local``, ``winrm``, …); None where it is."""
    found = _winning("connection", settings)
    if found is None:
        return None
    variable, setting = found
    value = _plain_word(variable, _readable(variable, setting), setting)
    return None if value.rpartition(".")[2] in _SSH_CONNECTIONS else f"{variable}={value}"


def _text(variable: str, value: Any, setting: Setting) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise setting.origin.refuse(f"must be text, not {_kind(value)}: put it in quotes", variable)
    text = str(value)
    if not text or len(text) > _MAX_TEXT or any(ord(character) < 32 for character in text):
        raise setting.origin.refuse(f"must be one line of 1 to {_MAX_TEXT} characters", variable)
    return text


def _plain_word(variable: str, value: Any, setting: Setting) -> str:
    """Text that becomes part of a destination: no spaces, and nothing that ssh would read as an option."""
    text = _text(variable, value, setting)
    if text.startswith("-") or len(text) > 253 or any(character.isspace() for character in text):
        raise setting.origin.refuse(f"{text[:60]!r}: must have no spaces and no leading dash", variable)
    return text


def _port(variable: str, value: Any, setting: Setting) -> int:
    number = _number(value)
    if number is None or number != int(number) or not 1 <= number <= 65535:
        raise setting.origin.refuse(f"bad port {str(value)[:20]!r}: it must be a number from 1 to 65535", variable)
    return int(number)


def _seconds(variable: str, value: Any, setting: Setting) -> float:
    number = _number(value)
    if number is None or not 0 < number <= 600:
        raise setting.origin.refuse("must be a number of seconds, at most 600", variable)
    return number


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str) or len(str(value)) > 20:
        return None
    try:
        return float(value)
    except ValueError:
        return None


def _boolean(variable: str, value: Any, setting: Setting) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).lower() if isinstance(value, str | int) else ""
    if word not in _TRUE | _FALSE:
        raise setting.origin.refuse(f"must be true or false, not {str(value)[:20]!r}", variable)
    return word in _TRUE


def _sudo(variable: str, value: Any, setting: Setting) -> str:
    if str(value).rpartition(".")[2] != "sudo":
        raise setting.origin.refuse(f"become by {str(value)[:20]!r} is not supported; sudo is", variable)
    return "sudo"


def _path(variable: str, value: Any, setting: Setting, folder: Path) -> str:
    """``~`` is the home of whoever runs us; a relative path starts at the inventory's folder."""
    try:
        return str(folder / Path(_text(variable, value, setting)).expanduser())
    except RuntimeError as exc:
        raise setting.origin.refuse(f"no home folder is known for {value!r}", variable) from exc


def _jump(variable: str, value: Any, setting: Setting) -> str | None:
    """An empty value takes back what a group says."""
    return None if value in ("", "none", False) else _plain_word(variable, value, setting)


def _jump_of_args(read: Callable[..., Any]) -> str | None:
    """ssh takes the first ProxyJump of its command line, where Ansible puts these arguments in this order."""
    for field in ("ssh_args", "ssh_common_args", "ssh_extra_args"):
        jump: str | None = read(field, jump_of)
        if jump is not None:
            return None if jump == "none" else jump
    return None


def _labels(variable: str, value: Any, setting: Setting) -> dict[str, str]:
    if not isinstance(value, dict):
        raise setting.origin.refuse(f"must be a mapping of text to text, not {_kind(value)}", variable)
    labels = {}
    for key, label in value.items():
        if not isinstance(key, str) or _LABEL.fullmatch(key) is None:
            raise setting.origin.refuse(f"{str(key)[:60]!r} is not a label's name: letters, digits, . _ / -", variable)
        labels[key] = _text(f"{variable}.{key}", label, setting)
    return labels


def _backend(variable: str, value: Any, setting: Setting, backends: frozenset[str]) -> str:
    name = _text(variable, value, setting)
    if backends and name not in backends:
        close = difflib.get_close_matches(name, backends, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(sorted(backends))}"
        raise setting.origin.refuse(f"there is no backend {name[:60]!r}; {hint}", variable)
    return name


def _kind(value: Any) -> str:
    kinds = {list: "a list", dict: "a mapping", bool: "a boolean", int: "a number", float: "a number", str: "text"}
    return kinds.get(type(value), f"a {type(value).__name__}")
