"""A simulated fleet answers over SSH as hosts do, fails as it is told to, and leaves nothing behind."""

import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from orchestrator.bootstrap import App
from orchestrator.catalogue import read_patch
from orchestrator.clock import SystemClock
from orchestrator.core.sightings import CheckRecord
from orchestrator.errors import Conflict, InvalidInput, NotAllowed
from orchestrator.lab.simulated import background
from orchestrator.lab.simulated.catalogue import write_catalogue
from orchestrator.lab.simulated.faults import Faults
from orchestrator.lab.simulated.fleet import SimulatedFleet
from orchestrator.lab.simulated.handover import demand_home_of_a_lab
from orchestrator.lab.simulated.kernels import KERNELS
from orchestrator.lab.simulated.machines import describe
from orchestrator.lab.simulated.processes import processes_below
from orchestrator.lab.simulated.script import HostScript, load_script
from tests.lab.fleets import Start, app_in, scan
from tests.lab.simulated import eventually

pytestmark = pytest.mark.scripts


def errors(app: App) -> dict[str, str | None]:
    return {name: record.error_code for name, record in scan(app).items()}


def test_every_fact_is_told(start: Start) -> None:
    """A check of any host, whoever logs in there, leaves nothing unknown, and sees what the host is."""
    fleet, app = start(10)
    checks = scan(app)
    for machine in fleet.machines:
        seen = checks[machine.name].observation
        assert seen is not None, checks[machine.name].error
        facts = seen.facts
        assert facts.unknown == {}
        assert facts.kernel is not None
        assert (facts.kernel.running, facts.kernel.build_id) == (machine.kernel.release, machine.kernel.build_id)
        assert (facts.kernel.package_version, facts.machine_id) == (machine.kernel.version, machine.machine_id)
        assert facts.boot_id == fleet.truth()[machine.name].boot_id
        assert facts.packages is not None
        assert len(facts.packages.items or ()) > 200
        assert seen.booted_at is not None
        assert abs((seen.observed_at - seen.booted_at).total_seconds() - machine.uptime) < 60


def test_hosts_differ() -> None:
    """Kernel builds, sites, customers, and accounts: root, sudo without and with a password."""
    machines = describe(40)
    assert set(KERNELS) == {machine.kernel for machine in machines}
    assert {"root", "deploy", "carol"} == {machine.account.user for machine in machines}
    assert (3, 3) == (len({machine.site for machine in machines}), len({machine.customer for machine in machines}))
    assert len({machine.address for machine in describe(2000)}) == 2000
    with pytest.raises(InvalidInput):
        describe(0)


def test_two_hundred_hosts_are_cheap(tmp_path: Path) -> None:
    """They start in a few seconds of processor time, and each takes less than a megabyte of disk and of memory."""
    before, began = _memory_kb(), time.process_time()
    with SimulatedFleet(tmp_path, hosts=200) as fleet:
        assert time.process_time() - began < 4
        used = subprocess.run(["du", "-sk", fleet.site.hosts], capture_output=True, text=True, check=True).stdout
        assert int(used.split()[0]) < 200 * 1000
        assert _memory_kb() - before < 200 * 1000


def _memory_kb() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1])


def test_modules_are_accepted_as_real_ones_are(tmp_path: Path) -> None:
    """The catalogue's reader takes every demo patch, with a module per kernel build."""
    write_catalogue(tmp_path)
    patches = [read_patch(file, SystemClock().now())[0] for file in sorted(tmp_path.glob("*.yaml"))]
    assert ["LAB-0001", "LAB-0002", "LAB-STALL"] == [patch.id for patch in patches]
    assert {kernel.build_id for kernel in KERNELS} == {build.build_id for build in patches[0].builds}


def test_faults_are_what_the_product_calls_them(start: Start) -> None:
    """Each fault is told by its own error; the other hosts do not suffer."""
    fleet, app = start(
        6,
        {
            "web-001": Faults(refuses=True),
            "web-002": Faults(drops_after=300),
            "db-003": Faults(floods=True),
            "worker-004": Faults(slow=20),
            "web-005": Faults(slow=0.3),
        },
    )
    assert errors(app) == {
        "web-001": "connection_refused",
        "web-002": "connection_dropped",
        "db-003": "output_too_large",
        "worker-004": "command_timed_out",
        "web-005": None,
        "web-006": None,
    }
    for name in fleet.names:
        fleet.host(name).set()
    assert set(errors(app).values()) == {None}


def test_a_connection_drops_as_often_as_asked(start: Start) -> None:
    """Then commands get through."""
    _, app = start(1, {"web-001": Faults(drops_after=0, drops_times=1)})
    assert ["connection_dropped", None] == [errors(app)["web-001"] for _ in range(2)]


def test_a_stranger_is_not_let_in(start: Start) -> None:
    """Only the lab's key opens the host's own account."""
    fleet, app = start(1)
    key = fleet.keys.login_file
    wrong = app.settings.home / "wrong"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", wrong], check=True)
    key.write_bytes(wrong.read_bytes())
    assert errors(app) == {"web-001": "authentication_failed"}


