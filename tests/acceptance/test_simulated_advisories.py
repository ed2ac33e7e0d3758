"""Published data over a mixed fleet: files of every feed are matched to the hosts that they concern, what hosts do
closes and reopens windows, and people's promises are measured."""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.lab.simulated import kernels
from orchestrator.lab.simulated.kernels import SimulatedKernel
from tests.acceptance import feed_files as files
from tests.acceptance.feed_files import Json, resolved, undecided
from tests.acceptance.product import Patchwave, metrics
from tests.acceptance.simulated import Simulate, SimulatedLab

OLD_KERNEL, EVERY_OPENSSL, UNDETERMINED = "CVE-2099-5001", "CVE-2099-5002", "CVE-2099-5003"
UBUNTU_KERNEL, RED_HAT_KERNEL, AMAZON_KERNEL = "CVE-2099-5010", "CVE-2099-5020", "CVE-2099-5030"
ROCKY_KERNEL = "CVE-2099-2001"
"""What the simulated KernelCare fixes first."""

LAB_CVE = "CVE-2099-0001"
"""What the lab's patches fix."""

BOOKWORM = (kernels.BOOKWORM, kernels.OLDER_BOOKWORM)
MODULES = r"lkp_Ubuntu_5_15_0[_|\d]+_generic_(\d+)"
NEWER_OPENSSL = "9.1.1-1"
HOSTS = 40


def bookworm(said: Json) -> dict[str, Json]:
    """For that release of Debian alone."""
    return {"bookworm": said}


def tracker(folder: Path, **openssl: Any) -> Path:
    """Debian's, with something of each kind."""
    said = resolved(NEWER_OPENSSL, urgency="low") if not openssl else openssl["said"]
    return files.debian_tracker(
        folder / "tracker.json",
        [
            ("linux", OLD_KERNEL, bookworm(resolved("6.1.150-1"))),
            ("openssl", EVERY_OPENSSL, bookworm(said)),
            ("bash", UNDETERMINED, bookworm(undecided("undetermined"))),
        ],
    )


def feeds(folder: Path) -> Path:
    """A folder of files of all feeds, as a site without internet imports it."""
    folder.mkdir()
    tracker(folder)
    files.osv_zip(
        folder / "ubuntu.zip",
        files.ubuntu_cve(
            UBUNTU_KERNEL, "linux", fixed="5.15.0-152.162", severity=[{"type": "Ubuntu", "score": "high"}]
        ),
        files.ubuntu_cve(EVERY_OPENSSL, "openssl", fixed=NEWER_OPENSSL),
        files.live_patch_notice(102, UBUNTU_KERNEL, package="linux", pattern=MODULES),
    )
    files.osv_zip(
        folder / "rocky.zip", files.rocky_advisory("900", ROCKY_KERNEL, "kernel", fixed="0:5.14.0-570.30.1.el9_6")
    )
    kernel, patch = "kernel@5.14.0-570.30.1.el9_6?arch=src", "kpatch-patch-5_14_0-570_22_1@1-2.el9_6?arch=x86_64"
    files.red_hat_archive(
        folder / "csaf_vex_2025-03-05.tar.zst",
        files.red_hat_cve(RED_HAT_KERNEL, severity="Critical", fixed=[kernel, patch]),
        files.red_hat_cve(EVERY_OPENSSL, severity="Important", fixed=[f"openssl@{NEWER_OPENSSL}.el9?arch=src"]),
    )
    kernel, patch = "6.1.150-160.1.amzn2023", "1.0-2.amzn2023"
    files.amazon_updateinfo(
        folder / "core.xml.gz", files.amazon_update("ALAS2023-2025-900", AMAZON_KERNEL, "kernel", kernel)
    )
    files.amazon_updateinfo(
        folder / "livepatch.xml.gz",
        files.amazon_update("ALAS2023LIVEPATCH-2025-900", AMAZON_KERNEL, "kernel-livepatch-6.1.141-155.222", patch),
    )
    files.kev_catalogue(folder / "kev.json", {RED_HAT_KERNEL: "2025-02-01"})
    return folder


def named(lab: SimulatedLab, *of: SimulatedKernel, tool: str | None = None) -> set[str]:
    """The hosts with one of these kernels, and that live-patch tool."""
    return {
        machine.name
        for machine in lab.fleet.machines
        if machine.kernel in of and (tool is None or tool in machine.vendor_tools)
    }


def exposures(lab: SimulatedLab, *words: str) -> list[Json]:
    """Rows of ``exposure list``."""
    found: list[Json] = lab.product.ok("exposure", "list", *words, "--json").json["exposures"]
    return found


