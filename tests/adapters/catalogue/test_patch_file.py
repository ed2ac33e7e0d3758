"""Patch files and the modules they name: what is accepted, and what each refusal says."""

import hashlib
import lzma
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.catalogue import read_patch
from orchestrator.catalogue.kernel_module import SIGNATURE_MAGIC, read_module
from orchestrator.core.patches import Severity
from orchestrator.errors import CatalogueInvalid
from tests.adapters.catalogue.module_writer import AARCH64, I386, RISCV, SHARED, elf, module

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
RELEASE = "6.1.0-40-cloud-amd64"
KERNEL_ID = "ab" * 20

fuzz = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


def entry(folder: Path, file: str = "lab.ko", data: bytes | None = None, **changes: Any) -> dict[str, Any]:
    """A build of the patch file, its module written to the folder."""
    data = module() if data is None else data
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    (folder / file).write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    return {"module": file, "kernel": RELEASE, "build_id": KERNEL_ID, "sha256": digest} | changes


def patch(folder: Path, *builds: dict[str, Any], **changes: Any) -> Path:
    """A patch file with these builds."""
    fixes = [{"cve": "CVE-2099-0001", "severity": "high", "disclosed": "2025-02-03", "published": None}]
    whole = {"id": "LAB-0001", "summary": "a test", "fixes": fixes, "replaces": "none", "builds": list(builds)}
    return write(folder, yaml.safe_dump(whole | changes, sort_keys=False))


def write(folder: Path, text: str) -> Path:
    """A patch file of that text."""
    path = folder / "patch.yaml"
    path.write_text(text)
    return path


def refusal(path: Path) -> CatalogueInvalid:
    """How the patch file is refused."""
    with pytest.raises(CatalogueInvalid) as caught:
        read_patch(path, NOW)
    assert str(path) == caught.value.file
    return caught.value


def test_a_patch_file_is_read_with_what_its_modules_say(tmp_path: Path) -> None:
    """Name, build id, size and signature come from the module itself."""
    data = module(signature=b"xx" + SIGNATURE_MAGIC)
    found, files = read_patch(patch(tmp_path, entry(tmp_path, data=data)), NOW)
    build = found.builds[0]
    assert ("LAB-0001", "none", NOW) == (found.id, found.replaces, found.added_at)
    assert ("lab_0001", "11" * 20, True, len(data)) == (build.name, build.module_build_id, build.signed, build.size)
    assert {"lab.ko": tmp_path / "lab.ko"} == files
    assert (Severity.HIGH, datetime(2025, 2, 3, tzinfo=UTC), None) == (
        found.fixes[0].severity,
        found.fixes[0].disclosed,
        found.fixes[0].published,
    )


def test_an_unsigned_module_says_so(tmp_path: Path) -> None:
    """Whether that matters is for the host to say."""
    assert not read_patch(patch(tmp_path, entry(tmp_path)), NOW)[0].builds[0].signed


@pytest.mark.parametrize(
    ("written", "expected"),
    [("2025-02-03", "2025-02-03T00:00+00:00"), ("2025-02-03T09:00:00+02:00", "2025-02-03T07:00+00:00")],
)
def test_dates_are_read_plain_or_with_their_zone(tmp_path: Path, written: str, expected: str) -> None:
    """Quoted or not; a day alone is its first moment in UTC."""
    builds = yaml.safe_dump([entry(tmp_path)])
    for form in (written, f'"{written}"'):
        text = f"id: X\nsummary: a\nfixes: [{{cve: CVE-2099-0001, disclosed: {form}}}]\nbuilds:\n{builds}"
        found, _ = read_patch(write(tmp_path, text), NOW)
        assert datetime.fromisoformat(expected) == found.fixes[0].disclosed


@pytest.mark.parametrize("replaces", ["all", "none", ["LAB-0000", "LAB-0009"]])
def test_what_it_replaces_is_kept(tmp_path: Path, replaces: Any) -> None:
    """All, none, or ids."""
    found, _ = read_patch(patch(tmp_path, entry(tmp_path), replaces=replaces), NOW)
    assert found.replaces == (tuple(replaces) if isinstance(replaces, list) else replaces)


