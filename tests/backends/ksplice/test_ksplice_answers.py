"""What Ksplice's programs print, and what is made of it."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator.backends.ksplice import Ksplice
from orchestrator.backends.ksplice.answers import level_of
from orchestrator.core.facts import Deep, Facts, PatchState, Pin, ToolState, Update, UserspacePatch, Virtualization
from orchestrator.core.tools import ToolReport
from tests.backends.answered import absent, is_less, patched, read_cut, section, seen

ANSWERS = Path(__file__).parent / "answers"
KSPLICE = Ksplice()
UEK6 = ("k2v7w1qa", "3jx0m9tb", "zz81kd4p", "p0q9r8s7", "t6u5v4w3", "x2y1z0a9", "b8c7d6e5")
UNAME = section("ksplice_uname", "5.15.0-301.163.5.el9uek.x86_64\n")


def answer(name: str) -> bytes:
    """A file of raw output."""
    return (ANSWERS / f"{name}.txt").read_bytes()


def settings(*loaded: str, more: str = "setting=autoinstall = no\n") -> bytes:
    """The kernel's modules of these updates, and the agent's settings."""
    modules = "".join(f"loaded={one}\nloaded={one}_vmlinux_new\n" for one in loaded)
    return f"modules=listed\n{modules}{more}".encode()


def read(name: str, status: int | None = 0, *loaded: str, more: str = "") -> ToolReport:
    """What is made of one answer of uptrack-show on a kernel that has these updates' modules."""
    kernel = section("ksplice_kernel", answer(name), status)
    return KSPLICE.read(seen(UNAME, kernel, section("ksplice_settings", settings(*loaded, more=more))))


def read_plan(name: str, status: int | None = 0) -> Deep | None:
    """What is made of one answer of uptrack-upgrade -n."""
    return KSPLICE.read_deep(seen(UNAME, section("ksplice_plan", answer(name), status)))


@dataclass(frozen=True, kw_only=True)
class Case:
    """An answer, and what is to come of it. ``ids``: what is in force; ``loaded``: of which the kernel has modules."""

    file: str
    status: int | None = 0
    loaded: tuple[str, ...] = ()
    state: ToolState = ToolState.READY
    ids: tuple[str, ...] = ()
    cves: tuple[str, ...] = ()
    detail: str | None = None


