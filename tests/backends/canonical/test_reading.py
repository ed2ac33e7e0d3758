"""What the backend reads from the client's answers, in the forms of ten years and in forms that nobody should send."""

import pytest

from orchestrator.backends.canonical import Canonical
from orchestrator.core.facts import Facts, PatchState, ToolState, Virtualization
from orchestrator.core.tools import Told, ToolReport, settle_tools
from tests.backends.answered import absent, is_less, read_cut
from tests.backends.canonical.answers import CVES, MODULE, check, facts, in_sysfs, raw, status

APPLIED = Told(name=MODULE, version="107.2", state=PatchState.APPLIED, cves=CVES)
BARE = Told(name=MODULE, version="107.2", state=PatchState.APPLIED)
FAILED = Told(name=MODULE, version="107.2", state=PatchState.FAILED)
STRAY = Told(name=MODULE)
"""The module is in the kernel, and the client says nothing of it: the kernel alone counts."""

READY, ERROR, LOCKED = ToolState.READY, ToolState.ERROR, ToolState.LOCKED
EXPIRED, UNSUPPORTED = ToolState.COVERAGE_EXPIRED, ToolState.UNSUPPORTED_KERNEL


def read(name: str, host: Facts | None = None) -> ToolReport:
    """The report about that answer."""
    return Canonical().read(check(status(raw(name)), host=host))


@pytest.mark.parametrize(
    ("name", "state", "level", "told"),
    [
        ("json_applied", READY, "107.2", APPLIED),
        ("json_applied_pretty_printed", READY, "107.2", APPLIED),
        ("json_applied_after_noise", READY, "107.2", APPLIED),
        ("json_applied_crlf_and_bom", READY, "107.2", APPLIED),
        ("json_applied_kernel_upgrade_required", EXPIRED, "107.2", APPLIED),
        ("json_applied_end_of_life", EXPIRED, "107.2", APPLIED),
        ("json_applied_with_bug", LOCKED, None, FAILED),
        ("json_apply_failed_lists_fixes", READY, None, FAILED),
        (
            "json_kernel_upgrade_required_with_fixes",
            EXPIRED,
            "107.2",
            Told(name=MODULE, version="107.2", cves=CVES),
        ),
        ("json_unapplied", READY, None, STRAY),
        ("json_nothing_supported", READY, None, STRAY),
        ("json_nothing_unsupported", UNSUPPORTED, None, STRAY),
        ("json_nothing_2022_support_not_told", READY, None, STRAY),
        ("json_check_failed", READY, None, STRAY),
        ("json_check_failed_after_the_coverage", EXPIRED, "107.2", APPLIED),
        ("json_checked_with_a_date_gone_by", READY, "107.2", APPLIED),
        ("json_needs_check", READY, None, STRAY),
        ("json_running_kernel_is_second", READY, "107.2", APPLIED),
        ("json_fixes_of_wrong_types", READY, "107.2", APPLIED.model_copy(update={"cves": ("CVE-2024-3333",)})),
        ("yaml_applied", READY, "107.2", APPLIED),
        ("yaml_applied_crlf", READY, "107.2", APPLIED),
        ("yaml_applied_after_the_cutoff_banner", READY, "107.2", APPLIED),
        ("yaml_newer_with_lists", READY, "107.2", APPLIED),
        ("yaml_apply_failed_lists_fixes", READY, None, FAILED),
        ("yaml_nothing", READY, None, STRAY),
        ("yaml_check_failed", READY, None, STRAY),
        ("yaml_upgrade_required", EXPIRED, "107.2", Told(name=MODULE, version="107.2", cves=CVES)),
        ("plain_oldest_patched", READY, "107.2", BARE),
        ("plain_oldest_nothing", READY, None, STRAY),
        ("plain_oldest_not_patched", READY, None, STRAY),
        ("humane_2021_applied", READY, "107.2", BARE),
        ("humane_2025_applied", READY, "107.2", BARE),
        ("humane_2026_applied", READY, "107.2", BARE),
        ("humane_until", READY, "107.2", BARE),
        ("humane_2023_until", READY, "107.2", BARE),
        ("humane_coverage_ended", EXPIRED, "107.2", BARE),
        ("humane_end_of_life", EXPIRED, "107.2", BARE),
        ("humane_not_covered", UNSUPPORTED, None, STRAY),
        ("humane_support_unknown", READY, None, STRAY),
        ("humane_check_failed", READY, None, STRAY),
        ("humane_patching", READY, None, Told(name=MODULE, version="107.2", state=PatchState.TRANSITIONING)),
        ("humane_downloaded", READY, None, STRAY),
        ("humane_bug", LOCKED, None, FAILED),
        ("humane_crashed", LOCKED, None, STRAY),
        ("humane_unpatchable", EXPIRED, "107.2", Told(name=MODULE, version="107.2")),
        ("humane_signature_failed", READY, None, STRAY),
        ("humane_after_reboot", READY, None, STRAY),
        ("json_another_kernel_runs", ERROR, None, STRAY),
        ("json_two_answers_for_one_kernel", ERROR, None, STRAY),
        ("json_none_running", ERROR, None, STRAY),
        ("json_version_as_a_number", READY, "107.20", APPLIED.model_copy(update={"version": "107.20"})),
        ("json_running_as_text", ERROR, None, STRAY),
        ("json_applied_without_version", ERROR, None, STRAY),
        ("json_state_unheard_of", ERROR, None, STRAY),
        ("json_empty_object", ERROR, None, STRAY),
        ("json_empty_status", ERROR, None, STRAY),
        ("json_status_false", ERROR, None, STRAY),
        ("json_empty_entry", ERROR, None, STRAY),
        ("json_only_a_brace", ERROR, None, STRAY),
        ("json_livepatch_null", ERROR, None, STRAY),
        ("json_truncated", ERROR, None, STRAY),
        ("json_nested_too_deep", ERROR, None, STRAY),
        ("yaml_cut_in_the_version", ERROR, None, STRAY),
        ("humane_unknown_error", ERROR, None, STRAY),
        ("humane_new_words", ERROR, None, STRAY),
        ("humane_own_server", ERROR, None, STRAY),
        ("localised", ERROR, None, STRAY),
        ("empty", ERROR, None, STRAY),
        ("only_noise", ERROR, None, STRAY),
        ("binary", ERROR, None, STRAY),
        ("escape_sequences", ERROR, None, STRAY),
    ],
)
def test_an_answer_is_read(name: str, state: ToolState, level: str | None, told: Told) -> None:
    """State, level and patches of the running kernel, whatever the format; what is not understood is an error."""
    report = read(name)
    assert (state, level, (told,)) == (report.tool.state, report.tool.level, report.told)
    assert report.is_in_use


