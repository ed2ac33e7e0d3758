"""The whole journey on real kernels over real SSH: see, patch in waves, prove, roll back, survive."""

import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from orchestrator.lab.kernel.fleet import LabFleet
from tests.acceptance.kernel_lab import boot_id, hang_up, reboot, run_on
from tests.acceptance.product import Ended, Patchwave, kill, metrics
from tests.acceptance.relay import relay

pytestmark = pytest.mark.kernel

SHIPPED = Path(__file__).parents[2] / "playbooks" / "kernel-livepatch.yml"
HOSTS = ("lab-a", "lab-b", "lab-c")
SECRET = "hunter2"
FIRST, SECOND, STALL = "CVE-2099-0001", "CVE-2099-0002", "CVE-2099-0003"


@pytest.fixture
def product(kernel_lab: LabFleet, tmp_path: Path) -> Patchwave:
    """Patchwave in a new home that knows the lab and its patches, before the first check."""
    product = Patchwave(home=tmp_path)
    tmp_path.joinpath("patchwave.toml").write_text('inventory = "inventory"\n')
    kernel_lab.hand_over(tmp_path)
    product.ok("init")
    for patch in ("LAB-0001", "LAB-0002", "LAB-STALL"):
        product.ok("patches", "add", str(kernel_lab.catalogue / f"{patch}.yaml"))
    return product


def playbook(product: Patchwave, patch: str, **changes: object) -> str:
    """A playbook file like the shipped one, with a short soak."""
    document = yaml.safe_load(SHIPPED.read_text()) | {"soak": "2s"}
    document["apply"] |= {"patch": patch, "persist": changes.pop("persist", False)}
    file = product.home / f"{patch}.yml"
    file.write_text(yaml.safe_dump(document | changes))
    return str(file)


def states(product: Patchwave, cve: str) -> dict[str, str]:
    rows = product.ok("exposure", "list", "--json").json["exposures"]
    return {row["host"]: row["state"] for row in rows if row["cve"] == cve}


def host_states(ended: Ended) -> dict[str, str]:
    return {host["name"]: host["state"] for wave in ended.json["waves"] for host in wave["hosts"]}


SLACK = 30
"""Seconds that an emulated machine under load may take to notice that a limit has passed."""


def seconds_between(lab: LabFleet, first: str, second: str) -> float:
    """From the last console line of lab-a with one text to the last with another, by the kernel's own clock."""
    lines = lab.console("lab-a").read_text(errors="replace").splitlines()
    stamps = [re.match(r"\[ *([0-9.]+)\]", [line for line in lines if text in line][-1]) for text in (first, second)]
    begun, ended = (float(stamp[1]) for stamp in stamps if stamp is not None)
    return ended - begun


def enablings(lab: LabFleet, name: str, module: str) -> int:
    """How often the kernel of a machine has been told to enable a module, over all its boots."""
    return lab.console(name).read_text(errors="replace").count(f"enabling patch '{module}'")


def apply_intents(product: Patchwave) -> int:
    with sqlite3.connect(product.home / "patchwave.db") as database:
        (count,) = database.execute("SELECT count(*) FROM attempt WHERE action = 'apply'").fetchone()
    database.close()
    return int(count)


def test_fleet_is_seen_patched_and_proved(product: Patchwave, kernel_lab: LabFleet) -> None:
    """Checks show the machines as they are and exposed; the shipped playbook patches one canary per build, then the
    rest, without a reboot; windows close by live patch, and the metrics count them."""
    scan = product.ok("scan", "--json").json
    assert [host["name"] for host in scan["hosts"]] == list(HOSTS)
    boots = {}
    for host in scan["hosts"]:
        vm = kernel_lab.vm(host["name"])
        assert (host["kernel"]["running"], host["kernel"]["build_id"]) == (vm.release, vm.build_id)
        assert host["live_patches"] == []
        boots[host["name"]] = host["boot_id"]
    assert boots == {name: boot_id(kernel_lab, name) for name in HOSTS}
    assert states(product, FIRST) == dict.fromkeys(HOSTS, "exposed")
    assert [product.run("check", name, "--cve", FIRST).exit_code for name in HOSTS] == [1, 1, 1]

    rollout = product.ok("rollout", "start", str(SHIPPED), "--yes", "--json")
    assert rollout.json["state"] == "succeeded"
    assert [[host["name"] for host in wave["hosts"]] for wave in rollout.json["waves"]] == [
        ["lab-a", "lab-b"],
        ["lab-c"],
    ]
    assert host_states(rollout) == dict.fromkeys(HOSTS, "patched")
    for name in HOSTS:
        assert SECRET not in run_on(kernel_lab, name, "cat /proc/cmdline")
        assert boot_id(kernel_lab, name) == boots[name]
        assert product.run("check", name, "--cve", FIRST).exit_code == 0
    rows = [row for row in product.ok("exposure", "list", "--json").json["exposures"] if row["cve"] == FIRST]
    assert [row["method"] for row in rows] == ["live_patch"] * 3
    assert all(row["closed_at"] > row["detected_at"] for row in rows)
    samples = metrics(product)
    counts = samples["patchwave_time_to_patch_seconds_count"]
    assert sum(value for labels, value in counts if labels["clock"] == "detected") == 3
    assert samples["patchwave_reboots_avoided_total"] == [({}, 3)]


