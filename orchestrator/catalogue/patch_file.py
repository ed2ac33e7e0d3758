"""Patch files: YAML that says what a live patch fixes and which module fits which kernel build."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StringConstraints, ValidationError, field_validator

from orchestrator.catalogue.kernel_module import KernelModule, read_module
from orchestrator.core.model import Frozen, Moment
from orchestrator.core.patches import Build, BuildId, Cve, Fix, HexDigest, KernelRelease, Patch, PatchId, Severity
from orchestrator.errors import CatalogueInvalid
from orchestrator.yaml_files import Document, Place, invalid, load_document

_MODULE = re.compile(r"([A-Za-z0-9][A-Za-z0-9._+~-]*/)*[A-Za-z0-9][A-Za-z0-9._+~-]*\.ko")


def _text(value: object) -> object:
    """YAML reads 6.10 as a number and an all-digit build id as a huge one: say so, instead of "not a string"."""
    if isinstance(value, bool | int | float | date):
        raise ValueError("YAML reads this as a number or a date: put it in quotes")
    return value


def _hex(value: object) -> object:
    value = _text(value)
    return value.lower() if isinstance(value, str) else value


def _when(value: object) -> object:
    """A day alone means its first moment in UTC; a number is no date."""
    if isinstance(value, int | float):
        raise ValueError("must be a date or a time with its zone, such as 2025-02-03 or 2025-02-03T09:00:00Z")
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
        value = date.fromisoformat(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime.combine(value, time(), UTC)
    return value


def _replaces(value: object) -> object:
    if isinstance(value, tuple):  # the default: YAML has no tuples
        return value
    if value in ("all", "none"):
        return (value,)
    if not isinstance(value, list) or {"all", "none"} & {item for item in value if isinstance(item, str)}:
        raise ValueError("must be all, none, or a list of ids")
    return value


def _module(value: object) -> object:
    value = _text(value)
    if not isinstance(value, str):
        return value
    if re.search(r"\.ko\.(xz|zst|gz)$", value):
        raise ValueError("a compressed module: decompress it, and give the .ko and its own sha256")
    if value.startswith("/") or ".." in value.split("/"):
        raise ValueError("must be a file below the folder of the patch file: no absolute path, no ..")
    if not _MODULE.fullmatch(value):
        raise ValueError("must be the name of a .ko file, of letters, digits and . _ + ~ -")
    return value


_Text = BeforeValidator(_text)
_When = Annotated[Moment | None, BeforeValidator(_when)]


class _FixEntry(Frozen):
    cve: Annotated[Cve, _Text]
    severity: Severity = Severity.UNKNOWN
    disclosed: _When = None
    published: _When = None


class _BuildEntry(Frozen):
    module: Annotated[str, BeforeValidator(_module)]
    kernel: Annotated[KernelRelease, _Text]
    build_id: Annotated[BuildId, BeforeValidator(_hex)]
    sha256: Annotated[HexDigest, BeforeValidator(_hex)]

    @property
    def kept_as(self) -> str:
        """The name in the catalogue's folder for this item, which has no folders below it."""
        return self.module.replace("/", "-")


class _File(Frozen):
    id: Annotated[PatchId, _Text]
    summary: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500), _Text]
    fixes: tuple[_FixEntry, ...]
    replaces: Annotated[tuple[PatchId, ...], BeforeValidator(_replaces)] = ("none",)
    builds: tuple[_BuildEntry, ...] = Field(min_length=1)
    signature: None = None

    @field_validator("id")
    @classmethod
    def _no_reserved_id(cls, value: str) -> str:
        if value in {"all", "none"}:
            raise ValueError(f"{value} cannot be an id: it has a meaning in replaces")
        return value

    @field_validator("summary")
    @classmethod
    def _one_line(cls, value: str) -> str:
        if not value.isprintable():
            raise ValueError("must be one line of printable text")
        return value

    @field_validator("signature", mode="before")
    @classmethod
    def _no_signature(cls, value: object) -> None:
        if value is not None:
            raise ValueError("signatures of patch files cannot be verified yet: take it out, or do not trust the file")


