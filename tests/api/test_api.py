"""Every endpoint: its shape, its pages, and its refusals as RFC 9457 problems."""

import base64
from pathlib import Path
from typing import Any

import pytest

from orchestrator.api.app import create_api
from orchestrator.bootstrap import App
from orchestrator.metrics import Metrics
from orchestrator.services.read_fleet import ReadFleet
from orchestrator.settings import load_settings
from tests.api.service import Client, Service, known_service, rolled_out
from tests.fakes.clock import START
from tests.services.fleets import record

PROBLEM = "application/problem+json"


def problem(service: Service, status: int, path: str, **query: Any) -> Any:
    """The problem document that this request is answered with."""
    response = service.client.get(path, params=query)
    assert (status, PROBLEM) == (response.status_code, response.headers["content-type"]), response.text
    document = response.json()
    assert {"type", "title", "status", "detail", "code"} <= document.keys()
    assert status == document["status"]
    return document


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1", "0.0.0.0",
     "[2001:db8::1]:80", "::1", "127.0.0.1:80@evil.example", "127.0.0.1, evil.example", ""],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/api/v1/hosts", "/api/v1/exposures", "/metrics", "/no-such-page"])
def test_a_request_under_another_name_is_refused(path: str, host: str) -> None:
    """A page whose name was made to resolve to loopback reads nothing, not even that something is here."""
    response = known_service().client.get(path, headers={"host": host})

    assert (400, PROBLEM) == (response.status_code, response.headers["content-type"])
    assert ("http_error", 400) == (response.json()["code"], response.json()["status"])
    assert "LAB-" not in response.text


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8080", "127.0.0.2", "localhost:1", "LOCALHOST", "[::1]:8080"])
def test_every_name_of_loopback_is_answered(host: str) -> None:
    """Whatever the service was bound to."""
    assert 200 == Service().client.get("/api/v1/hosts", headers={"host": host}).status_code


def test_hosts_are_listed_by_name() -> None:
    """Retired ones are left out; a customer can be asked for."""
    service = known_service()
    service.known.store.hosts.save([record("b", customer="acme"), record("old", retired_at=START)])

    assert ["a", "b", "gone"] == [host["name"] for host in service.get("/api/v1/hosts")["hosts"]]
    assert ["b"] == [host["name"] for host in service.get("/api/v1/hosts", customer="acme")["hosts"]]


def test_one_host_by_name_or_id() -> None:
    """With what its last check saw; one that does not answer has what was last known."""
    service = known_service()

    assert ("a", True, "LAB-0002") == (
        (host := service.get("/api/v1/hosts/a"))["name"],
        host["reachable"],
        host["live_patches"][0]["patch"],
    )
    assert host == service.get("/api/v1/hosts/id-a")
    gone = service.get("/api/v1/hosts/gone")
    assert ("connect_timed_out", None, "boot-0") == (
        gone["error"]["code"],
        gone["boot_id"],
        gone["last_known"]["boot_id"],
    )


def test_exposures_and_what_they_can_be_asked_for() -> None:
    """By host, CVE, state and severity; all that is asked for must hold."""
    service = known_service()

    def pairs(**query: str) -> list[tuple[str, str]]:
        rows = service.get("/api/v1/exposures", **query)["exposures"]
        return [(row["host"], row["cve"][-1]) for row in rows]

    assert [("a", "1"), ("a", "2"), ("b", "1"), ("b", "2"), ("gone", "1"), ("gone", "2")] == pairs()
    assert [("b", "1"), ("b", "2"), ("gone", "1"), ("gone", "2")] == pairs(state="exposed")
    assert [("b", "2")] == pairs(state="exposed", host="b", cve="CVE-2099-0002", severity="high")
    assert [] == pairs(severity="low")


def test_rollouts() -> None:
    """Listed, asked for by state, and one with its waves and hosts."""
    service = known_service()
    rollout = rolled_out(service)

    assert [rollout] == [one["id"] for one in service.get("/api/v1/rollouts")["rollouts"]]
    assert [] == service.get("/api/v1/rollouts", state="running")["rollouts"]
    assert [1] == [len(wave["hosts"]) for wave in service.get(f"/api/v1/rollouts/{rollout}")["waves"]]


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
@pytest.mark.parametrize(("path", "name", "key"), [("hosts", "hosts", "id"), ("exposures", "exposures", "cve")])
def test_all_pages_together_are_the_list(path: str, name: str, key: str, limit: int) -> None:
    """Each item once, in the same order, whatever the size of a page."""
    service = known_service()
    whole = service.get(f"/api/v1/{path}")
    found, query = [], {"limit": limit}
    while True:
        page = service.get(f"/api/v1/{path}", **query)
        assert len(page[name]) <= limit
        found += page[name]
        if page["next_cursor"] is None:
            break
        query = {"limit": limit, "cursor": page["next_cursor"]}

    assert (whole[name], None) == (found, whole["next_cursor"])
    assert all(key in row for row in found)


def test_a_page_holds_when_the_list_changes() -> None:
    """A cursor names the last item, so that one that went away or came takes nobody else's turn."""
    service = known_service()
    first = service.get("/api/v1/hosts", limit=1)
    service.known.store.hosts.save([record("a", retired_at=START), record("aa")])

    assert ["aa", "b", "gone"] == [
        host["name"] for host in service.get("/api/v1/hosts", cursor=first["next_cursor"])["hosts"]
    ]


