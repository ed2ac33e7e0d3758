"""Facts against what feeds told: packages, the running kernel, live patches, and who decides where they differ."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import pytest

from orchestrator.core.advisories import Claim, Grade, ModuleFix, Told
from orchestrator.core.catalogue import Catalogue
from orchestrator.core.exposure import standings, timeline
from orchestrator.core.exposure_states import ClosedBy, CoveredBy, ExposureState, Remedy
from orchestrator.core.facts import Deep, LivePatch, Package, PatchState, Tool, ToolState, Update, Virtualization
from orchestrator.core.images import is_for_kernel
from orchestrator.core.patches import Severity
from orchestrator.core.standings import Standing
from orchestrator.core.timelines import Timelines
from tests.core.advisory_builders import (
    BASELINE,
    CVE,
    LIBSSL,
    NOW,
    OTHER,
    applied,
    debian,
    finding,
    matcher,
    package,
    statement,
    told,
)
from tests.core.exposure_builders import KERNELS, at, check, history, item, live

LATER = datetime(2026, 2, 1, tzinfo=UTC)
PUBLISHED = datetime(2026, 1, 20, tzinfo=UTC)


def decided(*said: Told[Any], packages: tuple[Package, ...] = (LIBSSL,)) -> tuple[str, str | None, str] | None:
    """State, reason and remedy on a Debian with these packages."""
    found = finding(debian(*packages), *said, packages=packages)
    return None if found is None else (found.state, found.reason, found.remedy)


EXPOSED, UNKNOWN, COVERED = ExposureState.EXPOSED, ExposureState.UNKNOWN, ExposureState.COVERED
FIXED, NOT_AFFECTED = CoveredBy.FIXED, CoveredBy.NOT_AFFECTED


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"fixed": "3.0.15-1~deb12u1"}, (EXPOSED, None, Remedy.PACKAGE)),
        ({"fixed": "3.0.11-1~deb12u2"}, (COVERED, FIXED, Remedy.NONE)),
        ({"fixed": "3.0.11-1~deb12u1"}, (COVERED, FIXED, Remedy.NONE)),
        ({}, (EXPOSED, None, Remedy.NONE)),
        ({"introduced": "3.2.0-1", "fixed": "3.2.1-1"}, (COVERED, NOT_AFFECTED, Remedy.NONE)),
        ({"last_affected": "3.0.9-1"}, (COVERED, FIXED, Remedy.NONE)),
        ({"last_affected": "3.0.11-1~deb12u2"}, (EXPOSED, None, Remedy.PACKAGE)),
        ({"claim": Claim.NOT_AFFECTED}, (COVERED, NOT_AFFECTED, Remedy.NONE)),
        ({"claim": Claim.UNDETERMINED}, (UNKNOWN, None, Remedy.NONE)),
        ({"fixed": "not a version"}, (UNKNOWN, None, Remedy.NONE)),
    ],
)
def test_an_installed_package_is_judged_by_its_source_version(said: dict[str, Any], expected: object) -> None:
    """In the order of its distribution, never as strings: what cannot be compared is unknown."""
    assert expected == decided(told(statement(**said)))


def test_what_its_distribution_calls_no_vulnerability_is_none() -> None:
    """Debian's urgency "unimportant"."""
    assert decided(told(statement(claim=Claim.IGNORED))) == (COVERED, NOT_AFFECTED, Remedy.NONE)
    assert (
        frozenset() == matcher(told(statement(claim=Claim.IGNORED)), packages=(LIBSSL,)).view(debian(LIBSSL)).candidates
    )


def test_other_distributions_and_packages_are_not_held_against_it() -> None:
    """A fix in another release says nothing of this one."""
    others = (statement(distribution="debian:13", fixed="9"), statement(package="gnutls28", fixed="9"))
    assert decided(*map(told, others)) is None