def test_cumulative_patch_replaces_without_a_gap_and_rolls_back(product: Patchwave, kernel_lab: LabFleet) -> None:
    """LAB-0002 takes the place of LAB-0001 and the first window stays closed throughout; a rollback says which windows
    reopen, reverts, and they are open again."""
    product.ok("scan", "--limit", "lab-a")
    product.ok("rollout", "start", playbook(product, "LAB-0001"), "--limit", "lab-a", "--yes")
    with watching(kernel_lab, "lab-a") as secrets:
        second = product.ok(
            "rollout", "start", playbook(product, "LAB-0002"), "--limit", "lab-a", "--yes", "--json"
        ).json
    assert secrets() == 0
    assert run_on(kernel_lab, "lab-a", "ls /sys/kernel/livepatch") == "lab_0002"
    first_windows = _windows(product, FIRST)
    assert len(first_windows) == 1
    assert first_windows[0]["closed_at"] is not None
    assert _windows(product, SECOND)[0]["closed_at"] is not None

    back = product.run("rollout", "rollback", second["id"], "--yes", "--json")
    assert "lab-a: will be exposed again to CVE-2099-0001, CVE-2099-0002" in back.stderr
    assert (back.exit_code, back.json["state"], host_states(back)) == (0, "rolled_back", {"lab-a": "reverted"})
    assert SECRET in run_on(kernel_lab, "lab-a", "cat /proc/cmdline; ls /sys/kernel/livepatch")
    assert (states(product, FIRST), states(product, SECOND)) == ({"lab-a": "exposed"}, {"lab-a": "exposed"})
    assert [window["closed_at"] is None for window in _windows(product, FIRST)] == [False, True]


WATCH = """\
rm -f /run/lab-watch.stop /run/lab-watch.seen
(while [ ! -e /run/lab-watch.stop ]; do
    case $(cat /proc/cmdline) in *hunter2*) echo seen >>/run/lab-watch.seen ;; esac
done) >/dev/null 2>&1 </dev/null &
"""


@contextmanager
def watching(lab: LabFleet, name: str) -> Iterator[Callable[[], int]]:
    """A loop on the machine that reads the command line all the time; gives how often the secret was in it."""
    run_on(lab, name, WATCH)
    try:
        yield lambda: int(run_on(lab, name, "cat /run/lab-watch.seen 2>/dev/null | wc -l"))
    finally:
        run_on(lab, name, "touch /run/lab-watch.stop")


def _windows(product: Patchwave, cve: str) -> list[dict[str, str | None]]:
    row = product.ok("exposure", "show", "lab-a", "--cve", cve, "--json").json
    windows: list[dict[str, str | None]] = row["windows"]
    return windows


def test_stalled_transition_is_reverted_and_named(product: Patchwave, kernel_lab: LabFleet) -> None:
    """A transition that never ends fails the canary with the blocking task's name, is reverted within its limit, and
    nobody else is touched."""
    product.ok("scan")
    limits = {"transition": "8s", "host": "5m", "rollout": "1h"}
    only = {"hosts": "lab-a,lab-c"}
    rollout = product.run(
        "rollout", "start", playbook(product, "LAB-STALL", limits=limits, targets=only), "--yes", "--json"
    )
    assert (rollout.exit_code, rollout.json["state"]) == (1, "failed")
    (canary,) = rollout.json["waves"][0]["hosts"]
    assert (canary["name"], canary["state"]) == ("lab-a", "failed")
    assert "kswapd" in canary["detail"]
    assert host_states(rollout)["lab-c"] == "not_attempted"
    for name in ("lab-a", "lab-c"):
        assert run_on(kernel_lab, name, "ls /sys/kernel/livepatch; ls -d /sys/module/lab_* 2>/dev/null || true") == ""
    assert apply_intents(product) == 1
    assert states(product, STALL)["lab-a"] == "exposed"
    taken = seconds_between(kernel_lab, "enabling patch 'lab_stall'", "'lab_stall': starting unpatching")
    assert 6 <= taken < 8 + SLACK