def cursor(text: bytes) -> str:
    """What a cursor with that inside would look like."""
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


@pytest.mark.parametrize(
    "hostile",
    [
        "",
        "!!!",
        "a",
        "\u00e9",
        "../../etc/passwd",
        "AAAA\n",
        cursor(b"\xff\xfe"),
        cursor(b"rollouts\0x"),
        cursor(b"hosts"),
        "A" * 513,
    ],
)
def test_a_cursor_of_somebody_elses_is_refused(hostile: str) -> None:
    """And of another list too: it never shows the wrong page."""
    document = problem(known_service(), 422, "/api/v1/hosts", cursor=hostile)
    assert "invalid_input" == document["code"]


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 1001}, {"limit": "many"}])
def test_a_limit_out_of_bounds_names_its_field(query: dict[str, Any]) -> None:
    """What is wrong, and where."""
    document = problem(known_service(), 422, "/api/v1/hosts", **query)
    assert [("invalid_input", "query.limit")] == [(document["code"], error["field"]) for error in document["errors"]]


@pytest.mark.parametrize("query", [{"state": "patched"}, {"severity": "awful"}])
def test_a_state_that_is_none_is_refused(query: dict[str, str]) -> None:
    """Rather than answered with an empty list."""
    problem(known_service(), 422, "/api/v1/exposures", **query)


@pytest.mark.parametrize("path", ["/api/v1/hosts/nobody", "/api/v1/rollouts/none", "/api/v1/nothing", "/"])
def test_what_is_not_there_is_a_404(path: str) -> None:
    """A name, or a path."""
    problem(known_service(), 404, path)


class Broken(ReadFleet):
    """A reader with a bug."""

    def hosts(self, *, retired: bool = False) -> list[dict[str, Any]]:
        raise RuntimeError("password=hunter2 in /srv/secret.py")


def test_a_bug_says_nothing_of_its_insides() -> None:
    """It is in the log; the answer is a problem like any other."""
    service = Service(reader=Broken)

    document = problem(service, 500, "/api/v1/hosts")

    assert "error" == document["code"]
    assert not [word for word in ("hunter2", "secret", "RuntimeError", "Traceback") if word in str(document)]


def test_health_is_the_process_and_readiness_the_database() -> None:
    """Problems of the database make the service unready, not dead."""
    service = known_service()
    assert (200, "ok\n") == ((ready := service.client.get("/readyz")).status_code, ready.text)
    service.problems = ["no schema", "no room"]
    assert (503, "no schema\nno room\n") == ((ready := service.client.get("/readyz")).status_code, ready.text)
    assert 200 == service.client.get("/healthz").status_code


def over_home(home: Path) -> tuple[Client, App]:
    """A service over a home folder, wired as `serve` wires it."""
    settings, origins = load_settings({}, home)
    app = App(settings=settings, origins=origins, folder=home)
    app.initialise()
    metrics = Metrics(store=app.store, clock=app.clock)
    api = create_api(
        reader=app.reader,
        exposures=app.read_exposures(),
        explain=app.explain_exposure(),
        rollouts=app.read_rollouts,
        report=app.report_exposure(),
        vex=app.export_vex(),
        metrics=metrics,
        ready=app.not_ready,
    )
    return Client(api), app


def test_a_database_that_goes_away(tmp_path: Path) -> None:
    """Ready while it is there; without it not, and said with what to do."""
    client, app = over_home(tmp_path / "home")
    assert 200 == client.get("/readyz").status_code
    app.close()
    (tmp_path / "home" / "patchwave.db").unlink()

    answer = client.get("/readyz")

    assert (503, True) == (answer.status_code, "patchwave db upgrade" in answer.text)


def test_a_database_that_is_none_is_a_503_everywhere(tmp_path: Path) -> None:
    """Also for metrics: a scrape that fails is seen, an empty one would not be. The process is alive."""
    client, app = over_home(tmp_path / "home")
    app.close()
    for file in (tmp_path / "home").glob("patchwave.db*"):
        file.write_bytes(b"no database at all" * 1000)

    codes = {path: client.get(path).status_code for path in ("/readyz", "/metrics", "/api/v1/hosts", "/healthz")}

    assert {"/readyz": 503, "/metrics": 503, "/api/v1/hosts": 503, "/healthz": 200} == codes


def test_openapi_describes_every_path() -> None:
    """OpenAPI 3.1, machine-readable, and no page of HTML that loads scripts from elsewhere."""
    service = known_service()
    document = service.get("/openapi.json")
    assert document["openapi"].startswith("3.1")
    assert {
        "/healthz",
        "/readyz",
        "/metrics",
        "/api/v1/hosts",
        "/api/v1/hosts/{name}",
        "/api/v1/exposures",
        "/api/v1/exposures/{host}/{cve}",
        "/api/v1/exposures/report",
        "/api/v1/exposures/vex",
        "/api/v1/rollouts",
        "/api/v1/rollouts/{rollout_id}",
    } == set(document["paths"])
    assert {"get"} == {verb for path in document["paths"].values() for verb in path}
    assert 404 == service.client.get("/docs").status_code
