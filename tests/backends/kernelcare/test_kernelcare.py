"""What a check says of a host with KernelCare: kcarectl's word against the kernel's."""

from pathlib import Path

import pytest

from orchestrator.backends.base import Seen
from orchestrator.backends.kernelcare import KernelCare
from orchestrator.core.facts import Deep, Facts, Kernel, PatchState, Pin, Tool, ToolState, Update, Virtualization
from orchestrator.core.tools import Told, ToolReport
from orchestrator.probe.answer import INCOMPLETE, Section
from tests.backends.answered import absent, is_less, read_cut, section, seen

CASES = Path(__file__).parent / "cases"
TOOL = KernelCare()
RUNNING = "5.4.0-125-generic"
FACTS = Facts(kernel=Kernel(running=RUNNING), virtualization=Virtualization.NONE)
LEVEL = "38@5.4.0-170.188"
CVES = ("CVE-2022-0847", "CVE-2022-33655", "CVE-2023-0179")

KERNEL = f"effective=5.4.0-170.188\nproc=yes\nmodule=yes\nuname={RUNNING}\npreload=no\n"
SETTINGS = "setting=AUTO_UPDATE=True\npinned=no\n"


def check(facts: Facts = FACTS, root_lacks: str | None = None, **bodies: str | Section | None) -> Seen:
    """A check of a patched Ubuntu, with other sections where they are named; None: it did not come."""
    sections: dict[str, str | Section | None] = {
        "kernel": KERNEL,
        "cves": (CASES / "cvelist.txt").read_text(),
        "uname": absent("kernelcare_uname"),
        "info": (CASES / "info_applied_2021_ubuntu.txt").read_text(),
        "patch_info": absent("kernelcare_patch_info"),
        "settings": SETTINGS,
    }
    made = [
        body if isinstance(body, Section) else section(f"kernelcare_{name}", body)
        for name, body in (sections | bodies).items()
        if body is not None
    ]
    return seen(*made, facts=facts, root_lacks=root_lacks)


def told(state: PatchState = PatchState.APPLIED, cves: tuple[str, ...] = CVES, level: str | None = LEVEL) -> Told:
    """The one patch."""
    return Told(name="kcare", version=level, state=state, cves=cves, in_sysfs=False)


def test_a_patched_host_has_its_level_its_cves_and_its_effective_kernel() -> None:
    """On which the kernel's module and kcarectl agree."""
    expected = ToolReport(
        tool=Tool(name="kernelcare", state=ToolState.READY, level=LEVEL, effective_kernel="5.4.0-170.188"),
        told=(told(),),
        is_in_use=True,
    )
    assert TOOL.read(check()) == expected


def test_an_old_client_is_believed_without_proc_kcare() -> None:
    """Modules of 2016 have no /proc/kcare: that the module is loaded is all that the kernel says of them."""
    facts = FACTS.model_copy(update={"kernel": Kernel(running="3.16.0-4-amd64")})
    report = TOOL.read(
        check(
            facts,
            kernel="effective!absent\nproc=no\nmodule=yes\nuname=3.16.0-4-amd64\npreload=no\n",
            info=(CASES / "info_applied_2016_debian.txt").read_text(),
            cves=absent("kernelcare_cves"),
            patch_info=(CASES / "patch_info_el8.txt").read_text(),
            uname="3.16.36-1+deb8u2\n",
        )
    )
    assert report.tool.disagrees == ()
    assert report.tool.effective_kernel == "3.16.36-1+deb8u2"
    assert [one.state for one in report.told] == [PatchState.APPLIED]
    assert "CVE-2024-1086" in report.told[0].cves


