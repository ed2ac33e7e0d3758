"""A mixed fleet has every distribution and every tool, looks like them, and stays cheap."""

import re
import subprocess
import time
from collections import defaultdict
from pathlib import Path

import pytest

from orchestrator.errors import InvalidInput
from orchestrator.lab.simulated import background
from orchestrator.lab.simulated.disks import Site
from orchestrator.lab.simulated.faults import Faults
from orchestrator.lab.simulated.flavours import BY_KEY, MIXED
from orchestrator.lab.simulated.fleet import SimulatedFleet
from orchestrator.lab.simulated.machines import describe
from orchestrator.lab.simulated.script import HostScript, load_script
from orchestrator.lab.simulated.systems import Packager
from orchestrator.lab.simulated.tool_folders import VENDOR_TOOLS
from tests.lab.fleets import Start, scan
from tests.lab.simulated import Box

pytestmark = pytest.mark.scripts

DOCS = Path(__file__).parents[2] / "docs" / "lab-simulated.md"


def test_every_system_is_there_in_every_variant() -> None:
    """A few hosts have one of each system; more have each kernel and each set of tools, at every site."""
    assert {machine.kernel.system.key for machine in describe(len(MIXED), mixed=True)} == set(BY_KEY)
    kernels, tools, sites = defaultdict(set), defaultdict(set), defaultdict(set)
    for machine in describe(20 * len(MIXED), mixed=True):
        key = machine.kernel.system.key
        kernels[key].add(machine.kernel)
        tools[key].add(machine.vendor_tools)
        sites[key].add(machine.site)
    assert {key: set(flavour.kernels) for key, flavour in BY_KEY.items()} == kernels
    assert {key: set(flavour.tool_sets) for key, flavour in BY_KEY.items()} == tools
    assert {3} == {len(found) for found in sites.values()}
    assert set(VENDOR_TOOLS) == {tool for sets in tools.values() for found in sets for tool in found}


def test_names_do_not_depend_on_the_kind_of_fleet() -> None:
    """Nor addresses and accounts."""
    assert [(one.name, one.address, one.account) for one in describe(40)] == [
        (one.name, one.address, one.account) for one in describe(40, mixed=True)
    ]


def test_a_check_sees_what_the_hosts_are(start: Start) -> None:
    """System, running kernel with its package and source, installed kernels, packages: all are told by every system."""
    fleet, app = start(len(MIXED), mixed=True)
    checks = scan(app)
    for machine in fleet.machines:
        kernel = machine.kernel
        seen = checks[machine.name].observation
        assert seen is not None, (machine.name, checks[machine.name].error)
        facts = seen.facts
        assert facts.os is not None
        assert facts.kernel is not None
        assert facts.packages is not None
        assert (facts.os.id, facts.os.version) == (kernel.system.id, kernel.system.version)
        assert (facts.kernel.running, facts.kernel.build_id) == (kernel.release, kernel.build_id)
        assert (facts.kernel.package, facts.kernel.package_version) == (kernel.images[0][1].name, kernel.version)
        assert {release for release, _ in kernel.images} == {one.release for one in facts.kernel.installed}
        assert facts.kernel.source in _SOURCES
        assert (facts.packages.manager, facts.arch) == (kernel.system.packager.value, "x86_64")
        assert len(facts.packages.items or ()) > 200
        assert facts.livepatch_supported is (kernel.attributes is not None)


_SOURCES = {"linux", "kernel", "kernel-uek", "kernel-default", "linux-lts"}


@pytest.mark.parametrize("key", sorted(BY_KEY))
def test_systems_say_who_they_are(tmp_path: Path, key: str) -> None:
    """os-release(5) in the form of each; `uname -r`; Ubuntu's signature, which joins it with the package's version."""
    box = Box.of_os(tmp_path, key)
    kernel = box.disk.machine.kernel
    text = box.disk.read("etc/os-release")
    values = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', text, re.MULTILINE))
    assert (values["ID"], values["VERSION_ID"]) == (kernel.system.id, kernel.system.version)
    assert ("ID_LIKE" in values) == (values["ID"] not in ("debian", "alpine"))
    assert len(values) == len(text.splitlines())
    assert box.run("uname", "-r") == f"0: {kernel.release}"
    signature = box.disk.read("proc/version_signature")
    expected = f"Ubuntu {kernel.version}-generic " if values["ID"] == "ubuntu" else ""
    assert signature.startswith(expected)
    assert bool(signature) == bool(expected)


def test_packages_change_the_fingerprint_of_their_database(start: Start) -> None:
    """Of every packager: the next check sees the package; hosts of the same system do not."""
    fleet, app = start(len(MIXED) + 4, mixed=True)
    before = scan(app)
    chosen = {machine.kernel.system.packager: machine for machine in fleet.machines}
    for machine in chosen.values():
        program = fleet.host(machine.name).root / "stand-ins" / "trial"
        program.write_text('#!/bin/sh\n. "${0%/*}/_packages"\nadd_package livepatch-1 1-1\n')
        program.chmod(0o755)
        environment = fleet.host(machine.name).server.disk.environment()
        subprocess.run([program], env=environment, check=True)
    after = scan(app)
    changed = {
        name
        for name, record in after.items()
        if record.observation is not None and record.observation.facts.packages is not None
        if "livepatch-1" in {package.name for package in record.observation.facts.packages.items or ()}
    }
    assert (set(Packager), len(before)) == (set(chosen), len(MIXED) + 4)
    assert changed == {machine.name for machine in chosen.values()}