def test_a_reboot_is_seen(start: Start) -> None:
    """Kept connections end; the host comes back in another boot, up since a moment."""
    fleet, app = start(2)
    before = scan(app)
    fleet.host("web-001").reboot()
    after = scan(app)

    def boot_of(checks: dict[str, CheckRecord], name: str) -> str | None:
        observation = checks[name].observation
        return None if observation is None else observation.facts.boot_id

    assert boot_of(after, "web-001") == fleet.truth()["web-001"].boot_id
    assert boot_of(before, "web-001") != boot_of(after, "web-001")
    assert boot_of(before, "web-002") == boot_of(after, "web-002")
    observation = after["web-001"].observation
    assert observation is not None
    assert observation.facts.volatile.uptime is not None
    assert observation.facts.volatile.uptime.total_seconds() < 60


def test_a_host_can_reboot_itself(start: Start) -> None:
    """By its own `reboot` program."""
    fleet, _ = start(1)
    host, boot = fleet.host("web-001"), fleet.truth()["web-001"].boot_id
    # The power cut may end the program that asked for it, too.
    subprocess.run([host.root / "stand-ins/reboot"], env=host.server.disk.environment(), check=False)
    eventually(lambda: fleet.truth()["web-001"].boot_id not in (boot, ""))


def test_fleets_keep_out_of_each_other_s_way(tmp_path: Path) -> None:
    """Two at once listen on ports of their own, also where the first host of one of them is down."""
    away = {"web-001": Faults(refuses=True)}
    with (
        SimulatedFleet(tmp_path / "a", hosts=3, faults=away) as one,
        SimulatedFleet(tmp_path / "b", hosts=3) as other,
    ):
        assert one.port != other.port


def test_what_hosts_run_ends_with_the_fleet(tmp_path: Path) -> None:
    """Also what runs detached."""
    with SimulatedFleet(tmp_path, hosts=1) as fleet:
        host = fleet.host("web-001")
        sleeper = subprocess.Popen(["sleep", "600"], env=host.server.disk.environment(), start_new_session=True)
        eventually(lambda: processes_below(tmp_path) == [sleeper.pid])
    assert sleeper.wait(10) == -signal.SIGKILL


def test_a_fault_file_names_hosts_and_faults(tmp_path: Path) -> None:
    """By name or glob; a mistake is told with its line, a name that no host has too."""
    file = tmp_path / "faults.yml"
    file.write_text("web-*: {slow: 2}\nweb-001:\n  refuses: true\n")
    assert load_script(file) == {"web-*": HostScript(slow=2), "web-001": HostScript(refuses=True)}
    file.write_text("web-001:\n  slwo: 2\n")
    with pytest.raises(InvalidInput, match=r"faults\.yml:2: web-001\.slwo"):
        load_script(file)
    with pytest.raises(InvalidInput, match="mail-1"):
        SimulatedFleet(tmp_path / "fleet", hosts=3, faults={"mail-1": Faults()})


def test_every_fault_is_documented() -> None:
    """In the table of docs/lab-simulated.md, and no other."""
    text = (Path(__file__).parents[2] / "docs" / "lab-simulated.md").read_text()
    table = text.partition("| fault | meaning |")[2].partition("\n\n")[0]
    documented = [line.split("`")[1].partition(":")[0] for line in table.splitlines() if line.startswith("| `")]
    assert sorted(Faults.model_fields) == sorted(documented)


def test_a_fleet_runs_on_its_own_and_comes_back(tmp_path: Path) -> None:
    """It is started once, shown, stopped by its process id; its hosts come back as after a power cut."""
    try:
        order = background.Order(hosts=3, mixed=False, script={"web-00*": HostScript(slow=1)})
        running, keys = background.up(tmp_path, order)
        again, _ = background.up(tmp_path, order)
        assert running == again
        assert [("web-001", ("slow",)), ("web-002", ("slow",)), ("db-003", ())] == [
            (host.name, host.faults) for host in background.status(tmp_path)
        ]
        with pytest.raises(Conflict, match="3 hosts is up"):
            background.up(tmp_path, background.Order(hosts=4, mixed=False))
        boots = _boots(tmp_path)
    finally:
        assert background.down(tmp_path) == 3
    assert (False, (), 0) == (running.is_alive, background.status(tmp_path), background.down(tmp_path))
    try:
        _, same_keys = background.up(tmp_path, background.Order(hosts=3, mixed=False))
        assert keys.known_hosts_lines() == same_keys.known_hosts_lines()
        assert [True] * 3 == [old != new for old, new in zip(boots, _boots(tmp_path), strict=True)]
    finally:
        background.down(tmp_path)


def _boots(folder: Path) -> list[str]:
    return [file.read_text() for file in sorted(folder.glob("hosts/*/proc/sys/kernel/random/boot_id"))]


def test_a_lab_does_not_mix_with_other_inventories(tmp_path: Path) -> None:
    """A home that has hosts of its own, or an inventory elsewhere, is refused; that of another lab is fine."""
    home = tmp_path / "home"
    (home / "inventory").mkdir(parents=True)
    (home / "inventory/lab-kernel.yml").touch()
    demand_home_of_a_lab(app_in(home))
    with pytest.raises(NotAllowed, match="hosts"):
        demand_home_of_a_lab(app_in(home, {"PATCHWAVE_INVENTORY": "/etc/ansible/hosts"}))
    (home / "inventory/mine.yml").touch()
    with pytest.raises(NotAllowed, match=r"mine\.yml"):
        demand_home_of_a_lab(app_in(home))


def test_kernel_builds_are_shared_among_hosts() -> None:
    """Every build has hosts enough for a canary and others."""
    counts = Counter(machine.kernel.release for machine in describe(30))
    assert min(counts.values()) >= 3
