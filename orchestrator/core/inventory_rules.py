"""What an inventory is once it is read, and when a newly read one may take the place of the last good one."""

import json
from collections.abc import Collection, Sequence
from enum import StrEnum
from typing import Any

from pydantic import Field, ValidationError

from orchestrator.core.hosts import Become, Host, LeftOutHost
from orchestrator.core.model import Frozen
from orchestrator.core.patterns import Pattern, parse_pattern
from orchestrator.errors import InventoryInvalid

LOST_AT_MOST_PERCENT = 20
"""An inventory that lost a larger share of its hosts than this is taken for broken, not for a smaller fleet."""

SECRETS = ("password", "identity_passphrase")


class Inventory(Frozen):
    """All hosts of an inventory, by name, and its groups.

    ``groups`` maps every group, ``all`` and ``ungrouped`` included, to the names of its hosts and its children's
    hosts, in the order in which the inventory lists them: that is what ``web[0]`` counts by. ``source`` is the file
    or folder it was read from. ``left_out`` are the hosts that are not reached over SSH: they are in no group.
    """

    hosts: tuple[Host, ...]
    groups: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    source: str
    left_out: tuple[LeftOutHost, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Host names, sorted."""
        return tuple(host.name for host in self.hosts)

    def select(self, pattern: Pattern | str) -> tuple[Host, ...]:
        """The hosts that an Ansible host pattern selects, by name. Raises `PatternInvalid`, `NotFound`."""
        parsed = parse_pattern(pattern) if isinstance(pattern, str) else pattern
        chosen = set(parsed.select(self.names, self.groups, self.left_out))
        return tuple(host for host in self.hosts if host.name in chosen)


class KeptReason(StrEnum):
    """Why the last good inventory stays in force."""

    UNREADABLE = "unreadable"
    """The new one cannot be read, or is not valid."""
    EMPTY = "empty"
    """The new one names no host."""
    SHRUNK = "shrunk"
    """The new one lost more hosts than is plausible."""


class Accepted(Frozen):
    """The new inventory takes the place of the last good one. ``lost`` and ``added`` are host names, sorted."""

    lost: tuple[str, ...] = ()
    added: tuple[str, ...] = ()


class Kept(Frozen):
    """The last good inventory stays in force. ``message`` says why, and how to accept the new one on purpose."""

    reason: KeptReason
    message: str
    lost: tuple[str, ...] = ()


def accept(
    previous: Collection[str], loaded: Collection[str] | InventoryInvalid, *, on_purpose: bool = False
) -> Accepted | Kept:
    """Whether a newly read inventory may take the place of the last good one.

    `previous` are the host names of the last good one, empty when there is none; `loaded` those of the new one, or
    why it could not be read. ``on_purpose`` is the operator's word that an empty or much smaller one is meant.
    Raises `InventoryInvalid` when the new one is no good and there is nothing to keep.
    """
    if isinstance(loaded, InventoryInvalid):
        return _keep_unread(previous, loaded)
    lost, added = sorted(set(previous) - set(loaded)), sorted(set(loaded) - set(previous))
    if not on_purpose:
        if not loaded:
            return _keep_over_empty(previous)
        if len(lost) * 100 > len(set(previous)) * LOST_AT_MOST_PERCENT:
            return _keep_over_shrunk(previous, lost)
    return Accepted(lost=tuple(lost), added=tuple(added))


def _keep_unread(previous: Collection[str], error: InventoryInvalid) -> Kept:
    if not previous:
        raise error
    return Kept(
        reason=KeptReason.UNREADABLE,
        message=f"the inventory cannot be read, the last good one ({len(previous)} hosts) stays in force: {error}",
    )


def _keep_over_empty(previous: Collection[str]) -> Kept:
    if not previous:
        raise InventoryInvalid("the inventory names no host that is reached over SSH")
    return Kept(
        reason=KeptReason.EMPTY,
        message=f"the inventory names no host any more, the last good one ({len(previous)} hosts) stays in force;"
        " if it is meant, say so with --accept-inventory",
        lost=tuple(sorted(previous)),
    )


def _keep_over_shrunk(previous: Collection[str], lost: list[str]) -> Kept:
    return Kept(
        reason=KeptReason.SHRUNK,
        message=f"the inventory lost {len(lost)} of {len(previous)} hosts ({_some(lost)}), more than"
        f" {LOST_AT_MOST_PERCENT} %: the last good one stays in force; if it is meant, say so with --accept-inventory",
        lost=tuple(lost),
    )


def left_out_warning(left_out: Sequence[LeftOutHost]) -> str:
    """One line that names them; for one host at least."""
    named = _some([f"{one.name} ({one.why})" for one in left_out])
    subject = (
        "1 host is not reached over SSH and was"
        if len(left_out) == 1
        else (f"{len(left_out)} hosts are not reached over SSH and were")
    )
    return f"{subject} left out: {named}"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def to_json(inventory: Inventory) -> str:
    """The inventory for keeping. Passwords and passphrases are left out: they stay in the inventory files alone, so
    hosts that come back through `from_json` have none, and what needs one fails by name until the files can be read."""
    document = inventory.model_dump(mode="json", exclude_defaults=True)
    for host in document["hosts"]:
        _drop_secrets(host)
    return json.dumps(document, sort_keys=True, separators=(",", ":"))


def from_json(text: str) -> Inventory:
    """What `to_json` kept, without secrets. Raises `InventoryInvalid`."""
    try:
        return Inventory.model_validate_json(text)
    except ValidationError as exc:
        raise InventoryInvalid(f"the stored copy of the inventory is not readable: {exc.errors()[0]['msg']}") from exc


def without_secrets(host: Host) -> Host:
    """The host as it comes back from a stored copy."""
    become = Become(enabled=host.become.enabled, method=host.become.method, user=host.become.user)
    return host.model_copy(update={**dict.fromkeys(SECRETS), "become": become})


def _drop_secrets(host: dict[str, Any]) -> None:
    for secret in SECRETS:
        host.pop(secret, None)
    host.get("become", {}).pop("password", None)
