"""What can be wrong with a simulated host, on request."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from pydantic import Field, ValidationError

from orchestrator.core.model import Frozen
from orchestrator.errors import InvalidInput
from orchestrator.yaml_files import invalid, load_document


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
    """insmod exits 0 and loads nothing."""
    rejects: str | None = None
    """Words with which the kernel refuses every module."""
    reboots_after: float | None = Field(default=None, ge=0)
    """It reboots by itself so many seconds after a patch is in force."""
    boot_seconds: float = Field(default=0.5, ge=0)
    """How long a reboot keeps it unreachable."""
    disk_full: bool = False
    """Nothing can be written below /run/patchwave."""

    def files(self) -> dict[str, str]:
        """What the stand-ins look at: file below lab/faults, and its content."""
        told = {
            "transition": self.transition,
            "reboots_after": self.reboots_after,
            "rejects": self.rejects,
            **{name: "" for name in ("stalls", "stalls_reverting", "lies") if getattr(self, name)},
        }
        return {name: str(value) for name, value in told.items() if value is not None}


NO_FAULTS = Faults()


def load_faults(file: Path) -> dict[str, Faults]:
    """The faults of a YAML file: by host name or glob, as ``web-*: {slow: 2}``. Raises `InvalidInput`."""
    document = load_document(file, InvalidInput)
    if not isinstance(document.data, dict):
        raise InvalidInput("must be a mapping of host names to faults", file=document.file, line=1)
    faults = {}
    for name, settings in document.data.items():
        try:
            faults[str(name)] = Faults.model_validate(settings)
        except ValidationError as exc:
            raise invalid(document, exc, InvalidInput, at=(name,)) from exc
    return faults


def faults_of(name: str, faults: Mapping[str, Faults]) -> Faults:
    """A host's faults: those under its own name, else under the first glob that matches it."""
    if name in faults:
        return faults[name]
    return next((one for pattern, one in faults.items() if fnmatchcase(name, pattern)), NO_FAULTS)


def unmatched(faults: Mapping[str, Faults], names: Sequence[str]) -> list[str]:
    """The patterns that name no host: a mistake."""
    return [pattern for pattern in faults if not any(fnmatchcase(name, pattern) for name in names)]
