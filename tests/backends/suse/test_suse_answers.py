"""What klp and zypper print, and what is made of it."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from orchestrator.backends.suse import Suse
from orchestrator.backends.suse.answers import package_of, parse_patches, parse_registration
from orchestrator.core.facts import (
    Deep,
    Facts,
    Kernel,
    LivePatch,
    PatchState,
    ToolState,
    Update,
    Virtualization,
)
from orchestrator.core.tools import ToolReport, settle_tools
from orchestrator.probe.answer import Section
from tests.backends.answered import absent, is_less, patched, read_cut, section, seen

ANSWERS = Path(__file__).parent / "answers"
SUSE = Suse()
SP4 = "5.14.21-150400.24.100-default"
SP3 = "5.3.18-150300.59.200-default"
PACKAGE = "kernel-livepatch-5_14_21-150400_24_100-default"
SEVEN, FOUR = "livepatch_7_150400_4_1", "livepatch_4_150300_2_1"


def answer(name: str) -> bytes:
    """A file of raw output."""
    return (ANSWERS / f"{name}.txt").read_bytes()


def facts(release: str = SP4, **states: PatchState) -> Facts:
    """A kernel with these live patches in sysfs."""
    patches = tuple(LivePatch(tool="klp", name=name, state=state) for name, state in states.items())
    return Facts(kernel=Kernel(running=release), livepatch_supported=True, live_patches=patches)


def installed(evr: str | None, package: str = PACKAGE) -> Section:
    """What rpm says of the kernel's package."""
    if evr is None:
        return section("suse_package", f"package {package} is not installed\n", 1)
    return section("suse_package", f"{package} 0:{evr}\n")


def read(name: str, status: int | None = 0, *more: Section, of: Facts | None = None) -> ToolReport:
    """What is made of one answer of klp."""
    return SUSE.read(seen(section("suse_klp", answer(name), status), *more, facts=of or facts()))


@dataclass(frozen=True, kw_only=True)
class Case:
    """An answer on a kernel, and what is to come of it."""

    file: str
    status: int | None = 0
    of: Facts
    state: ToolState = ToolState.READY
    level: str | None = None
    in_force: tuple[str, ...] = ()
    detail: str | None = None


