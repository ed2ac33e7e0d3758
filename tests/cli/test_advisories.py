"""``patchwave advisories``: files taken in, shown, and synced from a web server."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.core.advisories import Entry
from tests.cli.terminal import Terminal
from tests.feeds.cases import debian, epss, kev, ubuntu_lsn
from tests.feeds.feed_case import as_json
from tests.feeds.web_server import Answer, Site, file, serving

RAW = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
KEV, EPSS = kev.CASE.name, epss.CASE.name


@pytest.fixture
def desk(terminal: Terminal) -> Terminal:
    """A home folder, and good files beside it."""
    terminal.initialised()
    for case in (kev.CASE, epss.CASE):
        (terminal.folder / case.name).write_bytes(case.content)
    return terminal


@pytest.fixture
def site() -> Iterator[Site]:
    """A mirror."""
    with serving() as running:
        yield running


def mirrored(desk: Terminal, site: Site, *feeds: str) -> Terminal:
    """With the mirror in its settings."""
    urls = "".join(f'{name} = "{site.url}/{name}"\n' for name in ("kev", "epss"))
    names = ", ".join(f'"{name}"' for name in feeds or ("kev", "epss"))
    (desk.home / "patchwave.toml").write_text(f"feeds = [{names}]\n[feed_urls]\n{urls}")
    return desk


def test_files_are_taken_in_and_shown(desk: Terminal) -> None:
    """As JSON: counts by file, where each feed stands, all that is said of a CVE."""
    taken = desk.run("advisories", "import", KEV, EPSS, "--json")
    assert (0, [("kev", "imported", 2), ("epss", "imported", 2)]) == (
        taken.code,
        [(one["feed"], one["state"], one["added"]) for one in taken.json["results"]],
    )
    feeds = desk.run("advisories", "status", "--json").json["feeds"]
    assert [("epss", "ok", "v2099.03.14"), ("kev", "ok", "2099.02.03")] == [
        (one["feed"], one["state"], one["version"]) for one in feeds
    ]
    shown = desk.run("advisories", "show", "cve-2099-0001", "--json").json
    (grade,) = shown["grades"]
    assert ("CVE-2099-0001", 0.97565, "kev", "2099-02-24", True, "/vulnerabilities/0") == (
        shown["cve"],
        shown["likelihood"]["score"],
        grade["feed"],
        grade["kev_due"],
        grade["is_baseline"],
        grade["where"],
    )


def test_tables_for_people(desk: Terminal) -> None:
    """What was imported, and that what came first may have been published before; progress is on stderr."""
    taken = desk.run("advisories", "import", KEV, EPSS)
    assert re.search(r"kev +imported +2 +0 +0 +0 +known_exploited", taken.out)
    assert "kev: imported" in taken.err
    shown = desk.run("advisories", "show", "CVE-2099-0001").out
    assert "likely to be exploited: 97.56%, above 99.99% of all (model v2099.03.14, 2099-04-05)" in shown
    assert re.search(r"kev +unknown +2099-02-03 +2099-02-24 +\d{4}-\d\d-\d\d or before", shown)
    assert re.search(r"kev +ok .* 2099\.02\.03 +2 +0 ", desk.run("advisories", "status").out)


def test_what_a_distribution_says_for_people(desk: Terminal) -> None:
    """By CVE and by entry: who is affected, what fixes it, why there is no fix."""
    (desk.folder / "tracker.json").write_bytes(debian.CASE.content)
    desk.run("advisories", "import", "tracker.json")
    by_cve = desk.run("advisories", "show", "CVE-2099-0001").out
    assert re.search(r"debian:12 +linux +affected +6\.1\.192-2 +unknown +debian +linux/2099 +\S+ or before", by_cve)
    assert re.search(r"debian:13 +linux +affected +low +debian .* postponed: Minor issue", by_cve)
    by_entry = desk.run("advisories", "show", "linux/2099").out
    assert re.search(r"CVE-2099-0001 +debian:12 +linux +affected +6\.1\.192-2", by_entry)
    assert "url: https://security-tracker.debian.org/tracker/source-package/linux" in by_entry


def test_live_patch_notices_for_people(desk: Terminal) -> None:
    """Which module fixes it in which kernel, from which version on."""
    (desk.folder / ubuntu_lsn.CASE.name).write_bytes(ubuntu_lsn.CASE.content)
    assert 0 == desk.run("advisories", "import", ubuntu_lsn.CASE.name).code
    first = next(one for one in ubuntu_lsn.CASE.says if isinstance(one, Entry) and one.module_fixes)
    fix = first.module_fixes[0]
    for name in (first.id, fix.cve):
        shown = desk.run("advisories", "show", name).out
        assert "LIVE PATCH MODULE" in shown
        assert fix.distribution in shown


def test_a_file_that_is_broken_exits_with_2_and_its_place(desk: Terminal) -> None:
    """The others are taken in; status remembers the failure."""
    (desk.folder / "broken.json").write_bytes(kev.CASE.with_value(("vulnerabilities", 1, "cveID"), 7))
    taken = desk.run("advisories", "import", "broken.json", EPSS, "--json")
    broken, good = taken.json["results"]
    assert (2, "imported", "failed") == (taken.code, good["state"], broken["state"])
    assert {
        "code": "feed_invalid",
        "message": "broken.json: /vulnerabilities/1/cveID: is a number, and should be a text",
        "file": "broken.json",
        "line": None,
        "field": "/vulnerabilities/1/cveID",
    } == broken["error"]
    failed = desk.run("advisories", "status", "--json").json["feeds"][-1]
    assert ("kev", "failed", None) == (failed["feed"], failed["state"], failed["succeeded_at"])


def test_a_file_that_is_none_exits_with_2_before_anything(desk: Terminal) -> None:
    """And so does one that is not there, with the file in the error."""
    (desk.folder / "hosts.yml").write_text("all: {}\n")
    for name in ("hosts.yml", "nothing.json"):
        refused = desk.run("advisories", "import", KEV, name, "--json")
        assert (2, name) == (refused.code, refused.json["error"]["file"])
    assert [] == desk.run("advisories", "status", "--json").json["feeds"]


def test_lists_in_pages(desk: Terminal) -> None:
    """Each says where the next begins; text and feed narrow it."""
    desk.run("advisories", "import", KEV)
    first = desk.run("advisories", "list", "--most", "1", "--json").json
    second = desk.run("advisories", "list", "--most", "1", "--after", first["next"], "--json").json
    assert ["CVE-2098-12345", "CVE-2099-0001"] == [one["id"] for page in (first, second) for one in page["entries"]]
    assert None is second["next"]
    found = desk.run("advisories", "list", "--feed", "kev", "--text", "use-after", "--json").json["entries"]
    assert ["CVE-2099-0001"] == [one["id"] for one in found]
    assert "no entry is like that" in desk.run("advisories", "list", "--feed", "epss").out
    assert "--after 'kev/CVE-2098-12345'" in desk.run("advisories", "list", "--most", "1").err


@pytest.mark.parametrize("name", ["CVE-2099-9999", "DSA-1-1", "; rm", "\x1b[2J"])
def test_what_nobody_speaks_of_is_not_found(desk: Terminal, name: str) -> None:
    """Exit 2, and where to look."""
    found = desk.run("advisories", "show", name, "--json")
    assert (2, "not_found") == (found.code, found.json["error"]["code"])


def test_nothing_of_a_feed_reaches_the_terminal_raw(desk: Terminal) -> None:
    """Titles, ids, versions and file names: neither escape sequences nor markup."""
    evil = "\x1b[2J[red]owned[/red]\u202e\x9b31m"
    document = kev.DOCUMENT | {"catalogVersion": evil}
    document["vulnerabilities"] = [{**document["vulnerabilities"][0], "vulnerabilityName": evil}]  # type: ignore[index]
    (desk.folder / "evil\x1b[2J.json").write_bytes(as_json(document))
    printed = [desk.run("advisories", "import", "evil\x1b[2J.json")]
    printed += [
        desk.run("advisories", *command, *json)
        for command in (("status",), ("list",), ("show", "CVE-2099-0001"))
        for json in ((), ("--json",))
    ]
    assert [0] * 7 == [one.code for one in printed]
    assert [] == RAW.findall("".join(one.out + one.err for one in printed))
    assert "[red]owned[/red]" in printed[3].out


def test_a_sync_downloads_what_is_new(desk: Terminal, site: Site) -> None:
    """The second time nothing is: a success without a change, asked for by ETag."""
    site.answers = {"/kev": [file(kev.CASE.content)], "/epss": [file(epss.CASE.content)]}
    mirrored(desk, site)
    first, second = (desk.run("advisories", "sync", "--json") for _time in range(2))
    assert [("kev", "imported", 2), ("epss", "imported", 2)] == [
        (one["feed"], one["state"], one["added"]) for one in first.json["results"]
    ]
    assert (0, ["unchanged", "unchanged"]) == (second.code, [one["state"] for one in second.json["results"]])
    assert f"{site.url}/kev" == first.json["results"][0]["source"]
    assert [".lock"] == [one.name for one in (desk.home / "feeds").iterdir()]


def test_secrets_of_mirrors_are_told_nobody(desk: Terminal, site: Site) -> None:
    """Not in tables, errors or debug logs, and not in the database."""
    site.answers = {"/kev": [file(kev.CASE.content), Answer(404)]}
    url = site.url.replace("//", "//user:hunter2@") + "/kev?token=sesame"
    environ = {"PATCHWAVE_FEED_URLS": f"kev={url}", "PATCHWAVE_LOG_LEVEL": "debug"}
    commands = (("sync", "kev"), ("status",), ("sync", "kev"), ("status", "--json"))
    printed = [desk.run("advisories", *command, environ=environ) for command in commands]
    assert [0, 0, 1, 0] == [one.code for one in printed]
    assert "Basic dXNlcjpodW50ZXIy" == site.asked[0][1]["Authorization"]
    told = "".join(one.out + one.err for one in printed)
    kept = b"".join(one.read_bytes() for one in desk.home.glob("patchwave.db*")).decode("latin-1")
    assert [] == [word for word in ("hunter2", "sesame") if word in told + kept]


def test_a_feed_that_fails_exits_with_1_and_leaves_the_others_alone(desk: Terminal, site: Site) -> None:
    """A page of a proxy in the place of a file is a failure too."""
    site.answers = {"/kev": [Answer(200, b"<html>Log in</html>")], "/epss": [file(epss.CASE.content)]}
    synced = mirrored(desk, site).run("advisories", "sync")
    assert 1 == synced.code
    assert re.search(r"kev +failed .*/kev: this is no file of kev", synced.out)
    assert re.search(r"epss +imported +2", synced.out)


def test_only_what_is_named_is_synced(desk: Terminal, site: Site) -> None:
    """Enabled or not; a name that there is not is a usage error."""
    site.answers = {"/kev": [file(kev.CASE.content)], "/epss": [file(epss.CASE.content)]}
    mirrored(desk, site, "kev")
    assert ["epss"] == [one["feed"] for one in desk.run("advisories", "sync", "epss", "--json").json["results"]]
    assert 2 == desk.run("advisories", "sync", "kevv").code


def test_no_feed_is_enabled(desk: Terminal) -> None:
    """Nothing is asked, and why is said."""
    synced = desk.run("advisories", "sync", environ={"PATCHWAVE_FEEDS": "none"})
    assert (0, True) == (synced.code, "no feed is enabled" in synced.out)


def test_settings_of_feeds_that_there_are_not(desk: Terminal) -> None:
    """Exit 2, with the names that there are."""
    for environ in ({"PATCHWAVE_FEEDS": "kevv"}, {"PATCHWAVE_FEED_URLS": "kevv=https://example.net/"}):
        synced = desk.run("advisories", "sync", "--json", environ=environ)
        assert (2, "settings_invalid") == (synced.code, synced.json["error"]["code"])
        assert "there is no feed 'kevv'; there are: " in synced.json["error"]["message"]


def test_read_only_mode_syncs_and_imports(desk: Terminal) -> None:
    """No host is touched by it."""
    environ = {"PATCHWAVE_READ_ONLY": "true"}
    assert 0 == desk.run("advisories", "import", KEV, environ=environ).code
    assert 0 == desk.run("advisories", "sync", environ={**environ, "PATCHWAVE_FEEDS": "none"}).code


def test_a_folder_of_files(desk: Terminal) -> None:
    """What is no feed's is named and left out."""
    folder = desk.folder / "brought"
    folder.mkdir()
    for name in (KEV, EPSS):
        (desk.folder / name).rename(folder / name)
    Path(folder / "SHA256SUMS").write_text("…")
    taken = desk.run("advisories", "import", "brought")
    assert 0 == taken.code
    assert "brought/SHA256SUMS: is no file of a feed that is known" in taken.err
    assert "SHA256SUMS" not in taken.out
    for name in (KEV, EPSS):
        (folder / name).unlink()
    assert "1 file left out: none is of a feed that is known\n" == desk.run("advisories", "import", "brought").out
