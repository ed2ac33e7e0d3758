"""Files of vulnerability data as their sources write them, for a test that says what is in them."""

import gzip
import io
import json
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.feeds.redhat.archives import name_of, tar_of, vex, zstd

Json = dict[str, Any]

PUBLISHED = "2025-01-12T08:00:00Z"


def resolved(version: str, *, urgency: str = "not yet assigned") -> Json:
    """Debian's tracker: fixed in that version; ``0`` is never affected."""
    return {"status": "resolved", "fixed_version": version, "urgency": urgency, "repositories": {}}


def undecided(status: str, *, urgency: str = "not yet assigned", **more: str) -> Json:
    """Debian's tracker: ``open`` or ``undetermined``; ``nodsa`` and ``nodsa_reason`` say why there is no advisory."""
    return {"status": status, "urgency": urgency, "repositories": {}, **more}


def debian_tracker(file: Path, said: Iterable[tuple[str, str, Mapping[str, Json]]]) -> Path:
    """Debian's tracker: source package, CVE, and what is so in each release."""
    document: dict[str, dict[str, Json]] = {}
    for package, cve, releases in said:
        document.setdefault(package, {})[cve] = {"description": "A flaw, made up.", "releases": dict(releases)}
    file.write_text(json.dumps(document))
    return file


def ubuntu_cve(cve: str, package: str, *, fixed: str | None, release: str = "22.04:LTS", **more: object) -> Json:
    """Ubuntu's record of one CVE in one source package."""
    events = [{"introduced": "0"}, *([{"fixed": fixed}] if fixed else [])]
    return {
        "schema_version": "1.7.0",
        "id": f"UBUNTU-{cve}",
        "details": "A flaw, made up.",
        "upstream": [cve],
        "published": PUBLISHED,
        "modified": "2025-01-13T08:00:00Z",
        "affected": [
            {
                "package": {"ecosystem": f"Ubuntu:{release}", "name": package},
                "ranges": [{"type": "ECOSYSTEM", "events": events}],
            }
        ],
        **more,
    }


def live_patch_notice(number: int, cve: str, *, package: str, pattern: str) -> Json:
    """Ubuntu's notice that a module from that number on fixes a CVE."""
    return {
        "schema_version": "1.7.0",
        "id": f"LSN-{number:04d}-1",
        "summary": "Kernel Live Patch Security Notice",
        "aliases": [],
        "upstream": [f"UBUNTU-{cve}"],
        "published": "2025-02-02T08:00:00Z",
        "modified": "2025-02-02T08:00:00Z",
        "affected": [
            {
                "package": {"ecosystem": "Ubuntu:Pro:22.04:LTS", "name": package},
                "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "5.15.0-999.999"}]}],
                "ecosystem_specific": {"module_name_regex": pattern, "module_version": str(number)},
            }
        ],
    }


def rocky_advisory(number: str, cve: str, package: str, *, fixed: str) -> Json:
    """An advisory of Rocky Linux 9; packages are named by source."""
    return {
        "schema_version": "1.7.0",
        "id": f"RLSA-2025:{number}",
        "summary": f"{package} security update",
        "upstream": [cve],
        "published": PUBLISHED,
        "modified": PUBLISHED,
        "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"}],
        "affected": [
            {
                "package": {"ecosystem": "Rocky Linux:9", "name": package},
                "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": fixed}]}],
            }
        ],
    }


def osv_zip(file: Path, *records: Json) -> Path:
    """The archive of an ecosystem."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for record in records:
            archive.writestr(f"{record['id']}.json", json.dumps(record))
    file.write_bytes(made.getvalue())
    return file


def red_hat_cve(cve: str, *, severity: str, fixed: Iterable[str]) -> Json:
    """Red Hat's document of one CVE in RHEL 9: the packages, as ``name@version?arch=…``, that have the fix."""
    base, found = "BaseOS-9.6.0.Z.MAIN", list(fixed)
    document = vex(cve)
    about = document["document"]
    about["aggregate_severity"]["text"] = severity
    about["tracking"] |= {"current_release_date": PUBLISHED, "initial_release_date": PUBLISHED}
    document["vulnerabilities"][0]["release_date"] = PUBLISHED
    products = [_product(base, "cpe", "cpe:/o:redhat:enterprise_linux:9::baseos")]
    products += [_product(name, "purl", f"pkg:rpm/redhat/{name}") for name in found]
    document["product_tree"] = {
        "branches": [{"category": "vendor", "name": "Red Hat", "branches": products}],
        "relationships": [_relation(name, base) for name in found],
    }
    document["vulnerabilities"][0]["product_status"] = {"fixed": [f"{base}:{name}" for name in found]}
    return document


def _product(product_id: str, helper: str, value: str) -> Json:
    return {
        "category": "product_name" if helper == "cpe" else "product_version",
        "name": product_id,
        "product": {"name": product_id, "product_id": product_id, "product_identification_helper": {helper: value}},
    }


def _relation(component: str, product: str) -> Json:
    return {
        "category": "default_component_of",
        "full_product_name": {"name": component, "product_id": f"{product}:{component}"},
        "product_reference": component,
        "relates_to_product_reference": product,
    }


def red_hat_archive(file: Path, *documents: Json) -> Path:
    """All documents of Red Hat."""
    members = {name_of(one["document"]["tracking"]["id"]): one for one in documents}
    file.write_bytes(zstd(tar_of(members)))
    return file


def amazon_update(bulletin: str, cve: str, package: str, version: str, *, severity: str = "important") -> str:
    """One bulletin of Amazon Linux 2023."""
    number, _, release = version.partition("-")
    return (
        f'<update status="final" type="security" version="1.4"><id>{bulletin}</id><title>made up</title>'
        f'<issued date="2025-02-13 17:56"/><updated date="2025-02-13 17:56"/><severity>{severity}</severity>'
        f'<references><reference href="" id="{cve}" type="cve"/></references>'
        '<pkglist><collection short="amazon-linux-2023"><name>Amazon Linux 2023</name>'
        f'<package arch="x86_64" epoch="0" name="{package}" release="{release}" version="{number}"/>'
        "</collection></pkglist></update>\n"
    )


def amazon_updateinfo(file: Path, *updates: str) -> Path:
    """The updateinfo of one repository."""
    file.write_bytes(gzip.compress(f'<?xml version="1.0"?>\n<updates>{"".join(updates)}</updates>\n'.encode()))
    return file


def kev_catalogue(file: Path, due: Mapping[str, str]) -> Path:
    """CISA's list of exploited CVEs, with their due dates."""
    rows = [
        {"cveID": cve, "vulnerabilityName": "A flaw, made up", "dateAdded": "2025-01-05", "dueDate": day}
        for cve, day in due.items()
    ]
    about = {"title": "CISA Catalog of Known Exploited Vulnerabilities", "catalogVersion": "2025.01.05"}
    document = about | {"dateReleased": "2025-01-05T15:00:00Z", "count": len(rows), "vulnerabilities": rows}
    file.write_text(json.dumps(document))
    return file