def standing(lab: SimulatedLab) -> dict[str, dict[str, Json]]:
    """All rows by CVE and host."""
    found: dict[str, dict[str, Json]] = {}
    for row in exposures(lab):
        found.setdefault(row["cve"], {})[row["host"]] = row
    return found


def is_open(rows: dict[str, Json]) -> set[str]:
    """Hosts that are exposed now, or may be."""
    return {name for name, row in rows.items() if row["state"] != "covered"}


def who(lab: SimulatedLab, cve: str) -> set[str]:
    """The same, as the question of the day is answered."""
    return {row["host"] for row in lab.product.ok("exposure", "who", cve, "--json").json["exposures"]}


def row_of(lab: SimulatedLab, host: str, cve: str) -> Json:
    """How one host stands, with everything that explains it."""
    found: Json = lab.product.ok("exposure", "show", host, "--cve", cve, "--json").json
    return found


def took_in(product: Patchwave, *paths: Path) -> dict[str, str]:
    """Import; what came of each part."""
    results = product.ok("advisories", "import", *map(str, paths), "--json").json["results"]
    return {one["feed"]: one["state"] for one in results}


@pytest.fixture
def lab(simulate: Simulate, tmp_path: Path) -> SimulatedLab:
    """The mixed fleet, checked, and all feeds taken in."""
    lab = simulate(hosts=HOSTS, mixed=True)
    assert HOSTS == lab.product.ok("scan", "--deep", "--json").json["reachable"]
    parts = {"amazon/2023/core", "amazon/2023/livepatch", "debian", "kev", "osv/Rocky Linux", "osv/Ubuntu", "redhat"}
    assert dict.fromkeys(parts, "imported") == took_in(lab.product, feeds(tmp_path / "feeds"))
    return lab


def test_each_feed_concerns_the_hosts_that_it_says(lab: SimulatedLab, tmp_path: Path) -> None:
    """By distribution, release, running kernel and package; the report and the metrics count the same; the same files
    again, and checks that see nothing new, move nothing."""
    found = standing(lab)
    assert named(lab, kernels.OLDER_BOOKWORM) == is_open(found[OLD_KERNEL]) != set()
    with_openssl = named(lab, *BOOKWORM, kernels.JAMMY, kernels.RHEL_9)
    assert with_openssl == is_open(found[EVERY_OPENSSL]) == who(lab, EVERY_OPENSSL)
    severities = {name: row["severity"] for name, row in found[EVERY_OPENSSL].items()}
    expected = {name: "low" if name in named(lab, *BOOKWORM) else "high" for name in with_openssl}
    assert expected == severities, "the distribution's own word, else Red Hat's"
    undetermined = {name: row["state"] for name, row in found[UNDETERMINED].items()}
    assert dict.fromkeys(named(lab, *BOOKWORM), "unknown") == undetermined
    assert named(lab, kernels.JAMMY) == is_open(found[UBUNTU_KERNEL])
    assert named(lab, kernels.RHEL_9) == is_open(found[RED_HAT_KERNEL])
    assert named(lab, kernels.AMAZON_2023) == is_open(found[AMAZON_KERNEL])
    assert named(lab, kernels.ROCKY_9) <= is_open(found[ROCKY_KERNEL])
    rows = [row for by_host in found.values() for row in by_host.values()]
    _is_counted_everywhere(lab, rows)

    assert set(took_in(lab.product, tmp_path / "feeds").values()) == {"imported"}
    lab.product.ok("scan")
    assert _without_what_grows(rows) == _without_what_grows(exposures(lab))


def _without_what_grows(rows: Iterable[Json]) -> list[Json]:
    """The rows in one order, without what is more at every look."""
    growing = {"exposed_seconds", "unknown_seconds"}
    kept = [{key: value for key, value in row.items() if key not in growing} for row in rows]
    return sorted(kept, key=lambda row: (row["host"], row["cve"]))


def _is_counted_everywhere(lab: SimulatedLab, rows: list[Json]) -> None:
    windows = [row for row in rows if row["windows"] and row["windows"][-1]["closed_at"] is None]
    report = lab.product.ok("exposure", "report", "--by", "severity", "--json").json
    by_severity = {row["key"]: row["open"] for row in report["rows"] if row["open"]}
    assert _counted(row["severity"] for row in windows) == by_severity
    assert len(windows) == report["total"]["open"]
    assert len([row for row in rows if row["state"] == "unknown"]) == report["total"]["unknown"]
    samples = metrics(lab.product)
    exposed = [
        (labels["severity"], value) for labels, value in samples["patchwave_exposures"] if labels["state"] == "exposed"
    ]
    told = {severity: sum(value for one, value in exposed if one == severity) for severity, value in exposed if value}
    assert _counted(row["severity"] for row in rows if row["state"] == "exposed") == told
    successes = samples["patchwave_feed_last_success_timestamp_seconds"]
    assert {"debian", "kev", "redhat", "osv/Ubuntu"} < {labels["feed"] for labels, _ in successes}
    assert all(time.time() - 600 < value <= time.time() for _, value in successes)


