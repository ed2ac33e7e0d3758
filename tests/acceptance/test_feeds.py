"""Vulnerability data as users have it: synced by the service, from a mirror, through restarts and kills."""

import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.product import Patchwave, kill
from tests.feeds.cases import epss, kev
from tests.feeds.web_server import Answer, Site, file, serving

METRIC = "patchwave_feed_last_success_timestamp_seconds"


@pytest.fixture
def site() -> Iterator[Site]:
    """A mirror that has both."""
    with serving() as running:
        running.answers = {"/kev": [file(kev.CASE.content)], "/epss": [file(epss.CASE.content)]}
        yield running


@pytest.fixture
def product(tmp_path: Path, site: Site) -> Patchwave:
    """A home folder whose feeds come from the mirror, and whose fleet is empty of anything that could be reached."""
    home = tmp_path / "home"
    home.mkdir()
    product = Patchwave(home=home)
    product.ok("init")
    (home / "inventory").mkdir()
    (home / "inventory" / "hosts.yml").write_text("all: {hosts: {web1: {ansible_host: 127.0.0.1, ansible_port: 1}}}\n")
    urls = f'kev = "{site.url}/kev"\nepss = "{site.url}/epss"\n'
    (home / "patchwave.toml").write_text(f"read_only = true\n[feed_urls]\n{urls}")
    return product


def exposed(service: "subprocess.Popen[str]") -> dict[str, float]:
    """The metric by feed, once there is one for each."""
    assert service.stderr is not None
    line = next(line for line in service.stderr if "http://" in line)
    url = line.split("serving on ")[1].split(";")[0]
    until = time.monotonic() + 60
    while True:
        with urllib.request.urlopen(f"{url}/metrics", timeout=30) as answer:  # a loopback address
            lines = [line for line in answer.read().decode().splitlines() if line.startswith(METRIC + "{")]
        found = {line.split('"')[1]: float(line.rsplit(" ", 1)[1]) for line in lines}
        if len(found) == 2 or time.monotonic() > until:
            return found
        time.sleep(0.1)


def test_the_service_syncs_what_is_due(product: Patchwave, site: Site) -> None:
    """In read-only mode too, and not again because it was restarted; the metric is the time of the last success."""
    began = time.time()
    for _start in range(2):
        service = product.start("serve", "--port", "0")
        try:
            found = exposed(service)
        finally:
            service.terminate()
            service.communicate(timeout=60)
        assert {"kev", "epss"} == found.keys()
        assert all(began - 1 <= moment <= time.time() for moment in found.values())
    assert ["/epss", "/kev"] == sorted(path for path, _headers in site.asked)
    assert 1 == len(product.ok("advisories", "show", "CVE-2099-0001", "--json").json["grades"])


def test_a_killed_download_goes_on_where_it_was(product: Patchwave, site: Site) -> None:
    """The next sync asks for the rest, and what was half there was never taken in."""
    content = kev.CASE.content + b" " * 200_000
    site.answers["/kev"] = [Answer(200, content, {"ETag": '"one"'}, hangs_after=100_000), file(content)]
    syncing = product.start("advisories", "sync", "kev")
    feeds, until = product.home / "feeds", time.monotonic() + 60
    while not any(one.stat().st_size > 50_000 for one in feeds.glob("*.part")) and time.monotonic() < until:
        time.sleep(0.05)
    kill(syncing)
    assert [] == product.ok("advisories", "status", "--json").json["feeds"]

    (result,) = product.ok("advisories", "sync", "kev", "--json").json["results"]

    assert ("imported", 2) == (result["state"], result["added"])
    _path, headers = site.asked[-1]
    assert ('"one"', True) == (headers["If-Range"], headers["Range"].startswith("bytes="))
    assert [".lock"] == [one.name for one in feeds.iterdir()]
