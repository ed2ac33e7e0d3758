"""What the backend ``dnf`` makes of what rpm, dnf and yum say."""

from datetime import date
from pathlib import Path

import pytest

from orchestrator.backends.base import Seen
from orchestrator.backends.dnf import Dnf
from orchestrator.backends.dnf.packages import is_seed, module_of, newest, oldest_first, wanted
from orchestrator.core.facts import Deep, Facts, Kernel, LivePatch, PatchState, Tool, ToolState, Update, Virtualization
from orchestrator.core.tools import Told, ToolReport, settle_tools
from orchestrator.probe.answer import Section
from tests.backends.answered import absent, read_cut, section, seen

HERE = Path(__file__).parent
RED_HAT = "5.14.0-503.11.1.el9_5.x86_64"
AMAZON_2023 = "6.1.141-155.222.amzn2023.x86_64"
AMAZON_2 = "5.10.238-231.953.amzn2.x86_64"
PATCH = "kpatch-patch-5_14_0-503_11_1"
MODULE = "kpatch_5_14_0_503_11_1_1_4"
CVES = ("CVE-2098-53141", "CVE-2098-53142", "CVE-2098-53143")
TOLD = Told(name=MODULE, version="1-4.el9_5", cves=CVES)
LOADED = {MODULE: PatchState.APPLIED}
FIXING = ("livepatch_CVE_2098_22001", "livepatch_CVE_2098_22002", "livepatch_nfs_lease")


def facts(release: str, live: dict[str, PatchState] | None = None, **changes: object) -> Facts:
    """A host with that kernel, and these patches in its sysfs."""
    patches = [LivePatch(tool="klp", name=name, state=state) for name, state in (live or {}).items()]
    values = {"kernel": Kernel(running=release), "live_patches": patches, "livepatch_supported": True}
    return Facts.model_validate(values | changes)


def release_of(case: str) -> str:
    """The kernel that a case is about."""
    if case.startswith("amazon_2_"):
        return AMAZON_2
    return AMAZON_2023 if case.startswith("amazon") else RED_HAT


def check(case: str, live: dict[str, PatchState] | None = None, status: int = 0, stderr: str = "") -> Seen:
    """A check in which rpm said this."""
    body = (HERE / "installed" / f"{case}.txt").read_bytes()
    return seen(section("dnf_installed", body, status, stderr), facts=facts(release_of(case), live))


def read(case: str, live: dict[str, PatchState] | None = None, status: int = 0, stderr: str = "") -> ToolReport:
    """What is read of it."""
    return Dnf().read(check(case, live, status, stderr))


def ready(detail: str | None = None, level: str | None = None, *disagrees: str) -> Tool:
    """The tool, able to be used."""
    return Tool(name="dnf", state=ToolState.READY, detail=detail, level=level, disagrees=disagrees)


def error(said: str) -> ToolReport:
    """What is said of an answer that was not understood."""
    return ToolReport(tool=Tool(name="dnf", state=ToolState.ERROR, detail=said))


# --- what is installed -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", ["red_hat_installed", "red_hat_crlf", "red_hat_noise_before", "red_hat_without_files"])
def test_an_installed_package_whose_module_is_in_force_is_the_level(case: str) -> None:
    """Its version and release; the module is the package's, its CVEs those that the changelog has in braces."""
    report = read(case, LOADED)

    assert ToolReport(tool=ready(None, "1-4.el9_5"), told=(TOLD,), is_in_use=True) == report


@pytest.mark.parametrize("state", [state for state in PatchState if state is not PatchState.APPLIED])
def test_what_sysfs_does_not_show_as_applied_is_no_level(state: PatchState) -> None:
    """Its module is there: that it is not in force is the kernel's to tell, and no contradiction."""
    report = read("red_hat_installed", {MODULE: state})

    assert (ready(), (TOLD,)) == (report.tool, report.told)


def test_a_package_whose_module_is_not_loaded_is_a_contradiction() -> None:
    """rpm says that it is installed, the kernel that there is no such patch: nothing of it is in force."""
    report = read("red_hat_installed")

    assert ready(None, None, f"has {PATCH} 1-4.el9_5 installed, and the kernel lists no {MODULE}") == report.tool


def test_where_sysfs_could_not_be_read_nothing_contradicts() -> None:
    """Then nothing is known to be in force either."""
    unread = facts(RED_HAT, unknown={"live_patches": "unreadable"})

    report = Dnf().read(check("red_hat_installed").model_copy(update={"facts": unread}))

    assert ready() == report.tool


