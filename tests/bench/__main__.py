"""Prints one table of ratios; exits 1 when a bound is broken, 2 when it cannot be measured here."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench import peers
from tests.bench.exposures import SIZES, Exposures
from tests.bench.figures import FIGURES, FULL, QUICK, Bench
from tests.bench.fleet import FORKS, BenchFleet
from tests.bench.table import Row, Verdict, table
from tests.needs import find

PEERS = "PATCHWAVE_BENCH_PEERS"
EXPOSURES = "exposures"
"""The name of the figures that need no SSH server."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    asked = _asked(arguments)
    programs = Path(asked.peers).absolute()
    names = asked.only or [*FIGURES, EXPOSURES]
    on_ssh = [name for name in names if name in FIGURES]
    missing = _missing(on_ssh, programs) if on_ssh else None
    if missing:
        _say(missing)
        return 2
    rows = _over_ssh(asked, programs, on_ssh) if on_ssh else []
    if EXPOSURES in names:
        rows += _exposures(asked)
    print(table(rows))
    _say(f"load average at the end: {os.getloadavg()[0]:.1f} (the server's own work included)")
    return 1 if any(row.verdict is Verdict.BROKEN for row in rows) else 0


def _over_ssh(asked: argparse.Namespace, programs: Path, names: Sequence[str]) -> list[Row]:
    with BenchFleet() as fleet:
        bench = Bench(fleet=fleet, programs=programs, rounds=QUICK if asked.quick else FULL, say=_say)
        _say(_circumstances(programs, fleet, names))
        return [row for name in names for row in FIGURES[name](bench)]


def _exposures(asked: argparse.Namespace) -> list[Row]:
    _say(f"{os.cpu_count()} cores, load average {_load()}")
    with TemporaryDirectory(prefix="pwt-bench-") as folder:
        sizes = tuple(asked.hosts or SIZES)
        return Exposures(folder=Path(folder), sizes=sizes, rounds=1 if asked.quick else 3, say=_say).rows()


def _load() -> str:
    return ", ".join(f"{value:.1f}" for value in os.getloadavg())


def _asked(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "--only", action="append", choices=[*FIGURES, EXPOSURES], help="measure only this; may be repeated"
    )
    parser.add_argument("--quick", action="store_true", help="one round of each: a first look, no verdict to rely on")
    parser.add_argument(
        "--hosts", type=int, action="append", help=f"exposures: fleets of this size; may be repeated (default: {SIZES})"
    )
    parser.add_argument(
        "--peers",
        default=os.environ.get(PEERS, ".venv/bench/bin"),
        help=f"the folder of pyinfra's and Ansible's commands (default: {PEERS}, else .venv/bench/bin)",
    )
    return parser.parse_args(arguments)


def _missing(names: Sequence[str], programs: Path) -> str | None:
    if os.geteuid() != 0 or find("sshd") is None:
        return "bench: needs root, to add an account for the time, and sshd (Debian package openssh-server)"
    wanted = {"pyinfra": "pyinfra", "ansible": "ansible-playbook"}
    absent = [wanted[name] for name in names if name in wanted and not (programs / wanted[name]).exists()]
    return f"bench: {', '.join(absent)} is not in {programs}: run `make bench`, or name --peers" if absent else None


def _circumstances(programs: Path, fleet: BenchFleet, names: Sequence[str]) -> str:
    against = peers.versions(programs, fleet.folder) if {"pyinfra", "ansible"} & set(names) else []
    return "; ".join([f"{os.cpu_count()} cores, load average {_load()}", f"{FORKS} hosts at a time", *against])


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
