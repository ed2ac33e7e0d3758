"""Sections of a check, as a backend gets them, made by hand."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.backends.base import Backend, Seen
from orchestrator.core.facts import Facts, PatchState
from orchestrator.core.tools import ToolReport
from orchestrator.probe.answer import Section, read_answer
from tests.probe.machines import DEBIAN, NONCE, build, command, run

AT = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


def section(name: str, body: str | bytes, exit_status: int | None = 0, stderr: str = "") -> Section:
    """One that came whole."""
    raw = body.encode() if isinstance(body, str) else body
    return Section(name=name, body=raw, exit_status=exit_status, stderr=stderr)


def absent(name: str) -> Section:
    """One whose tool is not there."""
    return Section(name=name, body=b"", exit_status=None, absent=True)


def seen(*sections: Section, facts: Facts | None = None, root_lacks: str | None = None) -> Seen:
    """A check with these."""
    by_name = {one.name: one for one in sections}
    return Seen(sections=by_name, facts=facts or Facts(), root_lacks=root_lacks, at=AT)


def patched(report: ToolReport) -> set[tuple[str, str]]:
    """Every patch in force with every CVE that it fixes."""
    live = [told for told in report.told if told.state is PatchState.APPLIED]
    return {(told.name, cve) for told in live for cve in ("", *told.cves)}


def is_less(report: ToolReport, whole: ToolReport) -> bool:
    """Whether it says no more than the whole answer does: of patches, CVEs, level and state."""
    levels = (None, whole.tool.level)
    return patched(report) <= patched(whole) and (not patched(report) or report.tool.level in levels)


def read_cut(backend: Backend, check: Seen, name: str) -> list[ToolReport]:
    """What is read with that section's body cut off at every byte, and with the section missing."""
    whole = check.sections[name]
    cuts = [whole.model_copy(update={"body": whole.body[:at]}) for at in range(len(whole.body))]
    without = {key: one for key, one in check.sections.items() if key != name}
    kept = [check.model_copy(update={"sections": {**check.sections, name: cut}}) for cut in cuts]
    return [backend.read(one) for one in [*kept, check.model_copy(update={"sections": without})]]


def read_host(
    root: Path, shell: str, backend: Backend, files: Mapping[str, str], tools: Mapping[str, str], *, deep: bool
) -> Seen:
    """What one real check of a machine of files brings that backend. ``tools``: its programs, sh scripts."""
    programs = {f"stand-ins/{name}": text for name, text in tools.items()}
    build(root, {**DEBIAN, **files, **programs}, shell=shell)
    parts = (*backend.parts, *(backend.deep_parts if deep else ()))
    answer = read_answer(run(command(extra=parts), root, shell=shell), nonce=NONCE)
    return Seen(sections=answer.sections, facts=Facts(), at=AT)
