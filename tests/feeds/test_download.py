"""Downloads: conditional, resumed, capped, repeated, and silent about secrets."""

import gzip
import hashlib
import os
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from orchestrator.errors import Conflict, FeedUnavailable
from orchestrator.feeds.download import ATTEMPTS, DownloadSettings, HttpFetch
from orchestrator.feeds.opening import opened
from tests.fakes.clock import FakeClock
from tests.feeds.web_server import Answer, Site, file, serving

CONTENT = b"0123456789" * 5_000


@pytest.fixture
def site() -> Iterator[Site]:
    """A web server."""
    with serving() as running:
        yield running


@pytest.fixture
def clock() -> FakeClock:
    """Waiting takes no time."""
    return FakeClock()


@pytest.fixture
def fetch(tmp_path: Path, clock: FakeClock) -> Iterator[HttpFetch]:
    """Downloads to an empty folder."""
    with HttpFetch(tmp_path / "feeds", DownloadSettings(most=1_000_000, timeout=5.0), clock) as running:
        yield running


def _content(fetched: object) -> bytes:
    return Path(getattr(fetched, "path")).read_bytes()  # noqa: B009  None would say nothing of what went wrong


def test_a_file_comes_with_its_hash_and_validators(site: Site, fetch: HttpFetch) -> None:
    """What the next request needs, and what the import records; the file is nobody else's to read."""
    modified = "Sun, 01 Mar 2026 12:00:00 GMT"
    site.answers["/a.json"] = [file(CONTENT, **{"Last-Modified": modified})]
    fetched = fetch(f"{site.url}/a.json")
    assert fetched is not None
    assert (CONTENT, hashlib.sha256(CONTENT).hexdigest(), len(CONTENT)) == (
        fetched.path.read_bytes(),
        fetched.sha256,
        fetched.size,
    )
    assert ('"one"', modified, f"{site.url}/a.json") == (fetched.etag, fetched.last_modified, fetched.url)
    assert 0o600 == fetched.path.stat().st_mode & 0o777


def test_what_has_not_changed_is_not_downloaded(site: Site, fetch: HttpFetch) -> None:
    """The validators go along, and 304 is no file."""
    site.answers["/a"] = [file(CONTENT)]
    assert fetch(f"{site.url}/a", etag='"one"', last_modified="Sun, 01 Mar 2026 12:00:00 GMT") is None
    ((_path, headers),) = site.asked
    assert ('"one"', "Sun, 01 Mar 2026 12:00:00 GMT") == (headers["If-None-Match"], headers["If-Modified-Since"])


def test_a_304_that_nobody_asked_for_is_a_failure(site: Site, fetch: HttpFetch) -> None:
    """Without a validator there is nothing that could have stayed the same."""
    site.answers["/a"] = [Answer(304)]
    with pytest.raises(FeedUnavailable, match="it answered 304"):
        fetch(f"{site.url}/a")


@pytest.mark.parametrize("cut", [1, 100, len(CONTENT) - 1])
def test_a_download_that_was_cut_off_goes_on_where_it_stopped(site: Site, fetch: HttpFetch, cut: int) -> None:
    """With the range that is missing, if the file is still the same."""
    site.answers["/a"] = [Answer(200, CONTENT, {"ETag": '"one"'}, cut=cut), file(CONTENT)]
    fetched = fetch(f"{site.url}/a")
    assert CONTENT == _content(fetched)
    _path, headers = site.asked[-1]
    assert (f"bytes={cut}-", '"one"') == (headers["Range"], headers["If-Range"])
    assert fetched is not None
    assert hashlib.sha256(CONTENT).hexdigest() == fetched.sha256


def test_a_later_run_goes_on_as_well(site: Site, tmp_path: Path, clock: FakeClock) -> None:
    """What a killed process left behind is not downloaded again."""
    site.answers["/a"] = [Answer(200, CONTENT, {"ETag": '"one"'}, cut=500), Answer(403)]
    settings = DownloadSettings(most=1_000_000)
    with HttpFetch(tmp_path, settings, clock) as fetch, pytest.raises(FeedUnavailable):
        fetch(f"{site.url}/a")
    site.answers["/a"] = [file(CONTENT)]
    with HttpFetch(tmp_path, settings, clock) as fetch:
        assert CONTENT == _content(fetch(f"{site.url}/a"))
    assert "bytes=500-" == site.asked[-1][1]["Range"]