def test_the_ranges_of_one_entry_are_one_claim() -> None:
    """Between two affected ranges is not affected; in the second one is."""
    ranges = (statement(introduced="0", fixed="2"), statement(introduced="3.0.5-1", fixed="3.0.15-1"))
    assert (EXPOSED, None, Remedy.PACKAGE) == decided(*map(told, ranges))


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ({"fixed": "3.0.15-1"}, {"fixed": "3.0.11-1~deb12u2"}, EXPOSED),
        ({}, {"fixed": "3.0.11-1~deb12u2"}, COVERED),
        ({"claim": Claim.UNDETERMINED}, {"claim": Claim.NOT_AFFECTED}, COVERED),
        ({"claim": Claim.UNDETERMINED}, {}, EXPOSED),
        ({"claim": Claim.NOT_AFFECTED}, {}, EXPOSED),
    ],
)
def test_between_sources_a_known_fix_decides_and_ignorance_gives_way(one: Any, other: Any, expected: str) -> None:
    """In either order."""
    both = [told(statement(**one), feed="debian"), told(statement(**other), feed="osv/Debian")]
    for said in (both, both[::-1]):
        state = decided(*said)
        assert state is not None
        assert expected == state[0]


def test_the_running_image_counts_and_not_the_installed_one() -> None:
    """Debian's signed images carry the source version of the image that booted; what is installed fixes nothing."""
    newer = package("linux-image-6.1.0-41-amd64", "6.1.158-1", "linux-signed-amd64", "6.1.158+1")
    headers = package("linux-libc-dev", "6.1.158-1", "linux")
    facts = debian(newer, headers, installed=(("6.1.0-41-amd64", newer.name, newer.version),))
    found = finding(facts, told(statement(package="linux", fixed="6.1.158-1")), packages=(newer, headers))
    assert found is not None
    assert (EXPOSED, Remedy.REBOOT, True) == (found.state, found.remedy, found.is_kernel)
    assert "linux-image-6.1.0-41-amd64 6.1.158-1 is installed and has the fix, but is not booted" in found.rule
    assert (("linux-image-6.1.0-40-amd64", "6.1.153-1"),) == found.packages


def test_old_images_that_do_not_run_expose_nothing() -> None:
    """A kernel on the disk is no vulnerability."""
    old = package("linux-image-6.1.0-10-amd64", "6.1.38-1", "linux-signed-amd64", "6.1.38+1")
    facts = debian(old, installed=(("6.1.0-10-amd64", old.name, old.version),))
    found = finding(facts, told(statement(package="linux", fixed="6.1.90-1")), packages=(old,))
    assert found is not None
    assert (COVERED, FIXED) == (found.state, found.reason)


def test_a_kernel_in_another_series_is_judged_by_its_own_source() -> None:
    """linux-6.12 is not linux."""
    facts = debian(source="linux-6.12", source_version="6.12.48-1~bpo12+1")
    said = (statement(package="linux", fixed="6.1.158-1"), statement(package="linux-6.12", fixed="6.12.57-1~bpo12+1"))
    found = finding(facts, *map(told, said))
    assert found is not None
    assert "6.12.57-1~bpo12+1" in found.rule


def test_a_container_has_no_kernel_of_its_own() -> None:
    """The kernel is the machine's that it runs on."""
    said = told(statement(package="linux", fixed="6.1.158-1"))
    assert finding(debian(virtualization=Virtualization.CONTAINER), said) is None


def test_a_kernel_of_unknown_origin_is_unknown_where_the_cve_is_one_of_kernels() -> None:
    """No package, no version to compare: that is a gap, not a fix."""
    said = told(statement(package="linux", fixed="6.1.158-1"))
    knows = matcher(said)
    known = debian()
    assert EXPOSED == knows.findings(known, NOW)[CVE].state
    own = knows.view(debian(source=None, source_version=None, running="6.1.0-custom"))
    found = knows.track(own, CVE, [knows.view(known)]).at(NOW).finding
    assert found is not None
    assert UNKNOWN == found.state


def test_a_package_that_is_gone_no_longer_affects() -> None:
    """The CVE is still told of, and nothing of it is installed."""
    knows = matcher(told(statement(fixed="3.0.15-1")), packages=(LIBSSL,))
    assert EXPOSED == knows.findings(debian(LIBSSL), NOW)[CVE].state
    knows.knowledge.packages["list-"] = ()
    found = knows.track(knows.view(debian()), CVE, [knows.view(debian(LIBSSL))]).at(NOW).finding
    assert found is not None
    assert (COVERED, NOT_AFFECTED) == (found.state, found.reason)
    assert knows.finding(debian(), CVE, NOW) is None


def test_a_package_list_that_could_not_be_read_is_unknown() -> None:
    """Never "nothing is installed"."""
    knows = matcher(told(statement(fixed="3.0.15-1")), packages=(LIBSSL,))
    knows.findings(debian(LIBSSL), NOW)
    unread = knows.view(debian(LIBSSL, packages=None, unknown={"packages": "unreadable"}))
    found = knows.track(unread, CVE, [knows.view(debian(LIBSSL))]).at(NOW).finding
    assert found is not None
    assert UNKNOWN == found.state


