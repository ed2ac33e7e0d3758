"""What a kernel module file says of itself: ELF, ``.modinfo``, the GNU build id note, the appended signature.

Sources: elf(5); Documentation/livepatch/module-elf-format (``livepatch=Y``); Documentation/admin-guide/module-signing
(the signature and its magic string stand after the ELF file).
"""

import hashlib
import io
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.errors import CatalogueInvalid

if TYPE_CHECKING:
    # Imported where it is used: every command starts by way of this module, and few of them read one.
    from elftools.elf.elffile import ELFFile
    from elftools.elf.sections import Section

MAX_BYTES = 256 * 1024 * 1024
"""A larger file is refused. Live patches are some hundred kilobytes, with debug information tens of megabytes."""

SIGNATURE_MAGIC = b"~Module signature appended~\n"

COMPRESSIONS = {b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zstd", b"\x1f\x8b": "gzip"}
"""First bytes, and the program that compressed so. The kernel's own check of a module is over what is inside."""

ARCHITECTURES = {"EM_X86_64": "x86_64", "EM_AARCH64": "aarch64", "EM_S390": "s390x", "EM_PPC64": "ppc64le"}
"""ELF machines whose kernels have live patching, as ``uname -m`` names them."""

RELEASE_ENDINGS = {
    "amd64": "x86_64",
    "x86_64": "x86_64",
    "arm64": "aarch64",
    "aarch64": "aarch64",
    "s390x": "s390x",
    "ppc64le": "ppc64le",
    "ppc64el": "ppc64le",
}
"""How distributions name the architecture at the end of a kernel release."""


@dataclass(frozen=True, kw_only=True)
class KernelModule:
    """A live-patch module as its file tells it. ``release`` is the first word of vermagic."""

    name: str
    release: str
    architecture: str
    build_id: str
    sha256: str
    signed: bool
    size: int

    def fits_architecture_of(self, release: str) -> bool:
        """Whether that kernel release names this architecture, or none."""
        named = next((arch for ending, arch in RELEASE_ENDINGS.items() if release.endswith(ending)), None)
        return named is None or named == self.architecture


def read_module(path: Path) -> KernelModule:
    """Read and check one module file. Raises `CatalogueInvalid` with what is wrong, without a place."""
    data = _read(path)
    _refuse_compressed(data)
    if not data.startswith(b"\x7fELF"):
        raise CatalogueInvalid("not an ELF file: a kernel module (.ko) is needed")
    try:
        return _parse(data)
    except CatalogueInvalid:
        raise
    except Exception as exc:  # pyelftools raises whatever its parsing stumbles over
        raise CatalogueInvalid("a damaged or truncated ELF file: its structure does not add up") from exc


def _read(path: Path) -> bytes:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise CatalogueInvalid("not a regular file")
        if status.st_size > MAX_BYTES:
            raise CatalogueInvalid(f"larger than {MAX_BYTES} bytes: strip its debug information (`strip -g`)")
        return path.read_bytes()
    except OSError as exc:
        raise CatalogueInvalid(f"cannot be read: {exc.strerror}") from exc


def _refuse_compressed(data: bytes) -> None:
    for magic, program in COMPRESSIONS.items():
        if data.startswith(magic):
            raise CatalogueInvalid(
                f"compressed ({program}): decompress it with `{program} -d` and give the .ko and its own sha256"
            )


def _parse(data: bytes) -> KernelModule:
    from elftools.elf.elffile import ELFFile  # noqa: PLC0415

    elf = ELFFile(io.BytesIO(data))
    _check_whole(elf, len(data))
    if elf["e_type"] != "ET_REL":
        raise CatalogueInvalid("an ELF file, but not a kernel module: those are relocatable objects (ET_REL)")
    architecture = ARCHITECTURES.get(elf["e_machine"])
    if architecture is None or elf.elfclass != 64:
        raise CatalogueInvalid(f"built for {elf.get_machine_arch()}: no kernel of ours can load it")
    info = _modinfo(elf, len(data))
    if info.get("livepatch") != "Y":
        raise CatalogueInvalid("not a live patch: its .modinfo does not say livepatch=Y")
    return KernelModule(
        name=_required(info, "name"),
        release=_required(info, "vermagic").split(" ")[0],
        architecture=architecture,
        build_id=_build_id(elf, len(data)),
        sha256=hashlib.sha256(data).hexdigest(),
        signed=data.endswith(SIGNATURE_MAGIC),
        size=len(data),
    )


def _check_whole(elf: "ELFFile", size: int) -> None:
    """A file that was cut off loses its section table first: it stands at the end."""
    count = elf.num_sections()
    if count == 0 or elf["e_shoff"] + count * elf["e_shentsize"] > size:
        raise CatalogueInvalid("a truncated ELF file: it ends before its section table")


def _section(elf: "ELFFile", name: str, size: int) -> "Section | None":
    section = elf.get_section_by_name(name)
    if section is not None and section["sh_offset"] + section["sh_size"] > size:
        raise CatalogueInvalid(f"a truncated ELF file: it ends before its section {name}")
    return section


def _modinfo(elf: "ELFFile", size: int) -> Mapping[str, str]:
    section = _section(elf, ".modinfo", size)
    if section is None:
        raise CatalogueInvalid("an object file, but not a kernel module: it has no .modinfo")
    entries = section.data().decode("utf-8", "replace").split("\0")
    return dict(entry.split("=", 1) for entry in entries if "=" in entry)


def _required(info: Mapping[str, str], key: str) -> str:
    if not info.get(key):
        raise CatalogueInvalid(f"its .modinfo has no {key}=")
    return info[key]


def _build_id(elf: "ELFFile", size: int) -> str:
    from elftools.elf.sections import NoteSection  # noqa: PLC0415

    section = _section(elf, ".note.gnu.build-id", size)
    if isinstance(section, NoteSection):
        for note in section.iter_notes():
            if note["n_type"] == "NT_GNU_BUILD_ID":
                return bytes(note["n_descdata"]).hex()
    raise CatalogueInvalid("has no GNU build id, by which it is recognised once loaded: link it with --build-id")
