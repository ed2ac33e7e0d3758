"""What LibCare tells of processes, in each of its forms, and in forms that it should not have."""

from pathlib import Path

import pytest

from orchestrator.backends.libcare import LibCare
from orchestrator.backends.libcare.answers import PatchedObject, read_cve_list, read_patch_info, read_processes
from orchestrator.backends.libcare.backend import ANY_LIBRARY
from orchestrator.core.attempts import Action
from orchestrator.core.facts import Facts, PatchState, Tool, ToolState, UserspacePatch
from orchestrator.core.tools import ToolReport
from orchestrator.probe import read_answer
from orchestrator.probe.answer import INCOMPLETE, Section
from tests.backends.answered import absent, read_cut, section, seen
from tests.probe.machines import DEBIAN, NONCE, SHELLS, build, command, run

pytestmark = pytest.mark.scripts

CASES = Path(__file__).parent / "cases"
TOOL = LibCare()


def case(name: str, part: str = "libcare_processes", exit_status: int = 0) -> Section:
    """The raw output of that file."""
    return section(part, (CASES / f"{name}.txt").read_bytes(), exit_status)


def one(name: str, level: str, processes: int = 1) -> PatchedObject:
    """A library at a level."""
    return PatchedObject(name=name, level=level, processes=processes)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lib_info_document", (one("libc-2.31.so", "2023101203", 2), one("libcrypto.so.1.1", "2023020701"))),
        ("lib_info_list_of_objects", (one("libssl.so.1.1", "3"),)),
        ("lib_info_lines_with_noise", (one("libc-2.17.so", "2021021205", 2), one("libcrypto.so.1.0.2k", "2021012902"))),
        ("lib_info_nothing", ()),
        ("ctl_info", (one("libc-2.28.so", "4", 2), one("nginx", "2"))),
        ("ctl_info_only_available", ()),
        ("plus_info", (one("redis-server", "0007"),)),
        ("lib_info_wrong_types", ()),
        ("refused", None),
        ("lib_info_truncated", None),
    ],
)
def test_patched_libraries_are_read_from_each_form(name: str, expected: tuple[PatchedObject, ...] | None) -> None:
    """A file that was replaced on the disk is the same library; what is available is not applied."""
    assert read_processes(case(name)) == expected


def test_ten_megabytes_and_deep_nests_are_survived() -> None:
    """Whatever a host says."""
    assert read_processes(section("x", b"[" * 10_000_000)) is None
    assert read_processes(section("x", b"A" * 10_000_000)) is None


def test_the_fixed_cves_are_read_from_list_and_json() -> None:
    """The list of the cache, and what clients without one print."""
    assert read_cve_list(case("cvelist")) == ("CVE-2022-4450", "CVE-2023-0286")
    assert read_patch_info(case("lib_patch_info")) == ("CVE-2022-4450", "CVE-2023-0215", "CVE-2023-0286")


def test_a_report_has_each_library_and_the_cves_of_all() -> None:
    """LibCare does not say which library a CVE is about."""
    report = TOOL.read(seen(case("lib_info_document"), case("cvelist", "libcare_cves")))
    assert report == ToolReport(
        tool=Tool(name="libcare", state=ToolState.READY),
        excludes=False,
        userspace_patches=(
            UserspacePatch(
                tool="libcare", target="libc-2.31.so", version="2023101203", state=PatchState.APPLIED, processes=2
            ),
            UserspacePatch(
                tool="libcare", target="libcrypto.so.1.1", version="2023020701", state=PatchState.APPLIED, processes=1
            ),
            UserspacePatch(
                tool="libcare", target=ANY_LIBRARY, state=PatchState.APPLIED, cves=("CVE-2022-4450", "CVE-2023-0286")
            ),
        ),
    )


def test_cves_without_a_patched_process_are_nobodys() -> None:
    """A list may be older than the processes."""
    assert TOOL.read(seen(case("lib_info_nothing"), case("cvelist", "libcare_cves"))).userspace_patches == ()


@pytest.mark.parametrize(
    ("sections", "root_lacks", "state", "detail"),
    [
        ((absent("libcare_processes"),), None, ToolState.ABSENT, None),
        ((absent("libcare_there"),), "needs_root", ToolState.ABSENT, None),
        ((), None, ToolState.ERROR, "answer incomplete"),
        ((section("libcare_there", ""),), INCOMPLETE, ToolState.ERROR, "answer incomplete"),
        (
            (section("libcare_there", ""),),
            "needs_root",
            ToolState.ERROR,
            "what processes carry needs root (needs_root)",
        ),
        (
            (case("refused", exit_status=1),),
            None,
            ToolState.ERROR,
            "can't connect to the libcare server: Connection refused",
        ),
        ((section("libcare_processes", "", 1),), None, ToolState.ERROR, "LibCare's tool ended with exit status 1"),
    ],
)
def test_what_was_not_understood_is_never_nothing(
    sections: tuple[Section, ...], root_lacks: str | None, state: ToolState, detail: str | None
) -> None:
    """Absent, cut off, without root and refused are four things."""
    assert TOOL.read(seen(*sections, root_lacks=root_lacks)).tool == Tool(name="libcare", state=state, detail=detail)


@pytest.mark.parametrize("name", ["lib_info_document", "lib_info_lines_with_noise", "ctl_info", "plus_info"])
def test_a_cut_anywhere_patches_nothing_more(name: str) -> None:
    """At every byte: never another library or level, never more processes, never another CVE."""
    check = seen(case(name), case("cvelist", "libcare_cves"))
    whole = {(patch.target, patch.version): patch for patch in TOOL.read(check).userspace_patches}
    for part in ("libcare_processes", "libcare_cves"):
        for report in read_cut(TOOL, check, part):
            for patch in report.userspace_patches:
                same = whole[patch.target, patch.version]
                assert (patch.processes or 0) <= (same.processes or 0)
                assert set(patch.cves) <= set(same.cves)


def test_it_refuses_to_act() -> None:
    """State only."""
    assert [
        refused.code
        for action in Action
        if (refused := TOOL.refusal(Facts(), None, None, ours={}, action=action)) is not None
    ] == ["tool_not_ready"] * len(Action)


@pytest.mark.parametrize("shell", SHELLS)
def test_the_real_check_asks_kernelcares_client(tmp_path: Path, shell: str) -> None:
    """Where LibCare was switched on; where it never was, nothing is started."""
    script = '#!/bin/sh\n[ "$1" = --lib-info ] && cat "${0%/stand-ins/*}/answer"\n'
    there = {
        **DEBIAN,
        "stand-ins/id": "#!/bin/sh\necho 0\n",
        "stand-ins/kcarectl": script,
        "answer": (CASES / "lib_info_document.txt").read_text(),
    }
    used = there | {"var/cache/kcare/libcare_cvelist": "CVE-2022-4450\n"}
    states = []
    for number, files in enumerate((there, used)):
        root = build(tmp_path / str(number), files)
        done = run(command(extra=TOOL.parts), root, shell=shell)
        report = TOOL.read(seen(*read_answer(done, nonce=NONCE).sections.values()))
        states.append((report.tool.state, len(report.userspace_patches)))
    assert states == [(ToolState.ABSENT, 0), (ToolState.READY, 3)]
