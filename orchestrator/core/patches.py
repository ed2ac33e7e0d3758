"""The catalogue of kernel modules: which patch fixes what, for which exact kernel build."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from orchestrator.core.model import Frozen, Moment

CVE_ID = r"^CVE-\d{4}-\d{4,19}$"
Cve = Annotated[str, StringConstraints(pattern=CVE_ID)]
"""A CVE id: four digits of year, four or more of sequence (cve.org, CVE record format 5)."""

PatchId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
HexDigest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
BuildId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16,64}$")]
KernelRelease = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+~-]{0,127}$")]
ModuleName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]{1,55}$")]


class Severity(StrEnum):
    """How bad a vulnerability is, in the words that all sources share."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    UNKNOWN = "unknown"
    """No source says. For service levels the same as medium."""


WORST_FIRST = (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW, Severity.UNKNOWN)


class Fix(Frozen):
    """One CVE that a patch fixes. ``disclosed``: when the world knew; ``published``: when this fix came out. A
    missing date is None, never today."""

    cve: Cve
    severity: Severity = Severity.UNKNOWN
    disclosed: Moment | None = None
    published: Moment | None = None


class Build(Frozen):
    """One module: for exactly one kernel release with exactly one GNU build id.

    ``module`` is the file as the catalogue keeps it (a name in ``patches/ID/``), ``sha256`` of its bytes, ``name`` and
    ``module_build_id`` read from the module itself, ``signed`` whether a signature is appended to it.
    """

    module: str
    kernel: KernelRelease
    build_id: BuildId
    sha256: HexDigest
    name: ModuleName
    module_build_id: BuildId
    signed: bool = False
    size: Annotated[int, Field(gt=0)]


class Patch(Frozen):
    """An item of the catalogue. ``replaces``: the ids of the patches whose place it takes, ``all``, or ``none``.
    ``added_at``: when it reached us, which starts the ``fix_available`` clock."""

    id: PatchId
    summary: str
    fixes: tuple[Fix, ...]
    replaces: tuple[PatchId, ...] | Literal["all", "none"] = "none"
    builds: tuple[Build, ...]
    added_at: Moment

    def build_for(self, release: str, build_id: str) -> Build | None:
        """The build for exactly this running kernel, or None."""
        return next((b for b in self.builds if b.kernel == release and b.build_id == build_id), None)
