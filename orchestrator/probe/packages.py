"""The installed packages, as dpkg, rpm and apk list them."""

from collections.abc import Callable, Iterator

from orchestrator.core.facts import Package, Packages
from orchestrator.core.model import Frozen
from orchestrator.probe.answer import INCOMPLETE, Section
from orchestrator.probe.fields import fields_of
from orchestrator.probe.text import clean, match

_LIST = b"\nlist=sent\n"


class SeenPackages(Frozen):
    """What the section says; ``lacks``: why `packages` is None; ``rows_lack``: why some rows are left out."""

    packages: Packages | None = None
    lacks: str | None = None
    rows_lack: str | None = None


def parse_packages(section: Section | None) -> SeenPackages:
    """The packages, or why there are none. Items are sorted; None when the host was told not to send them."""
    if section is None or section.exit_status is None:
        return SeenPackages(lacks=INCOMPLETE if section is None else "too_large")
    head, sent, listing = section.body.partition(_LIST)
    fields = fields_of(head + b"\n")
    manager, fingerprint = fields.get("manager"), match(r"[0-9a-z._-]{1,200}", fields.get("fingerprint"))
    if manager == "none":
        return SeenPackages(lacks="absent")
    reader = _READERS.get(manager or "")
    if reader is None or fingerprint is None or manager is None:
        return SeenPackages(lacks=fields.why("fingerprint"))
    if not sent:
        known = fields.get("list") == "known"
        return (
            SeenPackages(packages=Packages(manager=manager, fingerprint=fingerprint))
            if known
            else SeenPackages(lacks=fields.why("list"))
        )
    if fields.get("status") != "0":
        return SeenPackages(lacks="unreadable")
    rows = list(reader(listing))
    items = sorted({row for row in rows if row is not None}, key=lambda row: (row.name, row.arch or "", row.version))
    return SeenPackages(
        packages=Packages(manager=manager, fingerprint=fingerprint, items=tuple(items)),
        rows_lack="answer_garbled" if None in rows else None,
    )


def source_rpm(name: str) -> tuple[str | None, str | None]:
    """``kernel-5.14.0-427.el9.src.rpm`` is (kernel, 5.14.0-427.el9); ``(none)`` is nothing."""
    stem = name.removesuffix(".src.rpm").removesuffix(".nosrc.rpm")
    parts = stem.rsplit("-", 2)
    return (parts[0], f"{parts[1]}-{parts[2]}") if stem != name and len(parts) == 3 and parts[0] else (None, None)


def rpm_version(text: str) -> str:
    """``(none):1-2`` is ``1-2``: rpm prints a missing epoch in words."""
    return text.removeprefix("(none):")


def _dpkg(listing: bytes) -> Iterator[Package | None]:
    for raw in _rows(listing):
        cells = raw.split(b"\t")
        if len(cells) != 6:
            yield None
        elif cells[5] == b"installed":
            yield _package(*cells[:5])


def _rpm(listing: bytes) -> Iterator[Package | None]:
    for raw in _rows(listing):
        cells = raw.split(b"\t")
        if len(cells) != 4:
            yield None
        elif cells[0] != b"gpg-pubkey":
            source, version = source_rpm(clean(cells[3], 200))
            known = (source or "").encode(), (version or "").encode()
            yield _package(cells[0], cells[1].removeprefix(b"(none):"), cells[2], *known)


def _apk(listing: bytes) -> Iterator[Package | None]:
    for block in listing.split(b"\n\n"):
        cells = {line[:2]: line[2:] for line in _rows(block)}
        if cells:
            name, version = cells.get(b"P:", b""), cells.get(b"V:", b"")
            yield _package(name, version, cells.get(b"A:", b""), cells.get(b"o:", b""), version)


def _rows(listing: bytes) -> Iterator[bytes]:
    return (line for line in listing.split(b"\n") if line)


def _package(name: bytes, version: bytes, arch: bytes, source: bytes, source_version: bytes) -> Package | None:
    cells = [clean(cell, 200) for cell in (name, version, arch, source, source_version)]
    if not cells[0] or not cells[1] or any(" " in cell for cell in cells):
        return None
    return Package(
        name=cells[0],
        version=cells[1],
        arch=cells[2] or None,
        source=cells[3] or None,
        source_version=cells[4] if cells[3] and cells[4] else None,
    )


_READERS: dict[str, Callable[[bytes], Iterator[Package | None]]] = {"dpkg": _dpkg, "rpm": _rpm, "apk": _apk}