APPLIED = PatchState.APPLIED
SEED = "only the initial live patch is in force, which fixes nothing"
NONE = "no live patch is in force"
CASES = [
    Case(
        file="klp_15sp4_two_fixed",
        of=facts(**{SEVEN: APPLIED}),
        level="7-150400.4.1",
        in_force=("CVE-2030-2602", "CVE-2030-31084", "CVE-2030-310841"),
    ),
    Case(
        file="klp_15sp3_after_replace",
        of=facts(SP3, **{FOUR: APPLIED}),
        level="4-150300.2.1",
        in_force=("CVE-2030-0100", "CVE-2030-0200"),
    ),
    Case(
        file="klp_noise_crlf",
        of=facts(**{SEVEN: APPLIED}),
        level="7-150400.4.1",
        in_force=("CVE-2030-2602", "CVE-2030-31084", "CVE-2030-310841"),
    ),
    Case(file="klp_foreign_beside", of=facts(**{SEVEN: APPLIED}), level="7-150400.4.1", in_force=("CVE-2030-2602",)),
    Case(file="klp_initial", of=facts(livepatch_1_150400_1_3=APPLIED), detail=SEED),
    Case(file="klp_nothing_loaded", of=facts(), detail=NONE),
    Case(
        file="klp_nothing_loaded",
        of=facts(**{SEVEN: APPLIED}),
        state=ToolState.ERROR,
        detail=f"klp does not list {SEVEN}, which the kernel has",
    ),
    Case(file="klp_15sp4_two_fixed", of=facts("5.14.21-150400.24.99-default", **{SEVEN: APPLIED}), detail=NONE),
    Case(file="klp_localised", of=facts(), state=ToolState.ERROR, detail="Datei oder Verzeichnis nicht gefunden"),
    Case(file="klp_localised_fields", of=facts(), state=ToolState.ERROR, detail="aktiv: 1"),
    Case(file="klp_escape_sequences", of=facts(), state=ToolState.ERROR, detail="livepatch_7_150400_4_1"),
    Case(file="klp_names_alone", of=facts(), state=ToolState.ERROR, detail="exit status 0"),
    Case(file="klp_15sp4_two_fixed", status=1, of=facts(), state=ToolState.ERROR, detail="exit status 1"),
    Case(file="klp_15sp4_two_fixed", status=None, of=facts(), state=ToolState.ERROR, detail="too large"),
    Case(file="klp_nothing_loaded", status=127, of=facts(), state=ToolState.ERROR, detail="exit status 127"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.file}-{case.status}-{len(case.of.live_patches)}")
def test_golden_answers(case: Case) -> None:
    """State, level and what is fixed once the kernel has had its say; what is not understood is an error."""
    report = read(case.file, case.status, of=case.of)
    settled = settle_tools(case.of, [report])
    live = [patch for patch in settled.live_patches if patch.tool == "suse" and patch.state is APPLIED]

    assert (case.state, case.level) == (report.tool.state, report.tool.level)
    if case.level:
        assert case.in_force == tuple(cve for patch in live for cve in patch.cves)
    assert (case.detail or "") in (report.tool.detail or "")
    assert (report.tool.detail is None) == (case.detail is None)
    assert len(report.tool.detail or "") <= 300


@pytest.mark.parametrize("state", [PatchState.TRANSITIONING, PatchState.STALLED, PatchState.DISABLED])
def test_the_kernel_has_the_last_word(state: PatchState) -> None:
    """klp says active as soon as it is enabled: while tasks are moved there is no level, and it is named."""
    of = facts(**{SEVEN: state})
    tool = settle_tools(of, [read("klp_15sp4_two_fixed", of=of)]).tool("suse")

    assert tool is not None
    assert (None, (f"says that {SEVEN} is applied, and the kernel says {state}",)) == (tool.level, tool.disagrees)


def test_what_the_kernel_does_not_list_is_not_in_force() -> None:
    """The tool's word alone is no patch."""
    settled = settle_tools(facts(), [read("klp_15sp4_two_fixed")])

    assert [PatchState.FAILED] == [patch.state for patch in settled.live_patches]
    assert 1 == len(settled.tools[0].disagrees)


def test_patches_of_others_are_not_claimed() -> None:
    """klp lists whatever is in sysfs."""
    of = facts(**{SEVEN: APPLIED, "lab_0001": APPLIED})
    settled = settle_tools(of, [read("klp_foreign_beside", of=of)])

    assert [("lab_0001", "klp"), (SEVEN, "suse")] == [(patch.name, patch.tool) for patch in settled.live_patches]


@pytest.mark.parametrize(
    ("file", "evr", "detail"),
    [
        ("klp_15sp4_two_fixed", "7-150400.4.1", None),
        ("klp_15sp4_two_fixed", "8-150400.4.1", "live patch 7-150400.4.1 is in force, and 8-150400.4.1 is installed"),
        ("klp_nothing_loaded", "8-150400.4.1", "live patch 8-150400.4.1 is installed and not in force"),
        ("klp_nothing_loaded", None, NONE),
    ],
)
def test_installed_is_not_in_force(file: str, evr: str | None, detail: str | None) -> None:
    """The difference is told."""
    of = facts(**({SEVEN: APPLIED} if file == "klp_15sp4_two_fixed" else {}))

    assert detail == read(file, 0, installed(evr), of=of).tool.detail


def test_where_there_is_nothing_to_ask() -> None:
    """Absent; a container; a kernel without live patching; cut off."""
    container = Facts(virtualization=Virtualization.CONTAINER)
    klp = section("suse_klp", "")
    checks = [
        seen(absent("suse_klp"), facts=container),
        seen(klp, facts=container),
        seen(klp, facts=Facts(livepatch_supported=False)),
        seen(),
    ]

    expected = [ToolState.ABSENT, ToolState.CONTAINER, ToolState.UNSUPPORTED_KERNEL, ToolState.ERROR]
    assert expected == [SUSE.read(check).tool.state for check in checks]
    assert [None] * 4 == [SUSE.read_deep(check) for check in checks]


@pytest.mark.parametrize(
    ("file", "of"),
    [
        ("klp_15sp4_two_fixed", facts(**{SEVEN: APPLIED})),
        ("klp_15sp3_after_replace", facts(SP3, **{FOUR: APPLIED})),
        ("klp_noise_crlf", facts(**{SEVEN: APPLIED})),
    ],
)
def test_an_answer_cut_anywhere_is_never_more_patched(file: str, of: Facts) -> None:
    """At every byte, and without the section."""
    check = seen(section("suse_klp", answer(file)), installed("7-150400.4.1"), facts=of)
    whole = SUSE.read(check)

    assert patched(whole)
    for name in ("suse_klp", "suse_package"):
        assert [] == [report for report in read_cut(SUSE, check, name) if not is_less(report, whole)]


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "body",
    [
        b"livepatch_7_150400_4_1\n" * 500_000,
        b"a" * 10_000_000,
        b"livepatch_7_150400_4_1\n    active: 1\n    CVE: " + b"CVE-2030-2602 " * 40_000 + b"x",
        b"|" * 5_000_000 + b"\n" + b"-+" * 100_000 + b"\n",
        bytes(range(256)) * 1000,
    ],
)
def test_no_answer_is_too_large_to_be_refused(body: bytes) -> None:
    """None raises, and none is worked at for ever: a reader that tries all ways never ends."""
    names = ("suse_klp", "suse_package", "suse_needed", "suse_offered", "suse_registration", "suse_lifecycle")
    check = seen(*(section(name, body) for name in names), facts=facts())

    deep = SUSE.read_deep(check)

    assert (ToolState.ERROR, ToolState.ERROR) == (SUSE.read(check).tool.state, deep.state if deep else None)