CASES = [
    Case(
        file="show_ol8_uek6",
        loaded=UEK6,
        ids=UEK6,
        cves=("CVE-2030-11111", "CVE-2030-22222", "CVE-2030-222233"),
    ),
    Case(file="show_noise_before_crlf", loaded=("3jx0m9tb",), ids=("3jx0m9tb",), cves=("CVE-2030-11111",)),
    Case(
        file="kernel_show_enhanced_client",
        loaded=("3jx0m9tb", "zz81kd4p"),
        ids=("3jx0m9tb", "zz81kd4p"),
        cves=("CVE-2030-11111", "CVE-2030-22222"),
    ),
    Case(file="show_none"),
    Case(file="show_effective_unknown", loaded=("3jx0m9tb",), ids=("3jx0m9tb",), cves=("CVE-2030-11111",)),
    Case(
        file="show_effective_unknown",
        loaded=("3jx0m9tb", "zz81kd4p"),
        state=ToolState.ERROR,
        detail="Installed updates: [3jx0m9tb] CVE-2030-11111: Use-after-free",
    ),
    Case(file="show_localised", loaded=("3jx0m9tb",), state=ToolState.ERROR, detail="Installierte Aktualisierungen:"),
    Case(file="show_heading_alone", state=ToolState.ERROR, detail="exit status 0: Installed updates:"),
    Case(file="empty", state=ToolState.ERROR, detail="exit status 0: it said nothing"),
    Case(file="show_escape_sequences", state=ToolState.ERROR, detail="Installed updates: [3jx0m9tb] CVE"),
    Case(file="show_none", status=None, state=ToolState.ERROR, detail="too large"),
    Case(file="show_list_never_read", status=1),
    Case(file="show_list_never_read", status=1, loaded=("3jx0m9tb",), state=ToolState.ERROR, detail="package list"),
    Case(file="show_locked", status=1, state=ToolState.ERROR, detail="another Uptrack process"),
    Case(file="missing_key", status=20, state=ToolState.UNLICENSED, detail="access key"),
    Case(file="plan_expired", status=17, state=ToolState.UNLICENSED, detail="has ended"),
    Case(file="plan_unsupported_kernel", status=13, state=ToolState.UNSUPPORTED_KERNEL, detail="5.15.0-999"),
    Case(file="show_ol8_uek6", status=1, loaded=UEK6, state=ToolState.ERROR, detail="exit status 1"),
    Case(file="empty", status=127, state=ToolState.ERROR, detail="exit status 127"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.file}-{case.status}-{len(case.loaded)}")
def test_golden_answers(case: Case) -> None:
    """State, level and CVEs of each; whatever is not understood is an error that keeps the words, and no patch."""
    report = read(case.file, case.status, *case.loaded)

    assert (case.state, level_of(case.ids)) == (report.tool.state, report.tool.level)
    assert case.cves == tuple(cve for told in report.told for cve in told.cves)
    assert (case.detail or "") in (report.tool.detail or "")
    assert len(report.tool.detail or "") <= 300
    assert () == report.tool.disagrees


def test_many_updates_are_one_live_patch() -> None:
    """It is applied, is named like the tool, has the level for a version, and is never in /sys/kernel/livepatch."""
    report = read("show_ol8_uek6", 0, *UEK6)

    assert [("ksplice", report.tool.level, PatchState.APPLIED, False)] == [
        (told.name, told.version, told.state, told.in_sysfs) for told in report.told
    ]


def test_an_update_without_its_module_fixes_nothing() -> None:
    """The tool's word against the kernel's: it is named, and its CVEs are not believed."""
    report = read("show_ol8_uek6", 0, *UEK6[:2])

    expected = (
        "says that 5 updates are installed whose modules the kernel does not have: b8c7d6e5, p0q9r8s7, t6u5v4w3, …",
    )
    assert expected == report.tool.disagrees
    assert {("ksplice", ""), ("ksplice", "CVE-2030-11111")} == patched(report)


def test_without_the_kernels_word_nothing_is_applied() -> None:
    """Where the modules could not be listed, no CVE is fixed, and nobody is accused."""
    kernel = section("ksplice_kernel", answer("show_ol8_uek6"))
    for check in (seen(UNAME, kernel), seen(UNAME, kernel, section("ksplice_settings", "disabled=yes\n"))):
        report = KSPLICE.read(check)

        assert (set(), ()) == (patched(report), report.tool.disagrees)


def test_the_level_is_a_word_for_the_set_of_updates() -> None:
    """The same whatever their order; another for other ones; none for none."""
    assert level_of(["b0000000", "a0000000"]) == level_of(["a0000000", "b0000000", "a0000000"])
    assert "2-" == (level_of(["a0000000", "b0000000"]) or "")[:2]
    assert level_of(["a0000000"]) != level_of(["b0000000"])
    assert level_of([]) is None


@pytest.mark.parametrize(
    ("uname", "status", "effective"),
    [
        ("5.15.0-301.163.5.el9uek.x86_64\n", 0, "5.15.0-301.163.5.el9uek.x86_64"),
        ("5.15.0-301.16", 0, "5.4.17-2136.340.4.el8uek"),
        ("Traceback (most recent call last):\n", 0, "5.4.17-2136.340.4.el8uek"),
        ("", 1, "5.4.17-2136.340.4.el8uek"),
    ],
)
def test_the_effective_kernel(uname: str, status: int, effective: str) -> None:
    """uptrack-uname's, which has the architecture; else what the list ends with."""
    kernel = section("ksplice_kernel", answer("show_ol8_uek6"))
    check = seen(section("ksplice_uname", uname, status), kernel, section("ksplice_settings", settings(*UEK6)))

    assert effective == KSPLICE.read(check).tool.effective_kernel


@pytest.mark.parametrize(
    ("lines", "pin", "in_use"),
    [
        ("setting=autoinstall = yes\n", None, True),
        ("setting=autoinstall=no\nsetting=upgrade_on_reboot: Yes\n", None, True),
        ("setting=autoinstall = yes ; said somebody\n", None, True),
        ("setting=autoinstall = No \n", Pin(setting="autoinstall=No", by_us=False), False),
        (
            "pinned=yes\nsetting=autoinstall = no\nsetting=upgrade_on_reboot = 0\n",
            Pin(setting="autoinstall=no upgrade_on_reboot=0", by_us=True),
            False,
        ),
        ("", Pin(setting="autoinstall is not set", by_us=False), False),
        ("disabled=yes\nsetting=autoinstall = yes\n", None, False),
    ],
)
def test_the_agent_is_held_where_it_installs_nothing_by_itself(lines: str, pin: Pin | None, in_use: bool) -> None:
    """Both settings have to be off; an agent that is on claims the kernel, unless the client is switched off."""
    report = read("show_none", 0, more=lines)

    assert (pin, in_use) == (report.tool.pin, report.is_in_use)


def test_a_client_that_is_switched_off_keeps_what_is_in_force() -> None:
    """/etc/uptrack/disable stops everything but showing."""
    report = read("show_ol8_uek6", 0, *UEK6, more="disabled=yes\n")

    assert (ToolState.DISABLED, level_of(UEK6)) == (report.tool.state, report.tool.level)


def test_where_there_is_nothing_to_ask() -> None:
    """Absent; a container; without root; cut off."""
    container = Facts(virtualization=Virtualization.CONTAINER)
    checks = [
        seen(absent("ksplice_uname"), absent("ksplice_kernel"), facts=container),
        seen(UNAME, facts=container),
        seen(UNAME, root_lacks="needs_root"),
        seen(UNAME),
        seen(),
    ]

    expected = [
        (ToolState.ABSENT, None),
        (ToolState.CONTAINER, "the kernel belongs to the machine that this container runs on"),
        (ToolState.ERROR, "needs root: needs_root"),
        (ToolState.ERROR, "answer incomplete"),
        (ToolState.ERROR, "answer incomplete"),
    ]
    assert expected == [(report.tool.state, report.tool.detail) for report in map(KSPLICE.read, checks)]


@pytest.mark.parametrize("cut", ["ksplice_kernel", "ksplice_settings", "ksplice_uname"])
@pytest.mark.parametrize("file", ["show_ol8_uek6", "show_effective_unknown"])
def test_an_answer_cut_anywhere_is_never_more_patched(cut: str, file: str) -> None:
    """At every byte, and without the section."""
    loaded = UEK6 if file == "show_ol8_uek6" else ("3jx0m9tb",)
    kernel = section("ksplice_kernel", answer(file))
    check = seen(UNAME, kernel, section("ksplice_settings", settings(*loaded)))
    whole = KSPLICE.read(check)

    assert [] == [report for report in read_cut(KSPLICE, check, cut) if not is_less(report, whole)]


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "body",
    [
        b"Installed updates:\n" + b"[3jx0m9tb] CVE-2030-11111: x\n" * 400_000,
        b"[" * 10_000_000,
        b"Installed updates:\n" + b"\n" * 10_000_000,
        b"Installed updates:\n[3jx0m9tb] " + b"CVE-2030-11111, " * 30_000 + b"\n",
        bytes(range(256)) * 1000,
    ],
)
def test_no_answer_is_too_large_to_be_refused(body: bytes) -> None:
    """None raises, and none is worked at for ever: a reader that tries all ways never ends."""
    check = seen(
        UNAME, section("ksplice_kernel", body), section("ksplice_settings", body), section("ksplice_user", body)
    )

    report = KSPLICE.read(check)
    deep = KSPLICE.read_deep(seen(UNAME, section("ksplice_plan", body)))

    assert (ToolState.ERROR, ToolState.ERROR) == (report.tool.state, deep.state if deep else None)


