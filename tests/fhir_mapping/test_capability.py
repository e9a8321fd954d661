"""https://hl7.org/fhir/R4/capabilitystatement.html"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from fhir_mapping.capability import MAX_ADDRESSES, Capabilities, ParameterRow
from fhir_mapping.tables import RESOURCE_TYPES, elements_of

BUILT = datetime(2026, 1, 31, tzinfo=UTC)
ROWS = {"Patient": [ParameterRow("identifier", "token", "http://hl7.org/fhir/SearchParameter/Patient-identifier")]}


def statement(base: str = "http://localhost/fhir") -> Any:
    return json.loads(Capabilities(release="0.1.0", built=BUILT, parameters=ROWS).body(base))


def test_the_statement_names_release_address_and_formats() -> None:
    body = statement()
    assert (body["kind"], body["fhirVersion"], body["date"]) == ("instance", "4.0.1", "2026-01-31T00:00:00.000Z")
    assert body["software"]["version"] == "0.1.0"
    assert body["implementation"]["url"] == "http://localhost/fhir"
    assert "application/fhir+json" in body["format"]
    assert body["patchFormat"] == ["application/json-patch+json", "application/fhir+json"]


def test_every_r4_type_is_offered_with_its_search_parameters() -> None:
    (rest,) = statement()["rest"]
    rows = {row["type"]: row for row in rest["resource"]}
    assert set(rows) == set(RESOURCE_TYPES)
    assert [p["name"] for p in rows["Patient"]["searchParam"]] == ["identifier"]
    assert "searchParam" not in rows["Observation"]
    assert rows["Patient"]["versioning"] == "versioned"
    assert rows["Patient"]["operation"][0]["name"] == "validate"


def test_references_are_offered_from_both_ends() -> None:
    rows = {
        "Observation": [ParameterRow("subject", "reference", targets=("Patient", "Device"))],
        "Measure": [ParameterRow("depends-on", "reference")],  # canonical: names no place
    }
    body = json.loads(Capabilities(release="0", built=BUILT, parameters=rows).body("http://x"))
    found = {row["type"]: row for row in body["rest"][0]["resource"]}
    assert found["Observation"]["searchInclude"] == ["*", "Observation:subject"]
    assert found["Measure"]["searchInclude"] == ["*"]
    assert found["Patient"]["searchRevInclude"] == found["Device"]["searchRevInclude"] == ["Observation:subject"]
    assert "searchRevInclude" not in found["Observation"]


def test_codes_are_those_the_specification_allows() -> None:
    (rest,) = statement()["rest"]
    elements = elements_of("CapabilityStatement.rest.resource")
    allowed = elements_of("CapabilityStatement.rest.resource.interaction")["code"].codes or frozenset()
    for row in rest["resource"]:
        assert set(row) <= set(elements)
        assert {i["code"] for i in row["interaction"]} <= allowed
        conditional = () if row["type"] == "AuditEvent" else ("conditionalRead", "conditionalDelete")
        for name in ("versioning", *conditional):
            assert row[name] in (elements[name].codes or ())
    system = elements_of("CapabilityStatement.rest.interaction")["code"].codes or frozenset()
    assert {i["code"] for i in rest["interaction"]} <= system


def test_the_bytes_are_kept_per_address_and_addresses_are_bounded() -> None:
    capabilities = Capabilities(release="0.1.0", built=BUILT, parameters={})
    assert capabilities.body("http://a") is capabilities.body("http://a")
    bodies = [capabilities.body(f"http://host-{n}") for n in range(MAX_ADDRESSES + 5)]
    assert capabilities.body("http://host-0") is bodies[0]
    assert capabilities.body(f"http://host-{MAX_ADDRESSES + 4}") is not bodies[-1]
