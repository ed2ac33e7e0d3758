"""What the guard is asked to do, as words that are safe to send."""

from pydantic import Field

from orchestrator.core.attempts import Action
from orchestrator.core.model import Frozen
from orchestrator.core.patches import BuildId, HexDigest, KernelRelease, ModuleName


class AnyOrder(Frozen):
    """What the guard is asked to do on one host, whatever the tool: an attempt, in the boot it is meant for."""

    attempt_id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    controller: str = Field(pattern=r"^[A-Za-z0-9@._:-]{1,128}$")
    action: Action
    boot_id: str = Field(pattern=r"^[0-9a-f-]{1,64}$")
    limit_seconds: int = Field(gt=0)

    def arguments(self) -> tuple[str, ...]:
        """As the guard reads them: KEY=VALUE, one word each."""
        return (
            f"attempt={self.attempt_id}",
            f"controller={self.controller}",
            f"action={self.action.value}",
            f"boot={self.boot_id}",
            f"limit={self.limit_seconds}",
        )


class Order(AnyOrder):
    """A module of the catalogue, and the very kernel it is for."""

    release: KernelRelease
    kernel_build: BuildId
    name: ModuleName
    module_build: BuildId
    sha256: HexDigest
    replaces: bool = False
    known: tuple[BuildId, ...] = ()

    def arguments(self) -> tuple[str, ...]:
        """With the module's."""
        return (
            *super().arguments(),
            f"release={self.release}",
            f"kernel_build={self.kernel_build}",
            f"name={self.name}",
            f"build={self.module_build}",
            f"sha256={self.sha256}",
            f"replaces={'yes' if self.replaces else 'no'}",
            f"known={','.join(self.known)}",
        )


_TOOL_WORD = r"^([A-Za-z0-9][A-Za-z0-9._+~:@-]{0,199})?$"


class ToolOrder(AnyOrder):
    """What a vendor's own tool is to do.

    ``release``: the running kernel it is meant for; None: whichever runs. ``package``: the package or patch, in the
    tool's terms. ``level``: the version, patch level or tag that is to be in force afterwards; empty: the newest.
    ``setting``: of the tool's agent, as it was before.
    """

    release: KernelRelease | None = None
    package: str = Field(default="", pattern=_TOOL_WORD)
    level: str = Field(default="", pattern=_TOOL_WORD)
    setting: str = Field(default="", pattern=r"^[ !#-&(-~]{0,200}$")

    def arguments(self) -> tuple[str, ...]:
        """With the tool's."""
        return (
            *super().arguments(),
            f"release={self.release or ''}",
            f"package={self.package}",
            f"level={self.level}",
            f"setting={self.setting}",
        )