def test_words_of_no_block_are_not_understood() -> None:
    """A line behind the first block that is none of its fields."""
    assert parse_patches("livepatch_1_2_3\n    active: 1\nsomething went wrong\n") is None
    assert parse_patches("livepatch_1_2_3\n    active: maybe\n") is None
    assert () == parse_patches("")


def test_the_package_of_a_kernel() -> None:
    """Dots are underscores there."""
    assert PACKAGE == package_of(SP4)


# --- deep ------------------------------------------------------------------------------------------------------------


def ask(
    needed: str = "needed_live_and_reboot",
    offered: str = "offered_four",
    codes: tuple[int | None, int | None] = (0, 0),
    registration: str | None = "registration_active",
    lifecycle: str = "",
    klp: str = "klp_15sp4_two_fixed",
    evr: str | None = "7-150400.4.1",
) -> Deep:
    """What a deep check tells."""
    sections = [
        section("suse_klp", answer(klp)),
        installed(evr),
        section("suse_needed", answer(needed), codes[0]),
        section("suse_offered", answer(offered), codes[1]),
        section("suse_lifecycle", lifecycle),
    ]
    if registration:
        sections.append(section("suse_registration", answer(registration)))
    of = facts(**({SEVEN: APPLIED} if klp == "klp_15sp4_two_fixed" else {}))
    deep = SUSE.read_deep(seen(*sections, facts=of))
    assert deep is not None
    return deep


KERNEL = Update(name="SUSE-SLE-Module-Basesystem-15-SP4-2030-4000", cves=("CVE-2030-5555",), needs_reboot=True)
CVES = ("CVE-2030-2602", "CVE-2030-31084")


@pytest.mark.parametrize("code", [0, 100, 101, 102, 103])
def test_what_is_offered(code: int) -> None:
    """Newer versions, oldest first in rpm's order; the newest brings what is needed; a new kernel needs a reboot.

    Codes of 100 and more tell of updates, and are no failures."""
    expected = (
        Update(name=PACKAGE, version="9-150400.2.1"),
        Update(name=PACKAGE, version="10-150400.2.1", cves=CVES),
        KERNEL,
    )
    assert Deep(updates=expected) == ask(codes=(code, 0))


def test_the_initial_live_patch_is_no_offer() -> None:
    """It fixes nothing; where nothing is in force all other versions are newer."""
    updates = ask(klp="klp_nothing_loaded", evr=None).updates or ()

    assert ["7-150400.4.1", "9-150400.2.1", "10-150400.2.1"] == [one.version for one in updates if one.version]


def test_columns_are_known_by_their_headings() -> None:
    """In any order, padded or not."""
    updates = ask(needed="needed_columns_in_another_order").updates or ()

    assert ("CVE-2030-2602",) == updates[-1].cves


