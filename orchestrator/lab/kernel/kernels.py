"""One kernel out of its packages: the image, its build id, an initial RAM disk, and a tree to build modules in."""

import lzma
import shutil
import struct
import tempfile
import zlib
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import NoteSection

from orchestrator.errors import NotAvailable
from orchestrator.lab.kernel.archive import KernelPackage, download
from orchestrator.lab.kernel.cache import Cache, digest, recipe
from orchestrator.lab.kernel.programs import find, run

GUEST_MODULES = ("virtio_pci", "virtio_blk", "virtio_net")
"""What the machines' devices need. ext4 is built into these kernels."""

_INITRD_INIT = Path(__file__).parent / "boot" / "initrd.sh"
_APPLETS = ("sh", "mount", "umount", "insmod", "ip", "switch_root")


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """A kernel in the cache. ``folder``: ``image/`` and ``build/`` (extracted packages), ``initrd``, ``control``."""

    release: str
    version: str
    build_id: str
    compiler: str
    folder: Path

    @property
    def image(self) -> Path:
        """The root that the image package was extracted to."""
        return self.folder / "image"

    @property
    def vmlinux(self) -> Path:
        """The kernel as machines boot it: uncompressed.

        Decompressing it in the guest takes up to 20 s on a reboot: it overwrites the last boot's code, all of which
        the emulator has translated and now drops write by write. QEMU loads an ELF kernel by its PVH entry instead.
        """
        return self.folder / "vmlinux"

    @property
    def initrd(self) -> Path:
        """The initial RAM disk of all machines with this kernel."""
        return self.folder / "initrd"

    @property
    def build_tree(self) -> Path:
        """The folder for ``make -C``."""
        return self.folder / "build" / "usr" / "src" / f"linux-headers-{self.release}"

    @property
    def control(self) -> str:
        """The control fields of the image package."""
        return (self.folder / "control").read_text()

    def module_files(self) -> tuple[Path, ...]:
        """The modules of the guest, dependencies first, relative to `image`."""
        return tuple(path.relative_to(self.image) for path in _needed_modules(self.image, self.release))


def kernel(cache: Cache, package: KernelPackage) -> Kernel:
    """The kernel of that package, fetched and prepared once."""
    key = digest(recipe(__file__, _INITRD_INIT, _busybox()), *package.sha256, package.version)
    folder = cache.entry("kernels", package.release, key, lambda work: _prepare(work, package))
    return Kernel(
        release=package.release,
        version=package.version,
        build_id=(folder / "build_id").read_text().strip(),
        compiler=package.compiler,
        folder=folder,
    )


def _prepare(work: Path, package: KernelPackage) -> None:
    _fetch(work, package)
    image = work / "image"
    run("depmod", "-b", image, package.release)
    vmlinuz = image / "boot" / f"vmlinuz-{package.release}"
    vmlinux = decompress(payload(vmlinuz.read_bytes()))
    (work / "vmlinux").write_bytes(vmlinux)
    (work / "build_id").write_text(gnu_build_id(vmlinux) + "\n")
    _make_initrd(image, package.release, work / "initrd")
    _make_build_tree(work / "build" / "usr" / "src", package.release)


def _fetch(work: Path, package: KernelPackage) -> None:
    with tempfile.TemporaryDirectory(dir=work) as downloads:
        folder = Path(downloads)
        download((package.image, *package.build_packages), folder)
        for deb in sorted(folder.glob("*.deb")):
            is_image = deb.name.startswith(f"{package.image}_")
            run("dpkg-deb", "-x", deb, work / ("image" if is_image else "build"))
            if is_image:
                (work / "control").write_bytes(run("dpkg-deb", "-f", deb))
    if not (work / "image" / "lib").exists():
        (work / "image" / "lib").symlink_to("usr/lib")  # Debian 13 on: modules are below /usr, depmod looks in /lib


def payload(bzimage: bytes) -> bytes:
    """The compressed kernel inside a bzImage: Documentation/arch/x86/boot.rst, payload_offset and payload_length.

    Its last four bytes are the uncompressed size, which is not part of the compressed stream.
    """
    if bzimage[0x202:0x206] != b"HdrS":
        raise NotAvailable("not a bzImage: it has no HdrS header")
    sectors = bzimage[0x1F1] or 4
    offset, length = struct.unpack_from("<II", bzimage, 0x248)
    start = (sectors + 1) * 512 + offset
    return bzimage[start : start + length - 4]