def test_an_older_module_that_is_still_loaded_is_the_vendors_too() -> None:
    """After an update whose module did not get in, the old one is in force: it is no patch of another tool's."""
    old = "kpatch_5_14_0_503_11_1_1_3"
    host = check("red_hat_installed", {old: PatchState.APPLIED, "lab_0001": PatchState.APPLIED})

    report = Dnf().read(host)
    settled = settle_tools(host.facts, [report])

    assert (TOLD, Told(name=old, version="1-3")) == report.told
    assert (("dnf", old), ("klp", "lab_0001")) == tuple((one.tool, one.name) for one in settled.live_patches)


def test_the_kernel_alone_says_whether_a_patch_is_applied() -> None:
    """The CVEs stand at a patch that sysfs shows, and nowhere where it shows none."""
    for live, expected in ((LOADED, [(PatchState.APPLIED, CVES)]), ({}, [])):
        host = check("red_hat_installed", live)
        settled = settle_tools(host.facts, [Dnf().read(host)])
        assert expected == [(patch.state, patch.cves) for patch in settled.live_patches]


def test_a_host_without_the_package_is_ready() -> None:
    """rpm exits 1 and says it in so many words; that the plugin installs patches by itself is told, and counts."""
    report = read("red_hat_not_installed", status=1)

    assert ToolReport(tool=ready("kpatch autoupdate may update it by itself"), is_in_use=True) == report


@pytest.mark.parametrize(
    ("case", "package"),
    [
        ("red_hat_seed", f"{PATCH} 0-0.el9_5"),
        ("amazon_2023_seed", "kernel-livepatch-6.1.141-155.222 1.0-0.amzn2023"),
    ],
)
def test_an_empty_first_package_fixes_nothing(case: str, package: str) -> None:
    """It only makes updates come: no level, no patch, nothing in use, and nothing missing."""
    report = read(case)

    assert ToolReport(tool=ready(f"{package} is installed, which fixes nothing by itself")) == report


def test_it_is_said_what_updates_by_itself_and_that_nothing_comes_back() -> None:
    """For a person: an agent may outrun a rollout, and a service that is off loads nothing at boot."""
    report = read("red_hat_service_off_and_agents", LOADED)

    assert (
        "kpatch.service is off: no patch comes back at the next boot; dnf-automatic.timer may update it by itself; "
        "kpatch autoupdate may update it by itself"
    ) == report.tool.detail


def test_amazons_modules_are_called_after_what_they_fix() -> None:
    """What a changelog mentions counts for nothing there. All modules have to be in force for the level."""
    version = "1.0-3.amzn2023"
    told = (
        Told(name=FIXING[0], version=version, cves=("CVE-2098-22001",)),
        Told(name=FIXING[1], version=version, cves=("CVE-2098-22002",)),
        Told(name=FIXING[2], version=version),
    )

    whole = read("amazon_2023_installed", dict.fromkeys(FIXING, PatchState.APPLIED))
    part = read("amazon_2023_installed", dict.fromkeys(FIXING[1:], PatchState.APPLIED))

    assert ToolReport(tool=ready(None, version), told=told, is_in_use=True) == whole
    assert (None, 1) == (part.tool.level, len(part.tool.disagrees))


def test_modules_that_no_package_owns_are_looked_for_where_kpatch_keeps_them() -> None:
    """What is below /var/lib/kpatch for the running kernel, but for what is no module of Amazon's."""
    report = read("amazon_2023_files_of_kpatch", {FIXING[0]: PatchState.APPLIED})

    assert (Told(name=FIXING[0], version="1.0-1.amzn2023", cves=("CVE-2098-22001",)),) == report.told
    assert "1.0-1.amzn2023" == report.tool.level


def test_amazons_live_patching_is_off_until_its_repository_is_on() -> None:
    """Without it nothing is ever offered."""
    off, on = read("amazon_2023_switched_off", status=1).tool, read("amazon_2_not_installed", status=1).tool

    assert Tool(name="dnf", state=ToolState.DISABLED, detail="no repository of live patches is switched on") == off
    assert ready("yum-cron.service may update it by itself") == on