def read_patch(path: Path, now: datetime) -> tuple[Patch, Mapping[str, Path]]:
    """Read a patch file and every module that it names; the item, added ``now``, and its modules' paths by kept name.

    Raises `CatalogueInvalid` naming file, line and field for whatever does not hold.
    """
    document = load_document(path, CatalogueInvalid)
    if not isinstance(document.data, dict):
        raise CatalogueInvalid("must hold id, summary, fixes and builds", file=document.file, line=1)
    try:
        file = _File.model_validate(document.data)
    except ValidationError as exc:
        raise invalid(document, exc, CatalogueInvalid) from exc
    _check_entries(document, file)
    modules = [_read_build(document, index, entry, path.parent) for index, entry in enumerate(file.builds)]
    _refuse_twice(document, [one.build_id for one in modules], "module", "is the same module as")
    return _patch(file, modules, now), {entry.kept_as: path.parent / entry.module for entry in file.builds}


def _patch(file: _File, modules: Sequence[KernelModule], now: datetime) -> Patch:
    replaces: tuple[str, ...] | Literal["all", "none"] = file.replaces
    if file.replaces in (("all",), ("none",)):
        replaces = "all" if file.replaces == ("all",) else "none"
    return Patch(
        id=file.id,
        summary=file.summary,
        fixes=tuple(Fix.model_validate(dict(fix)) for fix in file.fixes),
        replaces=replaces,
        builds=tuple(_build(entry, module) for entry, module in zip(file.builds, modules, strict=True)),
        added_at=now,
    )


def _build(entry: _BuildEntry, module: KernelModule) -> Build:
    return Build(
        module=entry.kept_as,
        kernel=entry.kernel,
        build_id=entry.build_id,
        sha256=entry.sha256,
        name=module.name,
        module_build_id=module.build_id,
        signed=module.signed,
        size=module.size,
    )


def _check_entries(document: Document, file: _File) -> None:
    cves = [fix.cve for fix in file.fixes]
    for index, cve in enumerate(cves):
        if cve in cves[:index]:
            raise _refuse(document, ("fixes", index, "cve"), f"{cve} stands here twice")
    if file.id in file.replaces:
        raise _refuse(document, ("replaces",), f"{file.id} cannot replace itself")
    kernels = [(entry.kernel, entry.build_id) for entry in file.builds]
    _refuse_twice(document, kernels, "kernel", "is for the same kernel build as")
    _refuse_twice(document, [entry.kept_as for entry in file.builds], "module", "would be kept under the name of")


def _refuse_twice(document: Document, values: Sequence[object], field: str, how: str) -> None:
    for index, value in enumerate(values):
        if value in values[:index]:
            earlier = f"builds.{values.index(value)}"
            raise _refuse(document, ("builds", index, field), f"{how} {earlier}: one module fits one kernel build")


def _read_build(document: Document, index: int, entry: _BuildEntry, folder: Path) -> KernelModule:
    path, at = folder / entry.module, ("builds", index)
    if not path.resolve().is_relative_to(folder.resolve()):
        raise _refuse(document, (*at, "module"), f"{entry.module} links to a file outside of the folder: copy it there")
    try:
        module = read_module(path)
    except CatalogueInvalid as exc:
        raise _refuse(document, (*at, "module"), f"{entry.module}: {exc.message}") from exc
    _check_against(document, at, entry, module)
    return module


def _check_against(document: Document, at: Place, entry: _BuildEntry, module: KernelModule) -> None:
    """That the module is the one that was named and was built for the kernel that was named."""
    if module.sha256 != entry.sha256:
        raise _refuse(document, (*at, "sha256"), f"{entry.module} has the SHA-256 {module.sha256}")
    if module.release != entry.kernel:
        message = f"{entry.module} was built for {module.release}, by its vermagic, not for {entry.kernel}"
        raise _refuse(document, (*at, "kernel"), message)
    if not module.fits_architecture_of(entry.kernel):
        message = f"{entry.module} is for {module.architecture}, which {entry.kernel} is not"
        raise _refuse(document, (*at, "module"), message)
    try:
        _build(entry, module)
    except ValidationError as exc:
        first = exc.errors(include_url=False)[0]
        message = f"{entry.module} says {first['input']!r:.80} for its {first['loc'][0]}: {first['msg']}"
        raise _refuse(document, (*at, "module"), message) from exc


def _refuse(document: Document, place: Place, message: str) -> CatalogueInvalid:
    where = ".".join(str(part) for part in place)
    return CatalogueInvalid(message, file=document.file, line=document.line(place), field=where)