@pytest.mark.parametrize(
    ("file", "status", "expected"),
    [
        (
            "plan_three_steps",
            0,
            Deep(
                updates=(
                    Update(name="m4n3b2v1", cves=("CVE-2030-11111", "CVE-2030-44444")),
                    Update(name="c9x8z7l6"),
                )
            ),
        ),
        ("plan_nothing", 0, Deep(updates=())),
    ],
)
def test_what_an_upgrade_would_install(file: str, status: int, expected: Deep) -> None:
    """Each update with its CVEs; a detection fixes nothing."""
    assert expected == read_plan(file, status)


@pytest.mark.parametrize(
    ("file", "status", "state", "words"),
    [
        ("plan_no_network", 10, None, "exit status 10: Could not connect"),
        ("plan_no_network", 18, None, "exit status 18"),
        ("show_locked", 1, None, "another Uptrack process"),
        ("plan_disabled", 1, ToolState.DISABLED, "system administrator"),
        ("plan_unsupported_kernel", 13, ToolState.UNSUPPORTED_KERNEL, "Cannot find"),
        ("missing_key", 14, ToolState.UNLICENSED, "key"),
        ("plan_expired", 17, ToolState.UNLICENSED, "Installing updates is disabled."),
        ("missing_key", 19, ToolState.UNLICENSED, "key"),
        ("missing_key", 20, ToolState.UNLICENSED, "key"),
        ("plan_nothing", 11, ToolState.ERROR, "exit status 11"),
        ("plan_nothing", 12, ToolState.ERROR, "exit status 12"),
        ("show_none", 0, ToolState.ERROR, "Installed updates"),
        ("empty", 0, ToolState.ERROR, "it said nothing"),
        ("show_localised", 0, ToolState.ERROR, "Installierte"),
    ],
)
def test_why_the_updates_could_not_be_told(file: str, status: int, state: ToolState | None, words: str) -> None:
    """By exit code: what passes by itself says nothing against the tool, what does not is its state."""
    deep = read_plan(file, status)

    assert deep is not None
    assert (None, state) == (deep.updates, deep.state)
    assert words in (deep.detail or "")


