"""Pinned host keys: the contract of `HostKeys`, and the file they are kept in."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestrator.core.hosts import Host
from orchestrator.errors import InvalidInput, NotAvailable, Unreachable
from orchestrator.ports.ssh import HostKeys, PresentedKey
from orchestrator.ssh import HomeHostKeys
from orchestrator.ssh.known_hosts import key_of
from tests.adapters.ssh.conftest import host_of
from tests.adapters.sshd import Sshd, User
from tests.fakes.ssh import FakeHostKeys

pytestmark = pytest.mark.sshd

ED25519 = key_of("ssh-ed25519", "AAAAC3NzaC1lZDI1NTE5AAAAIEDcIp2Jf5pUJdWSZUHvXNmNVaSWGqMQyB3VYrRsIpM4")
OTHER = key_of("ssh-ed25519", "AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "known_hosts"


@pytest.fixture(params=["home", "fake"])
def keys(request: pytest.FixtureRequest, path: Path, sshd: Sshd, no_config: str) -> HostKeys:
    """Every implementation of the port, before a host that presents a key."""
    if request.param == "fake":
        return FakeHostKeys({"web1": key_of(*sshd.host_key())})
    return HomeHostKeys(path, connect_timeout=10, ssh_config_path=no_config)


def test_nothing_is_pinned_at_first(keys: HostKeys) -> None:
    """An unknown name has no keys."""
    assert keys.pinned("web1") == ()


def test_exactly_what_was_pinned_last_counts(keys: HostKeys) -> None:
    """Pinning replaces."""
    keys.pin("web1", [ED25519, OTHER])
    keys.pin("web2", [OTHER])
    keys.pin("web1", [ED25519])
    assert (keys.pinned("web1"), keys.pinned("web2")) == ((ED25519,), (OTHER,))
    keys.pin("web1", [])
    assert keys.pinned("web1") == ()


def test_the_host_shows_its_key_untrusted(keys: HostKeys, sshd: Sshd, user: User) -> None:
    """Asking pins nothing."""
    assert keys.present(host_of(sshd, user)) == key_of(*sshd.host_key())
    assert keys.pinned("web1") == ()


def test_a_host_that_does_not_answer_shows_nothing(keys: HostKeys) -> None:
    """Asking is as named an error as reaching."""
    with pytest.raises(Unreachable):
        keys.present(Host(name="gone", address="127.0.0.1", port=1))


def test_pins_survive(path: Path) -> None:
    """Another process reads them, and the file is its owner's alone."""
    HomeHostKeys(path).pin("web1", [ED25519])
    assert HomeHostKeys(path).pinned("web1") == (ED25519,)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text() == f"web1 {ED25519.type} {ED25519.blob}\n"


def test_other_lines_stay_as_they_are(path: Path) -> None:
    """Comments, other hosts, markers, and the other names of a line."""
    path.parent.mkdir()
    key = f"{ED25519.type} {ED25519.blob}"
    path.write_text(f"# mine\n\nweb1,web2 {key} a comment\n@cert-authority * {key}\nweb3\t{key}")
    HomeHostKeys(path).pin("web1", [OTHER])
    expected = f"# mine\n\nweb2 {key} a comment\n@cert-authority * {key}\nweb3\t{key}\nweb1 {OTHER.type} {OTHER.blob}\n"
    assert expected == path.read_text()


def test_a_change_by_somebody_else_is_seen(path: Path) -> None:
    """An open `HomeHostKeys` notices what another one pins."""
    mine, theirs = HomeHostKeys(path), HomeHostKeys(path)
    assert mine.pinned("web1") == ()
    theirs.pin("web1", [ED25519])
    assert mine.pinned("web1") == (ED25519,)


def test_names_hashed_and_patterns(path: Path) -> None:
    """What ssh-keygen -H makes of a name is still that name; a pattern counts where no line names the host."""
    path.parent.mkdir()
    path.write_text(f"web1 {ED25519.type} {ED25519.blob}\n")
    subprocess.run(("ssh-keygen", "-q", "-H", "-f", str(path)), check=True, capture_output=True)
    with path.open("a") as file:
        file.write(f"*.lab,!bad.lab {OTHER.type} {OTHER.blob}\n")
    keys = HomeHostKeys(path)
    expected: tuple[tuple[PresentedKey, ...], ...] = ((ED25519,), (OTHER,), (), ())
    assert expected == tuple(keys.pinned(name) for name in ("web1", "a.lab", "bad.lab", "web2"))


def test_a_revoked_key_is_not_pinned(path: Path) -> None:
    """Whatever else a file says of it."""
    path.parent.mkdir()
    path.write_text(f"web1 {ED25519.type} {ED25519.blob}\n@revoked * {ED25519.type} {ED25519.blob}\n")
    assert HomeHostKeys(path).pinned("web1") == ()


@pytest.mark.parametrize(
    "line",
    [
        "web1",
        "web1 ssh-ed25519",
        "web1 ssh-ed25519 !!!",
        f"web1 ssh-rsa {ED25519.blob}",
        f"@what web1 {ED25519.type} AAAA",
    ],
)
def test_a_malformed_line_is_named(path: Path, line: str) -> None:
    """File and line stand in the error, for reading and for writing; the file stays as it is."""
    path.parent.mkdir()
    path.write_text(f"# first\n{line}\n")
    with pytest.raises(InvalidInput, match=r"known_hosts:2: "):
        HomeHostKeys(path).pinned("web1")
    with pytest.raises(InvalidInput, match=r"known_hosts:2: "):
        HomeHostKeys(path).pin("web2", [ED25519])
    assert path.read_text() == f"# first\n{line}\n"


@pytest.mark.parametrize("name", ["", "a b", "a,b", "*", "!a", "#a", "@a", "|1|a", "a\nb"])
def test_a_name_that_means_something_else_is_refused(path: Path, name: str) -> None:
    """It would pin other hosts, or none."""
    with pytest.raises(InvalidInput, match="known_hosts"):
        HomeHostKeys(path).pin(name, [ED25519])


def test_a_folder_in_its_place(path: Path) -> None:
    """What cannot be read is said so."""
    path.mkdir(parents=True)
    with pytest.raises(NotAvailable, match="known_hosts"):
        HomeHostKeys(path).pinned("web1")


def test_concurrent_writers_lose_nothing(path: Path) -> None:
    """Threads of this process and another process pin at once; all pins are there after."""
    code = (
        "import sys; from pathlib import Path; from orchestrator.ssh import HomeHostKeys;"
        "from orchestrator.ssh.known_hosts import key_of; keys = HomeHostKeys(Path(sys.argv[1]));"
        "[keys.pin(f'theirs{n}', [key_of(sys.argv[2], sys.argv[3])]) for n in range(30)]"
    )
    other = subprocess.Popen((sys.executable, "-c", code, str(path), ED25519.type, ED25519.blob))
    keys = HomeHostKeys(path)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: keys.pin(f"ours{n}", [OTHER]), range(30)))
    assert other.wait(30) == 0
    expected = sorted([f"ours{n}" for n in range(30)] + [f"theirs{n}" for n in range(30)])
    assert expected == sorted(line.split()[0] for line in path.read_text().splitlines())
