"""GNU build ids out of ELF notes (``/sys/kernel/notes``, ``/sys/module/NAME/notes/.note.gnu.build-id``)."""

import struct
from collections.abc import Iterator

_NT_GNU_BUILD_ID = 3


def gnu_build_id(hex_bytes: str | None) -> str | None:
    """The build id in lower-case hex, or None. ``hex_bytes`` are bytes as ``od -tx1`` prints them.

    The notes are in the host's byte order (s390x is big-endian): the order that makes sense is taken.
    """
    try:
        data = bytes.fromhex(hex_bytes or "")
    except ValueError:
        return None
    for order in ("<", ">"):
        for name, kind, description in _notes(data, order):
            if name == b"GNU\0" and kind == _NT_GNU_BUILD_ID and 8 <= len(description) <= 64:
                return description.hex()
    return None


def _notes(data: bytes, order: str) -> Iterator[tuple[bytes, int, bytes]]:
    """elf(5): name size, description size, type (4 bytes each), then both, each padded to 4 bytes."""
    at = 0
    while at + 12 <= len(data):
        name_size, size, kind = struct.unpack_from(f"{order}III", data, at)
        start = at + 12 + (name_size + 3) // 4 * 4
        if start + size > len(data):
            return
        yield data[at + 12 : at + 12 + name_size], kind, data[start : start + size]
        at = start + (size + 3) // 4 * 4