@pytest.mark.parametrize(
    ("case", "status", "stderr", "said"),
    [
        ("red_hat_installed", 1, "error: rpmdbNextIterator: skipping", "rpm (exit status 1) said: error: rpmdbNext"),
        ("red_hat_installed", 127, "rpm: not found", "rpm (exit status 127) said: rpm: not found"),
        ("red_hat_not_installed", 0, "", "rpm (exit status 0) said: "),
        ("red_hat_not_installed_localized", 1, "", "rpm (exit status 1) said: "),
        ("red_hat_other_package", 0, "", "rpm (exit status 0) said: "),
        ("red_hat_version_no_version", 0, "", "rpm (exit status 0) said: "),
        ("red_hat_record_cut", 0, "", "rpm (exit status 0) said: "),
        ("red_hat_escapes", 1, "", "rpm (exit status 1) said: boot kpatch.service rpm"),
        ("empty", 0, "", "rpm (exit status 0) said: nothing"),
        ("binary", 0, "", "rpm (exit status 0) said: "),
    ],
)
def test_what_is_not_understood_is_an_error_with_the_text(case: str, status: int, stderr: str, said: str) -> None:
    """Bounded, and fit for a terminal; never "no patches"."""
    detail = read(case, LOADED, status, stderr).tool.detail or ""

    assert (ToolState.ERROR, said) == (read(case, LOADED, status, stderr).tool.state, detail[: len(said)])
    assert (True, True) == (detail.isprintable(), len(detail) <= 300)


def test_an_answer_of_ten_megabytes_is_an_error_of_a_line() -> None:
    """It is read at once, and kept bounded."""
    host = seen(section("dnf_installed", b"rpm\t" + PATCH.encode() + b"\n" + b"x" * 10_000_000), facts=facts(RED_HAT))

    assert (ToolState.ERROR, True) == (Dnf().read(host).tool.state, len(Dnf().read(host).tool.detail or "") <= 300)


def test_a_section_too_large_to_send_is_an_error() -> None:
    """The host left its body out."""
    host = seen(section("dnf_installed", "", None), facts=facts(RED_HAT))

    assert error("what rpm told of the live-patch package is too large") == Dnf().read(host)


def test_a_section_that_did_not_come_is_an_error() -> None:
    """The answer was cut off."""
    assert error("answer incomplete") == Dnf().read(seen(facts=facts(RED_HAT)))


@pytest.mark.parametrize("case", ["red_hat_installed", "amazon_2023_installed"])
def test_an_answer_cut_at_any_byte_says_no_more_than_the_whole(case: str) -> None:
    """Whatever is lost, no more is patched, and no other level in force."""
    live = dict.fromkeys((MODULE, *FIXING), PatchState.APPLIED)
    host = check(case, live)
    whole = settle_tools(host.facts, [Dnf().read(host)])

    for cut in read_cut(Dnf(), host, "dnf_installed"):
        settled = settle_tools(host.facts, [cut])
        assert _claims(settled) <= _claims(whole)
        assert cut.tool.level in (None, "1-4.el9_5", "1.0-3.amzn2023")
        assert (cut.tool.level is not None) <= (cut.tool == Dnf().read(host).tool)


def _claims(settled: Facts) -> set[tuple[str, str]]:
    return {(one.name, cve) for one in settled.live_patches if one.state is PatchState.APPLIED for cve in one.cves}


# --- whose kernels ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("release", "package"),
    [
        ("5.14.0-427.13.1.el9_4.x86_64", "kpatch-patch-5_14_0-427_13_1"),
        ("5.14.0-70.el9.aarch64", "kpatch-patch-5_14_0-70"),
        ("4.18.0-305.el8.x86_64", "kpatch-patch-4_18_0-305"),
        ("3.10.0-1160.99.1.el7.ppc64le", "kpatch-patch-3_10_0-1160_99_1"),
        ("6.12.48-67.114.amzn2023.x86_64", "kernel-livepatch-6.12.48-67.114"),
        ("4.14.355-276.618.amzn2.aarch64", "kernel-livepatch-4.14.355-276.618"),
        ("5.15.0-310.184.5.2.el9uek.x86_64", None),
        ("6.1.10-1.el9.elrepo.x86_64", None),
        ("5.14.0-427.13.1.el9_4.x86_64+rt", None),
        ("6.8.9-300.fc40.x86_64", None),
        ("6.1.0-25-cloud-amd64", None),
        ("", None),
    ],
)
def test_the_package_is_named_after_the_kernel(release: str, package: str | None) -> None:
    """As Red Hat's plugin and Amazon's repository have it; None for kernels that nobody makes such packages for."""
    want = wanted(release)

    assert package == (want.package if want is not None else None)


