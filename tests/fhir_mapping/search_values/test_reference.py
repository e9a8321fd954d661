"""https://hl7.org/fhir/R4/search.html#reference: which references a search finds."""

from __future__ import annotations

from typing import Any

import pytest

from domain.errors import InvalidRequest
from fhir_mapping.search_parameters import parameters_of
from fhir_mapping.search_values import reference
from fhir_mapping.search_values.forms import terms

BASE = "https://emr.example/fhir"
SUBJECT = parameters_of("Observation")["subject"]

CASES: list[tuple[Any, str | None, str, bool]] = [
    ({"reference": "Patient/1"}, None, "Patient/1", True),
    ({"reference": "Patient/1"}, None, "1", True),
    ({"reference": "Patient/1"}, None, f"{BASE}/Patient/1", True),
    ({"reference": "Patient/1"}, None, "https://other.example/fhir/Patient/1", False),
    ({"reference": "Patient/1"}, None, "Group/1", False),
    ({"reference": "Patient/1"}, "Patient", "1", True),
    ({"reference": "Patient/1"}, "Device", "1", False),
    ({"reference": "Patient/1"}, "Patient", "Patient/1", True),
    ({"reference": "Patient/1"}, "Device", "Patient/1", False),
    ({"reference": "Patient/1/_history/2"}, None, "Patient/1", True),
    ({"reference": f"{BASE}/Patient/1"}, None, "Patient/1", True),
    ({"reference": f"{BASE}/Patient/1/_history/4"}, None, "1", True),
    ({"reference": "https://other.example/fhir/Patient/1"}, None, "1", False),
    ({"reference": "https://other.example/fhir/Patient/1"}, None, "Patient/1", False),
    ({"reference": "https://other.example/fhir/Patient/1"}, None, "https://other.example/fhir/Patient/1", True),
    ({"reference": "https://other.example/fhir/Patient/1"}, "Patient", "https://other.example/fhir/Patient/1", True),
    (
        {"reference": "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"},
        None,
        "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0",
        True,
    ),
    ({"reference": "#1"}, None, "1", False),
    ({"reference": "#1"}, None, "#1", False),
    ({"identifier": {"system": "urn:w", "value": "L1"}}, "identifier", "urn:w|L1", True),
    ({"identifier": {"system": "urn:w", "value": "L1"}}, "identifier", "L1", True),
    ({"identifier": {"system": "urn:w", "value": "L1"}}, "identifier", "|L1", False),
    ({"identifier": {"value": "L1"}}, "identifier", "|L1", True),
    ({"identifier": {"system": "urn:w", "value": "L1"}}, None, "L1", False),
    ({"display": "somebody"}, None, "somebody", False),
]


@pytest.mark.parametrize(("value", "modifier", "text", "found"), CASES)
def test_a_reference_is_found_or_not(value: dict[str, Any], modifier: str | None, text: str, found: bool) -> None:
    stored = set(terms("subject", reference.forms_by_type(BASE)["Reference"](value)))
    condition = reference.condition(SUBJECT, modifier, [text], BASE)
    assert bool(stored & set(condition.terms)) is found


def test_a_canonical_is_found_with_and_without_its_version() -> None:
    parameter = parameters_of("QuestionnaireResponse")["questionnaire"]
    stored = set(
        terms("questionnaire", reference.forms_by_type(BASE)["canonical"]("http://x.example/Questionnaire/a|2"))
    )
    for text, found in (("http://x.example/Questionnaire/a", True), ("http://x.example/Questionnaire/a|2", True),
                        ("http://x.example/Questionnaire/a|3", False)):  # fmt: skip
        assert bool(stored & set(reference.condition(parameter, None, [text], BASE).terms)) is found


def test_a_type_the_parameter_cannot_point_at_is_refused() -> None:
    with pytest.raises(InvalidRequest) as refused:
        reference.condition(SUBJECT, "Practitioner", ["1"], BASE)
    assert refused.value.issues[0].expression == "subject"


@pytest.mark.parametrize("bad", ["", "urn:w|", "a b|c"])
def test_a_bad_identifier_is_refused(bad: str) -> None:
    with pytest.raises(InvalidRequest):
        reference.condition(SUBJECT, "identifier", [bad], BASE)


def test_many_bare_ids_of_any_type_cost_too_much() -> None:
    anything = parameters_of("Provenance")["target"]
    ids = [f"x{number}" for number in range(reference.MAX_BARE_IDS + 1)]
    with pytest.raises(InvalidRequest) as refused:
        reference.condition(anything, None, ids, BASE)
    assert refused.value.issues[0].code == "too-costly"
    assert reference.condition(SUBJECT, None, ids, BASE).terms
    assert reference.condition(anything, None, [f"Patient/{each}" for each in ids], BASE).terms