KERNEL_FLAW = told(statement(package="linux", fixed="6.1.158-1", severity=Severity.HIGH))


def test_what_a_tool_says_that_its_patch_in_force_fixes_is_covered() -> None:
    """And is the reason, whatever the package's version says."""
    found = finding(debian(live=(applied("kpatch_1", CVE, tool="kernelcare"),)), KERNEL_FLAW)
    assert found is not None
    assert (COVERED, CoveredBy.LIVE_PATCHED, "kernelcare") == (found.state, found.reason, found.tool)
    assert "is older than 6.1.158-1" in found.rule


@pytest.mark.parametrize("state", [state for state in PatchState if state is not PatchState.APPLIED])
def test_a_live_patch_that_is_not_in_force_covers_nothing(state: PatchState) -> None:
    """Not in transition, not loaded, not failed."""
    patch = applied("kpatch_1", CVE).model_copy(update={"state": state})
    found = finding(debian(live=(patch,)), KERNEL_FLAW)
    assert found is not None
    assert EXPOSED == found.state


def notice(version: int = 112, pattern: str = r"lkp_Ubuntu_5_15_0[_|\d]+_generic_(\d+)") -> Told[ModuleFix]:
    """A live patch notice for Ubuntu's generic kernel."""
    said = ModuleFix(cve=CVE, distribution="ubuntu:22.04", package="linux", pattern=pattern, version=version, where="/")
    return told(said, feed="osv/Ubuntu")


def ubuntu(*live: LivePatch, **more: Any) -> Any:
    """Ubuntu 22.04 on its generic kernel."""
    return debian(
        os=("ubuntu", "22.04"), running="5.15.0-100-generic", source_version="5.15.0-100.110", live=live, **more
    )


UBUNTU_FLAW = told(statement(package="linux", distribution="ubuntu:22.04", fixed="5.15.0-120.130"), feed="osv/Ubuntu")


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("lkp_Ubuntu_5_15_0_100_110_generic_112", COVERED),
        ("lkp_Ubuntu_5_15_0_100_110_generic_113", COVERED),
        ("lkp_Ubuntu_5_15_0_100_110_generic_111", EXPOSED),
        ("lkp_Ubuntu_5_15_0_100_110_aws_112", EXPOSED),
        ("xlkp_Ubuntu_5_15_0_100_110_generic_112", EXPOSED),
    ],
)
def test_a_live_patch_notice_covers_by_the_modules_version(module: str, expected: ExposureState) -> None:
    """From the notice's version on, for modules of its form alone."""
    found = finding(ubuntu(applied(module, tool="canonical")), UBUNTU_FLAW, notice())
    assert found is not None
    assert expected == found.state


def test_a_pattern_that_could_take_for_ever_covers_nothing() -> None:
    """A foreign expression is bounded before it is tried."""
    found = finding(ubuntu(applied("a" * 40)), UBUNTU_FLAW, notice(pattern="(a+)+$"))
    assert found is not None
    assert EXPOSED == found.state


def alma(kpatch: str | None, *live: LivePatch) -> tuple[Any, tuple[Package, ...]]:
    """Alma 9 with a kpatch-patch package of that version."""
    name = "kpatch-patch-5_14_0-427_13_1"
    patches = () if kpatch is None else (package(name, kpatch),)
    packages = (*patches, package("kernel-core", "5.14.0-427.13.1.el9_4", "kernel"))
    facts = debian(
        *packages,
        os=("almalinux", "9.4"),
        running="5.14.0-427.13.1.el9_4.x86_64",
        source="kernel",
        source_version="5.14.0-427.13.1.el9_4",
        live=live,
    )
    return facts, packages


ALMA_FLAWS = (
    told(statement(package="kernel", distribution="almalinux:9", fixed="0:5.14.0-427.20.1.el9_4", is_source=False)),
    told(
        statement(
            package="kpatch-patch-5_14_0-427_13_1", distribution="almalinux:9", fixed="0:1-2.el9_4", is_source=False
        )
    ),
)


