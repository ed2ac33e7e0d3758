"""A script for a simulated fleet: what hosts run, and what is wrong with them."""

from pathlib import Path

from pydantic import Field, ValidationError, field_validator

from orchestrator.errors import InvalidInput
from orchestrator.lab.simulated.faults import Faults
from orchestrator.lab.simulated.flavours import BY_KEY, ToolSet
from orchestrator.lab.simulated.kernels import SimulatedKernel
from orchestrator.lab.simulated.tool_folders import VENDOR_TOOLS
from orchestrator.yaml_files import invalid, load_document

MOST_OFFERS = 50


class HostScript(Faults):
    """What a script says of one host: its faults, its system, its live-patch tools, and how many patches its vendor
    offers; None leaves it as it is."""

    os: str | None = None
    tools: ToolSet | None = None
    offers: int | None = Field(default=None, ge=0, le=MOST_OFFERS)

    @field_validator("os")
    @classmethod
    def _known_os(cls, value: str | None) -> str | None:
        if value is not None and value not in BY_KEY:
            raise ValueError(f"no simulated host runs {value!r}; there are {', '.join(sorted(BY_KEY))}")
        return value

    @field_validator("tools")
    @classmethod
    def _known_tools(cls, value: ToolSet | None) -> ToolSet | None:
        for name in value or ():
            if name not in VENDOR_TOOLS:
                raise ValueError(f"{name!r} is no tool of simulated hosts; there are {', '.join(VENDOR_TOOLS)}")
        return value

    def applied_to(self, kernel: SimulatedKernel, tools: ToolSet, number: int) -> tuple[SimulatedKernel, ToolSet]:
        """The kernel and the tools of a host that had these. ``number``: of the host among those of its system."""
        if self.os is not None and self.os != kernel.system.key:
            kernel, tools = BY_KEY[self.os].variant(number)
        return kernel, tools if self.tools is None else self.tools


def load_script(file: Path) -> dict[str, HostScript]:
    """The script of a YAML file: by host name or glob, as ``web-*: {os: rocky-9, slow: 2}``. Raises `InvalidInput`."""
    document = load_document(file, InvalidInput)
    if not isinstance(document.data, dict):
        raise InvalidInput("must be a mapping of host names to what they are", file=document.file, line=1)
    script = {}
    for name, settings in document.data.items():
        try:
            script[str(name)] = HostScript.model_validate(settings)
        except ValidationError as exc:
            raise invalid(document, exc, InvalidInput, at=(name,)) from exc
    return script