def test_a_plan_cut_anywhere_offers_no_more() -> None:
    """Nor another update than the whole one."""
    body = answer("plan_three_steps")
    deeps = [KSPLICE.read_deep(seen(UNAME, section("ksplice_plan", body[:at]))) for at in range(len(body))]
    names = {update.name for deep in deeps if deep for update in deep.updates or ()}

    assert names <= {"m4n3b2v1", "c9x8z7l6"}
    assert KSPLICE.read_deep(seen(UNAME)) is None
    assert KSPLICE.read_deep(seen(absent("ksplice_uname"), absent("ksplice_plan"))) is None


def test_updates_of_programs_are_a_thing_of_their_own() -> None:
    """Each program with each update once, however many processes carry it; the kernel's state has nothing of it."""
    kernel = section("ksplice_kernel", answer("show_none"))
    user = section("ksplice_user", answer("user_show"))
    check = seen(UNAME, kernel, user, section("ksplice_settings", settings()))

    def patch(target: str, version: str, cve: str) -> UserspacePatch:
        return UserspacePatch(tool="ksplice", target=target, version=version, state=PatchState.APPLIED, cves=(cve,))

    assert (
        patch("httpd", "h1u2v3w4", "CVE-2030-7814"),
        patch("httpd", "m5l6n7g8", "CVE-2030-1781"),
        patch("(sd-pam)", "h1u2v3w4", "CVE-2030-7814"),
    ) == KSPLICE.read(check).userspace_patches
    assert KSPLICE.read(check).tool.level is None