def test_a_part_of_another_state_is_thrown_away(site: Site, fetch: HttpFetch) -> None:
    """The server says by 200 that the file is another one now."""
    other = CONTENT[::-1]
    site.answers["/a"] = [Answer(200, CONTENT, {"ETag": '"one"'}, cut=500), file(other, etag='"two"')]
    fetched = fetch(f"{site.url}/a")
    assert other == _content(fetched)
    assert fetched is not None
    assert '"two"' == fetched.etag


def test_without_a_strong_validator_it_begins_anew(site: Site, fetch: HttpFetch) -> None:
    """A weak ETag does not say that the bytes are the same."""
    site.answers["/a"] = [Answer(200, CONTENT, {"ETag": 'W/"one"'}, cut=500), Answer(200, CONTENT)]
    assert CONTENT == _content(fetch(f"{site.url}/a"))
    assert "Range" not in site.asked[-1][1]


@pytest.mark.parametrize(
    "answer",
    [
        Answer(206, CONTENT[7:], {"Content-Range": "bytes 7-49999/50000"}),
        Answer(206, CONTENT[500:], {"Content-Range": "rubbish"}),
        Answer(416),
    ],
    ids=["other range", "no range", "not satisfiable"],
)
def test_an_answer_of_another_range_is_not_put_together(site: Site, fetch: HttpFetch, answer: Answer) -> None:
    """It begins anew instead."""
    site.answers["/a"] = [Answer(200, CONTENT, {"ETag": '"one"'}, cut=500), answer, file(CONTENT)]
    assert CONTENT == _content(fetch(f"{site.url}/a"))
    assert "Range" not in site.asked[-1][1]


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(site: Site, fetch: HttpFetch, clock: FakeClock, status: int) -> None:
    """With longer and longer waits between."""
    site.answers["/a"] = [Answer(status), Answer(status), file(CONTENT)]
    assert CONTENT == _content(fetch(f"{site.url}/a"))
    assert 2.0 + 4.0 == clock.slept


def test_it_is_not_tried_for_ever(site: Site, fetch: HttpFetch) -> None:
    """The error says what the last answer was, and how often it was tried."""
    site.answers["/a"] = [Answer(503)]
    with pytest.raises(FeedUnavailable, match=rf"/a: it answered 503 Service Unavailable \(attempt {ATTEMPTS} of"):
        fetch(f"{site.url}/a")
    assert ATTEMPTS == len(site.asked)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 451])
def test_what_will_not_pass_is_not(site: Site, fetch: HttpFetch, status: int) -> None:
    """One question is enough."""
    site.answers["/a"] = [Answer(status)]
    with pytest.raises(FeedUnavailable, match=f"it answered {status}"):
        fetch(f"{site.url}/a")
    assert 1 == len(site.asked)


def test_the_server_says_when_to_come_back(site: Site, fetch: HttpFetch, clock: FakeClock) -> None:
    """In seconds, or as a date."""
    then = format_datetime(clock.now() + timedelta(seconds=77 + 30), usegmt=True)
    site.answers["/a"] = [
        Answer(429, headers={"Retry-After": "77"}),
        Answer(503, headers={"Retry-After": then}),
        file(CONTENT),
    ]
    assert CONTENT == _content(fetch(f"{site.url}/a"))
    assert 77.0 + 30.0 == clock.slept


@pytest.mark.parametrize("wait", ["86400", "999999999999999999999", "Fri, 01 Jan 2027 00:00:00 GMT"])
def test_nobody_waits_for_a_day(site: Site, fetch: HttpFetch, clock: FakeClock, wait: str) -> None:
    """It is left for the next sync."""
    site.answers["/a"] = [Answer(429, headers={"Retry-After": wait})]
    with pytest.raises(FeedUnavailable, match="asks to wait for"):
        fetch(f"{site.url}/a")
    assert (0.0, 1) == (clock.slept, len(site.asked))


@pytest.mark.parametrize("length", [True, False])
def test_a_file_that_is_too_large_is_refused(site: Site, fetch: HttpFetch, length: bool) -> None:
    """Announced or not; nothing of it stays."""
    site.answers["/a"] = [Answer(200, CONTENT, {"ETag": '"one"'}, length=length)]
    with pytest.raises(FeedUnavailable, match="larger than 1000 bytes: the setting feed_max_bytes"):
        fetch(f"{site.url}/a", most=1000)
    assert [".lock"] == [one.name for one in fetch._folder.iterdir()]


