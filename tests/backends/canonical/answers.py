"""Checks of an Ubuntu host, made by hand from what its client printed."""

from datetime import UTC, datetime
from pathlib import Path

from orchestrator.backends.base import Seen
from orchestrator.core.facts import Facts, Kernel, LivePatch, PatchState
from orchestrator.probe.answer import Section
from tests.backends.answered import section, seen

CASES = Path(__file__).parent / "cases"
AT = datetime(2026, 1, 1, 7, tzinfo=UTC)
KERNEL = "5.15.0-118.128-generic"
MODULE = "lkp_Ubuntu_5_15_0_118_128_generic_107"
CVES = ("CVE-2024-26585", "CVE-2024-36016")


def raw(name: str) -> bytes:
    """What the client printed, as it came."""
    return (CASES / f"{name}.txt").read_bytes()


def status(
    said: bytes, exit_status: int = 0, stderr: str = "", *, kernel: str | None = KERNEL, attached: str = "yes"
) -> Section:
    """The section of an ordinary check, with the lines before the client's own."""
    signature = f"Ubuntu {kernel} 5.15.160" if kernel else ""
    head = f"signature={signature}\nattached={attached}\n".encode()
    return section("canonical_status", head + said, exit_status, stderr)


def facts(*patches: LivePatch, release: str = "5.15.0-118-generic") -> Facts:
    """The host's other facts; these live patches are in its sysfs."""
    return Facts(kernel=Kernel(running=release), livepatch_supported=True, live_patches=patches)


def in_sysfs(name: str = MODULE, state: PatchState = PatchState.APPLIED) -> LivePatch:
    """A live patch as the kernel shows it."""
    return LivePatch(tool="klp", name=name, state=state)


def check(*sections: Section, host: Facts | None = None) -> Seen:
    """One check, with our clock at `AT`."""
    return seen(*sections, facts=host or facts(in_sysfs())).model_copy(update={"at": AT})