@pytest.mark.parametrize(
    ("installed", "live", "expected"),
    [
        ("1-2.el9_4", True, (COVERED, CoveredBy.LIVE_PATCHED, Remedy.NONE)),
        ("1-1.el9_4", True, (EXPOSED, None, Remedy.LIVE_PATCH)),
        ("1-2.el9_4", False, (EXPOSED, None, Remedy.REBOOT)),
        (None, False, (EXPOSED, None, Remedy.LIVE_PATCH)),
    ],
)
def test_a_kpatch_patch_package_covers_where_its_module_is_in_force(
    installed: str, live: bool, expected: object
) -> None:
    """Installed is not enough; an older one is no fix, but the newer one is to be had."""
    module = applied("kpatch_5_14_0_427_13_1_1_2", tool="dnf", version=installed)
    facts, packages = alma(installed, *([module] if live else []))
    found = finding(facts, *ALMA_FLAWS, packages=packages)
    assert found is not None
    assert expected == (found.state, found.reason, found.remedy)


def test_a_broken_tool_that_may_have_covered_it_makes_it_unknown() -> None:
    """KernelCare's patches do not show in sysfs: nobody else can tell."""
    broken = Tool(name="kernelcare", state=ToolState.ERROR)
    found = finding(debian(tools=(broken,)), KERNEL_FLAW)
    assert found is not None
    assert UNKNOWN == found.state


def test_live_patches_that_could_not_be_read_make_it_unknown() -> None:
    """Without root, for one."""
    found = finding(debian(unknown={"live_patches": "needs_root"}), KERNEL_FLAW)
    assert found is not None
    assert UNKNOWN == found.state


def offering(needs_reboot: bool) -> Any:
    """A host whose tool has something to offer against the CVE."""
    update = Update(name="patchset", version="7", cves=(CVE,), needs_reboot=needs_reboot)
    return debian(tools=(Tool(name="kernelcare", state=ToolState.READY, deep=Deep(updates=(update,))),))


@pytest.mark.parametrize(("needs_reboot", "expected"), [(False, Remedy.LIVE_PATCH), (True, Remedy.REBOOT)])
def test_what_a_tool_offers_to_fix_is_exposed_without_any_feed(needs_reboot: bool, expected: Remedy) -> None:
    """The tool knows the CVE; whether it can be fixed in memory it says too."""
    found = finding(offering(needs_reboot), cve=CVE)
    assert found is not None
    assert (EXPOSED, expected) == (found.state, found.remedy)


def test_a_live_patch_on_offer_is_the_remedy() -> None:
    """Sooner than a reboot."""
    found = finding(offering(False), KERNEL_FLAW)
    assert found is not None
    assert Remedy.LIVE_PATCH == found.remedy


def test_only_a_reboot_helps_where_no_live_patch_is_to_be_had() -> None:
    """Said so instead of waiting."""
    found = finding(debian(), KERNEL_FLAW)
    assert found is not None
    assert Remedy.REBOOT == found.remedy


def test_one_cve_in_two_packages_is_exposed_as_long_as_one_is() -> None:
    """The fixed one does not speak for the other; what both cost is told of both."""
    old = package("libssl1.1", "1.1.1w-0+deb11u1", "openssl1.1")
    said = (statement(fixed="3.0.11-1~deb12u1"), statement(package="openssl1.1", severity=Severity.LOW))
    found = finding(debian(LIBSSL, old), *map(told, said), packages=(LIBSSL, old))
    assert found is not None
    assert (EXPOSED, (("libssl1.1", "1.1.1w-0+deb11u1"),)) == (found.state, found.packages)


def test_severity_comes_from_the_distribution_then_from_grades_then_from_nobody() -> None:
    """The first that knows it."""
    grade = told(Grade(cve=CVE, severity=Severity.CRITICAL, disclosed=PUBLISHED, where="/"), feed="redhat")
    own = finding(debian(), told(statement(package="linux", severity=Severity.LOW)), grade)
    graded = finding(debian(), told(statement(package="linux")), grade)
    nobody = finding(debian(), told(statement(package="linux")))
    assert own is not None
    assert graded is not None
    assert nobody is not None
    assert [Severity.LOW, Severity.CRITICAL, Severity.UNKNOWN] == [own.severity, graded.severity, nobody.severity]
    assert [PUBLISHED, None] == [graded.disclosed, nobody.disclosed]