def test_redirects_are_followed_but_not_for_ever(site: Site, fetch: HttpFetch) -> None:
    """Relative and absolute ones; a circle ends."""
    site.answers["/a"] = [Answer(302, headers={"Location": "b/c"})]
    site.answers["/b/c"] = [Answer(301, headers={"Location": f"{site.url}/d"})]
    site.answers["/d"] = [file(CONTENT)]
    site.answers["/circle"] = [Answer(307, headers={"Location": "/circle"})]
    assert CONTENT == _content(fetch(f"{site.url}/a"))
    with pytest.raises(FeedUnavailable, match="more than 5 redirects"):
        fetch(f"{site.url}/circle")


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/a", "data:,x", "http:///a"])
def test_other_schemes_are_never_followed(site: Site, fetch: HttpFetch, target: str) -> None:
    """Neither where they are configured nor where a server says so."""
    site.answers["/a"] = [Answer(302, headers={"Location": target})]
    for url in (f"{site.url}/a", target):
        with pytest.raises(FeedUnavailable):
            fetch(url)


def test_nobody_leads_from_https_to_http(tmp_path: Path, clock: FakeClock) -> None:
    """What was configured encrypted is downloaded encrypted, or not at all."""

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(302, headers={"Location": "http://mirror.example.net/a"}, request=request)

    transport = httpx.MockTransport(answer)
    with (
        HttpFetch(tmp_path, DownloadSettings(most=1_000), clock, transport) as fetch,
        pytest.raises(FeedUnavailable, match=r"redirects to http://mirror\.example\.net/a, which is not encrypted"),
    ):
        fetch("https://feeds.example.net/a")


def test_what_the_server_compresses_is_kept_compressed(site: Site, fetch: HttpFetch) -> None:
    """Hash, size and ranges are of the bytes that came; opening the file expands them."""
    packed = gzip.compress(CONTENT)
    site.answers["/a.json"] = [file(packed, **{"Content-Encoding": "gzip"})]
    fetched = fetch(f"{site.url}/a.json")
    assert fetched is not None
    assert packed == fetched.path.read_bytes()
    with opened(fetched.path) as content:
        assert CONTENT == content.read()


def test_compression_is_not_asked_for_where_the_file_has_its_own(site: Site, fetch: HttpFetch) -> None:
    """And one that was not asked for is refused."""
    site.answers["/a.zip"] = [file(CONTENT)]
    site.answers["/b.json"] = [file(CONTENT, **{"Content-Encoding": "br"})]
    fetch(f"{site.url}/a.zip")
    assert "identity" == site.asked[-1][1]["Accept-Encoding"]
    with pytest.raises(FeedUnavailable, match="compresses in a way that was not asked for"):
        fetch(f"{site.url}/b.json")


def test_secrets_are_sent_and_never_told(site: Site, tmp_path: Path, clock: FakeClock) -> None:
    """User and password of the URL go to its server; no error, no file and no result has them, or the query."""
    url = site.url.replace("//", "//user:hunter2@") + "/a?token=sesame"
    site.answers["/a"] = [file(CONTENT), Answer(404)]
    settings = DownloadSettings(most=1_000_000)
    with HttpFetch(tmp_path, settings, clock) as fetch:
        fetched = fetch(url)
        with pytest.raises(FeedUnavailable) as failed:
            fetch(url)
        assert "Basic dXNlcjpodW50ZXIy" == site.asked[0][1]["Authorization"]
        assert "/a?token=sesame" == site.asked[0][0]
        names = "".join(one.name for one in tmp_path.iterdir())
    assert fetched is not None
    for told in (str(failed.value), fetched.model_dump_json(), names):
        assert ("hunter2" in told, "sesame" in told) == (False, False)


def test_the_proxys_password_is_never_told(tmp_path: Path, clock: FakeClock) -> None:
    """Nothing listens there; the error is about the URL that was wanted."""
    settings = DownloadSettings(most=1_000, proxy="http://user:hunter2@127.0.0.1:1")
    with HttpFetch(tmp_path, settings, clock) as fetch, pytest.raises(FeedUnavailable) as failed:
        fetch("http://feeds.example.net/a")
    assert "http://feeds.example.net/a: connect error" in str(failed.value)
    assert "hunter2" not in str(failed.value)


def test_a_proxy_is_asked_for_the_whole_url(site: Site, tmp_path: Path, clock: FakeClock) -> None:
    """The server of this test stands in for one."""
    site.answers["http://feeds.example.net/a"] = [file(CONTENT)]
    with HttpFetch(tmp_path, DownloadSettings(most=1_000_000, proxy=site.url), clock) as fetch:
        assert CONTENT == _content(fetch("http://feeds.example.net/a"))