def decompress(data: bytes) -> bytes:
    """The kernel's ELF file. Python 3.11 has no zstd and no lz4 of its own."""
    if data.startswith(b"\x28\xb5\x2f\xfd"):
        return run("zstd", "-dc", stdin=data)
    if data.startswith(b"\x02\x21\x4c\x18"):
        return run("lz4", "-dc", stdin=data)
    if data.startswith(b"\xfd7zXZ\x00"):
        return lzma.decompress(data)
    if data.startswith(b"\x1f\x8b"):
        return zlib.decompress(data, wbits=31)
    raise NotAvailable(f"the kernel is compressed in a way that is not known here: it starts with {data[:6].hex()}")


def gnu_build_id(elf: bytes) -> str:
    """The GNU build id of an ELF file, the one that ``/sys/kernel/notes`` has for a kernel.

    Note types belong to their owners: Xen's notes in a kernel have one with the number of NT_GNU_BUILD_ID (3), too.
    """
    try:
        sections = [section for section in ELFFile(BytesIO(elf)).iter_sections() if isinstance(section, NoteSection)]
        notes = [note for section in sections for note in section.iter_notes()]
    except ELFError as exc:
        raise NotAvailable(f"not an ELF file: {exc}") from exc
    ids = [note["n_desc"] for note in notes if (note["n_name"], note["n_type"]) == ("GNU", "NT_GNU_BUILD_ID")]
    if not ids:
        raise NotAvailable("the ELF file has no GNU build id")
    return str(ids[0])


def _make_build_tree(sources: Path, release: str) -> None:
    """Make the extracted headers usable where they lie.

    Their Makefile includes the common one by its path in /usr/src. Without the ``vmlinux`` that newer packages ship,
    modules get no BTF, and pahole is not needed.
    """
    tree = sources / f"linux-headers-{release}"
    makefile = tree / "Makefile"
    makefile.write_text(
        makefile.read_text().replace("include /usr/src/", "include $(dir $(lastword $(MAKEFILE_LIST)))../")
    )
    (tree / "vmlinux").unlink(missing_ok=True)


def _busybox() -> Path:
    path = find("busybox")
    if path is None:
        raise NotAvailable("the kernel lab needs the Debian package busybox-static")
    if any(segment["p_type"] == "PT_INTERP" for segment in ELFFile(BytesIO(Path(path).read_bytes())).iter_segments()):
        raise NotAvailable("busybox is linked dynamically: the kernel lab needs the Debian package busybox-static")
    return Path(path)


def _needed_modules(image: Path, release: str) -> tuple[Path, ...]:
    """Files of `GUEST_MODULES` and of what they depend on, in the order in which they go in."""
    shown = [run("modprobe", "-d", image, "-S", release, "--show-depends", name).decode() for name in GUEST_MODULES]
    lines = [line.split() for text in shown for line in text.splitlines()]
    return tuple(dict.fromkeys(Path(words[1]) for words in lines if words[0] == "insmod"))


def _make_initrd(image: Path, release: str, target: Path) -> None:
    with tempfile.TemporaryDirectory(dir=target.parent) as work:
        tree = Path(work)
        for folder in ("bin", "dev", "modules", "proc", "root", "sys"):
            (tree / folder).mkdir()
        shutil.copy(_busybox(), tree / "bin" / "busybox")
        for applet in _APPLETS:
            (tree / "bin" / applet).symlink_to("busybox")
        shutil.copy(_INITRD_INIT, tree / "init")
        (tree / "init").chmod(0o755)
        names = [_copy_module(path, tree / "modules") for path in _needed_modules(image, release)]
        (tree / "modules.list").write_text("".join(f"{name}\n" for name in names))
        files = "\n".join(str(path.relative_to(tree)) for path in sorted(tree.rglob("*")))
        target.write_bytes(run("cpio", "-o", "-H", "newc", "--quiet", "-R", "0:0", cwd=tree, stdin=files.encode()))


def _copy_module(path: Path, folder: Path) -> str:
    """Copy a module, uncompressed (busybox insmod reads no xz), and return its file name."""
    is_compressed = path.suffix == ".xz"
    name = path.stem if is_compressed else path.name
    (folder / name).write_bytes(lzma.decompress(path.read_bytes()) if is_compressed else path.read_bytes())
    return name
