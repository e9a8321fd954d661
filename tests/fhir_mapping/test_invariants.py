"""Rules between elements. https://hl7.org/fhir/R4/conformance-rules.html#constraints"""

from __future__ import annotations

from typing import Any

import pytest

from fhir_mapping import invariants
from fhir_mapping.problems import issues_of
from fhir_mapping.structure import check_resource
from fhir_mapping.tables import elements_of

PATIENT: dict[str, Any] = {"resourceType": "Patient", "id": "p"}
OBSERVATION: dict[str, Any] = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}
OUTCOME = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "invalid"}]}


def findings(content: dict[str, Any]) -> list[tuple[str, str | None]]:
    return [
        (issue.code, issue.expression) for issue in issues_of(check_resource(content) or (), content["resourceType"])
    ]


def test_every_rule_is_about_elements_that_exist() -> None:
    rows = {where for _, where, *_ in (*invariants.NEEDS, *invariants.EXCLUDES, *invariants.SOME)}
    for path in rows.union(*invariants.COMPUTED):
        assert elements_of(path)
        assert invariants.of(path)


def bundle(kind: str, *entries: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries), **more}


BROKEN: list[tuple[dict[str, Any], str]] = [
    ({**PATIENT, "photo": [{"data": "QUJD"}]}, "Patient.photo[0].data"),
    ({**PATIENT, "photo": [{"data": "QUJD", "contentType": "text/plain", "size": 4}]}, "Patient.photo[0].size"),
    ({**PATIENT, "telecom": [{"value": "1"}]}, "Patient.telecom[0].value"),
    ({**PATIENT, "contact": [{"gender": "male"}]}, "Patient.contact[0]"),
    ({**PATIENT, "extension": [{"url": "http://a.example"}]}, "Patient.extension[0]"),
    (
        {**PATIENT, "extension": [{"url": "a:b", "valueCode": "a", "extension": [{"url": "a:c", "valueCode": "a"}]}]},
        "Patient.extension[0]",
    ),
    ({**PATIENT, "name": [{"period": {"start": "2020-02", "end": "2020-01-31"}}]}, "Patient.name[0].period.start"),
    (
        {**PATIENT, "name": [{"period": {"start": "2020-01-01T10:00:00Z", "end": "2020-01-01T11:00:00+02:00"}}]},
        "Patient.name[0].period.start",
    ),
    (
        {**PATIENT, "maritalStatus": {"coding": [{"system": "M", "code": "M"}]}},
        "Patient.maritalStatus.coding[0].system",
    ),
    ({**OBSERVATION, "valueQuantity": {"value": 1, "code": "kg"}}, "Observation.value.code"),
    ({**OBSERVATION, "valueRange": {"low": {"value": 2}, "high": {"value": 1}}}, "Observation.value.low"),
    ({**OBSERVATION, "valueRatio": {"numerator": {"value": 2}}}, "Observation.value.numerator"),
    ({**OBSERVATION, "valueString": "x", "dataAbsentReason": {"text": "y"}}, "Observation.dataAbsentReason"),
    ({**OBSERVATION, "referenceRange": [{"appliesTo": [{"text": "y"}]}]}, "Observation.referenceRange[0]"),
    (
        {
            **OBSERVATION,
            "code": {"coding": [{"system": "http://a.example", "code": "1"}]},
            "valueString": "x",
            "component": [{"code": {"coding": [{"system": "http://a.example", "code": "1"}]}}],
        },
        "Observation.component",
    ),
    ({"resourceType": "Organization", "active": True}, "Organization"),
    ({"resourceType": "Organization", "name": "x", "telecom": [{"use": "home"}]}, "Organization.telecom"),
    (bundle("collection", {"resource": PATIENT}, total=1), "Bundle"),
    (bundle("collection", {"resource": PATIENT, "fullUrl": "Patient/p"}), "Bundle.entry[0].fullUrl"),
    (
        bundle("collection", *[{"resource": PATIENT, "fullUrl": "http://a.example/Patient/p"}] * 2),
        "Bundle.entry[1].fullUrl",
    ),
    (bundle("batch", {"resource": PATIENT}), "Bundle.entry[0].request"),
    (bundle("collection", {"resource": PATIENT, "request": {"method": "PUT", "url": "a"}}), "Bundle.entry[0].request"),
    (bundle("document", {"resource": PATIENT}), "Bundle"),
    (bundle("message", {"resource": PATIENT}), "Bundle"),
    (bundle("searchset", {"resource": {"resourceType": "Patient", "active": True}}), "Bundle.entry[0].resource.id"),
    (bundle("searchset", {"resource": OUTCOME, "search": {"mode": "match"}}), "Bundle.entry[0].search"),
    (bundle("searchset", {"resource": PATIENT}, link=[{"relation": "self", "url": "a"}] * 2), "Bundle.link"),
]


@pytest.mark.parametrize(("content", "expression"), BROKEN)
def test_a_broken_rule_is_named(content: dict[str, Any], expression: str) -> None:
    assert expression in [place for _, place in findings(content)]


KEPT: list[dict[str, Any]] = [
    {**PATIENT, "photo": [{"data": "QUI=", "contentType": "text/plain", "size": 2}]},
    {**PATIENT, "name": [{"period": {"start": "2020-01-31T23:00:00Z", "end": "2020-01-31"}}]},
    {**PATIENT, "name": [{"period": {"start": "2020-01-01T10:00:00+02:00", "end": "2020-01-01T09:00:00Z"}}]},
    {**PATIENT, "telecom": [{"value": "1", "_system": {"extension": [{"url": "a:b", "valueCode": "x"}]}}]},
    {**OBSERVATION, "valueRange": {"low": {"value": 2, "unit": "g"}, "high": {"value": 2, "unit": "g"}}},
    bundle("searchset", {"resource": OUTCOME, "search": {"mode": "outcome"}}, total=0),
]


@pytest.mark.parametrize("content", KEPT)
def test_what_keeps_the_rules_is_accepted(content: dict[str, Any]) -> None:
    assert findings(content) == []
