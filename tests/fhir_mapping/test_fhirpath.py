"""http://hl7.org/fhirpath/N1/, https://hl7.org/fhir/R4/fhirpatch.html: paths read, evaluated and located."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidRequest
from fhir_mapping.fhirpath import compile_path, locate
from fhir_mapping.fhirpath_syntax import parse

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p",
    "active": True,
    "name": [
        {"use": "official", "family": "Chalmers", "given": ["Peter", "James"]},
        {"use": "usual", "given": ["Jim"]},
    ],
    "birthDate": "1974-12-25",
    "_birthDate": {"extension": [{"url": "http://x/time", "valueDateTime": "1974-12-25T14:35:45-05:00"}]},
    "deceasedBoolean": False,
    "contact": [{"name": {"family": "du Marché"}, "telecom": [{"system": "phone", "value": "1"}]}],
    "extension": [{"url": "http://x/a", "valueString": "A"}, {"url": "http://x/b", "valueCode": "B"}],
    "generalPractitioner": [
        {"reference": "Practitioner/1"},
        {"reference": "http://other/fhir/Organization/2"},
        {"reference": "#inside"},
        {"type": "Practitioner", "identifier": {"value": "x"}},
    ],
    "contained": [{"resourceType": "PractitionerRole", "id": "inside", "active": False}],
}
OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "valueQuantity": {"value": Decimal("1.00"), "unit": "mg"},
    "component": [{"valueString": "a"}, {"valueQuantity": {"value": Decimal(2)}}],
    "effectivePeriod": {"start": "2020"},
}

CASES: list[tuple[str, dict[str, Any], list[Any]]] = [
    ("Patient.birthDate", PATIENT, ["1974-12-25"]),
    ("birthDate", PATIENT, ["1974-12-25"]),
    ("Resource.id", PATIENT, ["p"]),
    ("Observation.id", PATIENT, []),
    ("Patient.name.given", PATIENT, ["Peter", "James", "Jim"]),
    ("Patient.name[1].given[0]", PATIENT, ["Jim"]),
    ("Patient.name.given[2]", PATIENT, ["Jim"]),
    ("Patient.name[7].given", PATIENT, []),
    ("Patient.name.where(use='official').given[0]", PATIENT, ["Peter"]),
    ("Patient.name.where(use = 'official' and family = 'Chalmers').given.last()", PATIENT, ["James"]),
    ("Patient.name.where(use='old' or use='usual').given", PATIENT, ["Jim"]),
    ("Patient.name.where($this.family.exists()).use", PATIENT, ["official"]),
    ("Patient.name.where(family.empty()).use", PATIENT, ["usual"]),
    ("Patient.name.where(family.exists().not()).use", PATIENT, ["usual"]),
    ("Patient.name.first().family | Patient.birthDate", PATIENT, ["Chalmers", "1974-12-25"]),
    ("Patient.name.family | Patient.name.family", PATIENT, ["Chalmers"]),
    ("Patient.extension('http://x/b').value", PATIENT, ["B"]),
    ("Patient.birthDate.extension('http://x/time').value", PATIENT, ["1974-12-25T14:35:45-05:00"]),
    ("Patient.deceased.exists() and Patient.deceased != false", PATIENT, [False]),
    ("Patient.deceased.exists() and Patient.deceased != false", OBSERVATION | {"resourceType": "Patient"}, [False]),
    ("Patient.deceased", PATIENT, [False]),
    ("Patient.contact.name.family", PATIENT, ["du Marché"]),
    ("Patient.contact.telecom.where(system='phone').value", PATIENT, ["1"]),
    ("Patient.contained.active", PATIENT, [False]),
    ("Patient.generalPractitioner.where(resolve() is Practitioner).reference", PATIENT, ["Practitioner/1"]),
    (
        "Patient.generalPractitioner.where(resolve() is Organization).reference",
        PATIENT,
        ["http://other/fhir/Organization/2"],
    ),
    ("Patient.generalPractitioner.where(resolve() is PractitionerRole).reference", PATIENT, ["#inside"]),
    ("Observation.value.value", OBSERVATION, [Decimal("1.00")]),
    ("(Observation.value as Quantity).unit", OBSERVATION, ["mg"]),
    ("Observation.value.ofType(FHIR.Quantity).unit", OBSERVATION, ["mg"]),
    ("Observation.value.as(string)", OBSERVATION, []),
    ("Observation.component.value.as(string)", OBSERVATION, ["a"]),
    ("Observation.valueQuantity", OBSERVATION, []),
    ("Observation.effective.is(Period)", OBSERVATION, [True]),
    ("Observation.effective.start", OBSERVATION, ["2020"]),
    ("Observation.component.where(value.value = 2).value.value", OBSERVATION, [2]),
    ("Patient.name.where(given = true)", PATIENT, []),
    ("'it\\'s'", PATIENT, ["it's"]),
]


@pytest.mark.parametrize(("expression", "root", "expected"), CASES)
def test_an_expression_gives_these_values(expression: str, root: dict[str, Any], expected: list[Any]) -> None:
    assert compile_path(expression)(root) == expected


def test_a_place_says_where_the_value_stands_and_what_it_is() -> None:
    (place,) = locate("Patient.name[0].given[1]", PATIENT)
    assert place.parent is PATIENT["name"][0]["given"]
    assert (place.key, place.value, place.type) == (1, "James", "string")
    (choice,) = locate("Observation.value", OBSERVATION)
    assert choice.parent is OBSERVATION
    assert (choice.key, choice.type) == ("valueQuantity", "Quantity")
    (root,) = locate("Patient", PATIENT)
    assert root.value is PATIENT
    assert [p.type for p in locate("Patient.contact", PATIENT)] == ["Patient.contact"]


@pytest.mark.parametrize("expression", ["'x'", "Patient.active.exists()", "Patient.generalPractitioner.resolve()"])
def test_only_elements_can_be_located(expression: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        locate(expression, PATIENT)
    assert refused.value.issues[0].expression == expression


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "Patient.",
        "Patient..name",
        "Patient.name[x]",
        "Patient.name[-1]",
        "Patient.name.repeat(given)",
        "Patient.name.where()",
        "Patient.name.exists(a, b)",
        "Patient.name as",
        "(Patient.name",
        "Patient.name)",
        "Patient.name = ",
        "'open",
        "%resource.name",
        "Patient.name.given + 'x'",
        "Patient; name",
        "Patient.a" * 300,
        "(" * 40 + "Patient" + ")" * 40,
        "Patient" + ".name" * 100,
        "$this.where(" * 20 + "true" + ")" * 20,
    ],
)
def test_what_is_outside_the_subset_is_refused_by_name(expression: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse(expression)
    assert refused.value.issues[0].expression == expression[:200]


@given(st.text(alphabet="Patientnm.()[]'|=!,0 $`isaorwhex\\", max_size=80))
def test_no_text_does_anything_but_parse_or_be_refused(text: str) -> None:
    try:
        tree = parse(text)
    except InvalidRequest:
        return
    assert tree is not None
