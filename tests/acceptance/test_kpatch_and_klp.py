"""`kpatch` and `klp` about the same real kernel. Collected only where PATCHWAVE_LAB_KPATCH names a `kpatch` script."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.lab.kernel.fleet import LabFleet
from tests.acceptance.kernel_lab import run_on, send_to
from tests.acceptance.product import Patchwave

pytestmark = pytest.mark.kernel

HOST = "lab-a"
SECRET = "hunter2"
LIBRARIES = "/usr/lib/lab-readelf"
WRAP = f"""\
cat >/usr/bin/readelf <<'END'
#!/bin/sh
LD_LIBRARY_PATH={LIBRARIES} exec {LIBRARIES}/readelf "$@"
END
chmod 0755 /usr/bin/readelf {LIBRARIES}/readelf /usr/sbin/kpatch
"""


@pytest.fixture
def product(kernel_lab: LabFleet, tmp_path: Path) -> Iterator[Patchwave]:
    """Patchwave in a new home; the machine has the `kpatch` script, and the readelf that it calls."""
    _install(kernel_lab)
    product = Patchwave(home=tmp_path)
    tmp_path.joinpath("patchwave.toml").write_text('inventory = "inventory"\n')
    kernel_lab.hand_over(tmp_path)
    product.ok("init")
    product.ok("patches", "add", str(kernel_lab.catalogue / "LAB-0001.yaml"))
    yield product
    run_on(kernel_lab, HOST, f"rm -rf /usr/sbin/kpatch /usr/bin/readelf {LIBRARIES} /var/lib/kpatch")


def _install(lab: LabFleet) -> None:
    readelf = Path(shutil.which("readelf") or "/usr/bin/readelf").resolve()
    linked = subprocess.run(["ldd", readelf], capture_output=True, text=True, check=True).stdout.split()
    libraries = [Path(word) for word in linked if word.startswith("/") and not re.search(r"/(libc\.so|ld-)", word)]
    run_on(lab, HOST, f"mkdir -p {LIBRARIES}")
    for file in (readelf, *libraries):
        name = "readelf" if file == readelf else file.name
        send_to(lab, HOST, file, f"{LIBRARIES}/{name}")
    send_to(lab, HOST, Path(os.environ["PATCHWAVE_LAB_KPATCH"]), "/usr/sbin/kpatch")
    run_on(lab, HOST, WRAP)


def roll_out(product: Patchwave, tool: str) -> str:
    """A rollout of LAB-0001 by that tool; its id."""
    file = product.home / f"{tool}.yml"
    document = {"apiVersion": "patchwave/v1", "kind": "Playbook", "name": tool, "soak": "1s"}
    file.write_text(yaml.safe_dump(document | {"apply": {"tool": tool, "patch": "LAB-0001"}}))
    done = product.ok("rollout", "start", str(file), "--limit", HOST, "--yes", "--json").json
    assert "succeeded" == done["state"]
    return str(done["id"])


def seen(product: Patchwave) -> dict[str, Any]:
    """The machine, as a check sees it now."""
    (host,) = product.ok("scan", "--limit", HOST, "--json").json["hosts"]
    return dict(host)


@pytest.mark.parametrize("tool", ["klp", "kpatch"])
def test_kpatch_and_klp_agree_about_the_same_kernel(product: Patchwave, kernel_lab: LabFleet, tool: str) -> None:
    """Whichever of them loads the module, both see it in force, the kernel runs the new code, and the same one takes it
    out again."""
    states = {one["name"]: one["state"] for one in seen(product)["tools"]}
    assert ("ready", "ready") == (states["klp"], states["kpatch"])

    rollout = roll_out(product, tool)

    host = seen(product)
    assert [("lab_0001", "applied")] == [(one["name"], one["state"]) for one in host["live_patches"]]
    assert [] == [line for one in host["tools"] for line in one["disagrees"]]
    assert "lab_0001 [enabled]" in run_on(kernel_lab, HOST, "kpatch list")
    assert SECRET not in run_on(kernel_lab, HOST, "cat /proc/cmdline")

    product.ok("rollout", "rollback", rollout, "--yes", "--json")

    assert [] == seen(product)["live_patches"]
    assert "lab_0001" not in run_on(kernel_lab, HOST, "kpatch list")
    assert SECRET in run_on(kernel_lab, HOST, "cat /proc/cmdline")
