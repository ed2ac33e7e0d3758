"""Archives of documents, as Red Hat publishes them."""

import io
import json
import tarfile
from collections.abc import Mapping
from typing import Any

import zstandard


def vex(cve: str, **more: Any) -> dict[str, Any]:
    """The least that a document can say."""
    return {
        "document": {
            "aggregate_severity": {"text": "Moderate"},
            "category": "csaf_vex",
            "csaf_version": "2.0",
            "publisher": {"category": "vendor", "namespace": "https://www.redhat.com"},
            "title": "made up",
            "tracking": {
                "current_release_date": "2099-03-02T00:00:00+00:00",
                "id": cve,
                "initial_release_date": "2099-03-01T00:00:00+00:00",
                "status": "final",
            },
        },
        "vulnerabilities": [{"cve": cve, "release_date": "2099-03-01T00:00:00+00:00"}],
    } | more


def name_of(cve: str) -> str:
    """Where a document is, below the folder that all of them are in."""
    return f"{cve.split('-')[1]}/{cve.lower()}.json"


def tar_of(members: Mapping[str, Any], *others: tarfile.TarInfo) -> bytes:
    """A tar archive of documents, or of bytes, by name."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name, content in members.items():
            data = content if isinstance(content, bytes) else json.dumps(content, ensure_ascii=False).encode()
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for other in others:
            archive.addfile(other)
    return made.getvalue()


def zstd(data: bytes) -> bytes:
    """Compressed as csaf_vex_DATE.tar.zst is."""
    return zstandard.ZstdCompressor(level=3).compress(data)
