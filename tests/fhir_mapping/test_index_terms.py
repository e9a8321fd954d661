"""Descriptions: the terms of a resource, whose it is, its labels, and that nothing of it shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from domain.identity import ResourceKey
from fhir_mapping.index_terms import IndexTerms
from fhir_mapping.outline import outline_of
from fhir_mapping.tables import RESOURCE_TYPES

BASE = "https://emr.example/fhir"
DESCRIBER = IndexTerms(BASE + "/")
OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "meta": {
        "profile": ["http://hl7.org/fhir/StructureDefinition/vitalsigns"],
        "security": [{"system": "urn:s", "code": "R"}, {"display": "no code"}],
        "source": "urn:src",
    },
    "status": "final",
    "code": {
        "coding": [{"system": "http://loinc.org", "code": "8867-4"}, {"system": "http://loinc.org", "code": "8867-4"}]
    },
    "subject": {"reference": f"{BASE}/Patient/p"},
    "effectiveDateTime": "2020",
    "component": [{"code": {"coding": [{"code": "x"}]}, "valueCodeableConcept": {"coding": [{"code": "y"}]}}],
}
EXPECTED = {
    "status": ["c|final"],
    "code": ["c|8867-4", "s|http://loinc.org", "sc|http://loinc.org 8867-4"],
    "combo-code": ["c|8867-4", "c|x", "nc|x", "s|http://loinc.org", "sc|http://loinc.org 8867-4"],
    "component-code": ["c|x", "nc|x"],
    "component-value-concept": ["c|y", "nc|y"],
    "combo-value-concept": ["c|y", "nc|y"],
    "subject": ["ref|Patient/p"],
    "patient": ["ref|Patient/p"],
    "date": [],
    "_profile": ["u|http://hl7.org/fhir/StructureDefinition/vitalsigns"],
    "_security": ["c|r", "s|urn:s", "sc|urn:s r"],
    "_source": ["u|urn:src"],
}


def test_every_parameter_has_the_terms_of_its_values_each_once() -> None:
    found = DESCRIBER.describe(OBSERVATION, ResourceKey("Observation", "o")).terms
    expected = [f"{code}|{form}" for code, forms in EXPECTED.items() for form in ["present|", *forms]]
    assert sorted(found) == sorted(expected)


def test_a_description_says_whose_it_is_and_its_labels() -> None:
    described = DESCRIBER.describe(OBSERVATION, ResourceKey("Observation", "o"))
    assert (described.patient, described.patients, described.labels) == ("p", ("p",), ("urn:s|R",))
    assert described.outline == outline_of(OBSERVATION, "Observation")
    assert "8867" not in repr(described)


def test_describing_changes_nothing() -> None:
    before = json.dumps(OBSERVATION)
    DESCRIBER.describe(OBSERVATION, ResourceKey("Observation", "o"))
    assert json.dumps(OBSERVATION) == before


def test_a_bundle_is_found_by_the_document_it_opens_with() -> None:
    content = {
        "resourceType": "Bundle",
        "type": "document",
        "entry": [{"resource": {"resourceType": "Composition", "id": "c"}}],
    }
    terms = DESCRIBER.terms(content, "Bundle")
    assert "composition|ref|Composition/c" in terms


@pytest.mark.parametrize(
    ("deceased", "found"),
    [({}, "false"), ({"deceasedBoolean": False}, "false"), ({"deceasedDateTime": "2015"}, "true")],
)
def test_a_patient_is_alive_unless_said_otherwise(deceased: dict[str, Any], found: str) -> None:
    assert f"deceased|c|{found}" in DESCRIBER.terms({"resourceType": "Patient", **deceased}, "Patient")


@pytest.mark.parametrize("resource_type", RESOURCE_TYPES)
def test_every_type_has_a_plan(resource_type: str) -> None:
    terms = DESCRIBER.terms({"resourceType": resource_type, "meta": {"tag": [{"code": "a"}]}}, resource_type)
    assert "_tag|c|a" in terms


def test_primitive_extensions_without_a_value_are_no_value() -> None:
    content = {
        "resourceType": "Patient",
        "_birthDate": {"extension": [{"url": "urn:x", "valueCode": "unknown"}]},
        "name": [{"given": [None, "Ann"], "_given": [{"extension": [{"url": "urn:x", "valueCode": "masked"}]}, None]}],
    }
    terms = DESCRIBER.terms(content, "Patient")
    assert "birthdate|present|" not in terms
    assert "given|p|ann" in terms


def test_real_patients_cost_a_bounded_number_of_terms(shared: Path) -> None:
    counts = []
    for path in sorted((shared / "data" / "synthea-5").glob("*.json")):
        for entry in json.loads(path.read_text())["entry"]:
            content = entry["resource"]
            counts.append((len(DESCRIBER.terms(content, content["resourceType"])), content["resourceType"]))
    assert max(counts)[0] < 300
    observations = [count for count, kind in counts if kind == "Observation"]
    assert sum(observations) / len(observations) < 35