@pytest.mark.parametrize(
    ("release", "state"),
    [
        ("5.15.0-310.184.5.2.el9uek.x86_64", ToolState.UNSUPPORTED_KERNEL),
        ("5.14.0-427.13.1.el9_4.x86_64+rt", ToolState.UNSUPPORTED_KERNEL),
        ("6.8.9-300.fc40.x86_64", ToolState.ABSENT),
        ("6.1.0-25-cloud-amd64", ToolState.ABSENT),
    ],
)
def test_a_kernel_without_such_packages_is_not_this_tools(release: str, state: ToolState) -> None:
    """One of Red Hat's kin has the tool and nothing for that kernel; elsewhere dnf is a package manager like any."""
    host = seen(section("dnf_installed", ""), facts=facts(release))

    assert state is Dnf().read(host).tool.state
    assert None is Dnf().read_deep(host)


def test_what_the_host_is_goes_first() -> None:
    """Neither dnf nor yum; a container; a kernel without live patching; a kernel that could not be read."""
    body = section("dnf_installed", (HERE / "installed" / "red_hat_installed.txt").read_bytes())
    container = facts(RED_HAT, LOADED, virtualization=Virtualization.CONTAINER)
    states = [
        Dnf().read(host).tool.state
        for host in (
            seen(absent("dnf_installed"), facts=container),
            seen(body, facts=container),
            seen(body, facts=facts(RED_HAT, livepatch_supported=False)),
            seen(body, facts=Facts()),
        )
    ]

    assert [ToolState.ABSENT, ToolState.CONTAINER, ToolState.UNSUPPORTED_KERNEL, ToolState.ERROR] == states


def test_the_module_is_named_after_the_package() -> None:
    """Where the package does not own its file: version and number of the release; Amazon's cannot be derived."""
    red_hat, amazon = wanted("4.18.0-305.3.1.el8_4.x86_64"), wanted(AMAZON_2)

    assert red_hat is not None
    assert amazon is not None
    assert "kpatch_4_18_0_305_3_1_1_2" == module_of(red_hat, "1-2.el8_4")
    assert None is module_of(amazon, "1.0-2.amzn2")


def test_versions_stand_in_rpms_order() -> None:
    """Numbers are numbers, and an epoch goes before all."""
    assert ["0-0.el9", "1-2.el9", "1-10.el9", "1:0-1.el9"] == oldest_first(
        ["1-10.el9", "1:0-1.el9", "1-2.el9", "0-0.el9"]
    )
    assert ("1-10.el9", None) == (newest(["1-10.el9", "1-9.el9"]), newest([]))
    assert [True, True, False, False] == list(map(is_seed, ["0-0.el8", "1.0-0.amzn2", "1-1.el8", "0-01.el8"]))


# --- what is offered -------------------------------------------------------------------------------------------------


def offered(case: str, *, stderr: str = "") -> Deep | None:
    """What is read of a deep check in which dnf said this."""
    body = (HERE / "offered" / f"{case}.txt").read_bytes()
    host = seen(
        section("dnf_installed", ""), section("dnf_offered", body, stderr=stderr), facts=facts(release_of(case))
    )
    return Dnf().read_deep(host)


KERNELS = Update(
    name="kernel", version="5.14.0-503.15.1.el9_5", cves=("CVE-2098-53144", "CVE-2098-53145"), needs_reboot=True
)
LIVE = (
    Update(name=PATCH, version="1-5.el9_5", cves=("CVE-2098-53144",)),
    Update(name=PATCH, version="1-10.el9_5", cves=("CVE-2098-53150",)),
)
AMAZON = (
    Update(name="kernel-livepatch-6.1.141-155.222", version="1.0-4.amzn2023", cves=("CVE-2098-22003",)),
    Update(name="kernel6.12", version="6.12.80-1.amzn2023", cves=("CVE-2098-22009",), needs_reboot=True),
)
OVER = "the running kernel gets no more live patches"


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("dnf4_updates", Deep(updates=(*LIVE, KERNELS))),
        ("dnf4_noise_before", Deep(updates=(*LIVE, KERNELS))),
        ("dnf4_unregistered_with_other_repositories", Deep(updates=(*LIVE, KERNELS))),
        ("dnf4_only_kernels", Deep(updates=(KERNELS,))),
        ("dnf4_nothing", Deep(updates=())),
        ("dnf4_seed_offered", Deep(updates=())),
        ("dnf4_marked_installed", Deep(updates=(Update(name=PATCH, version="1-5.el9_5", cves=("CVE-2098-53150",)),))),
        ("dnf5_nothing", Deep(updates=())),
        ("amazon_2_yum_nothing_with_noise", Deep(updates=())),
        (
            "dnf5_updates",
            Deep(
                updates=(
                    Update(name=PATCH, version="1-5.el9_5", cves=("CVE-2098-53150",)),
                    KERNELS.model_copy(update={"cves": ("CVE-2098-53144",)}),
                )
            ),
        ),
        (
            "amazon_2_yum_updates",
            Deep(
                updates=(
                    Update(name="kernel-livepatch-5.10.238-231.953", version="1.0-2.amzn2", cves=("CVE-2098-31001",)),
                    Update(name="kernel-livepatch-5.10.238-231.953", version="1.0-3.amzn2", cves=("CVE-2098-31002",)),
                ),
                coverage_until=date(2030, 2, 10),
            ),
        ),
        ("amazon_2023_updates", Deep(updates=AMAZON, coverage_until=date(2030, 4, 1))),
        ("amazon_2023_plugin_missing", Deep(updates=())),
        ("amazon_2023_no_such_date", Deep(updates=())),
        ("amazon_2023_coverage_over", Deep(updates=AMAZON, coverage_until=date(2029, 12, 31))),
        (
            "amazon_2023_told_to_reboot",
            Deep(updates=(), state=ToolState.COVERAGE_EXPIRED, detail=f"{OVER}: a newer one has to be booted"),
        ),
        (
            "dnf4_unregistered",
            Deep(
                state=ToolState.UNLICENSED,
                detail="the system is not registered, or has no subscription: nothing is offered to it",
            ),
        ),
    ],
)
def test_what_is_offered(case: str, expected: Deep) -> None:
    """Versions of the running kernel's patches, oldest first; kernels need a reboot; of other kernels nothing; what is
    empty and what is installed is no update; an unregistered host is no host without updates."""
    assert expected == offered(case)


