"""Files of vulnerability data taken in by hand, whatever happens meanwhile: each is taken in whole or not at all."""

import os
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestrator.lab.simulated.handover import hand_over_to
from tests.acceptance.feed_files import debian_tracker, resolved
from tests.acceptance.product import Patchwave, kill
from tests.acceptance.simulated import Simulate, SimulatedLab

FEW, MANY = 50, 30_000
OPENSSL = "CVE-2099-9999"
OLD, NEW = "1.0-1", "99.0-1"
"""The hosts have an openssl between the two."""


def tracker(file: Path, cves: int, fixed: str) -> Path:
    """Debian's, with so many CVEs that are fixed in that version; one of them is in what hosts have."""
    many = [
        (f"package{number % 97}", f"CVE-2099-{10_000 + number}", {"bookworm": resolved(fixed)})
        for number in range(cves - 1)
    ]
    return debian_tracker(file, [("openssl", OPENSSL, {"bookworm": resolved(fixed)}), *many])


def statements(product: Patchwave) -> int:
    """How many hold of Debian, as the last import that was taken in left them."""
    with sqlite3.connect(product.home / "patchwave.db", isolation_level=None) as database:
        database.execute("BEGIN")  # both counts of one state: an import may end in between
        ((told,),) = database.execute("SELECT count(*) FROM told WHERE until IS NULL").fetchall()
        ((counted,),) = database.execute("SELECT statements FROM feed").fetchall()
    database.close()
    assert told == counted
    return int(told)


def exposed(product: Patchwave) -> list[str]:
    """The hosts that have the one package."""
    return [row["host"] for row in product.ok("exposure", "who", OPENSSL, "--json").json["exposures"]]


@pytest.fixture
def lab(simulate: Simulate) -> SimulatedLab:
    """Three hosts, of which two run Debian 12, checked."""
    lab = simulate(hosts=3)
    lab.product.ok("scan")
    return lab


def test_killed_at_any_instant_it_was_taken_in_or_not_at_all(lab: SimulatedLab, tmp_path: Path) -> None:
    """While it is read, while it is written, and before the hosts that it concerns were told: the next import goes on
    from there, and they are."""
    old, new = tracker(tmp_path / "old.json", FEW, OLD), tracker(tmp_path / "new.json", MANY, NEW)
    lab.product.ok("advisories", "import", str(old))
    assert ([], FEW) == (exposed(lab.product), statements(lab.product))
    for seconds in (0.7, 1.4, 2.1, 2.8):
        _kill_import_when(lab.product, new, _is_past(time.monotonic() + seconds))
        if statements(lab.product) != FEW:
            assert MANY == statements(lab.product)
            lab.product.ok("advisories", "import", "--accept-shrink", str(old))
    _kill_import_when(lab.product, new, lambda: statements(lab.product) == MANY)

    lab.product.ok("advisories", "import", str(new))

    assert MANY == statements(lab.product)
    assert ["db-003", "web-001"] == exposed(lab.product)


def _is_past(moment: float) -> Callable[[], bool]:
    return lambda: time.monotonic() > moment


def _kill_import_when(product: Patchwave, file: Path, instant: Callable[[], bool]) -> None:
    importing = product.start("advisories", "import", str(file))
    try:
        while importing.poll() is None and not instant():
            time.sleep(0.005)
    finally:
        kill(importing)


def test_of_two_at_once_one_is_taken_in_whole(lab: SimulatedLab, tmp_path: Path) -> None:
    """The other one is told to try again, unless it came later; the feed has not failed."""
    old, new = tracker(tmp_path / "old.json", MANY, OLD), tracker(tmp_path / "new.json", MANY, NEW)
    both = [lab.product.start("advisories", "import", str(file)) for file in (old, new)]
    said = [one.communicate(timeout=120) for one in both]
    codes = [one.returncode for one in both]
    assert 0 in codes
    assert all(
        code == 0 or (code == 1 and "import it again" in printed)
        for code, (_, printed) in zip(codes, said, strict=True)
    )
    assert MANY == statements(lab.product)
    (feed,) = lab.product.ok("advisories", "status", "--json").json["feeds"]
    assert ("ok", None) == (feed["state"], feed["error"])


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder with 4 MiB to write."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to mount a small file system")
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_on_a_full_disk_nothing_changes(simulate: Simulate, small_disk: Path, tmp_path: Path) -> None:
    """Whether there is no room for the database or for temporary files: exit code 3, and what is wrong."""
    lab = simulate(hosts=1)
    cramped = Patchwave(home=hand_over_to(small_disk / "home", lab.fleet))
    cramped.ok("scan")
    old, new = tracker(tmp_path / "old.json", FEW, OLD), tracker(tmp_path / "new.json", MANY, NEW)
    cramped.ok("advisories", "import", str(old))

    full = cramped.run("advisories", "import", str(new), "--json")

    assert (3, "failed") == (full.exit_code, full.json["results"][0]["state"])
    assert "database or disk is full" in full.json["results"][0]["error"]["message"]
    assert ([], FEW) == (exposed(cramped), statements(cramped))
    temporary = lab.product.run("advisories", "import", str(new), "--json", TMPDIR=str(_nearly_filled(small_disk)))
    assert 3 == temporary.exit_code
    assert "TMPDIR names another place" in temporary.json["results"][0]["error"]["message"]
    lab.product.ok("advisories", "import", str(old))
    assert FEW == statements(lab.product)


def _nearly_filled(folder: Path) -> Path:
    """The folder, once no more than 256 KiB can be written there: Python passes over one that it cannot write to."""
    disk = os.statvfs(folder)
    (folder / "filling").write_bytes(bytes(disk.f_bavail * disk.f_frsize - 256 * 1024))
    return folder