@pytest.mark.parametrize(
    ("changes", "state", "words"),
    [
        ({"codes": (6, 6)}, ToolState.UNLICENSED, "no repositories"),
        ({"registration": "registration_expired"}, ToolState.UNLICENSED, "subscription has expired"),
        (
            {"registration": "registration_without_the_module", "offered": "offered_none", "codes": (0, 104)},
            ToolState.UNLICENSED,
            "sle-module-live-patching is not registered",
        ),
        (
            {"offered": "offered_none", "codes": (0, 104), "evr": None},
            ToolState.UNSUPPORTED_KERNEL,
            "no repository has",
        ),
        ({"offered": "offered_none", "codes": (106, 104)}, None, "skipped repositories"),
        ({"codes": (7, 0)}, None, "exit status 7"),
        ({"codes": (0, 4)}, None, "zypper search: exit status 4"),
        ({"codes": (107, 0)}, None, "exit status 107"),
        ({"codes": (None, 0)}, None, "too large"),
        ({"needed": "needed_localised"}, ToolState.ERROR, "Chargement"),
        ({"offered": "needed_localised"}, ToolState.ERROR, "Chargement"),
        ({"offered": "offered_none", "codes": (0, 0), "needed": "klp_nothing_loaded"}, ToolState.ERROR, "said nothing"),
    ],
)
def test_why_the_updates_could_not_be_told(changes: dict[str, object], state: ToolState | None, words: str) -> None:
    """What passes says nothing against the tool; an answer in another language is an error, never "no patches"."""
    deep = ask(**changes)  # type: ignore[arg-type]

    assert (None, state) == (deep.updates, deep.state)
    assert words in (deep.detail or "")


def test_no_newer_one() -> None:
    """Nothing needed and nothing newer; a registration that cannot be asked says nothing against the host."""
    expected = Deep(updates=())
    assert expected == ask(needed="needed_none", offered="offered_none", codes=(0, 104), registration=None)


def test_repositories_that_were_skipped_are_told_of() -> None:
    """What is listed is offered all the same."""
    deep = ask(codes=(106, 0))

    assert (3, "zypper skipped repositories that it could not refresh") == (len(deep.updates or ()), deep.detail)


def test_without_root_nobody_is_asked() -> None:
    """The date stays readable."""
    lifecycle = section("suse_lifecycle", f"{PACKAGE}, *, 2031-01-01\n")
    klp = section("suse_klp", "")
    asked = [SUSE.read_deep(seen(klp, lifecycle, facts=facts(), root_lacks=lacks)) for lacks in ("needs_root", None)]

    words = "what the repositories offer could not be asked"
    assert [
        Deep(coverage_until=date(2031, 1, 1), detail=f"{words} (needs root: needs_root)"),
        Deep(coverage_until=date(2031, 1, 1), detail=f"{words} (answer incomplete)"),
    ] == asked


@pytest.mark.parametrize(
    ("lifecycle", "until"),
    [
        (f"{PACKAGE}, *, 2031-02-03\n", date(2031, 2, 3)),
        (f"{PACKAGE}, 6-150400.2.1, 2031-02-03\n{PACKAGE}, *, 2031-01-03\n", date(2031, 2, 3)),
        (f"{PACKAGE}, *, 2031-02-31\n", None),
        (f"{PACKAGE}, *, 2031-02-0", None),
        ("kernel-livepatch-5_14_21-150400_24_99-default, *, 2031-02-03\n", None),
        ("", None),
    ],
)
def test_until_when_live_patches_are_made(lifecycle: str, until: date | None) -> None:
    """By the data that SUSE ships for its live patching module."""
    assert (until, None) == (ask(lifecycle=lifecycle).coverage_until, ask(lifecycle=lifecycle).state)


@pytest.mark.parametrize("text", ["", "[", "[1, null]", '{"a": 1}', "Error: not registered", '[{"status": 3}]'])
def test_a_registration_that_is_not_understood_says_nothing(text: str) -> None:
    """No subscription is called expired for it."""
    assert not parse_registration(text).is_expired


def test_offers_cut_anywhere_name_no_other_version() -> None:
    """Nor another CVE than the whole answer."""
    bodies = {name: answer(name) for name in ("needed_live_and_reboot", "offered_four")}
    klp = section("suse_klp", answer("klp_15sp4_two_fixed"))
    seen_updates = set()
    for at in range(max(map(len, bodies.values()))):
        needed = section("suse_needed", bodies["needed_live_and_reboot"][:at])
        offered = section("suse_offered", bodies["offered_four"][:at])
        deep = SUSE.read_deep(seen(klp, needed, offered, facts=facts(**{SEVEN: APPLIED})))
        seen_updates |= {
            (one.version, cve) for one in (deep.updates if deep else None) or () for cve in ("", *one.cves)
        }

    versions = {"9-150400.2.1", "10-150400.2.1"}
    assert seen_updates <= {(one, cve) for one in versions for cve in ("", *CVES)} | {
        (None, ""),
        (None, "CVE-2030-5555"),
    }
