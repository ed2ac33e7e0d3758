"""Accepted risks on the command line."""

import pytest

from tests.cli.terminal import Terminal
from tests.core.sla_builders import CVE

ACCEPT = ("exposure", "accept", CVE, "--owner", "Head of web", "--reason", "behind the firewall", "--until", "30d")


@pytest.fixture
def known(terminal: Terminal) -> Terminal:
    """A home that knows web1 and web2."""
    terminal.initialised()
    terminal.run("hosts", "list")
    return terminal


def test_a_risk_is_accepted_shown_and_taken_back(known: Terminal) -> None:
    """With who did it; in read-only mode too."""
    made = known.run(*ACCEPT, "--host", "web1", "--json", environ={"PATCHWAVE_READ_ONLY": "true"})
    listed = known.run("exposure", "accepted", "--json").json["accepted"]
    gone = known.run("exposure", "unaccept", made.json["id"][-8:], "--json")
    after = known.run("exposure", "accepted", "--json").json["accepted"]

    assert (0, ["web1"], "web1", "host") == (made.code, made.json["hosts"], made.json["host"], made.json["scope"])
    assert [{key: value for key, value in made.json.items() if key != "hosts"}] == listed
    assert ("in_force", "Head of web", True) == (
        listed[0]["state"],
        listed[0]["owner"],
        listed[0]["accepted_by"].endswith("@cli"),
    )
    assert (0, ["revoked"], True) == (
        gone.code,
        [one["state"] for one in after],
        gone.json["revoked_by"].endswith("@cli"),
    )


def test_tables_for_people(known: Terminal) -> None:
    """One line for each, and what there is when there is none."""
    empty = known.run("exposure", "accepted")
    made = known.run(*ACCEPT, "--all")
    listed = known.run("exposure", "accepted")
    assert ("no risk is accepted\n", True) == (empty.out, f"{CVE} is accepted until" in made.out)
    assert (True, True) == ("on 2 hosts" in made.out, "everywhere" in listed.out)


@pytest.mark.parametrize("where", [(), ("--all", "--host", "web1"), ("--group", "a", "--customer", "b")])
def test_where_must_be_said_exactly_once(known: Terminal, where: tuple[str, ...]) -> None:
    """Not everywhere by default."""
    done = known.run(*ACCEPT, *where)
    assert (2, True) == (done.code, "exactly one of --host" in done.err)


def test_how_long_is_bounded_by_a_setting(known: Terminal) -> None:
    """With the field that is wrong."""
    done = known.run(*ACCEPT, "--all", environ={"PATCHWAVE_ACCEPT_RISK_AT_MOST": "7d"})
    assert (2, True) == (done.code, "until: 30d is too far away: a risk is accepted for at most 7d" in done.err)


def test_the_ends_of_ids_and_other_names_that_are_not_there(known: Terminal) -> None:
    """Said plainly."""
    assert 2 == known.run("exposure", "unaccept", "NOTHERE").code
    assert 2 == known.run(*ACCEPT, "--host", "web9").code
