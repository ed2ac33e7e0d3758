"""Writes tiny kernel modules: an ELF header, ``.modinfo``, the build id note, the names of the sections (elf(5))."""

import struct
from collections.abc import Mapping

NOTE = ".note.gnu.build-id"
X86_64, I386, AARCH64, RISCV = 62, 3, 183, 243
RELOCATABLE, SHARED = 1, 3
PROGBITS, STRTAB, NOTES = 1, 3, 7


def note(build_id: bytes) -> bytes:
    """A GNU build id note: name size, descriptor size, type NT_GNU_BUILD_ID, "GNU", the descriptor."""
    return struct.pack("<III4s", 4, len(build_id), 3, b"GNU\0") + build_id


def module(
    *,
    name: str | None = "lab_0001",
    vermagic: str | None = "6.1.0-40-cloud-amd64 SMP preempt mod_unload modversions ",
    livepatch: str | None = "Y",
    build_id: bytes | None = b"\x11" * 20,
    more: Mapping[str, str] | None = None,
    machine: int = X86_64,
    kind: int = RELOCATABLE,
    signature: bytes = b"",
) -> bytes:
    """The bytes of a module; None leaves a part out. ``more`` are further entries of its .modinfo."""
    entries = {"license": "GPL", "name": name, "vermagic": vermagic, "livepatch": livepatch, **(more or {})}
    modinfo = b"".join(f"{key}={value}\0".encode() for key, value in entries.items() if value is not None)
    sections = [(".modinfo", PROGBITS, modinfo)]
    if build_id is not None:
        sections.append((NOTE, NOTES, note(build_id)))
    return elf(sections, machine=machine, kind=kind) + signature


def elf(sections: list[tuple[str, int, bytes]], *, machine: int = X86_64, kind: int = RELOCATABLE) -> bytes:
    """A 64-bit little-endian ELF file with these sections of (name, type, bytes)."""
    names = b"\0" + b"".join(name.encode() + b"\0" for name, _, _ in sections) + b".shstrtab\0"
    body, headers = b"", [bytes(64)]
    for name, type_, data in [*sections, (".shstrtab", STRTAB, names)]:
        at = names.index(b"\0" + name.encode() + b"\0") + 1
        headers.append(struct.pack("<IIQQQQIIQQ", at, type_, 0, 0, 64 + len(body), len(data), 0, 0, 4, 0))
        body += data + bytes(-len(data) % 8)
    ident = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    header = struct.pack(
        "<HHIQQQIHHHHHH", kind, machine, 1, 0, 0, 64 + len(body), 0, 64, 0, 0, 64, len(headers), len(headers) - 1
    )
    return ident + header + body + b"".join(headers)
