"""The exposure report and OpenVEX over HTTP."""

from typing import Any

import pytest

from tests.api.service import Service, known_service
from tests.core.exposure_builders import FIRST, SECOND


def service() -> Service:
    """An hour after the last check, so that what closed with it is in a period that ends now."""
    known = known_service()
    known.known.clock.advance(3_600.0)
    return known


def test_the_report_is_the_document_of_the_command() -> None:
    """Two windows closed on ``a``; two are open on ``b`` and two on ``gone``, which nobody saw since."""
    document = service().get("/api/v1/exposures/report", by="host", period="7d", severity=["high", "critical"])

    assert ("host", ["critical", "high"], False) == (document["by"], document["severities"], document["kev"])
    assert [("a", 2, 0), ("b", 0, 2), ("gone", 0, 2)] == [
        (row["key"], row["closed"], row["open"]) for row in document["rows"]
    ]
    assert {"windows": 2, "untold": 0, "median_seconds": 3600.0, "p90_seconds": 3600.0, "max_seconds": 3600.0} == (
        document["total"]["time_to_patch"]["detected"]
    )


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"by": "colour"}, "query.by"), ({"severity": "bad"}, "query.severity.0"),
        ({"period": "x" * 41}, "query.period"),
        ({"from": "2026-02-30"}, None), ({"period": "7d", "from": "2026-01-01"}, None),
    ],
)  # fmt: skip
def test_a_report_that_is_not_understood_is_a_problem(query: dict[str, Any], field: str | None) -> None:
    """422, with the parameter where the request itself is wrong."""
    response = service().client.get("/api/v1/exposures/report", params=query)

    assert (422, "application/problem+json") == (response.status_code, response.headers["content-type"])
    assert ([field] if field else []) == [one["field"] for one in response.json().get("errors", [])]


def test_vex_of_one_host_and_of_all() -> None:
    """The live patch of ``a`` excuses ``a`` alone."""
    known = service()
    one = known.get("/api/v1/exposures/vex", host="a")
    every = known.get("/api/v1/exposures/vex", cve=FIRST, author="Someone")

    assert [(FIRST, "not_affected"), (SECOND, "not_affected")] == [
        (said["vulnerability"]["name"], said["status"]) for said in one["statements"]
    ]
    assert {("a", "not_affected"), ("b", "affected"), ("gone", "affected")} == {
        (product["identifiers"]["purl"].removeprefix("pkg:generic/"), said["status"])
        for said in every["statements"]
        for product in said["products"]
    }
    assert ("Example Ops", "Someone") == (one["author"], every["author"])


def test_vex_of_nobody_is_a_problem() -> None:
    """As everywhere where a name answers to nothing, or a CVE is none."""
    known = service()
    assert "not_found" == known.client.get("/api/v1/exposures/vex", params={"host": "nobody"}).json()["code"]
    assert 422 == known.client.get("/api/v1/exposures/vex", params={"cve": "CVE-1"}).status_code