@pytest.mark.parametrize(
    ("name", "detail"),
    [
        ("json_applied", None),
        ("json_nothing_supported", None),
        ("json_unapplied", "a patch is downloaded and not applied yet"),
        ("json_apply_failed_lists_fixes", "the patch could not be applied"),
        (
            "json_nothing_2022_support_not_told",
            "nothing to apply, and it does not say whether it covers this kernel",
        ),
        ("json_check_failed", "it could not reach its server: what it knows may be old"),
        (
            "json_needs_check",
            "it has not asked its server yet; it has not asked its server since it was started",
        ),
        ("json_check_failed_after_the_coverage", "the coverage of the running kernel ended on 2025-11-30"),
        ("json_another_kernel_runs", "it tells of 5.15.0-91.101-generic, and 5.15.0-118.128-generic runs: {"),
        ("json_truncated", "its JSON is cut off or has no Status: {"),
        ("json_state_unheard_of", "its patch state is 'applied-somehow': {"),
        ("humane_own_server", "it tells no patch state: last check: … kernel: 5.15.0-118.128-generic"),
        ("only_noise", "its answer is in no format that is known: snap-confine has elevated permissions"),
    ],
)
def test_why_an_answer_is_read_so(name: str, detail: str | None) -> None:
    """A person is told why, with the text that was not understood."""
    told = read(name).tool.detail
    assert detail == (told if told is None or detail is None else told[: len(detail)])


def test_a_detail_keeps_no_secret_and_nothing_that_differs_at_every_look() -> None:
    """Machine ids, tokens and times are left out of an answer that is kept; and it is bounded."""
    said = raw("yaml_applied").replace(b"status:", b"stati:") + b"fully: yes\n" + b"x" * 5000
    one = Canonical().read(check(status(said))).tool
    other = Canonical().read(check(status(said.replace(b"05:59:02", b"06:59:03").replace(b"739h1m2s", b"740h0m0s"))))
    assert one == other.tool
    assert "c3c3" not in (one.detail or "")
    assert "d4d4" not in (one.detail or "")
    assert "client-version: 9.8.4" in (one.detail or "")
    assert len(one.detail or "") <= 300


@pytest.mark.parametrize(
    ("name", "signature", "release", "module"),
    [
        ("json_cloud_kernel", "6.8.0-1047.50-aws", "6.8.0-1047-aws", "lkp_Ubuntu_6_8_0_1047_50_aws_121"),
        (
            "json_backported_kernel",
            "5.11.0-40.44~20.04.2-generic",
            "5.11.0-40-generic",
            "lkp_Ubuntu_5_11_0_40_44_20_04_2_generic_84",
        ),
        ("json_version_with_a_zero", None, "5.15.0-118-generic", "lkp_Ubuntu_5_15_0_118_128_generic_110"),
        ("json_cloud_kernel", None, "6.8.0-1047-aws", "lkp_Ubuntu_6_8_0_1047_50_aws_121"),
    ],
)
def test_the_module_of_a_patch(name: str, signature: str | None, release: str, module: str) -> None:
    """Its name is made of the kernel and the first part of the version; without a signature, ``uname -r`` tells."""
    report = Canonical().read(check(status(raw(name), kernel=signature), host=facts(release=release)))
    assert [module] == [told.name for told in report.told]