def test_modules_in_folders_below_are_kept_under_flat_names(tmp_path: Path) -> None:
    """One folder per kernel is how builds are often laid out."""
    _, files = read_patch(patch(tmp_path, entry(tmp_path, "6.1/lab.ko")), NOW)
    assert {"6.1-lab.ko": tmp_path / "6.1/lab.ko"} == files


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "not an ELF file"),
        (b"hello", "not an ELF file"),
        (b"\x7fELF", "damaged or truncated"),
        (module()[:-10], "truncated"),
        (module()[:100], "truncated"),
        (module(livepatch=None), "livepatch=Y"),
        (module(livepatch="N"), "livepatch=Y"),
        (module(build_id=None), "no GNU build id"),
        (module(build_id=b"\x11"), "module_build_id"),
        (module(name=None), "no name="),
        (module(name="../x"), "'../x' for its name"),
        (module(vermagic=None), "no vermagic="),
        (module(kind=SHARED), "not a kernel module"),
        (module(machine=I386), "built for x86"),
        (module(machine=RISCV), "built for RISC-V"),
        (module(machine=AARCH64), "is for aarch64"),
        (elf([(".text", 1, b"x")]), "no .modinfo"),
        (lzma.compress(module()), "compressed (xz): decompress it"),
        (b"\x1f\x8b\x08", "compressed (gzip): decompress it"),
        (b"\x28\xb5\x2f\xfd", "compressed (zstd): decompress it"),
    ],
)
def test_a_file_that_is_no_live_patch_for_us_is_refused(tmp_path: Path, data: bytes, says: str) -> None:
    """With its place in the patch file, and what is wrong with it."""
    found = refusal(patch(tmp_path, entry(tmp_path, data=data)))
    assert ("builds.0.module", 10) == (found.field, found.line)
    assert says in found.message


@fuzz
@given(cut=st.integers(min_value=0, max_value=len(module()) - 1))
def test_a_module_cut_off_anywhere_is_refused_by_name(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    """Never an error of the ELF library."""
    path = tmp_path_factory.getbasetemp() / "cut.ko"
    path.write_bytes(module()[:cut])
    with pytest.raises(CatalogueInvalid):
        read_module(path)


@fuzz
@given(at=st.integers(min_value=4, max_value=len(module()) - 1), value=st.integers(min_value=0, max_value=255))
def test_a_damaged_module_is_read_or_refused_by_name(
    tmp_path_factory: pytest.TempPathFactory, at: int, value: int
) -> None:
    """Whatever byte changed."""
    data = bytearray(module())
    data[at] = value
    path = tmp_path_factory.getbasetemp() / "damaged.ko"
    path.write_bytes(data)
    with suppress(CatalogueInvalid):
        assert len(data) == read_module(path).size


def test_a_module_of_another_kernel_is_refused(tmp_path: Path) -> None:
    """The first word of vermagic must be the release, exactly."""
    found = refusal(patch(tmp_path, entry(tmp_path, kernel="6.1.0-41-cloud-amd64")))
    assert ("builds.0.kernel", 11) == (found.field, found.line)
    assert "6.1.0-40-cloud-amd64, by its vermagic" in found.message


def test_a_module_of_another_hash_is_refused_with_its_hash(tmp_path: Path) -> None:
    """So that it can be compared and put in."""
    found = refusal(patch(tmp_path, entry(tmp_path, sha256="0" * 64)))
    assert "builds.0.sha256" == found.field
    assert hashlib.sha256(module()).hexdigest() in found.message


def test_two_modules_for_one_kernel_build_are_refused(tmp_path: Path) -> None:
    """Which one to load could not be told."""
    other = entry(tmp_path, "other.ko", module(build_id=b"\x22" * 20))
    assert "builds.1.kernel" == refusal(patch(tmp_path, entry(tmp_path), other)).field


def test_one_module_for_two_kernel_builds_is_refused(tmp_path: Path) -> None:
    """One .ko fits one kernel build."""
    found = refusal(patch(tmp_path, entry(tmp_path), entry(tmp_path, "other.ko", build_id="cd" * 20)))
    assert ("builds.1.module", "is the same module as builds.0: one module fits one kernel build") == (
        found.field,
        found.message,
    )


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("../lab.ko", "no absolute path, no .."),
        ("a/../../lab.ko", "no absolute path, no .."),
        ("/etc/lab.ko", "no absolute path, no .."),
        ("lab.ko.xz", "decompress it"),
        ("lab.so", "name of a .ko file"),
        ("-lab.ko", "name of a .ko file"),
        ("la b.ko", "name of a .ko file"),
        ("$(id).ko", "name of a .ko file"),
        (7, "put it in quotes"),
        (None, "valid string"),
    ],
)
def test_a_module_is_a_file_below_the_patch_file(tmp_path: Path, name: Any, says: str) -> None:
    """Nothing else is read, and no name can be mistaken for anything else."""
    found = refusal(patch(tmp_path, entry(tmp_path) | {"module": name}))
    assert "builds.0.module" == found.field
    assert says in found.message


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    """The same traversal by other means."""
    folder = tmp_path / "patch"
    build = entry(folder)
    (folder / "lab.ko").rename(tmp_path / "outside.ko")
    (folder / "lab.ko").symlink_to(tmp_path / "outside.ko")
    assert "outside of the folder" in refusal(patch(folder, build)).message


