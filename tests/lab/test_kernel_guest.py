"""What the lab writes into its machines and into Patchwave's home."""

import lzma
import struct
import zlib
from pathlib import Path

import pytest
import yaml

from orchestrator.errors import NotAvailable
from orchestrator.lab.kernel import demo, handover
from orchestrator.lab.kernel.guest import file_list, md5sums, status_stanza
from orchestrator.lab.kernel.kernels import Kernel, decompress, payload
from orchestrator.lab.kernel.keys import known_hosts_line, merge_known_hosts
from orchestrator.lab.kernel.modules import Module


def test_status_stanza() -> None:
    """dpkg's status has the control fields with a Status after the name, and a blank line at the end."""
    control = "Package: linux-image-6.1.0-9-cloud-amd64\nVersion: 6.1.99-1\nDescription: Linux\n long text\n"
    expected = (
        "Package: linux-image-6.1.0-9-cloud-amd64\nStatus: install ok installed\n"
        "Version: 6.1.99-1\nDescription: Linux\n long text\n\n"
    )
    assert expected == status_stanza(control)


def test_status_stanza_of_something_else() -> None:
    """Anything but control fields would spoil the package database: refused."""
    with pytest.raises(NotAvailable, match="control fields"):
        status_stanza("<html>\nnot found\n")


def test_file_list_names_folders_first() -> None:
    """dpkg's lists begin at the root and name every folder."""
    assert file_list([Path("boot/vmlinuz-1"), Path("lib/modules/1/x.ko")]) == (
        "/.\n/boot\n/boot/vmlinuz-1\n/lib\n/lib/modules\n/lib/modules/1\n/lib/modules/1/x.ko\n"
    )


def test_md5sums(tmp_path: Path) -> None:
    """One line per file: the sum, two spaces, the path below the root."""
    (tmp_path / "boot").mkdir()
    (tmp_path / "boot/x").write_bytes(b"")
    assert md5sums(tmp_path, [Path("boot/x")]) == "d41d8cd98f00b204e9800998ecf8427e  boot/x\n"


def test_known_hosts_line() -> None:
    """The inventory's name, the type, the key; no comment."""
    assert known_hosts_line("lab-a", "ssh-ed25519 AAAA root@lab-a\n") == "lab-a ssh-ed25519 AAAA\n"


def test_merging_known_hosts() -> None:
    """Old pins of the same hosts go, everybody else's stay as they are, comments too."""
    old = "# mine\nlab-a ssh-ed25519 OLD\nweb1 ssh-ed25519 KEEP"
    new = ("lab-a ssh-ed25519 NEW\n", "lab-a ecdsa-sha2-nistp256 NEW\n")
    expected = "# mine\nweb1 ssh-ed25519 KEEP\nlab-a ssh-ed25519 NEW\nlab-a ecdsa-sha2-nistp256 NEW\n"
    assert expected == merge_known_hosts(old, new)
    assert expected == merge_known_hosts(expected, new)


def test_home_gets_inventory_pins_and_key(tmp_path: Path) -> None:
    """The inventory is Ansible's, with a label per role; what is private is readable by its owner alone."""
    key = tmp_path / "cache" / "id_ed25519"
    key.parent.mkdir()
    key.write_text("secret")
    home = tmp_path / "home"
    login = handover.write_login(home / "lab/kernel", key)
    handover.write_inventory(home, [("lab-a", 22000), ("lab-b", 22001)], login)
    group = yaml.safe_load((home / "inventory/lab-kernel.yml").read_text())["all"]["children"]["lab_kernel"]
    assert group["vars"] == {
        "ansible_host": "127.0.0.1",
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(login),
        "patchwave_site": "lab",
    }
    assert group["hosts"]["lab-b"] == {
        "ansible_port": 22001,
        "patchwave_customer": "globex",
        "patchwave_labels": {"lab": "kernel", "role": "db"},
    }
    assert login.stat().st_mode & 0o777 == 0o600


def test_catalogue_names_one_build_per_kernel(tmp_path: Path) -> None:
    """Every demo patch has a file; modules of several kernels lie side by side."""
    built = []
    for release in ("6.1.0-9-cloud-amd64", "6.12.9+deb12-cloud-amd64"):
        file = tmp_path / f"{release}.ko"
        file.write_text(release)
        kernel = Kernel(release=release, version="1", build_id=f"id of {release}", compiler="gcc", folder=tmp_path)
        names = (patch.module for patch in demo.PATCHES)
        built.append((kernel, {name: Module(name=name, file=file, sha256="5a", build_id="b1") for name in names}))
    folder = tmp_path / "catalogue"
    demo.write_catalogue(folder, built)
    written = yaml.safe_load((folder / "LAB-0002.yaml").read_text())
    assert [fix["cve"] for fix in written["fixes"]] == ["CVE-2099-0001", "CVE-2099-0002"]
    assert written["replaces"] == "all"
    assert written["builds"][1] == {
        "module": "lab_0002-6.12.9+deb12-cloud-amd64.ko",
        "kernel": "6.12.9+deb12-cloud-amd64",
        "build_id": "id of 6.12.9+deb12-cloud-amd64",
        "sha256": "5a",
    }
    assert all((folder / build["module"]).is_file() for build in written["builds"])


def test_cumulative_patch_fixes_what_it_replaces() -> None:
    """LAB-0002 takes LAB-0001's place, so it must fix what LAB-0001 fixes."""
    first, second, _ = demo.PATCHES
    assert set(first.fixes) <= set(second.fixes)


def test_payload_of_a_bzimage() -> None:
    """The boot protocol says where the compressed kernel is; its last four bytes are a size."""
    image = bytearray(0x600)
    image[0x1F1] = 1
    image[0x202:0x206] = b"HdrS"
    struct.pack_into("<II", image, 0x248, 0x10, 12)
    image[0x410:0x41C] = b"compressed!!"
    assert payload(bytes(image)) == b"compress"


def test_payload_of_something_else() -> None:
    """A file without the boot protocol's signature is refused."""
    with pytest.raises(NotAvailable, match="bzImage"):
        payload(bytes(0x600))


@pytest.mark.parametrize("packed", [lzma.compress(b"kernel"), zlib.compress(b"kernel", wbits=31)])
def test_decompressing(packed: bytes) -> None:
    """The first bytes tell how it is compressed."""
    assert decompress(packed) == b"kernel"


def test_unknown_compression() -> None:
    """Bytes that nothing starts with are named in the refusal."""
    with pytest.raises(NotAvailable, match="0011223344"):
        decompress(bytes.fromhex("0011223344556677"))
