"""Service levels on the command line."""

from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest

from orchestrator.core.patches import Severity
from orchestrator.core.sla_policy import DEFAULT_POLICY
from orchestrator.core.standings import Span
from orchestrator.store import open_store
from tests.cli.terminal import Terminal
from tests.core.sla_builders import standing
from tests.services.fleets import ids

STRICT = "apiVersion: patchwave/v1\nkind: ServiceLevels\nname: strict\nlevels: {high: 5d, medium: 5d}\n"


@pytest.fixture
def exposed(terminal: Terminal) -> Terminal:
    """A home in which web1 and web2 have been exposed to a medium CVE for ten days."""
    terminal.initialised()
    terminal.run("hosts", "list")
    detected = datetime.now(tz=UTC) - timedelta(days=10)
    window = Span(
        since=detected,
        detected_at=detected,
        severity=Severity.MEDIUM,
        due_at=detected + timedelta(days=30),
        policy=DEFAULT_POLICY.id,
    )
    store = open_store(f"sqlite:///{terminal.home / 'patchwave.db'}", new_id=ids("s"))
    try:
        store.exposures.replace_many({host.id: (standing(window, host=host),) for host in store.hosts.all()})
    finally:
        store.close()
    return terminal


@pytest.fixture
def strict(terminal: Terminal) -> str:
    """A file of stricter service levels."""
    file = terminal.folder / "strict.yml"
    file.write_text(STRICT)
    return str(file)


def test_the_built_in_policy_is_shown(terminal: Terminal) -> None:
    """Every default spelled out, set by nobody."""
    terminal.initialised()
    shown, plain = terminal.run("sla", "show", "--json"), terminal.run("sla", "show")
    assert {
        "id": DEFAULT_POLICY.id,
        "since": None,
        "set_by": None,
        "policy": DEFAULT_POLICY.model_dump(mode="json"),
        "history": [],
    } == shown.json
    assert (0, True) == (plain.code, "built in; nobody set another" in plain.out)


def test_a_preview_says_what_would_change(exposed: Terminal, strict: str) -> None:
    """And changes nothing."""
    found, plain = exposed.run("sla", "preview", strict, "--json"), exposed.run("sla", "preview", strict)
    medium = {"same": 0, "earlier": 2, "later": 0, "dated": 0, "undated": 0}
    assert (0, 2, medium, 2, ["web1", "web2"]) == (
        found.code,
        found.json["changed"],
        found.json["severities"]["medium"],
        found.json["breached_at_once"],
        [one["host"] for one in found.json["examples"]],
    )
    assert (0, True) == (plain.code, "2 windows would be overdue at once" in plain.out)
    assert [] == exposed.run("sla", "show", "--json").json["history"]


def test_without_a_yes_nothing_is_set(exposed: Terminal, strict: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 1, after what would have changed was shown; in JSON an error. Nobody is there to ask: the answer is no."""
    monkeypatch.setattr("sys.stdin", StringIO())
    plain, as_json = exposed.run("sla", "set", strict), exposed.run("sla", "set", strict, "--json")
    assert (1, True, True) == (plain.code, "overdue at once" in plain.out, "nothing was set" in plain.err)
    assert (1, "not_confirmed") == (as_json.code, as_json.json["error"]["code"])
    assert [] == exposed.run("sla", "show", "--json").json["history"]


def test_with_a_yes_it_is_in_force(exposed: Terminal, strict: str) -> None:
    """With who set it; the same again changes nothing. Read-only mode allows it: no host is changed."""
    done = exposed.run("sla", "set", strict, "--yes", "--json", environ={"PATCHWAVE_READ_ONLY": "true"})
    again, shown = exposed.run("sla", "set", strict, "--json"), exposed.run("sla", "show", "--json").json
    assert (0, True, 0, False) == (done.code, done.json["set"], again.code, again.json["set"])
    assert [{"id": shown["id"], "since": shown["since"], "set_by": shown["set_by"]}] == shown["history"]
    assert (done.json["id"], True) == (shown["id"], shown["set_by"].endswith("@cli"))


def test_a_file_that_is_wrong_says_where(terminal: Terminal) -> None:
    """File, line and field."""
    file = terminal.initialised().folder / "wrong.yml"
    file.write_text(STRICT.replace("high: 5d", "high: 5"))
    done = terminal.run("sla", "set", str(file), "--yes", "--json")
    error = done.json["error"]
    assert (2, "policy_invalid", str(file), 4, "levels.high") == (
        done.code,
        error["code"],
        error["file"],
        error["line"],
        error["field"],
    )


def test_a_file_that_is_not_there(terminal: Terminal) -> None:
    """Invalid input, with its name."""
    done = terminal.initialised().run("sla", "preview", "no.yml")
    assert (2, True) == (done.code, "no.yml: cannot be read" in done.err)


def test_a_policy_that_was_set_survives_a_newer_file(exposed: Terminal, strict: str) -> None:
    """What is in force is kept in the database, not in the file."""
    exposed.run("sla", "set", strict, "--yes")
    Path(strict).write_text(STRICT.replace("5d", "6d"))
    assert "5d" == exposed.run("sla", "show", "--json").json["policy"]["levels"]["high"]
