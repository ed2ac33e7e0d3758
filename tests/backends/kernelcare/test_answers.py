"""What `kcarectl` prints, in the forms of several years, and in forms that it should not have."""

from pathlib import Path

import pytest

from orchestrator.backends.kernelcare.answers import (
    InForce,
    Refusal,
    Settings,
    read_against,
    read_available,
    read_cve_list,
    read_effective,
    read_info,
    read_patch_info,
    read_settings,
)
from orchestrator.core.facts import ToolState
from orchestrator.probe.answer import Section
from tests.backends.answered import section

CASES = Path(__file__).parent / "cases"

UBUNTU = InForce(
    level="38@5.4.0-170.188", effective="5.4.0-170.188", built_for="5.4.0-125-generic", is_new=True
)  # fmt: skip


def case(name: str, exit_status: int = 0) -> Section:
    """The raw output of that file."""
    return section("kernelcare_info", (CASES / f"{name}.txt").read_bytes(), exit_status)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "info_applied_2016_debian",
            InForce(level="5@3.16.36-1+deb8u2", effective="3.16.36-1+deb8u2", built_for="3.16.0-4-amd64"),
        ),
        ("info_applied_2021_ubuntu", UBUNTU),
        (
            "info_applied_extra_el7",
            InForce(
                level="49-extra@3.10.0-1160.31.1.el7",
                effective="3.10.0-1160.31.1.el7",
                built_for="3.10.0-957.5.1.el7.x86_64",
                is_new=True,
            ),
        ),
        (
            "info_applied_effective_with_arch_and_plus",
            InForce(level="7@2.6.32-642.4.2.el6", effective="2.6.32-642.4.2.el6", built_for="2.6.32-573.el6.x86_64"),
        ),
        ("info_applied_after_noise_and_crlf", UBUNTU),
        ("info_nothing_applied", InForce()),
        ("info_nothing_state_line", InForce()),
    ],
)
def test_what_is_in_force_is_read_from_each_years_form(name: str, expected: InForce) -> None:
    """The level is one word without the time of loading, so that hosts with the same thing in force say the same."""
    assert read_info(case(name)) == expected


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("info_unknown_kernel", ToolState.UNSUPPORTED_KERNEL),
        ("info_no_licence", ToolState.UNLICENSED),
        ("info_unknown_state", ToolState.ERROR),
        ("info_applied_without_description", ToolState.ERROR),
        ("info_applied_hostile_level", ToolState.ERROR),
        ("info_localised", ToolState.ERROR),
        ("info_traceback", ToolState.ERROR),
        ("info_empty", ToolState.ERROR),
    ],
)
def test_what_is_neither_applied_nor_clearly_nothing_is_a_refusal(name: str, state: ToolState) -> None:
    """Its text is kept, bounded: what was not understood is never "no patches"."""
    found = read_info(case(name, 1))
    assert isinstance(found, Refusal)
    assert (found.state, 0 < len(found.detail) <= 300) == (state, True)


def test_a_patch_that_kcarectl_tells_of_while_it_fails_is_not_believed() -> None:
    """The exit code counts as well as the words."""
    found = read_info(case("info_applied_2021_ubuntu", 1))
    assert isinstance(found, Refusal)
    assert found.state is ToolState.ERROR


def test_escape_sequences_are_dropped_from_what_is_kept() -> None:
    """Nothing of a host reaches a terminal as it came."""
    found = read_info(case("info_applied_escape_sequences"))
    assert isinstance(found, InForce)
    assert found.level == "38@5.4.0-170.188"