@pytest.mark.parametrize(
    "settings",
    [
        DownloadSettings(most=1, ca_file=Path("/nonexistent/ca.pem")),
        DownloadSettings(most=1, ca_file=Path(__file__)),
        DownloadSettings(most=1, proxy="nonsense"),
    ],
    ids=["no such file", "no certificate", "no proxy"],
)
def test_settings_that_cannot_work_are_said_at_once(
    tmp_path: Path, clock: FakeClock, settings: DownloadSettings
) -> None:
    """Before anything is asked."""
    with pytest.raises(FeedUnavailable, match="downloads cannot begin"), HttpFetch(tmp_path, settings, clock):
        pass


def test_one_sync_at_a_time(fetch: HttpFetch, clock: FakeClock) -> None:
    """Another one would write to the same files."""
    with (
        pytest.raises(Conflict, match="another sync is under way"),
        HttpFetch(fetch._folder, DownloadSettings(most=1), clock),
    ):
        pass


def test_nothing_is_left_but_parts(site: Site, tmp_path: Path, clock: FakeClock) -> None:
    """Whole files go at the end; a part that nobody came back for goes after a week."""
    site.answers["/a.json"] = [file(CONTENT)]
    site.answers["/b"] = [Answer(200, CONTENT, {"ETag": '"one"'}, cut=500), Answer(404)]
    settings = DownloadSettings(most=1_000_000)
    with HttpFetch(tmp_path, settings, clock) as fetch:
        fetch(f"{site.url}/a.json")
        with pytest.raises(FeedUnavailable):
            fetch(f"{site.url}/b")
    assert {".lock", ".part", ".about"} == {one.suffix or one.name for one in tmp_path.iterdir()}
    for part in tmp_path.iterdir():
        then = (clock.now() - timedelta(days=8)).timestamp()
        os.utime(part, (then, then))
    with HttpFetch(tmp_path, settings, clock):
        assert [".lock"] == [one.name for one in tmp_path.iterdir()]


def test_a_server_that_drips_is_given_up(site: Site, tmp_path: Path) -> None:
    """However often something comes, it has to end in two hours."""

    class Slow(FakeClock):
        """An hour passes whenever somebody looks."""

        def now(self) -> datetime:
            self.advance(3600)
            return super().now()

    site.answers["/a"] = [Answer(200, CONTENT * 20)]
    with (
        HttpFetch(tmp_path, DownloadSettings(most=10_000_000), Slow()) as fetch,
        pytest.raises(FeedUnavailable, match="it took longer than 2:00:00"),
    ):
        fetch(f"{site.url}/a")


def test_an_address_that_nobody_has_is_unavailable(fetch: HttpFetch) -> None:
    """With the reason of the system."""
    with pytest.raises(FeedUnavailable, match=r"127\.0\.0\.1:1/a: connect error"):
        fetch("http://127.0.0.1:1/a")


def test_the_proxy_of_the_environment_is_asked(
    site: Site, tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As every program there does; the setting goes before it."""
    site.answers["http://feeds.example.net/a"] = [file(CONTENT)]
    monkeypatch.setenv("HTTP_PROXY", site.url)
    with HttpFetch(tmp_path, DownloadSettings(most=1_000_000), clock) as fetch:
        assert CONTENT == _content(fetch("http://feeds.example.net/a"))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with HttpFetch(tmp_path, DownloadSettings(most=1_000_000, proxy=site.url), clock) as fetch:
        assert CONTENT == _content(fetch("http://feeds.example.net/a"))


def test_an_authority_of_ones_own(tmp_path: Path, clock: FakeClock) -> None:
    """Without the setting the server is not trusted, which no further attempt would change; with it, it is."""
    certificate = _self_signed(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    with serving(tls) as site:
        site.answers["/a"] = [file(CONTENT)]
        with (
            HttpFetch(tmp_path / "feeds", DownloadSettings(most=1_000_000), clock) as fetch,
            pytest.raises(FeedUnavailable, match="certificate is not trusted: the setting feed_ca_file"),
        ):
            fetch(f"{site.url}/a")
        assert 0.0 == clock.slept
        settings = DownloadSettings(most=1_000_000, ca_file=certificate)
        with HttpFetch(tmp_path / "feeds", settings, clock) as fetch:
            assert CONTENT == _content(fetch(f"{site.url}/a"))


def _self_signed(folder: Path) -> Path:
    """A key and a certificate of 127.0.0.1 that it signed, in one file."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(tz=UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "made up")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path = folder / "certificate.pem"
    path.write_bytes(plain + certificate.public_bytes(Encoding.PEM))
    return path
