"""What can be wrong with a simulated host, on request."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from fnmatch import fnmatchcase

from pydantic import Field

from orchestrator.core.model import Frozen


class Licence(StrEnum):
    """What the vendor says of a host's licence or subscription."""

    VALID = "valid"
    """It counts."""
    EXPIRED = "expired"
    """It did once."""
    NONE = "none"
    """There never was one."""


class Faults(Frozen):
    """One host's faults; the default has none."""

    slow: float = Field(default=0, ge=0)
    """Seconds before a command's answer begins."""
    refuses: bool = False
    """Nothing listens on its port."""
    drops_after: int | None = Field(default=None, ge=0)
    """The connection ends once a command has sent so many bytes; the command itself goes on."""
    drops_times: int | None = Field(default=None, ge=1)
    """How many connections end so; all of them without it."""
    drops_spare: int = Field(default=0, ge=0)
    """How many commands get through before."""
    floods: bool = False
    """Commands answer with output that never ends."""
    transition: float | None = Field(default=None, ge=0)
    """Seconds that a transition takes."""
    stalls: bool = False
    """A transition to new code never ends: a task stays in the old one."""
    stalls_reverting: bool = False
    """A transition back never ends."""
    lies: bool = False
    """insmod and the host's tool say that it went well, and nothing is in force."""
    rejects: str | None = None
    """Words with which the kernel refuses every module."""
    reboots_after: float | None = Field(default=None, ge=0)
    """It reboots by itself so many seconds after a patch is in force."""
    boot_seconds: float = Field(default=0.5, ge=0)
    """How long a reboot keeps it unreachable."""
    disk_full: bool = False
    """Nothing can be written below /run/patchwave, and no package be installed."""
    licence: Licence | None = None
    """What the vendor's tool is told of its licence."""
    agent_outruns: float | None = Field(default=None, ge=0)
    """The tool's own agent applies what is offered so many seconds after the host booted or got this fault."""
    tool_slow: float | None = Field(default=None, ge=0)
    """Seconds that the tool takes for what reaches the network."""
    garbles: int | None = Field(default=None, ge=0)
    """After so many bytes the tool's output is junk."""
    truncates: int | None = Field(default=None, ge=0)
    """After so many bytes the tool's output ends."""
    package_lock: float | None = Field(default=None, ge=0)
    """Another process has the package database for so many seconds from now or from the boot."""

    def files(self, now: float) -> dict[str, str]:
        """What the stand-ins look at: file below lab/faults, and its content. ``now``: seconds since 1970.

        Delays that begin now are told as the moment when they end.
        """
        told = {name: getattr(self, name) for name in _VALUES}
        told |= {name: int(now + delay) for name in _DELAYS if (delay := getattr(self, name)) is not None}
        told |= {name: "" for name in _FLAGS if getattr(self, name)}
        return {name: str(value) for name, value in told.items() if value is not None}


_VALUES = ("transition", "reboots_after", "rejects", "licence", "tool_slow", "garbles", "truncates")
_DELAYS = ("agent_outruns", "package_lock")
_FLAGS = ("stalls", "stalls_reverting", "lies", "disk_full")


NO_FAULTS = Faults()


def faults_of(name: str, faults: Mapping[str, Faults]) -> Faults:
    """A host's faults: those under its own name, else under the first glob that matches it."""
    if name in faults:
        return faults[name]
    return next((one for pattern, one in faults.items() if fnmatchcase(name, pattern)), NO_FAULTS)


def unmatched(faults: Mapping[str, Faults], names: Sequence[str]) -> list[str]:
    """The patterns that name no host: a mistake."""
    return [pattern for pattern in faults if not any(fnmatchcase(name, pattern) for name in names)]
