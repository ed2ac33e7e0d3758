"""``exposure report`` and ``exposure vex`` as they are typed."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli.spreadsheet import csv_text
from orchestrator.clock import SystemClock
from orchestrator.core.facts import Facts
from orchestrator.core.patches import Patch
from orchestrator.services.update_exposures import UpdateExposures
from orchestrator.store import open_store
from tests.cli.terminal import Terminal
from tests.core.exposure_builders import FIRST, LAB_1, facts, live
from tests.services.fleets import ids


@pytest.fixture
def seen(terminal: Terminal) -> Terminal:
    """Two hosts, both exposed to one CVE of the catalogue."""
    terminal.initialised()
    return exposed(terminal, facts(), LAB_1)


def exposed(terminal: Terminal, shown: Facts, *patches: Patch) -> Terminal:
    """Every host showed these facts, and windows were made of it."""
    assert 0 == terminal.run("hosts", "list").code
    terminal.saw(shown)
    store = open_store(f"sqlite:///{terminal.home / 'patchwave.db'}", new_id=ids("p"))
    try:
        for patch in patches:
            store.catalogue.add(patch)
        UpdateExposures(store=store, clock=SystemClock()).everywhere()
    finally:
        store.close()
    return terminal


def test_a_table_of_what_is_open(seen: Terminal) -> None:
    """A row for each host, and one for all of them."""
    printed = seen.run("exposure", "report", "--by", "host")

    lines = printed.out.splitlines()
    assert (0, 5) == (printed.code, len(lines))
    assert ["web1", "web2", "in all"] == [line.split("  ")[0] for line in lines[2:]]
    assert lines[0].startswith("Closed and exposed from ")


def test_one_document(seen: Terminal) -> None:
    """Numbers for programs."""
    document = seen.run("exposure", "report", "--by", "cve", "--json").json
    assert (2, 0, [FIRST]) == (document["total"]["open"], document["total"]["closed"], [document["rows"][0]["key"]])


def test_csv_has_a_header_and_the_total_first(seen: Terminal) -> None:
    """Lines end as RFC 4180 has it."""
    printed = seen.run("exposure", "report", "--by", "host", "--csv")

    rows = list(csv.DictReader(io.StringIO(printed.out)))
    assert [("total", ""), ("host", "web1"), ("host", "web2")] == [(row["by"], row["key"]) for row in rows]
    assert ["2", "1", "1"] == [row["open"] for row in rows]


def test_a_limit_narrows_it(seen: Terminal) -> None:
    """As everywhere."""
    assert 1 == seen.run("exposure", "report", "--limit", "web1", "--json").json["total"]["open"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--json", "--csv"), "--csv: prints either"),
        (("--period", "30"), "period: '30' is not a duration"),
        (("--from", "yesterday"), "from: 'yesterday' is not a day"),
        (("--period", "7d", "--from", "2026-01-01"), "period: either"),
        (("--by", "colour"), "colour"),
    ],
)
def test_what_is_not_understood_is_refused(seen: Terminal, arguments: tuple[str, ...], said: str) -> None:
    """With exit code 2, and the option."""
    printed = seen.run("exposure", "report", *arguments)
    assert (2, True) == (printed.code, said in printed.out + printed.err), printed


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=1+1", "'=1+1"), ("+1", "'+1"), ("-1", "'-1"), ("@SUM(A1)", "'@SUM(A1)"), ("\t=1", "'�=1"), (" =1", "' =1"),
        ("＝1", "'＝1"), ('a"b,c', '"a""b,c"'), ("a\r\nb", "a��b"), ("\x1b[2J", "�[2J"), ("web-1", "web-1"),
        (-1.5, "-1.5"), (None, ""),
    ],
)  # fmt: skip
def test_no_cell_is_a_formula(value: object, cell: str) -> None:
    """Nor more than one cell, nor anything that a terminal acts on."""
    assert f"key,other\r\n{cell},x\r\n" == csv_text([{"key": value, "other": "x"}])


def test_vex_of_a_host_and_of_the_fleet(seen: Terminal) -> None:
    """The document is all that is on stdout."""
    one, fleet = seen.run("exposure", "vex", "web1").json, seen.run("exposure", "vex", "--cve", FIRST).json

    def hosts(document: Any) -> list[str]:
        return [product["identifiers"]["purl"] for product in document["statements"][0]["products"]]

    assert (["pkg:generic/web1"], ["pkg:generic/web1", "pkg:generic/web2"]) == (hosts(one), hosts(fleet))
    assert "affected" == one["statements"][0]["status"]
    assert one["author"].startswith("Patchwave on ")


def test_vex_of_live_patched_hosts_into_a_file(terminal: Terminal) -> None:
    """In place of what was there, whole."""
    exposed(terminal.initialised(), facts(live("LAB-0001")), LAB_1)
    file = terminal.folder / "web1.vex.json"
    file.write_text("old")

    printed = terminal.run("exposure", "vex", "web1", "--output", str(file), "--author", "Example Ops")

    document = json.loads(file.read_text())
    assert (0, "", ["not_affected"]) == (
        printed.code,
        printed.out,
        [one["status"] for one in document["statements"]],
    )
    assert "Example Ops" == document["author"]
    assert [file] == list(terminal.folder.glob("*web1.vex.json*"))


def test_an_empty_document_takes_the_place_of_an_old_one(terminal: Terminal) -> None:
    """What no longer holds must not go on excusing anybody; a warning says that it states nothing."""
    terminal.initialised()
    terminal.run("hosts", "list")
    file = terminal.folder / "web1.vex.json"
    file.write_text("old")

    printed = terminal.run("exposure", "vex", "web1", "--output", str(file))

    assert (0, []) == (printed.code, json.loads(file.read_text())["statements"])
    assert "states nothing" in printed.err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("nobody",), 2, "patchwave hosts list"),
        (("web1", "--limit", "web2"), 2, "--limit"),
        (("web1", "--output", "missing/x.json"), 3, "cannot be written"),
    ],
)
def test_vex_that_cannot_be_had(seen: Terminal, arguments: tuple[str, ...], code: int, said: str) -> None:
    """A clear error, and no half a file."""
    printed = seen.run("exposure", "vex", *arguments)
    assert (code, True) == (printed.code, said in printed.err.replace("\n", " ")), printed
    assert not Path("missing").exists()
