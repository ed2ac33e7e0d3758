"""On which simulated host each backend is put to the contract, and what is its own about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.backends.base import Backend
from orchestrator.backends.registry import BACKENDS
from orchestrator.catalogue.patch_file import read_patch
from orchestrator.core.attempts import Action
from orchestrator.core.facts import Facts
from orchestrator.core.offering import offered
from orchestrator.core.offers import Offer, Payload
from orchestrator.core.patches import Patch
from orchestrator.core.verdict import Verdict
from orchestrator.lab.simulated.catalogue import write_catalogue
from orchestrator.lab.simulated.tool_folders import exists
from orchestrator.services.plan_rollout import OFFERING
from tests.backends.simulated_host import SimulatedSession
from tests.lab.simulated import Box

PATCH_ID = "LAB-0001"
NAMES = ("web-001", "web-002", "db-003", "worker-004")
"""Four numbers, so that stand-ins show the versions of their tools."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A host's system and tools. ``lied``: the verdict where everything says "patched" and nothing is in force."""

    os: str
    tools: tuple[str, ...]
    lied: Verdict = Verdict.CONTRADICTED


CASES: Mapping[str, Case] = {
    "dnf": Case(os="rhel-9", tools=("dnf",)),
    "canonical": Case(os="ubuntu-22.04", tools=("canonical",)),
    "suse": Case(os="sles-15.6", tools=("suse",), lied=Verdict.NOT_IN_FORCE),
    "kernelcare": Case(os="almalinux-9", tools=("kernelcare",)),
    "ksplice": Case(os="ol-9", tools=("ksplice",)),
    "libcare": Case(os="almalinux-8", tools=("kernelcare", "libcare")),
    "libpulp": Case(os="sles-15.6", tools=("libpulp",)),
    "userspace": Case(os="ubuntu-22.04", tools=("libcare",)),
    "kpatch": Case(os="debian-12", tools=("kpatch",), lied=Verdict.NOT_IN_FORCE),
    "klp": Case(os="debian-12", tools=(), lied=Verdict.NOT_IN_FORCE),
}
"""By backend."""

READY = [name for name in BACKENDS if name in CASES and all(exists(tool) for tool in CASES[name].tools)]
ACTING = [name for name in READY if BACKENDS[name].capabilities.applies]
TELLING = [name for name in READY if not BACKENDS[name].capabilities.applies]


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A backend, a host that has its tool, and who is logged in there."""

    name: str
    box: Box
    session: SimulatedSession
    patch: Patch | None
    module: bytes = b""

    @classmethod
    def make(cls, folder: Path, name: str, host: str = NAMES[0], **environment: str) -> "Subject":
        """The backend's own case, on the host of that name."""
        case = CASES[name]
        box = Box.of_os(folder / "host", case.os, *case.tools, name=host)
        session = SimulatedSession(box=box, environment=environment)
        if not BACKENDS[name].capabilities.needs_module:
            return cls(name=name, box=box, session=session, patch=None)
        write_catalogue(folder / "catalogue", [box.disk.machine.kernel])
        patch, files = read_patch(folder / "catalogue" / f"{PATCH_ID}.yaml", datetime(2026, 1, 1, tzinfo=UTC))
        (file,) = files.values()
        return cls(name=name, box=box, session=session, patch=patch, module=file.read_bytes())

    @property
    def backend(self) -> Backend:
        """What is put to the contract."""
        return BACKENDS[self.name]

    def payload(self, facts: Facts) -> Payload:
        """What it would put in force there: what the plan of a rollout would say."""
        if self.patch is not None:
            return self.patch.builds[0]
        offer = offered(facts, OFFERING, only=self.name)
        assert isinstance(offer, Offer), offer
        return offer

    def carry_out(self, action: Action, before: Facts, payload: Payload) -> tuple[int | None, str]:
        """The guard's exit code and what it says, after what may be asked before is asked."""
        module = self.module if action is Action.APPLY else b""
        answer = self.session.carry_out(self.backend, action, before, payload, patch=self.patch, module=module)
        return answer.code, answer.text
