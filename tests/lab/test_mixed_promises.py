"""What a mixed fleet promises whoever measures or tests on it: size, tools, and how often each host is asked."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator.backends.registry import BACKENDS
from orchestrator.lab.simulated.flavours import MIXED
from orchestrator.lab.simulated.fleet import SimulatedFleet
from orchestrator.lab.simulated.tool_folders import VENDOR_TOOLS, exists
from tests.lab.fleets import Start

pytestmark = pytest.mark.scripts

HOSTS = 500
MEGABYTE = 1_000_000
BLOCK = 512
"""Bytes of one of st_blocks (stat(2))."""


def test_five_hundred_hosts_take_less_than_a_megabyte_each(tmp_path: Path) -> None:
    """Of disk, by the blocks of all their files: the largest of them, and all of them with what they share."""
    with SimulatedFleet(tmp_path, hosts=HOSTS, mixed=True) as fleet:
        sizes = {machine.name: _size(fleet.site.disk(machine).root) for machine in fleet.machines}
        assert HOSTS == len(sizes)
        assert max(sizes.values()) < MEGABYTE
        assert _size(fleet.site.folder) < HOSTS * MEGABYTE


def _size(folder: Path) -> int:
    return sum(file.lstat().st_blocks * BLOCK for file in _files(folder))


def _files(folder: Path) -> Iterator[Path]:
    yield folder
    yield from folder.rglob("*")


@pytest.mark.parametrize("tool", VENDOR_TOOLS)
def test_every_tool_of_a_simulated_host_has_its_stand_ins(tool: str) -> None:
    """A folder that is missing would leave hosts without the tool, and nobody would be told."""
    assert exists(tool)


def test_every_backend_has_simulated_hosts() -> None:
    """With its tool, in the mixed fleet; klp is the kernel's own, and outdated processes need no tool."""
    assert set(BACKENDS) == {"klp", "userspace", *VENDOR_TOOLS}


@pytest.mark.parametrize("deep_after", [None, timedelta(0)], ids=["ordinary", "deep"])
def test_a_scan_asks_every_host_once(start: Start, deep_after: timedelta | None) -> None:
    """One login and one channel for the host's own facts and those of all tools, the vendors' answers too; the second
    scan goes over the connection that is there."""
    fleet, app = start(2 * len(MIXED), mixed=True)
    servers = [fleet.host(name).server for name in fleet.names]
    members = app.fleet().members
    for number in (1, 2):
        records = app.scan(members, deep_after=deep_after)
        assert all(record.observation is not None for record in records.values())
        assert {(1, number)} == {(server.logins, server.sessions) for server in servers}
