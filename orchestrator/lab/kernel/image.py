"""The disk of one machine: the common tree, its kernel as an installed package, its init, its name and keys."""

import shutil
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path

from orchestrator.lab.kernel import guest
from orchestrator.lab.kernel.cache import Cache, digest, recipe
from orchestrator.lab.kernel.guest import CAROL_ID, DEPLOY_ID, Init, put
from orchestrator.lab.kernel.kernels import Kernel
from orchestrator.lab.kernel.keys import HOST_KEY_TYPES, client_key, generate, known_hosts_line
from orchestrator.lab.kernel.programs import run

SIZE = "1G"
"""Of the file system. The file is sparse."""


@dataclass(frozen=True, kw_only=True)
class Image:
    """A disk that machines start from and never write to. ``machine_id``: 32 hex digits, baked in."""

    disk: Path
    machine_id: str
    known_hosts: tuple[str, ...]


def image(cache: Cache, name: str, kernel: Kernel, init: Init) -> Image:
    """The disk of the machine called ``name``, built once per kernel and init."""
    tree, login = guest.base_tree(cache), client_key(cache)
    what = _Recipe(tree=tree, login=login, name=name, kernel=kernel, init=init)
    key = digest(
        recipe(__file__, guest.__file__, guest.TINY_INIT), tree.parent.name, login.parent.name, kernel.folder.name, init
    )
    folder = cache.entry("images", name, key, lambda work: _build(work, what))
    return Image(
        disk=folder / "disk.img",
        machine_id=(folder / "machine-id").read_text().strip(),
        known_hosts=tuple((folder / "known_hosts").read_text().splitlines(keepends=True)),
    )


@dataclass(frozen=True, kw_only=True)
class _Recipe:
    """What goes into one disk."""

    tree: Path
    login: Path
    name: str
    kernel: Kernel
    init: Init


def _build(work: Path, what: _Recipe) -> None:
    machine_id = uuid.uuid4().hex
    (work / "machine-id").write_text(machine_id + "\n")
    with tempfile.TemporaryDirectory(dir=work) as scratch:
        root = Path(scratch) / "root"
        run("cp", "-al", what.tree, root)
        install_kernel(root, what.kernel)
        guest.install_init(root, what.init)
        _name(root, what.name, machine_id)
        _authorize(root, what.login)
        (work / "known_hosts").write_text(_host_keys(root, Path(scratch), what.name))
        run("mke2fs", "-q", "-t", "ext4", "-L", "root", "-d", root, work / "disk.img", SIZE)


def install_kernel(root: Path, kernel: Kernel) -> None:
    """Install the image package as dpkg would have it, with the modules the machine needs instead of all of them."""
    boot = sorted(path.relative_to(kernel.image) for path in (kernel.image / "boot").iterdir())
    folder = Path("lib/modules") / kernel.release
    lists = [folder / name for name in ("modules.builtin", "modules.builtin.modinfo", "modules.order")]
    files = [*boot, *lists, *kernel.module_files()]
    for path in files:
        put(root / path, (kernel.image / path).read_bytes())
    run("depmod", "-b", root, kernel.release)
    status = root / "var/lib/dpkg/status"
    put(status, status.read_text() + guest.status_stanza(kernel.control))
    info = root / "var/lib/dpkg/info"
    put(info / f"linux-image-{kernel.release}.list", guest.file_list(files))
    put(info / f"linux-image-{kernel.release}.md5sums", guest.md5sums(root, files))


def _name(root: Path, name: str, machine_id: str) -> None:
    put(root / "etc/hostname", f"{name}\n")
    put(root / "etc/hosts", f"127.0.0.1 localhost\n127.0.1.1 {name}\n::1 localhost\n")
    put(root / "etc/machine-id", f"{machine_id}\n", mode=0o444)
    put(root / "etc/fstab", "/dev/vda / ext4 defaults 0 0\n")


def _authorize(root: Path, login: Path) -> None:
    public = login.with_suffix(".pub").read_text()
    for home, owner in (("root", 0), ("home/deploy", DEPLOY_ID), ("home/carol", CAROL_ID)):
        put(root / home / ".ssh/authorized_keys", public, mode=0o600, owner=owner)
        (root / home / ".ssh").chmod(0o700)
        shutil.chown(root / home / ".ssh", owner, owner)


def _host_keys(root: Path, scratch: Path, name: str) -> str:
    """Give the machine its host keys; returns its known_hosts lines."""
    lines = []
    for kind in HOST_KEY_TYPES:
        made = scratch / f"ssh_host_{kind}_key"
        generate(made, kind, f"root@{name}")
        put(root / "etc/ssh" / made.name, made.read_bytes(), mode=0o600)
        put(root / "etc/ssh" / f"{made.name}.pub", made.with_suffix(".pub").read_bytes())
        lines.append(known_hosts_line(name, made.with_suffix(".pub").read_text()))
    return "".join(lines)
