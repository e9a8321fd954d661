"""What this server writes itself passes the checks it applies to others: https://hl7.org/fhir/R4/resource.html"""

from __future__ import annotations

import contextlib
import tarfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from domain.errors import Gone, InvalidContent, Issue
from domain.identity import ResourceKey
from domain.revision import Head, encode
from fhir_mapping.bundle import AnswerEntry, FoundEntry, VersionEntry, history_bundle, response_bundle, searchset
from fhir_mapping.capability import Capabilities, ParameterRow
from fhir_mapping.outcome import advisory, operation_outcome, outcome_of
from fhir_mapping.subset import Summary, summarised, with_elements
from fhir_mapping.validation import Validation

BASE = "http://localhost/fhir"
KEY = ResourceKey("Patient", "1")
CONTENT = b'{"resourceType":"Patient","id":"1","active":true}'
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
GONE = Gone("Patient/1 was erased")
HEADS = (Head(KEY, 3, "DELETE", NOON, deleted=True), Head(KEY, 2, "PATCH", NOON), Head(KEY, 1, "POST", NOON))
PARAMETERS = {"Patient": [ParameterRow("name", "string", "http://hl7.org/fhir/SearchParameter/Patient-name")]}

ANSWERS: dict[str, bytes] = {
    "searchset": searchset(
        BASE,
        f"{BASE}/Patient?name=x",
        [FoundEntry(KEY, CONTENT), FoundEntry(ResourceKey("Patient", "2"), GONE)],
        total=2,
        next_url=f"{BASE}/Patient?page=x",
        outcome=advisory([Issue("not-supported", "ignored")]),
    ),
    "empty searchset": searchset(BASE, f"{BASE}/Patient", [], total=0, next_url=None),
    "history": history_bundle(
        BASE, f"{BASE}/_history", [VersionEntry(head, CONTENT) for head in HEADS], total=3, next_url=None
    ),
    "unreadable history": history_bundle(
        BASE, f"{BASE}/_history", [VersionEntry(HEADS[1], GONE)], total=1, next_url="n:1"
    ),
    "transaction": response_bundle(
        "transaction-response",
        [AnswerEntry(201, "Patient/1/_history/1", 1, NOON, CONTENT, full_url=f"{BASE}/Patient/1"), AnswerEntry(204)],
    ),
    "batch": response_bundle("batch-response", [AnswerEntry(404, outcome=outcome_of(GONE))]),
    "capabilities": Capabilities(release="0.1.0", built=NOON, parameters=PARAMETERS).body(BASE),
    "failure": encode(outcome_of(InvalidContent("Not a date", code="value", expression="Patient.birthDate"))),
    "nothing to say": encode(operation_outcome([])),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_is_a_valid_resource(name: str) -> None:
    Validation().decode(ANSWERS[name], None)


def broken(content: dict[str, Any]) -> list[Issue]:
    try:
        Validation().check(content)
    except InvalidContent as failure:
        return [issue for issue in failure.issues if issue.code != "invariant"]
    return []


SUMMARIES: list[Summary] = ["true", "text", "data"]


@pytest.fixture(scope="module")
def examples(shared: Path) -> list[dict[str, Any]]:
    """Every eighth official example that is accepted whole; without those whose parts point into `contained`."""
    found: list[dict[str, Any]] = []
    with tarfile.open(shared / "data" / "hl7-r4-examples.tar.xz") as archive:
        for member in [m for m in archive if m.name.endswith(".json")][::8]:
            file = archive.extractfile(member)
            with contextlib.suppress(InvalidContent):
                found.append(Validation().decode(file.read() if file else b"", None))
    return [content for content in found if "contained" not in content]


@pytest.mark.parametrize("summary", [*SUMMARIES, None])
def test_a_part_of_an_official_example_is_a_valid_resource(
    summary: Summary | None, examples: list[dict[str, Any]]
) -> None:
    """Except for rules between elements, of which a part may hold one and not the other."""
    assert len(examples) > 40
    for content in examples:
        part = summarised(content, summary) if summary else with_elements(content, list(content)[:6:2])
        assert broken(part) == [], (content["resourceType"], content.get("id"))
