"""What ``ulp patches`` tells of processes, in each of its forms, and in forms that it should not have."""

from pathlib import Path

import pytest

from orchestrator.backends.libpulp import Libpulp
from orchestrator.core.facts import PatchState, Tool, ToolState, UserspacePatch
from orchestrator.core.tools import ToolReport
from orchestrator.probe import read_answer
from orchestrator.probe.answer import INCOMPLETE, Section
from tests.backends.answered import absent, read_cut, section, seen
from tests.probe.machines import DEBIAN, NONCE, SHELLS, build, command, run

pytestmark = pytest.mark.scripts

CASES = Path(__file__).parent / "cases"
TOOL = Libpulp()


def case(name: str, exit_status: int = 0, stderr: str = "") -> Section:
    """The raw output of that file."""
    return section("libpulp_processes", (CASES / f"{name}.txt").read_bytes(), exit_status, stderr)


def patch(target: str, version: str, *cves: str, processes: int = 1, is_on: bool = True) -> UserspacePatch:
    """A live patch of a library."""
    state = PatchState.APPLIED if is_on else PatchState.DISABLED
    return UserspacePatch(tool="libpulp", target=target, version=version, state=state, processes=processes, cves=cves)


CRYPTO = patch(
    "libcrypto.so.1.1.1l",
    "libcrypto_1.1.1l-150400.7.22.1_livepatch2",
    "CVE-2023-0215",
    "CVE-2023-0286",
    processes=2,
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("patches_enabled", (CRYPTO,)),
        (
            "patches_buildid_version_glued_labels",
            (
                patch("libssl.so.1.1.1l", "libssl_livepatch1", "CVE-2023-0464"),
                patch("libssl.so.1.1.1l", "libssl_livepatch3"),
            ),
        ),
        ("patches_old_without_status", (patch("libc-2.31.so", "libc_livepatch1", "CVE-2023-4911"),)),
        ("patches_disabled", (patch("libc-2.31.so", "libc_livepatch1", is_on=False),)),
    ],
)
def test_each_live_patch_is_told_once(name: str, expected: tuple[UserspacePatch, ...]) -> None:
    """With the CVEs among its bugs, never with the time of its loading; a process that is switched off has none."""
    assert TOOL.read(seen(case(name))) == ToolReport(
        tool=Tool(name="libpulp", state=ToolState.READY), excludes=False, userspace_patches=expected
    )


@pytest.mark.parametrize(
    ("sections", "root_lacks", "state", "detail"),
    [
        ((absent("libpulp_processes"),), None, ToolState.ABSENT, None),
        ((absent("libpulp_there"),), "needs_root", ToolState.ABSENT, None),
        ((), None, ToolState.ERROR, "answer incomplete"),
        ((section("libpulp_there", ""),), INCOMPLETE, ToolState.ERROR, "answer incomplete"),
        (
            (section("libpulp_there", ""),),
            "needs_root",
            ToolState.ERROR,
            "what processes carry needs root (needs_root)",
        ),
        ((section("libpulp_processes", ""),), None, ToolState.READY, None),
        ((section("libpulp_processes", "", 255),), None, ToolState.ERROR, "ulp ended with exit status 255"),
        ((case("patches_enabled", 1),), None, ToolState.READY, "some processes could not be looked into"),
    ],
)
def test_what_was_not_understood_is_never_nothing(
    sections: tuple[Section, ...], root_lacks: str | None, state: ToolState, detail: str | None
) -> None:
    """Without any process that libpulp may patch, its answer is empty; with an error it says so."""
    assert TOOL.read(seen(*sections, root_lacks=root_lacks)).tool == Tool(name="libpulp", state=state, detail=detail)


@pytest.mark.parametrize("text", ["ulp: usage\n", "PID: x\n", "A" * 10_000_000, "\x1b[31mPID\x1b[0m\n"])
def test_other_words_are_an_error_with_the_text(text: str) -> None:
    """Bounded, and without escape sequences."""
    report = TOOL.read(seen(section("libpulp_processes", text)))
    assert report.tool.state is ToolState.ERROR
    assert 0 < len(report.tool.detail or "") <= 300
    assert "\x1b" not in (report.tool.detail or "")


@pytest.mark.parametrize("name", ["patches_enabled", "patches_buildid_version_glued_labels", "patches_disabled"])
def test_a_cut_anywhere_patches_nothing_more(name: str) -> None:
    """At every byte: never another library or patch in force, never more processes, never another CVE."""
    check = seen(case(name))
    told = [one for one in TOOL.read(check).userspace_patches if one.state is PatchState.APPLIED]
    whole = {(one.target, one.version): one for one in told}
    for report in read_cut(TOOL, check, "libpulp_processes"):
        applied = [one for one in report.userspace_patches if one.state is PatchState.APPLIED]
        for one in applied:
            same = whole[one.target, one.version]
            assert (one.processes or 0) <= (same.processes or 0)
            assert set(one.cves) <= set(same.cves)


@pytest.mark.parametrize("shell", SHELLS)
def test_the_real_check_asks_ulp_as_root(tmp_path: Path, shell: str) -> None:
    """Once; where there is no ulp, nothing is started."""
    files = {
        **DEBIAN,
        "stand-ins/id": "#!/bin/sh\necho 0\n",
        "stand-ins/ulp": '#!/bin/sh\n[ "$1" = patches ] && cat "${0%/stand-ins/*}/answer"\n',
        "answer": (CASES / "patches_enabled.txt").read_text(),
    }
    done = run(command(extra=TOOL.parts), build(tmp_path / "with", files), shell=shell)
    assert TOOL.read(seen(*read_answer(done, nonce=NONCE).sections.values())).userspace_patches == (CRYPTO,)
    done = run(command(extra=TOOL.parts), build(tmp_path / "without", DEBIAN), shell=shell)
    assert TOOL.read(seen(*read_answer(done, nonce=NONCE).sections.values())).tool.state is ToolState.ABSENT