def _counted(words: Iterable[str]) -> dict[str, int]:
    found = list(words)
    return {word: found.count(word) for word in set(found)}


def test_live_patches_of_every_kind_close_what_they_fix(lab: SimulatedLab) -> None:
    """Canonical's by its notice, Red Hat's and Amazon's by the version of their packages, KernelCare's by its own word;
    hosts of the same system without them stay exposed, and the packages are as old as before."""
    patched = {
        UBUNTU_KERNEL: named(lab, kernels.JAMMY, tool="canonical"),
        RED_HAT_KERNEL: named(lab, kernels.RHEL_9, tool="dnf"),
        AMAZON_KERNEL: named(lab, kernels.AMAZON_2023, tool="dnf"),
        ROCKY_KERNEL: named(lab, kernels.ROCKY_9, tool="kernelcare"),
    }
    before = standing(lab)
    assert all(hosts and hosts <= is_open(before[cve]) for cve, hosts in patched.items())
    versions = {cve: row_of(lab, min(hosts), cve)["packages"] for cve, hosts in patched.items()}
    for name in set().union(*patched.values()):
        lab.fleet.host(name).run_agents()

    lab.product.ok("scan", "--deep")

    after = standing(lab)
    for cve, hosts in patched.items():
        assert is_open(before[cve]) - hosts == is_open(after[cve]), cve
        closed = {name: (after[cve][name]["reason"], after[cve][name]["method"]) for name in hosts}
        assert dict.fromkeys(hosts, ("live_patched", "live_patch")) == closed, cve
        assert versions[cve] == row_of(lab, min(hosts), cve)["packages"]
    statements = lab.product.ok("exposure", "vex", "--cve", RED_HAT_KERNEL).json["statements"]
    assert {"not_affected"} == {one["status"] for one in statements}
    total = lab.product.ok("exposure", "report", "--by", "tool", "--json").json
    by_tool = {row["key"]: row["closed"] for row in total["rows"] if row["key"] in {"canonical", "dnf", "kernelcare"}}
    assert all(by_tool.get(tool, 0) > 0 for tool in ("canonical", "dnf", "kernelcare")), by_tool


def test_windows_follow_packages_and_what_is_taken_back(lab: SimulatedLab, tmp_path: Path) -> None:
    """An upgrade closes the window of its host alone, a downgrade opens the next; a severity that is raised counts from
    then; an advisory that is taken back, and a host that is retired, end theirs without a fix."""
    name, *others = sorted(named(lab, *BOOKWORM))
    before = {row["host"]: row for row in exposures(lab, "--cve", EVERY_OPENSSL)}
    _install(lab, name, NEWER_OPENSSL)
    row = row_of(lab, name, EVERY_OPENSSL)
    assert ("covered", "fixed", "package") == (row["state"], row["reason"], row["method"])
    assert is_open(before) - {name} == who(lab, EVERY_OPENSSL)
    _install(lab, name, "9.1.0-1")
    row = row_of(lab, name, EVERY_OPENSSL)
    assert [False, True] == [window["closed_at"] is None for window in row["windows"]]

    took_in(lab.product, tracker(tmp_path, said=resolved(NEWER_OPENSSL, urgency="high")))
    raised = {row["host"]: row for row in exposures(lab, "--cve", EVERY_OPENSSL)}
    assert {"high"} == {raised[one]["severity"] for one in (name, *others)}
    assert all(raised[one]["detected_at"] == before[one]["detected_at"] for one in others)
    assert all(raised[one]["due_at"] is not None for one in others)

    took_in(lab.product, tracker(tmp_path, said=resolved("0")))
    assert who(lab, EVERY_OPENSSL).isdisjoint({name, *others})
    ended = row_of(lab, others[0], EVERY_OPENSSL)
    assert ("covered", "not_affected", "withdrawn") == (ended["state"], ended["reason"], ended["method"])

    gone = min(named(lab, kernels.RHEL_9))
    inventory = lab.product.home / "inventory" / "lab-simulated.yml"
    _take_out(inventory, gone)
    lab.product.ok("hosts", "retire", gone, "--yes")
    assert named(lab, kernels.RHEL_9) - {gone} == who(lab, RED_HAT_KERNEL)
    total = lab.product.ok("exposure", "report", "--json").json["total"]
    assert total["withdrawn"] >= len(others) + 1
    assert total["closed"] == sum(total["methods"].values())