@pytest.mark.parametrize(
    ("kernel", "words"),
    [
        (KERNEL.replace("module=yes", "module=no"), "no module kcare"),
        (KERNEL.replace("module=yes", "module!unreadable"), "no module kcare"),
        (KERNEL.replace("effective=5.4.0-170.188", "effective!absent"), "no /proc/kcare/effective_version"),
        (
            KERNEL.replace("effective=5.4.0-170.188", "effective!absent").replace("proc=yes", "proc=no"),
            "no /proc/kcare/effective_version",
        ),
        (KERNEL.replace("5.4.0-170.188", "5.4.0-150.167"), "effective_version is 5.4.0-150.167"),
    ],
)
def test_a_level_that_the_kernel_does_not_show_is_no_success(kernel: str, words: str) -> None:
    """The kernel is believed about what is in force, and the disagreement has its own line."""
    report = TOOL.read(check(kernel=kernel))
    assert [one.state for one in report.told] == [PatchState.FAILED]
    assert words in report.tool.disagrees[0]
    assert report.tool.effective_kernel is None


def test_a_patch_for_another_kernel_is_no_success() -> None:
    """``kpatch-for`` names the kernel that it was built for."""
    facts = FACTS.model_copy(update={"kernel": Kernel(running="5.4.0-126-generic")})
    report = TOOL.read(check(facts, kernel=KERNEL.replace("uname=5.4.0-125", "uname=5.4.0-126")))
    assert "it is for the kernel 5.4.0-125-generic" in report.tool.disagrees[0]


@pytest.mark.parametrize(
    ("kernel", "detail"),
    [
        (
            KERNEL.replace(f"uname={RUNNING}", "uname=5.4.0-170.188"),
            f"uname -r answers 5.4.0-170.188, the running kernel is {RUNNING}",
        ),
        (
            KERNEL.replace("preload=no", "preload=yes"),
            "uname, rpm and dpkg answer it with the effective kernel",
        ),
    ],
)
def test_a_login_behind_the_scanner_interface_is_told(kernel: str, detail: str) -> None:
    """What such a login is told of kernel and packages is made up on purpose."""
    expected = f"the login is behind KernelCare's scanner interface: {detail}"
    assert TOOL.read(check(kernel=kernel)).tool.detail == expected


@pytest.mark.parametrize(
    ("settings", "pin"),
    [
        (SETTINGS, None),
        ("setting!unreadable\npinned=no\n", None),
        (
            "setting=AUTO_UPDATE=False\npinned=yes\n",
            Pin(setting="AUTO_UPDATE=False", by_us=True),
        ),
        ("setting=AUTO_UPDATE=no\npinned=no\n", Pin(setting="AUTO_UPDATE=no", by_us=False)),
        ("setting=STICKY_PATCH=25052018\npinned=yes\n", Pin(setting="STICKY_PATCH=25052018", by_us=False)),
    ],
)
def test_the_agents_pin_says_whose_it_is(settings: str, pin: Pin | None) -> None:
    """Ours is marked on the host's disk, so that it is known after a crash as well."""
    assert TOOL.read(check(settings=settings)).tool.pin == pin


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("info_unknown_kernel", ToolState.UNSUPPORTED_KERNEL),
        ("info_no_licence", ToolState.UNLICENSED),
        ("info_localised", ToolState.ERROR),
        ("info_traceback", ToolState.ERROR),
    ],
)
def test_an_answer_that_is_not_understood_is_never_no_patches(name: str, state: ToolState) -> None:
    """The kernel still tells of a patch: it is kept as one whose state cannot be told."""
    report = TOOL.read(check(info=(CASES / f"{name}.txt").read_text()))
    assert report.tool.state is state
    assert report.tool.detail
    assert [one.state for one in report.told] == [PatchState.FAILED]


def test_an_idle_agent_that_patches_by_itself_is_in_use() -> None:
    """It may patch at any time; one that is switched off and has nothing in force may not."""
    kernel = f"effective!absent\nproc=no\nmodule=no\nuname={RUNNING}\npreload=no\n"
    idle, off = (
        TOOL.read(check(kernel=kernel, cves=absent("kernelcare_cves"), info="No patches applied\n", settings=settings))
        for settings in (SETTINGS, "setting=AUTO_UPDATE=False\npinned=no\n")
    )
    assert (idle.tool.state, idle.tool.level, idle.told, idle.is_in_use) == (ToolState.READY, None, (), True)
    assert off.is_in_use is False


