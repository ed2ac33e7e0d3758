"""What following CVEs takes: the first import, a full rematch, one more advisory, a scrape of metrics, for fleets of
several sizes. Nothing of it touches a network; each step is a process of its own."""

import shutil
import statistics
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench.exposure_world import IMAGES, PACKAGES
from tests.bench.measured import child
from tests.bench.table import Row

ENTRIES = 50_000
SIZES = (1_000, 10_000)
"""How many hosts; the bounds are for the one that the table of bounds is about, `BOUNDED`."""

BOUNDED = 10_000
NEW = {
    "image": "what one image has",
    "system": "what all hosts of one system have",
    "kernel": "every kernel",
}
"""What the new advisories are about."""

MB = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Exposures:
    """The measurements, on SQLite files in ``folder``, for fleets of these ``sizes``."""

    folder: Path
    sizes: Sequence[int]
    rounds: int
    say: Callable[[str], None]
    entries: int = ENTRIES
    _grown: dict[int, Mapping[str, str]] = field(default_factory=dict)

    def rows(self) -> list[Row]:
        """All figures, for each size."""
        found = [row for hosts in self.sizes for row in self._of(hosts)]
        self.say(self.growth())
        return found

    def growth(self) -> str:
        """A table of how they grow with the number of hosts."""
        names = list(dict.fromkeys(name for grown in self._grown.values() for name in grown))
        head = "| | " + " | ".join(f"{hosts:,} hosts" for hosts in self._grown) + " |"
        lines = [
            f"| {name} | " + " | ".join(grown.get(name, "") for grown in self._grown.values()) + " |" for name in names
        ]
        return "\n".join([head, "|---" * (1 + len(self._grown)) + "|", *lines])

    def _of(self, hosts: int) -> list[Row]:
        file = self.folder / f"fleet-{hosts}.db"
        made = self._run("make", file, str(hosts), str(self.entries))
        first = self._run("rematch", file)
        sizes = self._run("sizes", file)
        again = [self._run("rematch", file) for _ in range(self.rounds)]
        scraped = [self._run("metrics", file, "5") for _ in range(self.rounds)]
        asked = [self._run("who", file) for _ in range(self.rounds)]
        told = {
            (kind, warmth): run
            for warmth, kinds in (("warm", tuple(NEW)), ("cold", ("image",)))
            for kind, run in self._told(file, warmth, *kinds).items()
        }
        self._grown[hosts] = _grown(made, first, again, sizes, scraped, asked, told, file)
        _remove(file)
        return _rows(hosts, made, [first, *again], sizes, scraped, asked, told)

    def _told(self, file: Path, warmth: str, *kinds: str) -> dict[str, dict[str, Any]]:
        copy = file.with_suffix(".copy")
        shutil.copy(file, copy)
        try:
            told: dict[str, dict[str, Any]] = self._run("advise", copy, warmth, *kinds)["kinds"]
        finally:
            _remove(copy)
        return told

    def _run(self, what: str, file: Path, *arguments: str) -> dict[str, Any]:
        file.touch(mode=0o600)
        figures = child("tests.bench.exposure_product", what, f"sqlite:///{file}", *arguments, home=self.folder)
        self.say(f"exposures: {what} {' '.join(arguments)} on {file.stem}: {figures}")
        return figures


def _remove(file: Path) -> None:
    for one in (file, *file.parent.glob(file.name + "-*")):
        with suppress(FileNotFoundError):
            one.unlink()


Runs = Sequence[Mapping[str, Any]]


def _rows(
    hosts: int,
    made: Mapping[str, Any],
    matched: Runs,
    sizes: Mapping[str, Any],
    scraped: Runs,
    asked: Runs,
    told: Mapping[tuple[str, str], Mapping[str, Any]],
) -> list[Row]:
    def bound(most: float) -> float | None:
        return most if hosts == BOUNDED else None

    name = f"{hosts} hosts × {PACKAGES} packages, {IMAGES} images"
    low, middle, high = sizes["exposed"]
    rows = [
        Row(
            name=f"{name}: import of {ENTRIES} entries",
            unit="s",
            values=[made["import_wall"]],
            note=_cpu([made], "import_cpu"),
        ),
        Row(
            name=f"{hosts}: full rematch",
            unit="s",
            values=_all(matched, "wall"),
            at_most=bound(60),
            note=f"{_cpu(matched)}; exposed to {low} to {high} CVEs, median {middle}",
        ),
        Row(name=f"{hosts}: memory of a full rematch", unit="MB", values=_all(matched, "peak"), at_most=bound(1000)),
    ]
    for (kind, warmth), run in told.items():
        where = f"{hosts}: one new advisory about {NEW[kind]}"
        rows.append(
            Row(
                name=f"{where}, {warmth}",
                unit="s",
                values=[run["wall"]],
                at_most=bound(1) if warmth == "warm" else None,
                note=f"{run['hosts']} hosts; {_cpu([run])}",
            )
        )
    later = [1000 * wall for run in scraped for wall in run["later"]]
    return [
        *rows,
        Row(name=f"{hosts}: /metrics", unit="ms", values=later, at_most=bound(250)),
        Row(name=f"{hosts}: /metrics, first of a process", unit="ms", values=[1000 * run["first"] for run in scraped]),
        Row(name=f"{hosts}: exposure who CVE", unit="s", values=_all(asked, "wall"), note=f"{asked[0]['found']} hosts"),
    ]


def _grown(
    made: Mapping[str, Any],
    first: Mapping[str, Any],
    again: Runs,
    sizes: Mapping[str, Any],
    scraped: Runs,
    asked: Runs,
    told: Mapping[tuple[str, str], Mapping[str, Any]],
    file: Path,
) -> Mapping[str, str]:
    rows = sizes["rows"]
    return {
        "first match: wall, CPU": f"{first['wall']:.1f} s, {first['cpu']:.1f} s",
        "full rematch: wall, CPU": f"{_median(again, 'wall'):.1f} s, {_median(again, 'cpu'):.1f} s",
        "its memory": f"{_median(again, 'peak'):.0f} MB",
        **{
            f"new advisory, {kind}, {warmth} (hosts)": f"{run['wall']:.2f} s ({run['hosts']})"
            for (kind, warmth), run in told.items()
        },
        "`/metrics`": f"{1000 * statistics.median(wall for run in scraped for wall in run['later']):.0f} ms",
        "`/metrics`, first of a process": f"{_median(scraped, 'first'):.2f} s",
        "`exposure who` (hosts)": f"{_median(asked, 'wall'):.2f} s ({asked[0]['found']})",
        "recording the checks": f"{made['record_wall']:.1f} s",
        "open CVEs per host: min, median, max": ", ".join(map(str, sizes["exposed"])),
        "rows: standings": f"{rows['standing']:,}",
        "rows: sets of CVEs": f"{rows['cve_set']:,}",
        "rows: closures": f"{rows['closure']:,}",
        "database": f"{file.stat().st_size / MB:.0f} MB",
    }


def _all(runs: Runs, what: str) -> list[float]:
    return [run[what] for run in runs]


def _median(runs: Runs, what: str) -> float:
    return statistics.median(_all(runs, what))


def _cpu(runs: Runs, what: str = "cpu") -> str:
    return f"CPU {_median(runs, what):.2f} s"
