"""What is measured. Contestants take turns, round by round, and each round gives one ratio: what else the machine does
meanwhile touches both sides of it."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from orchestrator.lab.simulated.fleet import simulated_fleet
from tests.bench import peers
from tests.bench.fleet import FORKS, BenchFleet
from tests.bench.measured import child, wall_of
from tests.bench.mixed_fleet import MixedFleet
from tests.bench.table import Row, seconds

MANY, SOME = 200, 40
KB = 1024


@dataclass(frozen=True, kw_only=True)
class Rounds:
    """How often each is measured."""

    scan: int
    pyinfra: int
    ansible: int
    memory: int


FULL = Rounds(scan=5, pyinfra=5, ansible=2, memory=3)
QUICK = Rounds(scan=1, pyinfra=1, ansible=1, memory=1)

Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Bench:
    """The measurements, on one fleet. ``programs``: the folder in which the peers' commands are."""

    fleet: BenchFleet
    programs: Path
    rounds: Rounds
    say: Progress

    def scan(self) -> list[Row]:
        """The complete scan against the floor, and a second one over the connections that were kept."""
        floors: list[dict[str, Any]] = []
        scans: list[dict[str, Any]] = []
        for turn in range(self.rounds.scan):
            contestants: list[tuple[list[dict[str, Any]], Callable[[], dict[str, Any]]]]
            contestants = [(floors, self._floor), (scans, lambda: self._product("scans", MANY))]
            for kept, measure in contestants if turn % 2 == 0 else reversed(contestants):
                kept.append(measure())
            self.say(f"scan, round {turn + 1}: floor {_told(floors[-1])}, product {_told(scans[-1])}")
        again = [scan["second_cpu"] / scan["cpu"] for scan in scans]
        return [
            _against_floor(f"scan of {MANY}: wall time / floor", "wall", scans, floors, at_most=1.3),
            _against_floor(f"scan of {MANY}: client CPU / floor", "cpu", scans, floors, at_most=1.5),
            Row(
                name="second scan: client CPU / first",
                values=again,
                at_most=0.5,
                note=seconds(("first", _all(scans, "cpu")), ("second", _all(scans, "second_cpu"))),
            ),
        ]

    def mixed(self) -> list[Row]:
        """The same of the simulated fleet of all systems and tools: how long, and over how many channels."""
        floors: list[dict[str, Any]] = []
        scans: list[dict[str, Any]] = []
        channels: list[float] = []
        with simulated_fleet(hosts=MANY, mixed=True) as fleet, TemporaryDirectory(dir=self.fleet.folder) as folder:
            hosts = MixedFleet(fleet=fleet, folder=Path(folder), forks=FORKS)
            for turn in range(self.rounds.scan):
                for is_ours in (False, True) if turn % 2 == 0 else (True, False):
                    before = hosts.sessions()
                    (scans if is_ours else floors).append(self._of_the_mixed(hosts, is_ours=is_ours))
                    if is_ours:  # two scans
                        asked = [now - then for now, then in zip(hosts.sessions(), before, strict=True)]
                        channels.append(max(asked) / 2)
                self.say(f"mixed, round {turn + 1}: floor {_told(floors[-1])}, product {_told(scans[-1])}")
        return [
            _against_floor(f"mixed fleet of {MANY}: wall time / floor", "wall", scans, floors, at_most=1.3),
            _against_floor(f"mixed fleet of {MANY}: client CPU / floor", "cpu", scans, floors),
            Row(name="mixed fleet: channels / host and scan", unit="", values=channels, at_most=1),
        ]

    def _of_the_mixed(self, hosts: MixedFleet, *, is_ours: bool) -> dict[str, Any]:
        work = ("scans", hosts.new_home(), hosts.inventory()) if is_ours else (hosts.work_of_the_floor(),)
        hosts.settle()
        module = "tests.bench.product" if is_ours else "tests.bench.floor"
        return child(module, *map(str, work), home=self.fleet.folder)

    def pyinfra(self) -> list[Row]:
        """pyinfra reading five facts, against our scan."""
        ours, theirs, commands, floors, logins = [], [], [], [], []
        for turn in range(self.rounds.pyinfra):
            ours.append(self._product("scans", SOME)["wall"])
            theirs.append(peers.pyinfra(self.fleet, SOME, self.programs))
            commands.append(self._command(SOME))
            floors.append(self._floor(SOME)["wall"])
            logins.append(self._floor(SOME, script=":\n")["wall"])
            self.say(f"pyinfra, round {turn + 1}: {theirs[-1]:.2f} s, scan {ours[-1]:.2f} s")
        return [
            Row(
                name=f"pyinfra, {len(peers.FIVE_FACTS)} facts of {SOME} / scan",
                values=_ratios(theirs, ours),
                at_least=3,
                note=seconds(("pyinfra", theirs), ("scan", ours)),
            ),
            Row(
                name="pyinfra / `patchwave scan`, start included",
                values=_ratios(theirs, commands),
                note=seconds(("pyinfra", theirs), ("command", commands)),
            ),
            Row(
                name="pyinfra / floor, the most that a scan can reach",
                values=_ratios(theirs, floors),
                note=seconds(("pyinfra", theirs), ("floor", floors)),
            ),
            Row(
                name="pyinfra / floor with an empty script",
                values=_ratios(theirs, logins),
                note=seconds(("pyinfra", theirs), ("logins alone", logins)),
            ),
        ]

    def ansible(self) -> list[Row]:
        """Ansible gathering facts and packages, against our scan."""
        ours, theirs = [], []
        for turn in range(self.rounds.ansible):
            ours.append(self._product("scans", SOME)["wall"])
            theirs.append(peers.ansible(self.fleet, SOME, self.programs))
            self.say(f"ansible, round {turn + 1}: {theirs[-1]:.2f} s, scan {ours[-1]:.2f} s")
        return [
            Row(
                name=f"Ansible, facts and packages of {SOME} / scan",
                values=_ratios(theirs, ours),
                at_least=40,
                note=seconds(("Ansible", theirs), ("scan", ours)),
            )
        ]

    def memory(self) -> list[Row]:
        """What a kept connection takes: from none to all of them, and, without what is needed once, the second half."""
        runs = [self._product("memory", MANY)["resident"] for _ in range(self.rounds.memory)]
        none, half, full = ([run[at] / KB / KB for run in runs] for at in range(3))
        note = f"{none[0]:.0f} MB with none, {half[0]:.0f} MB with {MANY // 2}, {full[0]:.0f} MB with {MANY}"
        return [
            Row(
                name="memory / kept connection",
                unit="KB",
                values=[(run[2] - run[0]) / KB / MANY for run in runs],
                at_most=200,
                note=note,
            ),
            Row(
                name=f"memory / connection beyond {MANY // 2}",
                unit="KB",
                values=[(run[2] - run[1]) / KB / (MANY // 2) for run in runs],
                at_most=200,
            ),
        ]

    def _floor(self, count: int = MANY, *, script: str | None = None) -> dict[str, Any]:
        work = self.fleet.work_of_the_floor(count, script=script)
        self.fleet.settle()
        return child("tests.bench.floor", str(work), home=self.fleet.folder)

    def _product(self, what: str, count: int) -> dict[str, Any]:
        home, inventory = self.fleet.new_home(count), self.fleet.inventory(count)
        self.fleet.settle()
        return child("tests.bench.product", what, str(home), str(inventory), home=self.fleet.folder)

    def _command(self, count: int) -> float:
        """Seconds of the whole `patchwave scan`, Python's start and imports included."""
        home = self.fleet.new_home(count)
        self.fleet.settle()
        code = "import sys; from orchestrator.cli.main import main; main(sys.argv[1:])"
        environ = {"PATCHWAVE_INVENTORY": str(self.fleet.inventory(count))}
        argv = (sys.executable, "-c", code, "--home", str(home), "scan", "--json")
        return wall_of(argv, home=self.fleet.folder, environ=environ)


FIGURES: dict[str, Callable[[Bench], list[Row]]] = {
    "scan": Bench.scan,
    "mixed": Bench.mixed,
    "memory": Bench.memory,
    "pyinfra": Bench.pyinfra,
    "ansible": Bench.ansible,
}
"""By the name that ``--only`` takes."""


def _against_floor(
    name: str,
    what: str,
    scans: Sequence[dict[str, Any]],
    floors: Sequence[dict[str, Any]],
    *,
    at_most: float | None = None,
) -> Row:
    ours, theirs = _all(scans, what), _all(floors, what)
    return Row(
        name=name, values=_ratios(ours, theirs), at_most=at_most, note=seconds(("scan", ours), ("floor", theirs))
    )


def _all(runs: Sequence[dict[str, Any]], what: str) -> list[float]:
    return [run[what] for run in runs]


def _ratios(ones: Sequence[float], others: Sequence[float]) -> list[float]:
    return [one / other for one, other in zip(ones, others, strict=True)]


def _told(run: dict[str, Any]) -> str:
    return f"{run['wall']:.2f} s, CPU {run['cpu']:.2f} s"