def test_the_date_of_a_fix_is_its_publication_or_when_it_reached_us_and_never_the_first_import() -> None:
    """A missing date is no date."""
    dates = [
        found.fix_available
        for said in (
            told(statement(fixed="9", published=PUBLISHED)),
            told(statement(fixed="9"), since=LATER),
            told(statement(fixed="9")),
        )
        if (found := finding(debian(LIBSSL), said, packages=(LIBSSL,))) is not None
    ]
    assert [PUBLISHED, LATER, None] == dates


def test_kev_is_known_since_it_was_told() -> None:
    """Its due date counts from there."""
    kev = told(
        Grade(cve=CVE, kev_added=date(2026, 1, 31), kev_due=date(2026, 2, 21), where="/"), feed="kev", since=LATER
    )
    found = finding(debian(LIBSSL), told(statement()), kev, packages=(LIBSSL,))
    assert found is not None
    assert (date(2026, 2, 21), LATER) == (found.kev_due, found.kev_since)


def test_what_was_told_changes_over_time_and_is_never_told_of_the_past() -> None:
    """Affected at first, then fixed in a version, then taken back."""
    said = (
        told(statement(), until=LATER),
        told(statement(fixed="3.0.15-1"), since=LATER, until=NOW),
    )
    knows = matcher(*said, packages=(LIBSSL,))
    facts = debian(LIBSSL)
    steps = knows.track(knows.view(facts), CVE).steps
    assert [(BASELINE, Remedy.NONE), (LATER, Remedy.PACKAGE), (NOW, None)] == [
        (one.at, one.finding and one.finding.remedy) for one in steps
    ]
    assert not steps[-1].is_told
    assert knows.finding(facts, CVE, datetime(2025, 1, 1, tzinfo=UTC)) is None


def test_views_are_shared_by_hosts_that_agree_in_what_matters() -> None:
    """Whose boot and machine-id differ, for example."""
    knows = matcher(told(statement()), packages=(LIBSSL,))
    one, other = debian(LIBSSL), debian(LIBSSL, boot_id="boot-7", machine_id="ab" * 16)
    assert knows.view(one) is knows.view(other)
    assert knows.view(one) is not knows.view(debian(LIBSSL, live=(applied("x", OTHER),)))


def test_what_is_forgotten_is_held_against_the_components_again() -> None:
    """A changed statement decides anew; others stay."""
    first, other = statement(fixed="3.0.11-1~deb12u1"), statement(OTHER, fixed="9")
    knows = matcher(told(first), told(other), packages=(LIBSSL,))
    facts = debian(LIBSSL)
    assert {OTHER} == set(knows.findings(facts, NOW))
    key = ("debian:12", "openssl")
    knows.forget([key], [CVE])
    knows.knowledge.told[key] = [told(statement(fixed="3.0.15-1")), told(other)]
    assert {CVE, OTHER} == set(knows.findings(facts, NOW))


def rpms(*packages: Package) -> Any:
    """An Alma with these packages."""
    return debian(*packages, os=("almalinux", "9.4"), source="kernel", source_version="5.14.0-427.13.1.el9_4")


@pytest.mark.parametrize(
    ("packages", "expected"),
    [
        ((package("perl-libs", "4:5.32.1-481.el9", "perl", "5.32.1-481.el9"),), COVERED),
        ((package("perl-libs", "4:5.32.1-480.el9", "perl", "5.32.1-480.el9"),), EXPOSED),
        ((package("perl-Errno", "1.30-481.el9", "perl", "5.32.1-481.el9"),), COVERED),
        ((package("perl-Errno", "1.30-480.el9", "perl", "5.32.1-480.el9"),), EXPOSED),
        ((package("perl-libs", "5.32.1-481.el9", "perl", "5.32.1-481.el9"),), EXPOSED),
    ],
)
def test_a_source_rpm_has_the_epoch_of_its_packages(packages: tuple[Package, ...], expected: str) -> None:
    """Its file name has none: where no package of its version is installed, it is compared without."""
    said = told(statement(package="perl", distribution="almalinux:9", fixed="4:5.32.1-481.el9"))
    found = finding(rpms(*packages), said, packages=packages)
    assert found is not None
    assert expected == found.state