def _install(lab: SimulatedLab, name: str, version: str) -> None:
    lab.fleet.host(name).install_package("openssl", version)
    lab.product.ok("scan", "--limit", name)


def _take_out(inventory: Path, name: str) -> None:
    """The host's blocks of the inventory file."""
    document = yaml.safe_load(inventory.read_text())
    for group in document["all"]["children"].values():
        group["hosts"].pop(name, None)
    inventory.write_text(yaml.safe_dump(document))


def test_a_boot_without_the_patch_opens_the_window_again(simulate: Simulate, tmp_path: Path) -> None:
    """The tracker and the catalogue tell of the same CVE: a module that is loaded covers the host, whatever the version
    of its package, in that boot alone."""
    lab = simulate(hosts=2)
    lab.product.ok("scan")
    said = [("linux", LAB_CVE, {"bookworm": resolved("6.1.1000-1"), "trixie": undecided("open")})]
    took_in(lab.product, files.debian_tracker(tmp_path / "tracker.json", said))
    assert {"web-001", "web-002"} == who(lab, LAB_CVE)
    lab.product.ok("rollout", "start", lab.playbook(), "--yes")
    assert set() == who(lab, LAB_CVE)
    lab.fleet.host("web-001").reboot()
    lab.product.ok("scan")
    assert {"web-001"} == who(lab, LAB_CVE)
    row = row_of(lab, "web-001", LAB_CVE)
    assert [("live_patch", False), (None, True)] == [
        (window["method"], window["closed_at"] is None) for window in row["windows"]
    ]
    assert row["windows"][1]["detected_at"] > row["windows"][0]["closed_at"]


POLICY = {
    "apiVersion": "patchwave/v1",
    "kind": "ServiceLevels",
    "name": "impatient",
    "levels": {"critical": "1s", "high": "2d", "medium": "30d", "low": "none"},
}


def test_promises_are_measured_and_risks_are_borne(lab: SimulatedLab) -> None:
    """What would be overdue is shown before the policy is set; then it is breached in lists, report and metrics, until
    somebody bears the risk; hosts stay exposed all the while; taken back, it is breached again."""
    policy = lab.product.home / "impatient.yml"
    policy.write_text(yaml.safe_dump(POLICY))
    critical = {pair for pair, row in _pairs(lab).items() if row["severity"] == "critical" and row["due_at"]}
    preview = lab.product.ok("sla", "preview", str(policy), "--json").json
    assert len(critical) == preview["breached_at_once"]
    lab.product.ok("sla", "set", str(policy), "--yes")
    rows = _pairs(lab)
    assert critical == {pair for pair, row in rows.items() if row["sla"] == "breached"}
    assert float(len(critical)) == _breaches(lab)

    hosts = named(lab, kernels.RHEL_9)
    words = ("--owner", "Ada", "--reason", "behind a firewall", "--until", "30d")
    made = lab.product.ok("exposure", "accept", RED_HAT_KERNEL, "--label", "os=rhel-9", *words, "--json").json
    assert sorted(hosts) == sorted(made["hosts"])
    borne = _pairs(lab)
    assert hosts == {host for (host, _), row in borne.items() if row["sla"] == "accepted"}
    assert {pair: row["state"] for pair, row in rows.items()} == {pair: row["state"] for pair, row in borne.items()}
    assert {pair: row["due_at"] for pair, row in rows.items()} == {pair: row["due_at"] for pair, row in borne.items()}
    assert float(len(critical) - len(hosts)) == _breaches(lab)
    (accepted,) = lab.product.ok("exposure", "accepted", "--json").json["accepted"]
    assert (made["id"], "in_force", "Ada") == (accepted["id"], accepted["state"], accepted["owner"])

    lab.product.ok("exposure", "unaccept", made["id"])
    assert len(critical) == lab.product.ok("exposure", "report", "--json").json["total"]["breached"]


def _pairs(lab: SimulatedLab) -> dict[tuple[str, str], Json]:
    return {(row["host"], row["cve"]): row for row in exposures(lab)}


def _breaches(lab: SimulatedLab) -> float:
    return sum(value for _, value in metrics(lab.product)["patchwave_sla_breaches"])
