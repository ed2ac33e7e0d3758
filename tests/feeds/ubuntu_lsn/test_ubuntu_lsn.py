"""Ubuntu's live patch notices."""

import json
import re
import zipfile
from pathlib import Path

import pytest

from orchestrator.errors import FeedInvalid, NotFound
from orchestrator.feeds.osv import Osv
from orchestrator.feeds.osv_live_patches import is_safe
from orchestrator.feeds.ubuntu_lsn import UbuntuLsn
from orchestrator.ports.advisories import FeedFile
from orchestrator.ports.feeds import Known
from tests.feeds.golden import cases, expected, golden, read, said

HERE = Path(__file__).parent


@pytest.mark.parametrize("name", cases(HERE))
def test_a_notice_says_which_modules_fix_what(name: str) -> None:
    """Golden cases: today's notices, the first ones, and modules that cannot be used."""
    assert said(read(UbuntuLsn(), golden(HERE, name))) == expected(HERE, name)


def test_the_pattern_finds_the_version_of_a_module() -> None:
    """The whole name of a module as it is loaded, and the version in its first group."""
    (entry,) = read(UbuntuLsn(), golden(HERE, "short_number"))
    found = re.fullmatch(entry.module_fixes[0].pattern, "lkp_Ubuntu_4_15_0_1190_203_aws_921")
    assert found is not None
    assert int(found[1]) >= entry.module_fixes[0].version


@pytest.mark.parametrize(
    ("pattern", "safe"),
    [
        (r"lkp_Ubuntu_5_15_0[_|\d]+_(?:generic|lowlatency)_(\d+)", True),
        (r"lkp_Ubuntu_6_8_0[_|\d]+_linux_(\d+)", True),
        (r"(\d+)(\d+)(\d+)", True),
        (r"(\d+)(\d+)(\d+)(\d+)", False),
        (r"(a+)+(\d+)", False),
        (r"(a|a)*(\d+)", False),
        (r"(\d{1,40}){1,40}", False),
        (r"(\d+)\1", False),
        (r"(?=(\d+))", False),
        (r"lkp_Ubuntu_\d+", False),
        ("(", False),
        ("(" * 200, False),
        ("(a)" * 101, False),
        ("", False),
    ],
)
def test_patterns_that_can_take_for_ever_are_not_used(pattern: str, safe: bool) -> None:
    """They come from a file, and are matched against names from hosts."""
    assert is_safe(pattern) is safe


def test_a_zip_of_notices_is_not_whole(tmp_path: Path) -> None:
    """Numbers are skipped, so that nobody can tell what is missing; and OSV leaves such an archive alone."""
    path = tmp_path / "lsn.zip"
    with zipfile.ZipFile(path, "w") as made:
        for name in ("notice", "short_number"):
            made.write(golden(HERE, name), f"osv/lsn/{name}.json")
    assert UbuntuLsn().recognise(path) == FeedFile(path=path, feed="ubuntu-lsn", source=str(path), is_whole=False)
    assert [entry.id for entry in read(UbuntuLsn(), path)] == ["LSN-0912-1", "LSN-920-1"]
    assert Osv().recognise(path) is None


def test_a_single_notice_is_not_osv() -> None:
    """Two feeds never take the same file."""
    assert Osv().recognise(golden(HERE, "notice")) is None


def test_other_records_are_refused(tmp_path: Path) -> None:
    """A record that is no notice has nothing to do in this feed."""
    path = tmp_path / "one.json"
    path.write_text(json.dumps(json.loads(golden(HERE, "notice").read_text()) | {"id": "USN-1-1"}))
    assert UbuntuLsn().recognise(path) is None
    with pytest.raises(FeedInvalid, match=r"one\.json: /id: is no live patch notice"):
        list(UbuntuLsn().entries(FeedFile(path=path, feed="ubuntu-lsn", source="one.json")))


def test_notices_are_downloaded_with_ubuntus_archive() -> None:
    """There is nothing to download for them alone."""
    assert UbuntuLsn().parts(Known(distributions=frozenset({"ubuntu:22.04"}))) == ()
    with pytest.raises(NotFound, match="osv/Ubuntu"):
        UbuntuLsn().files("ubuntu-lsn", Known(), fetch=lambda url, **_more: None)