@pytest.mark.parametrize(
    "case",
    [
        "dnf4_failed",
        "dnf4_lock",
        "dnf4_garbled",
        "dnf4_row_cut",
        "dnf4_answer_cut",
        "dnf4_other_words",
        "empty",
        "binary",
    ],
)
def test_what_is_offered_and_was_not_understood_is_unknown(case: str) -> None:
    """Never "no updates": the text is kept, bounded and fit for a terminal."""
    deep = offered(case, stderr="Error: \x1b[31mit failed\x1b[0m")

    assert deep is not None
    assert (None, None) == (deep.updates, deep.state)
    assert (deep.detail or "").endswith(": Error: it failed")


@pytest.mark.parametrize(
    ("installed", "case", "state"),
    [
        ("red_hat_not_installed", "dnf4_nothing", ToolState.UNSUPPORTED_KERNEL),
        ("red_hat_not_installed", "dnf4_only_kernels", ToolState.UNSUPPORTED_KERNEL),
        ("red_hat_not_installed", "dnf4_seed_offered", None),
        ("red_hat_not_installed", "dnf4_updates", None),
        ("red_hat_installed", "dnf4_nothing", None),
        ("empty", "dnf4_nothing", None),
    ],
)
def test_a_kernel_that_no_repository_has_the_package_of_is_not_supported(
    installed: str, case: str, state: ToolState | None
) -> None:
    """Nothing installed and nothing to install is no "up to date". An empty first package says that more will come."""
    rpm = check(installed, status=1 if installed == "red_hat_not_installed" else 0).sections["dnf_installed"]
    dnf = section("dnf_offered", (HERE / "offered" / f"{case}.txt").read_bytes())

    deep = Dnf().read_deep(seen(rpm, dnf, facts=facts(RED_HAT)))

    assert deep is not None
    assert (state, state and f"no repository has {PATCH}") == (deep.state, deep.detail)


def test_an_unregistered_host_says_so_on_stderr_too() -> None:
    """Where the plugin prints depends on its version."""
    deep = offered("dnf4_nothing", stderr="This system is not registered with an entitlement server.")

    assert deep is not None
    assert (None, ToolState.UNLICENSED) == (deep.updates, deep.state)


def test_without_root_what_is_offered_is_unknown() -> None:
    """And the reason is told; a section that was cut off is another reason; an absent tool has nothing to tell."""
    ordinary = section("dnf_installed", "")

    def deep(*more: Section, lacks: str | None = None) -> Deep | None:
        return Dnf().read_deep(seen(ordinary, *more, facts=facts(RED_HAT), root_lacks=lacks))

    said = "what the repositories offer could not be asked"
    assert Deep(detail=f"{said} (needs root: needs_root)") == deep(lacks="needs_root")
    assert Deep(detail=f"{said} (answer incomplete)") == deep()
    assert Deep(detail="what the repositories offer is too large") == deep(section("dnf_offered", "", None))
    assert None is deep(absent("dnf_offered"))