def test_reboot_loses_the_patch_unless_it_was_persisted(product: Patchwave, kernel_lab: LabFleet) -> None:
    """After a reboot the next check sees that the patch is gone, and a new window opens at that boot. Persisted, it is
    back with the boot and no window opens; a rollback removes it for good."""
    product.ok("scan", "--limit", "lab-c")
    product.ok("rollout", "start", playbook(product, "LAB-0001"), "--limit", "lab-c", "--yes")
    reboot(kernel_lab, "lab-c")
    (host,) = product.ok("scan", "--limit", "lab-c", "--json").json["hosts"]
    row = product.ok("exposure", "show", "lab-c", "--cve", FIRST, "--json").json
    assert (host["live_patches"], row["state"]) == ([], "exposed")
    assert [window["closed_at"] is None for window in row["windows"]] == [False, True]
    assert row["detected_at"] == host["booted_at"] > row["windows"][0]["closed_at"]

    kept = product.ok(
        "rollout", "start", playbook(product, "LAB-0001", persist=True), "--limit", "lab-c", "--yes", "--json"
    ).json
    reboot(kernel_lab, "lab-c")
    assert product.run("check", "lab-c", "--cve", FIRST).exit_code == 0
    row = product.ok("exposure", "show", "lab-c", "--cve", FIRST, "--json").json
    assert [window["closed_at"] is None for window in row["windows"]] == [False, False]

    product.ok("rollout", "rollback", kept["id"], "--yes")
    files = run_on(kernel_lab, "lab-c", "find /etc/modules-load.d /lib/modules -name '*patchwave*'")
    assert files == ""


def test_full_disk_is_named_and_nothing_is_loaded(product: Patchwave, kernel_lab: LabFleet) -> None:
    """No room for the module under /run: refused with its own error, nothing loaded, nothing left behind."""
    product.ok("scan", "--limit", "lab-b")
    run_on(kernel_lab, "lab-b", "mkdir -p -m 700 /run/patchwave && mount -t tmpfs -o size=8k tmpfs /run/patchwave")
    try:
        rollout = product.run("rollout", "start", playbook(product, "LAB-0001"), "--limit", "lab-b", "--yes", "--json")
    finally:
        left = run_on(kernel_lab, "lab-b", "ls /run/patchwave; umount /run/patchwave; ls /sys/kernel/livepatch")
    (host,) = rollout.json["waves"][0]["hosts"]
    assert (rollout.exit_code, host["state"], left) == (1, "failed", "")
    assert outcome_codes(product) == ["host_disk_full"]


def outcome_codes(product: Patchwave) -> list[str]:
    with sqlite3.connect(product.home / "patchwave.db") as database:
        rows = database.execute("SELECT error_code FROM outcome").fetchall()
    database.close()
    return [code for (code,) in rows]


def _after_intent(product: Patchwave, _lab: LabFleet) -> bool:
    return apply_intents(product) == 1


def _enabling(module: str, before: int) -> "Instant":
    return lambda _product, lab: enablings(lab, "lab-a", module) > before


Instant = Callable[[Patchwave, LabFleet], bool]


def _kill_at(product: Patchwave, lab: LabFleet, words: tuple[str, ...], instant: Instant) -> None:
    """Start a rollout and SIGKILL its process once the instant has come."""
    process = product.start(*words)
    deadline = time.monotonic() + 120
    try:
        while not instant(product, lab):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline, "the instant never came"
            time.sleep(0.005)
    finally:
        kill(process)


def _resumed(product: Patchwave) -> Ended:
    (rollout,) = product.ok("rollout", "list", "--json").json["rollouts"]
    assert rollout["state"] not in {"succeeded", "failed"}, "it was not killed in time"
    return product.run("rollout", "resume", rollout["id"], "--json")


def _assert_patched_once(product: Patchwave, lab: LabFleet, before: int) -> None:
    resumed = _resumed(product)
    assert (resumed.exit_code, host_states(resumed)) == (0, {"lab-a": "patched"}), resumed
    assert enablings(lab, "lab-a", "lab_0001") - before == 1
    assert apply_intents(product) == 1
    assert product.run("check", "lab-a", "--cve", FIRST).exit_code == 0


@pytest.mark.parametrize("instant", ["after the intent", "during insmod"])
def test_killed_controller_resumes_without_applying_twice(
    product: Patchwave, kernel_lab: LabFleet, instant: str
) -> None:
    """SIGKILL right after the intent, or while the module is being loaded: resumed, the host is patched once."""
    product.ok("scan", "--limit", "lab-a")
    before = enablings(kernel_lab, "lab-a", "lab_0001")
    words = ("rollout", "start", playbook(product, "LAB-0001"), "--limit", "lab-a", "--yes")
    _kill_at(
        product, kernel_lab, words, _after_intent if instant == "after the intent" else _enabling("lab_0001", before)
    )
    _assert_patched_once(product, kernel_lab, before)


