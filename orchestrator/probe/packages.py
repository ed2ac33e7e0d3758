"""The installed packages, as dpkg, rpm and apk list them."""

import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from functools import lru_cache

from orchestrator.core.facts import Package, Packages
from orchestrator.core.model import Frozen
from orchestrator.probe.answer import INCOMPLETE, Section
from orchestrator.probe.fields import Fields, fields_of
from orchestrator.probe.text import clean, match

_LIST = re.compile(rb"\nlist=(dpkg|status|rpm|apk)\n")
_OURS = "@"
"""Stands before our digest in a fingerprint; no host's own part has one."""

_PLAIN = re.compile(rb"[!-~\t]{1,200}")
_PLAIN_TEXT = re.compile(rb"(?:[ -~]{0,200}\n)*[ -~]{0,200}")

_PARSING = threading.Lock()
"""Hosts of one image answer at the same time: whoever comes second waits for what is kept of the first, since two lists
can be read beside each other by one interpreter no faster than one after the other."""

Row = tuple[str, str, str, str, str]
"""Name, architecture, version, source, source version; empty where the packager says nothing."""


class SeenPackages(Frozen):
    """What the section says; ``lacks``: why `packages` is None; ``rows_lack``: why some rows are left out."""

    packages: Packages | None = None
    lacks: str | None = None
    rows_lack: str | None = None


def host_part(fingerprint: str) -> str:
    """What the host itself calls the state of its package database: the rest of a fingerprint is ours."""
    return fingerprint.partition(_OURS)[0]


def parse_packages(section: Section | None, known: str | None = None) -> SeenPackages:
    """The packages, or why there are none. Items are sorted; None when the host was told not to send them.

    ``known``: the fingerprint of the list that we have of this host. A fingerprint is the host's own word for its
    database and our digest of the list, so that no host can speak for another's list.
    """
    if section is None or section.exit_status is None:
        return SeenPackages(lacks=INCOMPLETE if section is None else "too_large")
    sent = _LIST.search(section.body)
    fields = fields_of(section.body if sent is None else section.body[: sent.start() + 1])
    manager, fingerprint = fields.get("manager"), match(r"[0-9a-z._-]{1,200}", fields.get("fingerprint"))
    if manager == "none":
        return SeenPackages(lacks="absent")
    if manager not in _FORMATS or fingerprint is None:
        return SeenPackages(lacks=fields.why("fingerprint"))
    if sent is None:
        return _kept(fields, manager, fingerprint, known)
    form = sent[1].decode()
    if fields.get("status") != "0" or form not in _FORMATS[manager]:
        return SeenPackages(lacks="unreadable")
    with _PARSING:
        items, rows_lack, digest = _read(_READERS[form], section.body[sent.end() :])
    packages = Packages(manager=manager, fingerprint=f"{fingerprint}{_OURS}{digest}", items=items)
    return SeenPackages(packages=packages, rows_lack=rows_lack)


def _kept(fields: Fields, manager: str, fingerprint: str, known: str | None) -> SeenPackages:
    """The list that we have, where the host says that it is still the one."""
    if fields.get("list") != "known" or known is None or host_part(known) != fingerprint:
        return SeenPackages(lacks=fields.why("list"))
    return SeenPackages(packages=Packages(manager=manager, fingerprint=known))


@lru_cache(maxsize=8)
def _read(reader: "Reader", listing: bytes) -> tuple[tuple[Package, ...], str | None, str]:
    """The packages, why some rows are left out, and a digest of the list. Kept for a while: hosts of one image send the
    same bytes."""
    rows = set(reader(listing))
    items = tuple(_package(*row) for row in sorted(row for row in rows if row is not None))
    return items, "answer_garbled" if None in rows else None, hashlib.sha256(listing).hexdigest()


def source_rpm(name: str) -> tuple[str | None, str | None]:
    """``kernel-5.14.0-427.el9.src.rpm`` is (kernel, 5.14.0-427.el9); ``(none)`` is nothing."""
    stem = name.removesuffix(".src.rpm").removesuffix(".nosrc.rpm")
    parts = stem.rsplit("-", 2)
    return (parts[0], f"{parts[1]}-{parts[2]}") if stem != name and len(parts) == 3 and parts[0] else (None, None)


def rpm_version(text: str) -> str:
    """``(none):1-2`` is ``1-2``: rpm prints a missing epoch in words."""
    return text.removeprefix("(none):")


def _dpkg(listing: bytes) -> Iterator[Row | None]:
    for line in _lines(listing):
        cells = _cells(line)
        if len(cells) != 6:
            yield None
        elif cells[5] == "installed":
            name, version, arch, source, source_version, _ = cells
            yield _row(name, arch, version, source, source_version)


def _status(listing: bytes) -> Iterator[Row | None]:
    """Lines of dpkg's own file (deb-control(5)), an empty one after each package."""
    for block in _text(listing).split("\n\n"):
        cells: dict[str, str] = {}
        for line in block.split("\n"):
            key, _, value = line.partition(": ")
            cells[key] = value
        state = cells.get("Status", "")
        if state.endswith(" installed"):
            name, version = cells.get("Package", ""), cells.get("Version", "")
            source, _, source_version = cells.get("Source", name).partition(" ")
            yield _row(name, cells.get("Architecture", ""), version, source, source_version.strip("()") or version)
        elif not state and block.strip():
            yield None


def _text(listing: bytes) -> str:
    """The listing, printable line by line: it nearly always is so already."""
    if _PLAIN_TEXT.fullmatch(listing):
        return listing.decode()
    return "\n".join(clean(line, 200) for line in listing.split(b"\n"))


def _rpm(listing: bytes) -> Iterator[Row | None]:
    for line in _lines(listing):
        cells = _cells(line)
        if len(cells) != 4:
            yield None
        elif cells[0] != "gpg-pubkey":
            source, version = source_rpm(cells[3])
            yield _row(cells[0], cells[2], rpm_version(cells[1]), source or "", version or "")


def _apk(listing: bytes) -> Iterator[Row | None]:
    for block in listing.split(b"\n\n"):
        cells = {line[:2]: clean(line[2:], 200) for line in _lines(block)}
        if cells:
            name, version = cells.get(b"P:", ""), cells.get(b"V:", "")
            yield _row(name, cells.get(b"A:", ""), version, cells.get(b"o:", ""), version)


def _lines(listing: bytes) -> Iterator[bytes]:
    return (line for line in listing.split(b"\n") if line)


def _cells(line: bytes) -> list[str]:
    """The line's cells, printable. Nearly all lines are so already: a host has hundreds, and a fleet has many hosts."""
    if _PLAIN.fullmatch(line):
        return line.decode().split("\t")
    return [clean(cell, 200) for cell in line.split(b"\t")]


def _row(name: str, arch: str, version: str, source: str, source_version: str) -> Row | None:
    """None where it makes no sense."""
    if not name or not version or " " in name + arch + version + source + source_version:
        return None
    return name, arch, version, source, source_version


def _package(name: str, arch: str, version: str, source: str, source_version: str) -> Package:
    return Package(
        name=name,
        version=version,
        arch=arch or None,
        source=source or None,
        source_version=source_version or None if source else None,
    )


Reader = Callable[[bytes], Iterator[Row | None]]
_READERS: dict[str, Reader] = {"dpkg": _dpkg, "status": _status, "rpm": _rpm, "apk": _apk}
"""By the name of the format."""
_FORMATS = {"dpkg": ("status", "dpkg"), "rpm": ("rpm",), "apk": ("apk",)}
"""By the name of the package manager: how its list may come."""
