"""What is refused and where the finger points. https://hl7.org/fhir/R4/json.html, https://hl7.org/fhir/R4/datatypes.html"""

from __future__ import annotations

from typing import Any

import pytest

from fhir_mapping.problems import issues_of
from fhir_mapping.structure import check_resource

PATIENT: dict[str, Any] = {"resourceType": "Patient", "name": [{"family": "Quill", "given": ["Ada", "Bee"]}]}
OBSERVATION: dict[str, Any] = {"resourceType": "Observation", "status": "final", "code": {"text": "Weight"}}


def findings(content: dict[str, Any]) -> list[tuple[str, str | None]]:
    return [
        (issue.code, issue.expression) for issue in issues_of(check_resource(content) or (), content["resourceType"])
    ]


def nested_extension(levels: int) -> dict[str, Any]:
    inner: dict[str, Any] = {"url": "http://a.example/x", "valueBoolean": True}
    for _ in range(levels):
        inner = {"url": "http://a.example/x", "extension": [inner]}
    return inner


GOOD: list[dict[str, Any]] = [
    {"active": False, "multipleBirthInteger": 0},
    {"birthDate": "1982-01"},
    {"birthDate": "2004-02-29"},
    {"_birthDate": {"extension": [{"url": "http://a.example/x", "valueString": "about 1980"}]}},
    {"birthDate": "1980", "_birthDate": {"id": "b1"}},
    {"name": [{"given": ["A", None], "_given": [None, {"id": "x"}]}]},
    {"name": [{"_given": [{"id": "x"}]}]},
    {"photo": [{"contentType": "image/png", "url": "https://a.example/p.png"}]},
    {"generalPractitioner": [{"reference": "Practitioner/1/_history/2"}]},
    {"generalPractitioner": [{"reference": "http://a.example/fhir/Organization/1"}]},
    {"generalPractitioner": [{"reference": "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"}]},
    {"generalPractitioner": [{"reference": "Practitioner?identifier=http://a.example|1"}]},
    {"generalPractitioner": [{"reference": "#p"}], "contained": [{"resourceType": "Practitioner", "id": "p"}]},
    {"generalPractitioner": [{"identifier": {"value": "1"}, "type": "Practitioner"}]},
    {"extension": [nested_extension(20)]},
    {"text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml"><p>a &amp; b</p></div>'}},
]


@pytest.mark.parametrize("more", GOOD)
def test_a_good_patient_is_accepted(more: dict[str, Any]) -> None:
    assert findings({**PATIENT, **more}) == []


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"nickname": "x"}, "structure", "Patient.nickname"),
    ({"$where": "x"}, "structure", "Patient.$where"),
    ({"__proto__": {}}, "structure", "Patient.__proto__"),
    ({"_nickname": {"id": "a"}}, "structure", "Patient._nickname"),
    ({"_name": [{"id": "a"}]}, "structure", "Patient._name"),
    ({"name": {"family": "x"}}, "structure", "Patient.name"),
    ({"name": []}, "structure", "Patient.name"),
    ({"name": [{}]}, "structure", "Patient.name[0]"),
    ({"name": [{"given": ["A", 1]}]}, "structure", "Patient.name[0].given[1]"),
    ({"name": [{"given": ["A", None]}]}, "structure", "Patient.name[0].given[1]"),
    ({"name": [{"given": ["A", None], "_given": [None, None]}]}, "structure", "Patient.name[0].given[1]"),
    ({"name": [{"given": ["A"], "_given": [None, {"id": "x"}]}]}, "structure", "Patient.name[0].given"),
    ({"name": [{"given": ["A"], "_given": {"id": "x"}}]}, "structure", "Patient.name[0].given"),
    ({"_birthDate": {}}, "structure", "Patient.birthDate"),
    ({"_birthDate": {"value": "x"}}, "structure", "Patient.birthDate.value"),
    ({"birthDate": None}, "structure", "Patient.birthDate"),
    ({"birthDate": ""}, "value", "Patient.birthDate"),
    ({"birthDate": "2001-02-30"}, "value", "Patient.birthDate"),
    ({"birthDate": "2001-02-29"}, "value", "Patient.birthDate"),
    ({"birthDate": "12/25/1974"}, "value", "Patient.birthDate"),
    ({"birthDate": "1974-12-25T10:00:00Z"}, "value", "Patient.birthDate"),
    ({"birthDate": "1974-12-25\n"}, "value", "Patient.birthDate"),
    ({"birthDate": "１974-12-25"}, "value", "Patient.birthDate"),
    ({"deceasedDateTime": "2020-01-01T10:00:00"}, "value", "Patient.deceased"),
    ({"deceasedDateTime": "2020-01-01T10:00Z"}, "value", "Patient.deceased"),
    ({"deceasedBoolean": True, "deceasedDateTime": "2020"}, "structure", "Patient.deceased"),
    ({"deceasedBoolean": True, "_deceasedDateTime": {"id": "a"}}, "structure", "Patient.deceased"),
    ({"deceasedString": "x"}, "structure", "Patient.deceasedString"),
    ({"deceasedBoolean": "true"}, "structure", "Patient.deceased"),
    ({"active": 1}, "structure", "Patient.active"),
    ({"multipleBirthInteger": True}, "structure", "Patient.multipleBirth"),
    ({"multipleBirthInteger": 2147483648}, "value", "Patient.multipleBirth"),
    ({"gender": "x"}, "code-invalid", "Patient.gender"),
    ({"gender": ["male"]}, "structure", "Patient.gender"),
    ({"id": "a/b"}, "value", "Patient.id"),
    ({"id": "x" * 65}, "value", "Patient.id"),
    ({"language": " en"}, "value", "Patient.language"),
    ({"implicitRules": "a b"}, "value", "Patient.implicitRules"),
    ({"meta": {"lastUpdated": "2020-01-01T10:00:00"}}, "value", "Patient.meta.lastUpdated"),
    ({"meta": {"lastUpdated": "2020-02-30T10:00:00Z"}}, "value", "Patient.meta.lastUpdated"),
    ({"photo": [{"data": "%%%2@()()"}]}, "value", "Patient.photo[0].data"),
    ({"photo": [{"data": "QUJD="}]}, "value", "Patient.photo[0].data"),
    ({"photo": [{"url": "javascript:alert(1)"}]}, "value", "Patient.photo[0].url"),
    ({"photo": [{"url": "\tJaVaScRiPt:alert(1)"}]}, "value", "Patient.photo[0].url"),
    ({"photo": [{"url": "data:text/html;base64,QQ=="}]}, "value", "Patient.photo[0].url"),
    ({"contact": [{"telecom": [{"rank": "1"}]}]}, "structure", "Patient.contact[0].telecom[0].rank"),
    ({"link": [{"other": {"reference": "Patient/2"}}]}, "required", "Patient.link[0].type"),
    ({"link": [{"type": "refer"}]}, "required", "Patient.link[0].other"),
    ({"extension": [{"valueString": "x"}]}, "required", "Patient.extension[0].url"),
    ({"contained": [{"resourceType": "Practitioner", "id": "p"}]}, "invariant", "Patient.contained[0]"),
    ({"contained": [{"resourceType": "Wizard", "id": "p"}]}, "structure", "Patient.contained[0]"),
    ({"extension": [nested_extension(40)]}, "structure", "Patient" + ".extension[0]" * 32),
    ({"text": {"status": "generated"}}, "required", "Patient.text.div"),
    ({"text": {"status": "generated", "div": "<p>a</p>"}}, "invariant", "Patient.text.div"),
]  # fmt: skip