def test_a_module_that_is_called_otherwise_is_found_by_its_version() -> None:
    """The one module of Canonical's in the kernel that ends with the version is the patch."""
    host = facts(in_sysfs("lkp_Ubuntu_5_15_0_118_128_21_generic_107"), in_sysfs("lkp_Ubuntu_5_15_0_118_128_generic_99"))
    report = read("json_applied", host)
    assert ["lkp_Ubuntu_5_15_0_118_128_21_generic_107", "lkp_Ubuntu_5_15_0_118_128_generic_99"] == [
        told.name for told in report.told
    ]
    assert [PatchState.APPLIED, None] == [told.state for told in report.told]


def test_what_the_kernel_denies_is_named() -> None:
    """A client that calls a patch applied which sysfs does not list disagrees, and nothing is in force."""
    host = facts()
    settled = settle_tools(host, [read("json_applied", host)])
    assert [PatchState.FAILED] == [patch.state for patch in settled.live_patches]
    assert (f"says that {MODULE} is applied, and the kernel lists no such patch",) == settled.tools[0].disagrees


def test_a_patch_of_a_kernel_without_new_ones_stays_in_force() -> None:
    """``kernel-upgrade-required`` says that no newer patch comes: the one in sysfs counts, with what it fixes; where
    the kernel has none, there is none."""
    name = "json_kernel_upgrade_required_with_fixes"
    (live,) = settle_tools(facts(in_sysfs()), [read(name)]).live_patches
    assert ("canonical", PatchState.APPLIED, CVES) == (live.tool, live.state, live.cves)
    without = read(name, facts())
    assert None is without.tool.level
    assert () == settle_tools(facts(), [without]).live_patches


@pytest.mark.parametrize(
    ("exit_status", "stderr", "attached", "state", "in_use"),
    [
        (1, "Machine is not enabled. Please run 'sudo canonical-livepatch enable' with the", "yes", "disabled", False),
        (1, "Machine is not enabled. Please run 'sudo canonical-livepatch enable' with the", "no", "unlicensed", False),
        (1, "Machine is not enabled. Please run 'sudo canonical-livepatch enable'", "unknown", "disabled", False),
        (1, "livepatch check failed: machine token is invalid", "yes", "unlicensed", False),
        (1, "401 Unauthorized", "yes", "unlicensed", False),
        (1, "x509: certificate has expired or is not yet valid", "yes", "error", True),
        (1, "the application caused a crash last time it was applied", "yes", "locked", False),
        (1, "cannot connect to the daemon: connection refused", "yes", "error", True),
        (127, "canonical-livepatch: not found", "yes", "error", True),
        (None, "", "yes", "error", True),
    ],
)
def test_a_client_that_fails(exit_status: int | None, stderr: str, attached: str, state: str, in_use: bool) -> None:
    """Not enabled is no error; what else the client says decides; its modules stay its own."""
    section = status(b"", exit_status or 0, stderr, attached=attached).model_copy(update={"exit_status": exit_status})
    report = Canonical().read(check(section))
    assert (state, in_use, (STRAY,)) == (report.tool.state.value, report.is_in_use, report.told)


def test_a_host_without_the_client() -> None:
    """Absent; modules that a client left behind are still told as Canonical's."""
    report = Canonical().read(check(absent("canonical_status")))
    assert (ToolState.ABSENT, (STRAY,), False) == (report.tool.state, report.told, report.is_in_use)


def test_an_answer_that_did_not_come() -> None:
    """A section that was cut off is an error, which says nothing about who uses the kernel."""
    report = Canonical().read(check())
    assert (ERROR, "answer incomplete", False) == (report.tool.state, report.tool.detail, report.is_in_use)


def test_a_container() -> None:
    """The client in a container tells of the machine's kernel: nothing of it is the host's."""
    host = facts(in_sysfs()).model_copy(update={"virtualization": Virtualization.CONTAINER})
    report = read("json_applied", host)
    assert (ToolState.CONTAINER, ()) == (report.tool.state, report.told)


def test_an_answer_of_ten_megabytes() -> None:
    """It is read up to a bound, and never raises."""
    report = Canonical().read(check(status(b"noise\n" * 1_700_000 + raw("json_applied"))))
    assert ERROR is report.tool.state


@pytest.mark.parametrize(
    "name",
    [
        "json_applied",
        "json_applied_pretty_printed",
        "json_running_kernel_is_second",
        "json_apply_failed_lists_fixes",
        "yaml_applied",
        "yaml_newer_with_lists",
        "yaml_upgrade_required",
        "plain_oldest_patched",
        "humane_until",
        "humane_bug",
    ],
)
def test_an_answer_cut_off_at_any_byte(name: str) -> None:
    """Whatever is cut off, nothing more is in force than the whole answer says; the kernel's own word may stay."""
    whole = check(status(raw(name)))
    report = Canonical().read(whole)
    assert [] == [cut for cut in read_cut(Canonical(), whole, "canonical_status") if not is_less(cut, report)]
