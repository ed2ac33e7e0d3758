"""What the command line answers, as exit codes, messages and documents."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from orchestrator.clock import SystemClock
from orchestrator.services.order_rollout import REQUESTS, OrderRollout
from orchestrator.settings import Settings
from orchestrator.store import open_store
from tests.cli.terminal import Terminal
from tests.core.rollout_world import planned
from tests.services.fleets import ids


def test_init_twice_changes_nothing(terminal: Terminal) -> None:
    """The second time it says what is there; nothing in the home is readable for others."""
    first = terminal.run("init")
    settings = (terminal.home / "patchwave.toml").read_text()
    (terminal.home / "patchwave.toml").write_text(settings + "forks = 3\n")

    second = terminal.run("init")

    assert (0, 0) == (first.code, second.code)
    assert ("settings: " in first.err, "settings: " in second.err) == (True, False)
    assert "forks = 3" in (terminal.home / "patchwave.toml").read_text()
    assert {0o700, 0o600} == {path.stat().st_mode & 0o777 for path in (terminal.home, *terminal.home.iterdir())}


def test_a_home_that_cannot_be_made_is_not_available(terminal: Terminal) -> None:
    """Said with its path, and why."""
    done = terminal.plainly("--home", "/proc/patchwave", "init")
    assert (3, True) == (done.code, "the home folder cannot be made: /proc/patchwave" in done.err)


@pytest.mark.parametrize("command", [("hosts", "list"), ("scan",), ("exposure", "list"), ("rollout", "list")])
def test_without_a_database_it_says_what_to_do(terminal: Terminal, command: tuple[str, ...]) -> None:
    """Not available, with the command that helps; in JSON too."""
    plain, as_json = terminal.run(*command), terminal.run(*command, "--json")

    assert (3, 3) == (plain.code, as_json.code)
    assert ("", True) == (plain.out, "patchwave db upgrade" in plain.err)
    assert ("not_available", True) == (as_json.json["error"]["code"], "db upgrade" in as_json.json["error"]["message"])


def test_upgrade_makes_the_database_and_check_tells(terminal: Terminal) -> None:
    """From nothing to well."""
    assert (1, True) == ((before := terminal.run("db", "check", "--json")).code, len(before.json["problems"]) == 1)
    assert 0 == terminal.run("db", "upgrade").code
    assert (0, {"problems": []}) == ((after := terminal.run("db", "check", "--json")).code, after.json)


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ("forks = 0\n", ("patchwave.toml", "forks")),
        ("fork = 3\n", ("patchwave.toml", "fork", "no such setting")),
        ("forks = \n", ("patchwave.toml", "not valid TOML")),
        ('check_interval = "often"\n', ("patchwave.toml", "check_interval")),
    ],
)
def test_wrong_settings_name_file_and_key(terminal: Terminal, toml: str, says: tuple[str, ...]) -> None:
    """As invalid input; in JSON with the place apart."""
    terminal.home.mkdir()
    (terminal.home / "patchwave.toml").write_text(toml)

    done = terminal.run("config", "show", "--json")

    assert (2, "settings_invalid") == (done.code, done.json["error"]["code"])
    assert str(terminal.home / "patchwave.toml") == done.json["error"]["file"]
    assert [] == [word for word in says if word not in done.err]


def test_wrong_settings_name_their_variable(terminal: Terminal) -> None:
    """Where it came from the environment."""
    done = terminal.run("config", "show", environ={"PATCHWAVE_FORKS": "many"})
    assert (2, True) == (done.code, "PATCHWAVE_FORKS" in done.err)


def test_wrong_settings_do_not_keep_help_and_version_away(terminal: Terminal) -> None:
    """They are read when a command needs them."""
    environ = {"PATCHWAVE_FORKS": "many"}
    assert [0, 0, 0] == [terminal.run(*args, environ=environ).code for args in (["--version"], ["--help"], ["tools"])]


def test_config_show_tells_every_setting_and_its_origin(terminal: Terminal) -> None:
    """Option, environment, file, default; the environment goes before the file, and the password is masked."""
    terminal.home.mkdir()
    (terminal.home / "patchwave.toml").write_text('forks = 7\nunknown_after = "2h"\n')
    environ = {"PATCHWAVE_FORKS": "9", "PATCHWAVE_DATABASE_URL": "postgresql://me:hunter2@db/patchwave"}

    plain = terminal.run("config", "show", environ=environ)
    rows = {row["name"]: row for row in terminal.run("config", "show", "--json", environ=environ).json["settings"]}

    assert set(Settings.model_fields) == set(rows)
    assert [("9", "environment"), ("2h", "file"), (str(terminal.home), "option"), ("1h", "default")] == [
        (rows[name]["value"], rows[name]["origin"]) for name in ("forks", "unknown_after", "home", "check_interval")
    ]
    assert "hunter2" not in plain.out + plain.err + str(rows)
    assert "environment" == rows["database_url"]["origin"]


@pytest.mark.parametrize(
    "command",
    [("hosts", "show", "nobody"), ("check", "nobody"), ("exposure", "show", "nobody"), ("hosts", "retire", "nobody")],
)
def test_an_unknown_host_is_wrong_input(terminal: Terminal, command: tuple[str, ...]) -> None:
    """With where to look."""
    done = terminal.initialised().run(*command)
    assert (2, "", True) == (done.code, done.out, "patchwave hosts list" in done.err)


@pytest.mark.parametrize("command", [("hosts", "list", "db-*x["), ("scan", "--limit", "nobody")])
def test_a_pattern_that_names_nobody_is_wrong_input(terminal: Terminal, command: tuple[str, ...]) -> None:
    """Rather than a run over nothing that looks like success."""
    assert 2 == terminal.initialised().run(*command).code


@pytest.mark.parametrize("arguments", [("scan", "--bogus", "--json"), ("hosts", "lost", "--json"), ("check", "--json")])
def test_wrong_usage_is_one_document_too(terminal: Terminal, arguments: tuple[str, ...]) -> None:
    """The usage itself goes to stderr."""
    done = terminal.run(*arguments)
    assert (2, "usage") == (done.code, done.json["error"]["code"])
    assert "Usage:" in done.err


PLAYBOOK = """\
apiVersion: patchwave/v1
kind: Playbook
name: p
apply: {patch: LAB-0001}
"""


def test_a_wrong_playbook_names_file_line_and_field(terminal: Terminal) -> None:
    """And what is meant, where that can be guessed."""
    terminal.initialised()
    (terminal.folder / "p.yml").write_text(PLAYBOOK + "budgets: 3\n")

    done = terminal.run("plan", "p.yml", "--json")

    error = done.json["error"]
    assert (2, "playbook_invalid", 5, "budgets") == (done.code, error["code"], error["line"], error["field"])
    assert "did you mean 'budget'" in error["message"]


def test_a_plan_of_what_the_catalogue_has_not_is_wrong_input(terminal: Terminal) -> None:
    """Names the playbook and the field."""
    terminal.initialised()
    (terminal.folder / "p.yml").write_text(PLAYBOOK)
    done = terminal.run("plan", "p.yml")
    assert (2, True, True) == (done.code, "p.yml" in done.err, "apply.patch" in done.err)


@pytest.mark.parametrize(
    "command",
    [("start", "p.yml", "--yes"), ("rollback", "ID", "--yes"), ("resume", "ID"), ("retry", "ID")],
)
def test_read_only_refuses_every_change(terminal: Terminal, command: tuple[str, ...]) -> None:
    """Before anything is looked at."""
    done = terminal.initialised().run("rollout", *command, environ={"PATCHWAVE_READ_ONLY": "true"})
    assert (4, True) == (done.code, "read-only" in done.err)


@pytest.mark.parametrize(("order", "event"), [("pause", "pause"), ("abort", "abort")])
def test_read_only_lets_orders_through_that_only_make_things_safer(terminal: Terminal, order: str, event: str) -> None:
    """Left for the engine that drives the rollout; none is started here, so it stays as it is."""
    terminal.initialised()
    store = open_store(f"sqlite:///{terminal.home / 'patchwave.db'}", new_id=ids("s"))
    try:
        rollout = OrderRollout(store=store, clock=SystemClock(), new_id=ids("R")).create(planned(1), "tester")
        done = terminal.run("rollout", order, rollout, "--json", environ={"PATCHWAVE_READ_ONLY": "true"})
        left = [note["event"]["kind"] for note in store.notes.items(REQUESTS.format(rollout)).values()]
    finally:
        store.close()

    assert (0, "planned", [event]) == (done.code, done.json["state"], left)


def test_read_only_lets_people_look(terminal: Terminal) -> None:
    """Checks, exposures, plans."""
    terminal.initialised()
    environ = {"PATCHWAVE_READ_ONLY": "true"}
    assert [0, 0] == [terminal.run(*args, environ=environ).code for args in (["hosts", "list"], ["exposure", "list"])]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com"])
def test_serve_binds_loopback_only(terminal: Terminal, host: str) -> None:
    """There is no authentication yet."""
    done = terminal.run("serve", "--host", host)
    assert (4, True) == (done.code, "loopback" in done.err)


def test_a_scan_with_a_host_that_fails_is_done_with_1(terminal: Terminal) -> None:
    """Its record says why; the document is whole."""
    done = terminal.initialised().run("scan", "--json")

    assert (1, 2, 2) == (done.code, done.json["checked"], done.json["unreachable"])
    assert {"connection_refused"} == {host["error"]["code"] for host in done.json["hosts"]}


def test_what_was_not_confirmed_was_not_done(terminal: Terminal) -> None:
    """Without a terminal the answer is no; also in JSON there is one document that says so."""
    done = terminal.initialised().run("hosts", "retire", "web1")
    assert (2, True) == (done.code, "no host" in done.err)  # nobody was ever listed before the first look
    terminal.run("hosts", "list")
    assert 1 == terminal.run("hosts", "retire", "web1").code
    assert ["web1", "web2"] == [host["name"] for host in terminal.run("hosts", "list", "--json").json["hosts"]]


CTRL_C = """
    import os, signal, sys
    from orchestrator.cli import {module}
    from orchestrator.cli.main import main
    # A shell's background job ignores SIGINT, and so do its children: here it is not to be ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    def interrupted(*_, **__):
        os.kill(os.getpid(), signal.SIGINT)
        signal.pause()
    {patched} = interrupted
    main(sys.argv[1:])
"""


def test_ctrl_c_ends_with_130_and_one_line(terminal: Terminal) -> None:
    """Wherever it comes; no traceback, and no waiting for what is in flight."""
    terminal.initialised()
    program = textwrap.dedent(CTRL_C).format(module="scan", patched="scan.listed")

    done = subprocess.run(
        [sys.executable, "-c", program, "--home", str(terminal.home), "scan"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=Path(__file__).parents[2],
        env={"PATH": os.environ["PATH"], "HOME": str(terminal.folder)},
    )

    assert (128 + signal.SIGINT, "interrupted\n") == (done.returncode, done.stderr)