def test_a_script_says_what_hosts_are(tmp_path: Path) -> None:
    """System, tools and faults, by name or glob."""
    file = tmp_path / "lab.yml"
    file.write_text("web-001: {os: rocky-9, tools: [kernelcare], stalls: true}\ndb-*: {tools: [], offers: 5}\n")
    script = load_script(file)
    machines = {machine.name: machine for machine in describe(4, mixed=True, script=script)}
    assert (machines["web-001"].kernel.system.key, machines["web-001"].vendor_tools) == ("rocky-9", ("kernelcare",))
    assert (machines["db-003"].kernel.system.key, machines["db-003"].vendor_tools) == ("rhel-9", ())
    assert (machines["db-003"].offered, machines["web-001"].offered) == (5, 2)
    assert machines["worker-004"] == describe(4, mixed=True)[3]


def test_a_host_that_becomes_another_one_gets_another_disk(tmp_path: Path) -> None:
    """One that stays what it is keeps its own."""
    site, debian = Site(folder=tmp_path), describe(1)[0]
    rocky = describe(1, script={"web-001": HostScript(os="rocky-9")})[0]
    seen = []
    for machine in (debian, debian, rocky):
        site.prepare([machine])
        disk = site.disk(machine)
        disk.install()
        seen.append((disk.read("root/kept"), machine.kernel.system.id in disk.read("etc/os-release")))
        disk.write("root/kept", "yes")
    assert [("", True), ("yes", True), ("", True)] == seen


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("web-1: {os: beos-5}", r"lab\.yml:1: web-1\.os: no simulated host runs 'beos-5'; there are almalinux-8, "),
        (
            "web-1:\n  tools: [kpatsch]",
            r"lab\.yml:2: web-1\.tools: 'kpatsch' is no tool of simulated hosts; there are kpatch",
        ),
        (
            "web-1:\n  slow: 1\n  licence: lost",
            r"lab\.yml:3: web-1\.licence: Input should be 'valid', 'expired' or 'none'",
        ),
        ("- web-1", r"lab\.yml:1: must be a mapping"),
    ],
)
def test_mistakes_in_a_script_are_told_with_their_place(tmp_path: Path, text: str, complaint: str) -> None:
    """File, line, field, and what would be right."""
    (tmp_path / "lab.yml").write_text(text)
    with pytest.raises(InvalidInput, match=complaint):
        load_script(tmp_path / "lab.yml")


def test_the_agent_outruns_us_when_it_is_its_turn(start: Start) -> None:
    """It acts before the first command after that, as root, and again after a reboot."""
    fleet, app = start(2, mixed=True)
    host = fleet.host("web-002")
    program = host.root / "stand-ins" / "_agent_klp"
    program.write_text('#!/bin/sh\ntool=klp\n. "${0%/*}/_tool"\nis_root && tell_truth level=9\n')
    program.chmod(0o755)
    host.set(agent_outruns=3600)
    scan(app)
    assert "klp" not in host.truth().tools
    host.set(agent_outruns=0)
    scan(app)
    assert host.truth().tools["klp"].level == "9"
    host.reboot()
    assert "klp" not in host.truth().tools
    scan(app)
    assert host.truth().tools["klp"].level == "9"


def test_status_shows_systems_tools_and_what_is_in_force(tmp_path: Path) -> None:
    """By the hosts' own files; what a script says is told again."""
    order = background.Order(hosts=3, mixed=True, script={"web-00*": HostScript(os="alpine-3.22", slow=1)})
    try:
        background.up(tmp_path, order)
        truth = tmp_path / "hosts/db-003/lab/tools/kernelcare/truth"
        truth.parent.mkdir(parents=True)
        truth.write_text("level=2\npatch 2-CVE-2099-0001 1\n")
        shown = {host.name: host for host in background.status(tmp_path)}
    finally:
        background.down(tmp_path)
    assert ("alpine-3.22", (), ("slow",)) == (shown["web-001"].os, shown["web-001"].in_force, shown["web-001"].faults)
    assert ("rhel-9", ("kernelcare level 2", "kernelcare 2-CVE-2099-0001")) == (
        shown["db-003"].os,
        shown["db-003"].in_force,
    )


def test_two_hundred_mixed_hosts_are_cheap(tmp_path: Path) -> None:
    """They start in a few seconds of processor time, and each takes less than a megabyte of disk."""
    began = time.process_time()
    with SimulatedFleet(tmp_path, hosts=200, mixed=True, faults={"*": Faults()}) as fleet:
        assert time.process_time() - began < 4
        used = subprocess.run(["du", "-sk", fleet.site.hosts], capture_output=True, text=True, check=True).stdout
        assert int(used.split()[0]) < 200 * 1000


def test_every_system_and_tool_is_documented() -> None:
    """In the table of docs/lab-simulated.md."""
    table = DOCS.read_text().partition("| system | in scripts |")[2].partition("\n\n")[0]
    words = set(re.findall(r"`([^`]+)`", table))
    assert set(VENDOR_TOOLS) <= words
    assert {key.partition("-")[0] for key in BY_KEY} <= {word.partition("-")[0] for word in words}
