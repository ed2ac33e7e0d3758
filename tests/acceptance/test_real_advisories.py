"""Published data against real machines: what a tracker's file says of a running kernel and of installed packages is
what is told of them, and a live patch closes what a scanner of packages goes on reporting."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from orchestrator.lab.kernel.fleet import LabFleet
from tests.acceptance.feed_files import Json, debian_tracker, resolved, undecided
from tests.acceptance.kernel_lab import reboot, run_on
from tests.acceptance.product import Patchwave
from tests.acceptance.test_real_kernels import FIRST, playbook

pytestmark = pytest.mark.kernel

INSTALLED = """\
dpkg-query -W -f '${Package} ${Version} ${source:Package} ${source:Version}\\n'
"""
NEWER_IMAGE = """\
cp -p /var/lib/dpkg/status /root/status.before
cat >>/var/lib/dpkg/status <<END
Package: linux-image-6.1.0-9999-cloud-amd64
Status: install ok installed
Architecture: amd64
Source: linux-signed-amd64 (6.1.9999+1)
Version: 6.1.9999-1
Description: newer, and not booted

END
touch /boot/vmlinuz-6.1.0-9999-cloud-amd64
"""
AS_BEFORE = """\
[ ! -e /root/status.before ] || mv /root/status.before /var/lib/dpkg/status
rm -f /boot/vmlinuz-6.1.0-9999-cloud-amd64
"""


@dataclass(frozen=True, kw_only=True)
class Package:
    """What dpkg says of a package."""

    name: str
    version: str
    source: str
    source_version: str


def installed(lab: LabFleet, name: str) -> dict[str, Package]:
    """The packages of a machine by name, as dpkg itself tells them."""
    rows = [line.split() for line in run_on(lab, name, INSTALLED).splitlines()]
    return {row[0]: Package(name=row[0], version=row[1], source=row[2], source_version=row[3]) for row in rows}


def running_image(lab: LabFleet, name: str) -> Package:
    """The package of the kernel that runs."""
    return installed(lab, name)[f"linux-image-{lab.vm(name).release}"]


@pytest.fixture
def product(kernel_lab: LabFleet, tmp_path: Path) -> Patchwave:
    """Patchwave in a new home that knows the lab, and one patch for it, before the first check."""
    product = Patchwave(home=tmp_path)
    tmp_path.joinpath("patchwave.toml").write_text('inventory = "inventory"\n')
    kernel_lab.hand_over(tmp_path)
    product.ok("init")
    product.ok("patches", "add", str(kernel_lab.catalogue / "LAB-0001.yaml"))
    return product


def told(product: Patchwave, limit: str) -> dict[tuple[str, str], tuple[str, str]]:
    """State and remedy by host and CVE."""
    rows = product.ok("exposure", "list", "--limit", limit, "--json").json["exposures"]
    return {(row["host"], row["cve"]): (row["state"], row["remedy"]) for row in rows}


def cve(number: int) -> str:
    """One that nobody else uses."""
    return f"CVE-2099-{4000 + number}"


NEWER_REVISION = cve(1)
HIGHER, LOWER = 1000, 9
"""Numbers of kernels and fixes that texts would put in another order than versions are in: 6.1.1000 comes after
6.1.190, 6.1.9 before it."""


def tracker(file: Path, packages: dict[str, Package]) -> Path:
    """What Debian might say of these machines: of each kind of claim one, on both sides of what is installed."""
    image, source = "linux", packages["linux"].source_version
    upstream, _, revision = source.replace("+", "-", 1).rpartition("-")
    series = re.match(r"\d+\.\d+", source)
    assert series is not None
    libssl, bash, ssh = (packages[name].source_version for name in ("libssl3", "bash", "openssh-server"))
    said: list[tuple[str, str, dict[str, Json]]] = [
        (image, FIRST, {"bookworm": resolved(f"{series[0]}.{HIGHER}-1", urgency="high")}),
        (image, NEWER_REVISION, {"bookworm": resolved(f"{upstream}-{int(revision) + 1}")}),
        (image, cve(2), {"bookworm": resolved(f"{upstream}-{revision}")}),
        (image, cve(3), {"bookworm": resolved(f"{series[0]}.{LOWER}-1")}),
        (image, cve(4), {"bookworm": resolved("0")}),
        (image, cve(5), {"bookworm": undecided("open")}),
        (image, cve(6), {"bookworm": undecided("open", nodsa="Too intrusive", nodsa_reason="ignored")}),
        (image, cve(7), {"bookworm": undecided("undetermined")}),
        (image, cve(8), {"bookworm": undecided("open", urgency="unimportant")}),
        (image, cve(9), {"trixie": undecided("open"), "sid": undecided("open")}),
        ("linux-6.12", cve(10), {"bookworm": resolved(f"6.12.{HIGHER}-1~deb12u1")}),
        ("linux-6.12", cve(11), {"bookworm": resolved(f"6.12.{LOWER}-1~deb12u1")}),
        ("openssl", cve(20), {"bookworm": resolved(f"{libssl}+lab1")}),
        ("openssl", cve(21), {"bookworm": resolved(libssl)}),
        ("openssl", cve(22), {"bookworm": resolved(f"{libssl}~lab1")}),
        # Debian rebuilds bash without a new source: the binary package's version (…+b13) is the newer one.
        ("bash", cve(23), {"bookworm": resolved(f"{bash}+a1")}),
        # The epoch counts before all else.
        ("openssh", cve(24), {"bookworm": resolved("9999.9p1-1")}),
        ("openssh", cve(25), {"bookworm": resolved(f"{ssh}+lab1")}),
        ("glibc", cve(26), {"bookworm": undecided("open")}),
        ("sudo", cve(27), {"bookworm": undecided("undetermined")}),
        ("sudo", cve(28), {"bookworm": resolved("0")}),
        ("libssl3", cve(29), {"bookworm": undecided("open")}),
        ("nginx", cve(30), {"bookworm": undecided("open")}),
    ]
    return debian_tracker(file, said)


OPEN_IN_THE_KERNEL = {FIRST: "live_patch", NEWER_REVISION: "reboot", cve(5): "none", cve(6): "none"}
OPEN_IN_PACKAGES = {cve(20): "package", cve(23): "package", cve(25): "package", cve(26): "none"}
UNDETERMINED = {cve(7): "none", cve(27): "none"}


def test_a_tracker_file_is_matched_to_exactly_what_it_says(product: Patchwave, kernel_lab: LabFleet) -> None:
    """The running image comes from a signed source, and is held against what the tracker says of ``linux`` (or, of the
    other series, ``linux-6.12``); packages by their sources. Neither a newer image on the disk nor what is said of
    other releases, other series or other packages changes any of it."""
    packages = installed(kernel_lab, "lab-a")
    image = running_image(kernel_lab, "lab-a")
    other = running_image(kernel_lab, "lab-b")
    assert ("linux-signed-amd64", "linux-signed-6.12-amd64") == (image.source, other.source)
    assert "+" in image.source_version
    file = tracker(product.home / "tracker.json", packages | {"linux": image})
    run_on(kernel_lab, "lab-a", NEWER_IMAGE)
    try:
        scan = product.ok("scan", "--limit", "lab-a,lab-b", "--json").json
    finally:
        run_on(kernel_lab, "lab-a", AS_BEFORE)
    assert image.version == scan["hosts"][0]["kernel"]["package_version"]
    assert "6.1.0-9999-cloud-amd64" in scan["hosts"][0]["kernel"]["installed"]
    before = {(name, FIRST): ("exposed", "live_patch") for name in ("lab-a", "lab-b")}
    assert before == told(product, "lab-a,lab-b")

    (result,) = product.ok("advisories", "import", str(file), "--json").json["results"]

    assert ("debian", "imported") == (result["feed"], result["state"])
    exposed = {("lab-a", one): ("exposed", remedy) for one, remedy in (OPEN_IN_THE_KERNEL | OPEN_IN_PACKAGES).items()}
    unknown = {("lab-a", one): ("unknown", remedy) for one, remedy in UNDETERMINED.items()}
    assert exposed | unknown == told(product, "lab-a")
    of_packages = {("lab-b", one): ("exposed", remedy) for one, remedy in OPEN_IN_PACKAGES.items()}
    of_its_kernel = {("lab-b", FIRST): ("exposed", "live_patch"), ("lab-b", cve(10)): ("exposed", "reboot")}
    assert of_packages | of_its_kernel | {("lab-b", cve(27)): ("unknown", "none")} == told(product, "lab-b")
    who = product.ok("exposure", "who", NEWER_REVISION, "--json").json["exposures"]
    assert ["lab-a"] == [row["host"] for row in who]


def test_a_live_patch_closes_what_the_packages_version_leaves_open(product: Patchwave, kernel_lab: LabFleet) -> None:
    """Its window closes by live patch in the boot in which it was open, while the package is as old as before; OpenVEX
    says not affected, and why; all other CVEs stay as they were. A reboot opens it again."""
    image = running_image(kernel_lab, "lab-a")
    product.ok("scan", "--limit", "lab-a")
    file = tracker(product.home / "tracker.json", installed(kernel_lab, "lab-a") | {"linux": image})
    product.ok("advisories", "import", str(file))
    before = told(product, "lab-a")

    product.ok("rollout", "start", playbook(product, "LAB-0001"), "--limit", "lab-a", "--yes")

    assert image == running_image(kernel_lab, "lab-a")
    row = _shown(product)
    assert ("covered", "live_patched", "live_patch") == (row["state"], row["reason"], row["method"])
    assert ("LAB-0001", "klp") == (row["live_patch"], row["tool"])
    assert [(image.name, image.version)] == [(one["name"], one["version"]) for one in row["packages"]]
    assert [("linux", "affected")] == [(one["package"], one["claim"]) for one in row["told"]]
    assert row["closed_at"] > row["detected_at"]
    assert 0 == product.run("check", "lab-a", "--cve", FIRST).exit_code
    after = told(product, "lab-a")
    assert {pair: said for pair, said in before.items() if pair[1] != FIRST} == {
        pair: said for pair, said in after.items() if pair[1] != FIRST
    }
    _vex_excuses_it_alone(_vex(product), image)

    reboot(kernel_lab, "lab-a")
    product.ok("scan", "--limit", "lab-a")
    assert [False, True] == [window["closed_at"] is None for window in _shown(product)["windows"]]
    assert (before, "affected") == (told(product, "lab-a"), _vex(product)[FIRST]["status"])


def _shown(product: Patchwave) -> Json:
    found: Json = product.ok("exposure", "show", "lab-a", "--cve", FIRST, "--json").json
    return found


def _vex(product: Patchwave) -> dict[str, Any]:
    """The statements of the machine's document by CVE."""
    statements = product.ok("exposure", "vex", "lab-a").json["statements"]
    return {one["vulnerability"]["name"]: one for one in statements}


def _vex_excuses_it_alone(statements: dict[str, Any], image: Package) -> None:
    live = statements[FIRST]
    assert ("not_affected", "vulnerable_code_not_in_execute_path") == (live["status"], live["justification"])
    assert "LAB-0001" in live["impact_statement"]
    purls = [one["@id"] for product in live["products"] for one in (product, *product.get("subcomponents", ()))]
    assert any(f"{image.name}@{image.version}" in purl for purl in purls)
    others = {name: one["status"] for name, one in statements.items() if name != FIRST}
    assert {"affected", "under_investigation"} == set(others.values())
    assert ("affected", "under_investigation") == (others[NEWER_REVISION], others[cve(7)])