@pytest.mark.parametrize(
    ("running", "expected"), [("4.14.300-1.amzn2", EXPOSED), ("4.14.355-1.amzn2", COVERED), ("5.10.200-1.amzn2", None)]
)
def test_amazon_s_kernels_of_one_name_have_bulletins_of_their_own(running: str, expected: str | None) -> None:
    """That 4.14.355 has the fix says nothing of 5.10."""
    facts = debian(os=("amzn", "2"), running=f"{running}.x86_64", source="kernel", source_version=running)
    fixed = statement(package="kernel", distribution="amzn:2", fixed="0:4.14.350-1.amzn2", is_source=False)
    found = finding(facts, told(fixed, feed="amazon/2"))
    assert expected == (None if found is None else found.state)


def test_what_only_a_tool_told_is_remembered_on_the_kernel_that_it_fixed() -> None:
    """Its patch gone, the host is exposed; of another kernel nothing can be told; of the time before, nothing was."""
    knows = Timelines(matcher())
    patched = debian(live=(applied("kpatch_1", CVE, tool="kernelcare"),))
    lives = [patched, patched, debian(boot_id="boot-1"), debian(boot_id="boot-2", running="6.1.0-41-amd64")]
    seen = history(*(check(60.0 * number, one) for number, one in enumerate([debian(), *lives])))
    (found,) = standings(seen, knows, now=at(260))
    line = timeline(seen, knows.matcher, CVE, now=at(260))
    assert ([EXPOSED], UNKNOWN) == ([EXPOSED for span in found.spans if span.closed_at is None], found.state)
    assert [COVERED, EXPOSED, UNKNOWN] == [part.state for part in line]
    assert at(60) == line[0].start


def test_a_live_patch_package_of_another_kernel_covers_nothing() -> None:
    """They count their versions each for itself: the same version of another kernel's package is another patch."""
    own, other = "kpatch-patch-5_14_0-427_13_1", "kpatch-patch-5_14_0-427_20_1"
    packages = (package(own, "1-2.el9_4"), package(other, "1-2.el9_4"))
    live = applied("kpatch_5_14_0_427_13_1_1_2", tool="dnf", version="1-2.el9_4")
    facts = debian(
        *packages,
        os=("almalinux", "9.4"),
        running="5.14.0-427.13.1.el9_4.x86_64",
        source="kernel",
        source_version="5.14.0-427.13.1.el9_4",
        live=(live,),
    )
    kernel = statement(package="kernel", distribution="almalinux:9", fixed="0:5.14.0-427.30.1.el9_4", is_source=False)
    fixes = [
        statement(package=name, distribution="almalinux:9", fixed=version, is_source=False)
        for name, version in ((own, "0:1-4.el9_4"), (other, "0:1-2.el9_4"))
    ]
    found = finding(facts, *map(told, (kernel, *fixes)), packages=packages)
    assert found is not None
    assert (EXPOSED, Remedy.LIVE_PATCH) == (found.state, found.remedy)


@pytest.mark.parametrize(
    ("name", "release", "expected"),
    [
        ("kpatch-patch-5_14_0-427_13_1", "5.14.0-427.13.1.el9_4.x86_64", True),
        ("kpatch-patch-5_14_0-427_13_1", "5.14.0-427.13.10.el9_4.x86_64", False),
        ("kernel-livepatch-5.10.102-99.473", "5.10.102-99.473.amzn2.x86_64", True),
        ("kernel-livepatch-5_14_21-150500_55_19-default", "5.14.21-150500.55.19-default", True),
        ("kernel-livepatch-5_14_21-150500_55_1-default", "5.14.21-150500.55.19-default", False),
        ("kernel-livepatch-tools", "5.14.21-150500.55.19-default", False),
        ("kpatch-patch-5_14_0-427_13_1", None, False),
    ],
)
def test_the_name_of_a_live_patch_package_says_for_which_kernel(name: str, release: str | None, expected: bool) -> None:
    """In the spellings of Red Hat, Amazon and SUSE."""
    assert expected is is_for_kernel(name, release)


def followed(*seen: Any, said: Sequence[Told[Any]], packages: tuple[Package, ...] = (), gap: float = 60.0) -> Standing:
    """The standing of the CVE on a host that was seen so, one check after the other."""
    checks = [check(gap * number, one) for number, one in enumerate(seen)]
    known = matcher(*said, packages=packages)
    known.knowledge.packages["list-"] = ()
    (found,) = standings(history(*checks), Timelines(known), now=at(gap * len(seen)))
    return found