@pytest.mark.parametrize(("more", "code", "expression"), BAD)
def test_a_bad_element_is_named(more: dict[str, Any], code: str, expression: str) -> None:
    assert (code, expression) in findings({**PATIENT, **more})


@pytest.mark.parametrize(
    "reference",
    [
        "Patient/1",
        "http://a.example/fhir/Patient/1",
        "Patient?identifier=1",
        "Wizard/1",
        "Practitioner/a b",
        "Practitioner/",
        "javascript:alert(1)",
        "#p",
    ],
)
def test_a_reference_to_what_does_not_belong_there_is_refused(reference: str) -> None:
    found = findings({**PATIENT, "generalPractitioner": [{"reference": reference}]})
    assert found == [("value", "Patient.generalPractitioner[0].reference")]


def test_a_stated_type_that_does_not_belong_there_is_refused() -> None:
    found = findings({**PATIENT, "generalPractitioner": [{"type": "Patient", "display": "x"}]})
    assert found == [("value", "Patient.generalPractitioner[0].type")]


def test_a_contained_resource_contains_no_other_and_must_be_of_the_right_type() -> None:
    inner = {"resourceType": "Patient", "id": "p", "contained": [{"resourceType": "Patient", "id": "q"}]}
    content = {**PATIENT, "generalPractitioner": [{"reference": "#p"}], "contained": [inner]}
    assert ("invariant", "Patient.contained[0].contained") in findings(content)
    assert ("value", "Patient.generalPractitioner[0].reference") in findings(content)