def test_a_missing_module_and_a_folder_are_refused(tmp_path: Path) -> None:
    """Each says what was found."""
    build = entry(tmp_path)
    (tmp_path / "lab.ko").unlink()
    assert "lab.ko: cannot be read: No such file or directory" == refusal(patch(tmp_path, build)).message
    (tmp_path / "lab.ko").mkdir()
    assert "lab.ko: not a regular file" == refusal(patch(tmp_path, build)).message


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"id": "../x"}, "id"),
        ({"id": "all"}, "id"),
        ({"id": 1}, "id"),
        ({"summary": ""}, "summary"),
        ({"summary": "a\x1b[31m"}, "summary"),
        ({"builds": []}, "builds"),
        ({"replaces": "LAB-0000"}, "replaces"),
        ({"replaces": None}, "replaces"),
        ({"replaces": ["all"]}, "replaces"),
        ({"replaces": ["LAB-0001"]}, "replaces"),
        ({"surprise": 1}, "surprise"),
        ({"signature": "AAAA"}, "signature"),
        ({"fixes": [{"cve": "CVE-99-1"}]}, "fixes.0.cve"),
        ({"fixes": [{"cve": "CVE-2099-0001"}, {"cve": "CVE-2099-0001"}]}, "fixes.1.cve"),
        ({"fixes": [{"cve": "CVE-2099-0001", "severity": "bad"}]}, "fixes.0.severity"),
        ({"fixes": [{"cve": "CVE-2099-0001", "disclosed": 20250203}]}, "fixes.0.disclosed"),
        ({"fixes": [{"cve": "CVE-2099-0001", "disclosed": "2025-02-03T09:00:00"}]}, "fixes.0.disclosed"),
        ({"fixes": None}, "fixes"),
    ],
)
def test_a_field_that_cannot_be_accepted_is_named(tmp_path: Path, changes: dict[str, Any], field: str) -> None:
    """With the line it stands on."""
    found = refusal(patch(tmp_path, entry(tmp_path), **changes))
    assert field == found.field
    assert found.line is not None


@pytest.mark.parametrize(
    ("text", "line"), [("", 1), ("- a\n", 1), ("id: a\nid: b\n", 2), ("id: [\n", 2), ("id: a\n\tb: c\n", 2)]
)
def test_what_is_no_patch_file_is_refused_with_its_line(tmp_path: Path, text: str, line: int) -> None:
    """Empty, a list, a key twice, broken YAML."""
    assert line == refusal(write(tmp_path, text)).line


def test_a_build_id_that_yaml_reads_as_a_number_is_explained(tmp_path: Path) -> None:
    """All digits, without quotes."""
    build = yaml.safe_dump([entry(tmp_path)]).replace(KERNEL_ID, "12" * 20)
    text = f"id: X\nsummary: a\nfixes: []\nbuilds:\n{build}".replace(f"'{'12' * 20}'", "12" * 20)
    assert "put it in quotes" in refusal(write(tmp_path, text)).message


def test_a_missing_patch_file_is_refused(tmp_path: Path) -> None:
    """By name."""
    assert "cannot be read" in refusal(tmp_path / "none.yaml").message