def test_without_root_the_kernels_own_list_counts() -> None:
    """/proc/kcare is for everybody; the level is kcarectl's alone to tell, and it wants root."""
    report = TOOL.read(check(info=None, settings=None, patch_info=None, root_lacks="needs_root"))
    assert report.tool.state is ToolState.ERROR
    assert report.tool.detail == "kcarectl needs root (needs_root)"
    assert report.told == (told(level=None),)


@pytest.mark.parametrize("lacks", [None, INCOMPLETE])
def test_an_answer_that_was_cut_off_is_no_lack_of_root(lacks: str | None) -> None:
    """What is missing for any other reason makes nothing patched."""
    report = TOOL.read(check(info=None, settings=None, patch_info=None, root_lacks=lacks))
    assert report.tool.state is ToolState.ERROR
    assert [one.state for one in report.told] == [PatchState.FAILED]


def test_where_there_is_no_kcarectl_the_tool_is_absent() -> None:
    """Which no process was started to find out."""
    everywhere = seen(*(absent(part.name) for part in (*TOOL.parts, *TOOL.deep_parts)))
    assert TOOL.read(everywhere) == ToolReport(tool=Tool(name="kernelcare", state=ToolState.ABSENT))
    assert TOOL.read_deep(everywhere) is None


def test_a_missing_first_section_is_an_incomplete_answer() -> None:
    """Cut off is not absent."""
    assert TOOL.read(check(kernel=None)).tool == Tool(
        name="kernelcare", state=ToolState.ERROR, detail="answer incomplete"
    )


def test_a_container_has_no_kernel_of_its_own() -> None:
    """Whatever kcarectl says there."""
    facts = FACTS.model_copy(update={"virtualization": Virtualization.CONTAINER})
    assert TOOL.read(check(facts)).tool.state is ToolState.CONTAINER


@pytest.mark.parametrize("name", ["kernel", "cves", "info", "settings"])
def test_a_cut_anywhere_makes_nothing_more_patched(name: str) -> None:
    """At every byte of every section."""
    whole = TOOL.read(check())
    assert all(is_less(one, whole) for one in read_cut(TOOL, check(), f"kernelcare_{name}"))


def test_a_cut_of_the_patches_own_list_makes_nothing_more_patched() -> None:
    """The same for the longer list of clients whose module keeps none."""
    longer = check(cves=absent("kernelcare_cves"), patch_info=(CASES / "patch_info_el8.txt").read_text())
    whole = TOOL.read(longer)
    assert len(whole.told[0].cves) == 6
    assert all(is_less(one, whole) for one in read_cut(TOOL, longer, "kernelcare_patch_info"))


@pytest.mark.parametrize(
    ("check_exit", "status_exit", "licence", "expected"),
    [
        (0, 2, "Valid license found for IP 198.51.100.7\n", Deep(updates=(Update(name="kernelcare"),))),
        (1, 0, "Key-based valid license found\n", Deep(updates=())),
        (1, 0, "", Deep(updates=())),
        (
            2,
            3,
            "No valid license found for IP 198.51.100.7\n",
            Deep(state=ToolState.UNLICENSED, detail="No valid license found for IP 198.51.100.7"),
        ),
        (
            2,
            3,
            "Key-based valid license found\n",
            Deep(state=ToolState.UNSUPPORTED_KERNEL, detail="kcarectl has no patches for this kernel"),
        ),
    ],
)
def test_the_deep_check_tells_what_the_vendor_said(
    check_exit: int, status_exit: int, licence: str, expected: Deep
) -> None:
    """Something newer, the licence, and whether the kernel is supported."""
    sections = (
        section("kernelcare_check", "", check_exit),
        section("kernelcare_status", "", status_exit),
        section("kernelcare_licence", licence),
    )
    assert TOOL.read_deep(seen(*sections)) == expected


def test_a_deep_check_that_did_not_come_tells_nothing() -> None:
    """Not even that nothing newer is offered."""
    assert TOOL.read_deep(seen()) == Deep()