def test_killed_during_the_upload(product: Patchwave, kernel_lab: LabFleet) -> None:
    """SIGKILL while the module is half sent: nothing was loaded, and the resumed rollout loads it once."""
    product.ok("scan", "--limit", "lab-a")
    before = enablings(kernel_lab, "lab-a", "lab_0001")
    inventory = product.home / "inventory" / "lab-kernel.yml"
    original = inventory.read_text()
    port = kernel_lab.vm("lab-a").process.port
    module = max(kernel_lab.catalogue.glob("lab_0001-*.ko"), key=lambda file: file.stat().st_size)
    with relay(port, freeze_at=module.stat().st_size // 2 + UPLOAD_OVERHEAD) as slow:
        inventory.write_text(original.replace(f"ansible_port: {port}", f"ansible_port: {slow.port}"))
        words = ("rollout", "start", playbook(product, "LAB-0001"), "--limit", "lab-a", "--yes")
        _kill_at(product, kernel_lab, words, lambda _product, _lab: slow.frozen.is_set())
    assert run_on(kernel_lab, "lab-a", "ls /sys/kernel/livepatch") == ""
    inventory.write_text(original)
    _assert_patched_once(product, kernel_lab, before)


UPLOAD_OVERHEAD = 40_000
"""Bytes that go to the host before the module does: handshake, one check, the guard's script."""


def test_killed_in_mid_transition(product: Patchwave, kernel_lab: LabFleet) -> None:
    """SIGKILL while a transition is under way: the guard on the host reverts it by itself, and the resumed rollout
    tells so, without another attempt."""
    product.ok("scan", "--limit", "lab-a")
    before = enablings(kernel_lab, "lab-a", "lab_stall")
    limits = {"transition": "10s", "host": "5m", "rollout": "1h"}
    words = ("rollout", "start", playbook(product, "LAB-STALL", limits=limits), "--limit", "lab-a", "--yes")
    _kill_at(product, kernel_lab, words, _enabling("lab_stall", before))
    resumed = _resumed(product)
    assert (resumed.exit_code, host_states(resumed)) == (1, {"lab-a": "failed"}), resumed
    assert "kswapd" in resumed.json["waves"][0]["hosts"][0]["detail"]
    assert enablings(kernel_lab, "lab-a", "lab_stall") - before == 1
    assert apply_intents(product) == 1
    assert run_on(kernel_lab, "lab-a", "ls /sys/kernel/livepatch") == ""


@pytest.fixture
def second(product: Patchwave, kernel_lab: LabFleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Patchwave]:
    """Another controller with a home and a name of its own, which knows the same machines."""
    home = tmp_path_factory.mktemp("second")
    home.joinpath("patchwave.toml").write_text('inventory = "inventory"\ncontroller = "second"\n')
    other = Patchwave(home=home)
    kernel_lab.hand_over(home)
    other.ok("init")
    for patch in ("LAB-0001", "LAB-STALL"):
        other.ok("patches", "add", str(kernel_lab.catalogue / f"{patch}.yaml"))
    other.ok("scan", "--limit", "lab-a")
    yield other
    hang_up(kernel_lab, "lab-a")


def test_second_controller_is_refused_by_name(product: Patchwave, second: Patchwave, kernel_lab: LabFleet) -> None:
    """While one controller changes a host, another is refused there, and told who holds it."""
    product.ok("scan", "--limit", "lab-a")
    limits = {"transition": "40s", "host": "5m", "rollout": "1h"}
    before = enablings(kernel_lab, "lab-a", "lab_stall")
    words = ("rollout", "start", playbook(product, "LAB-STALL", limits=limits), "--limit", "lab-a", "--yes")
    first = product.start(*words, PATCHWAVE_CONTROLLER="first")
    try:
        while enablings(kernel_lab, "lab-a", "lab_stall") == before:
            assert first.poll() is None, first.communicate()
            time.sleep(0.05)
        refused = second.run("rollout", "start", playbook(second, "LAB-0001"), "--limit", "lab-a", "--yes", "--json")
    finally:
        first.communicate(timeout=300)
    (host,) = refused.json["waves"][0]["hosts"]
    assert (refused.exit_code, host["state"]) == (1, "failed")
    assert "first" in host["detail"]
    assert "lab_0001" not in run_on(kernel_lab, "lab-a", "ls /sys/kernel/livepatch")
