"""Descriptions: the terms of a resource, whose it is, its labels, and that nothing of it shows."""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from domain.errors import TooCostly
from domain.identity import ResourceKey
from domain.matching import holds
from domain.revision import Head
from fhir_mapping.fhirpath import evaluate
from fhir_mapping.fhirpath_syntax import parse
from fhir_mapping.index_terms import MAX_TERMS, NATIVE, IndexTerms
from fhir_mapping.outline import outline_of
from fhir_mapping.query_string import QueryStrings
from fhir_mapping.search_parameters import parameters_of
from fhir_mapping.search_values.string import MAX_PREFIX, normalised
from fhir_mapping.tables import RESOURCE_TYPES

BASE = "https://emr.example/fhir"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
TERM_KINDS = {"token", "string", "reference", "uri"}
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
    "combo-code": [],
    "component-code": ["c|x", "nc|x"],
    "component-value-concept": ["c|y", "nc|y"],
    "combo-value-concept": [],
    "subject": ["ref|Patient/p"],
    "patient": ["ref|Patient/p"],
    "date": [],
    "component&code&valueCodeableConcept": ["c+c|x\ny", "c+nc|x\ny", "nc+c|x\ny", "nc+nc|x\ny"],
    "_profile": ["u|http://hl7.org/fhir/StructureDefinition/vitalsigns"],
    "_security": ["c|r", "s|urn:s", "sc|urn:s r"],
    "_source": ["u|urn:src"],
}


def test_every_parameter_has_the_terms_of_its_values_each_once() -> None:
    found = DESCRIBER.terms(OBSERVATION, "Observation")
    expected = [
        f"{code}|{form}"
        for code, forms in EXPECTED.items()
        for form in [*([] if "&" in code else ["present|"]), *forms]
    ]
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


def test_a_resource_with_endless_names_is_refused_before_it_costs_much() -> None:
    names = [{"family": f"{number:x}".ljust(100, "x")} for number in range(MAX_TERMS)]
    with pytest.raises(TooCostly):
        DESCRIBER.terms({"resourceType": "Patient", "name": names}, "Patient")


def searches_for(value: Any, type_name: str) -> Iterator[str]:
    """The search texts that a client would write to find a value."""
    match value:
        case {"coding": codings}:
            yield from (text for each in codings for text in searches_for(each, "Coding"))
        case {"reference": str(reference)} if not reference.startswith("#"):
            yield escaped(reference)
        case {"value": str(text)} if type_name in ("Identifier", "ContactPoint"):
            yield f"{escaped(value['system'])}|{escaped(text)}" if "system" in value else f"|{escaped(text)}"
            yield escaped(text)
        case {"code": str(code)} if type_name == "Coding":
            yield f"{escaped(value['system'])}|{escaped(code)}" if "system" in value else f"|{escaped(code)}"
            yield escaped(code)
        case str() if value.startswith("#"):
            return  # Into the resource itself: not indexed.
        case str() if type_name not in ("string", "markdown") or normalised(value):
            yield escaped(value[:MAX_PREFIX] if type_name in ("string", "markdown") else value)
        case bool():
            yield str(value).lower()


def escaped(text: str) -> str:
    return re.sub(r"([,|$\\])", r"\\\1", text)


@pytest.mark.slow
def test_every_official_example_is_found_by_its_own_values(shared: Path) -> None:
    parser, searched, missed = QueryStrings(BASE), 0, []
    with tarfile.open(shared / "data" / "hl7-r4-examples.tar.xz") as archive:
        for member in archive:
            file = archive.extractfile(member) if member.name.endswith(".json") else None
            content = json.load(file) if file else {}
            if content.get("resourceType") not in RESOURCE_TYPES:
                continue
            key = ResourceKey(content["resourceType"], content["id"])
            head, described = Head(key, 1, "PUT", NOW), DESCRIBER.describe(content, key)
            for code, text in own_searches(content):
                (found,) = parser.parse(content["resourceType"], [(code, text)], strict=True).query.conditions
                searched += 1
                if not holds(found, head, described):
                    missed.append((member.name, code))
    assert searched > 7_000
    assert missed == []


def own_searches(content: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for parameter in parameters_of(content["resourceType"]).values():
        if not parameter.expression or parameter.code in NATIVE or parameter.kind not in TERM_KINDS:
            continue
        for place in evaluate(parse(parameter.expression), content):
            yield from ((parameter.code, text) for text in searches_for(place.value, place.type or ""))


def test_real_patients_cost_a_bounded_number_of_terms(shared: Path) -> None:
    counts = []
    for path in sorted((shared / "data" / "synthea-5").glob("*.json")):
        for entry in json.loads(path.read_text())["entry"]:
            content = entry["resource"]
            counts.append((len(DESCRIBER.terms(content, content["resourceType"])), content["resourceType"]))
    assert max(counts)[0] < 300
    observations = [count for count, kind in counts if kind == "Observation"]
    assert sum(observations) / len(observations) < 35