def test_required_choices_and_concepts_of_a_closed_list() -> None:
    request = {"resourceType": "MedicationRequest", "status": "active", "intent": "order"}
    assert findings({**request, "subject": {"reference": "Patient/1"}}) == [
        ("required", "MedicationRequest.medication")
    ]
    condition = {"resourceType": "Condition", "subject": {"reference": "Patient/1"}}
    wrong = {"coding": [{"system": "http://a.example", "code": "active"}]}
    assert findings({**condition, "clinicalStatus": wrong}) == [("code-invalid", "Condition.clinicalStatus.coding")]
    right = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]}
    assert findings({**condition, "clinicalStatus": right}) == []


def test_several_problems_are_reported_at_once() -> None:
    content = {"resourceType": "Observation", "value": 1, "status": "done", "component": [{"valueString": ""}]}
    assert set(findings(content)) == {
        ("structure", "Observation.value"),
        ("code-invalid", "Observation.status"),
        ("required", "Observation.code"),
        ("required", "Observation.component[0].code"),
        ("value", "Observation.component[0].value"),
    }


def test_a_simple_quantity_has_no_comparator() -> None:
    limit = {"low": {"value": 1, "comparator": "<"}}
    assert findings({**OBSERVATION, "referenceRange": [limit]}) == [
        ("invariant", "Observation.referenceRange[0].low.comparator")
    ]


def test_an_unknown_key_is_not_remembered() -> None:
    from fhir_mapping import structure

    for number in range(100):
        check_resource({**PATIENT, f"made-up-{number}": 1})
    closure = structure._check_of("Patient").__closure__ or ()
    kept = next(cell.cell_contents for cell in closure if isinstance(cell.cell_contents, structure._ElementChecks))
    assert not any(name.startswith("made-up") for name in kept)


@pytest.mark.parametrize(
    "div",
    [
        '<div xmlns="http://www.w3.org/1999/xhtml"><script>alert(1)</script></div>',
        '<div xmlns="http://www.w3.org/1999/xhtml" onclick="alert(1)">a</div>',
        '<div xmlns="http://www.w3.org/1999/xhtml"><a href="javascript:alert(1)">a</a></div>',
        '<div xmlns="http://www.w3.org/1999/xhtml"><a href="java&#x0A;script:alert(1)">a</a></div>',
        '<div xmlns="http://www.w3.org/1999/xhtml"><img src="data:image/svg+xml;base64,QQ=="/></div>',
        '<div xmlns="http://www.w3.org/1999/xhtml"><iframe src="http://a.example"/>a</div>',
        '<div xmlns="http://www.w3.org/1999/xhtml"><p style="width:expression(alert(1))">a</p></div>',
        '<div xmlns="http://www.w3.org/1999/xhtml"><svg xmlns="http://www.w3.org/2000/svg"/>a</div>',
        '<div xmlns="http://www.w3.org/1999/xhtml"><h:p xmlns:h="http://a.example">a</h:p></div>',
        '<div xmlns="http://www.w3.org/1999/xhtml">a &reg; b</div>',
        '<!DOCTYPE div [<!ENTITY x "y">]><div xmlns="http://www.w3.org/1999/xhtml">&x;</div>',
        '<?xml-stylesheet href="a"?><div xmlns="http://www.w3.org/1999/xhtml">a</div>',
        '<div xmlns="http://www.w3.org/1999/xhtml"><p>a</div>',
        "<div>a</div>",
        "plain",
    ],
)
def test_active_or_broken_narrative_is_refused(div: str) -> None:
    found = findings({**PATIENT, "text": {"status": "generated", "div": div}})
    assert [expression for _, expression in found] == ["Patient.text.div"]