def test_ten_megabytes_are_read_and_little_is_kept() -> None:
    """Whatever a host says, what is kept of it is bounded."""
    found = read_info(section("kernelcare_info", b"A" * 10_000_000))
    assert isinstance(found, Refusal)
    assert len(found.detail) == 300


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "patch_info_el8",
            ("CVE-2022-3545", "CVE-2023-51042", "CVE-2023-51043", "CVE-2023-6931", "CVE-2024-0565", "CVE-2024-1086"),
        ),
        ("patch_info_extra_without_cves", ()),
        ("info_empty", ()),
    ],
)
def test_only_the_list_of_a_patch_names_what_it_fixes(name: str, expected: tuple[str, ...]) -> None:
    """A list may go on in further lines; names of files, descriptions and addresses hold ids that count for nothing."""
    assert read_patch_info(case(name)) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cvelist", ("CVE-2022-0847", "CVE-2022-33655", "CVE-2023-0179")),
        ("cvelist_odd", ("CVE-2022-33655", "CVE-2023-0179")),
    ],
)
def test_the_kernels_list_has_one_id_a_line(name: str, expected: tuple[str, ...]) -> None:
    """What is no id counts for nothing, nor does a last line that has no end: more of it may have been cut off."""
    assert read_cve_list(case(name)) == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("3.10.0-1160.25.1.el7\n", "3.10.0-1160.25.1.el7"),
        ("5.4.0-177.197\n", "5.4.0-177.197"),
        ("2.6.32-642.3.1.el6.x86_64+\n", "2.6.32-642.3.1.el6"),
        ("3.10.0-1160.25.1.el7.x86_64\n", "3.10.0-1160.25.1.el7"),
        ("3.16.36-1+deb8u2\n", "3.16.36-1+deb8u2"),
        ("5.4.0-177.19", None),
        ("Please run as root\n", None),
        ("", None),
    ],
)
def test_the_effective_kernel_is_told_without_its_architecture(said: str, expected: str | None) -> None:
    """``--uname`` lost its suffix in 2.5-4; a ``+`` behind it means nothing."""
    assert read_effective(section("kernelcare_uname", said)) == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], Settings()),
        (["AUTO_UPDATE=True"], Settings()),
        (["AUTO_UPDATE=YES", "AUTO_UPDATE = no"], Settings(auto_update=False, held_by=("AUTO_UPDATE=no",))),
        (["AUTO_UPDATE=False", "AUTO_UPDATE=True"], Settings()),
        (["STICKY_PATCH=25052018"], Settings(held_by=("STICKY_PATCH=25052018",))),
        (["STICKY_PATCH="], Settings()),
        (
            ["AUTO_STICKY_PATCHSET=K20230908_02", "AUTO_UPDATE=False"],
            Settings(auto_update=False, held_by=("AUTO_UPDATE=False", "AUTO_STICKY_PATCHSET=K20230908_02")),
        ),
    ],
)
def test_the_settings_say_what_holds_the_agent(lines: list[str], expected: Settings) -> None:
    """The agent patches by itself unless it is told not to; sticky levels and delays hold it, too."""
    assert read_settings(lines) == expected


@pytest.mark.parametrize(
    ("check", "status", "expected"),
    [
        (0, 2, True),
        (1, 0, False),
        (1, 2, True),
        (0, 0, True),
        (1, 1, False),
        (2, 2, True),
        (2, 0, False),
        (2, 1, True),
        (2, 3, None),
        (None, None, None),
    ],
)
def test_exit_codes_say_whether_something_newer_is_offered(
    check: int | None, status: int | None, expected: bool | None
) -> None:
    """``--check`` exits 0 for "there is something", ``--status`` 2; the one that says so is believed."""
    sections = [None if code is None else section("x", "", code) for code in (check, status)]
    assert read_available(*sections) is expected


def test_a_client_that_fails_does_not_say_that_nothing_is_offered() -> None:
    """A traceback exits 1 like "nothing newer"."""
    failed = section("x", "", 1, "Traceback (most recent call last): urlopen error")
    assert read_available(failed, failed) is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [("licence_ip", None), ("licence_key", None), ("licence_none", "unlicensed"), ("licence_expired", "unlicensed")],
)
def test_the_licence_is_read_from_words(name: str, expected: str | None) -> None:
    """ "No valid license found" holds the words of a valid one."""
    found = read_against(None, case(name))
    assert (found and found.state.value) == expected


def test_status_three_is_a_kernel_without_patches() -> None:
    """``kcarectl --status`` exits 3 for a kernel that KernelCare does not support."""
    found = read_against(section("kernelcare_status", "", 3), None)
    assert found is not None
    assert found.state is ToolState.UNSUPPORTED_KERNEL