def test_a_boot_into_a_kernel_that_nobody_speaks_of_closes_nothing() -> None:
    """It is no fix: of another kernel nothing can be told."""
    own = debian(source="linux-custom", source_version="6.9-1", running="6.9.0-custom", boot_id="boot-1")
    found = followed(debian(), own, said=[KERNEL_FLAW])
    assert (UNKNOWN, [None]) == (found.state, [span.closed_at for span in found.spans])


def test_a_claim_that_changes_while_a_host_is_silent_is_no_fix() -> None:
    """Held against what is told now, the host was never affected: withdrawn, although it is a new sighting."""
    facts = debian(LIBSSL)
    flaw = told(statement(fixed="9"), until=at(300))
    never = told(statement(introduced="3.2-1", fixed="9"), since=at(300))
    found = followed(facts, facts, said=[flaw, never], packages=(LIBSSL,), gap=600.0)
    assert [ClosedBy.WITHDRAWN] == [span.method for span in found.spans]


def test_a_corrected_date_of_kev_is_known_since_the_first_one() -> None:
    """Corrections give no time."""
    dates = [(date(2026, 2, 21), BASELINE, LATER), (date(2026, 2, 22), LATER, None)]
    kev = [
        told(Grade(cve=CVE, kev_due=due, where="/"), feed="kev", since=since, until=until)
        for due, since, until in dates
    ]
    found = finding(debian(LIBSSL), *kev, told(statement()), packages=(LIBSSL,))
    assert found is not None
    assert (date(2026, 2, 22), BASELINE) == (found.kev_due, found.kev_since)


def test_a_broken_tool_with_a_patch_in_force_makes_other_cves_unknown() -> None:
    """It may fix more than the one that it is known to."""
    broken = Tool(name="canonical", state=ToolState.ERROR)
    found = finding(debian(tools=(broken,), live=(applied("lkp", OTHER),)), KERNEL_FLAW)
    assert found is not None
    assert UNKNOWN == found.state


def test_what_the_catalogue_covers_names_the_packages_that_scanners_see() -> None:
    """The kernel's own: by them its VEX statement is found."""
    facts = debian(live=(live("LAB-0001"),), running=KERNELS["a"][0])
    assert facts.kernel is not None
    kernel = facts.kernel.model_copy(update={"build_id": KERNELS["a"][1]})
    facts = facts.model_copy(update={"kernel": kernel})
    knows = matcher(KERNEL_FLAW, catalogue=Catalogue(patches=(item("LAB-0001", (CVE,), added_at=BASELINE),)))
    found = knows.finding(facts, CVE, NOW)
    assert found is not None
    assert (CoveredBy.LIVE_PATCHED, kernel.package) == (found.reason, found.packages[0][0])


def test_a_fix_that_is_restated_keeps_its_date() -> None:
    """A severity or a note that changes makes no fix newer than it is."""
    first = told(statement(fixed="9"), since=LATER, until=NOW)
    again = told(statement(fixed="9", severity=Severity.HIGH), since=NOW)
    baseline = told(statement(fixed="9"), until=NOW)
    dates = [
        found.fix_available
        for said in ((first, again), (baseline, again))
        if (found := finding(debian(LIBSSL), *said, packages=(LIBSSL,))) is not None
    ]
    assert [LATER, None] == dates


@pytest.mark.parametrize("turned", [False, True])
def test_the_distribution_s_severity_counts_whichever_of_its_feeds_knows_it(turned: bool) -> None:
    """In whatever order they were imported."""
    both = [
        told(statement(fixed="9"), feed="debian"),
        told(statement(fixed="9", severity=Severity.CRITICAL), feed="osv/Debian"),
        told(Grade(cve=CVE, severity=Severity.LOW, where="/"), feed="redhat"),
    ]
    found = finding(debian(LIBSSL), *(both[::-1] if turned else both), packages=(LIBSSL,))
    assert found is not None
    assert Severity.CRITICAL is found.severity


def test_a_distribution_that_could_not_be_read_is_a_gap_and_no_withdrawal() -> None:
    """The window stays open, and goes on when it can be read again."""
    flaw = told(statement(fixed="9"))
    unread = debian(LIBSSL).model_copy(update={"os": None})
    found = followed(debian(LIBSSL), unread, debian(LIBSSL), said=[flaw], packages=(LIBSSL,))
    assert (EXPOSED, [None], False) == (found.state, [span.closed_at for span in found.spans], found.is_over)
    assert [(at(0), at(120))] == [(gap.start, gap.end) for gap in found.spans[0].gaps]
