"""https://hl7.org/fhir/R4/search.html#token: which stored values a token search finds."""

from __future__ import annotations

from typing import Any

import pytest

from domain.errors import InvalidRequest
from domain.search import AnyTerm
from fhir_mapping.search_parameters import parameters_of
from fhir_mapping.search_values import token
from fhir_mapping.search_values.forms import terms

GENDER = "http://hl7.org/fhir/administrative-gender"
UCUM = "http://unitsofmeasure.org"

CASES: list[tuple[str, str, str, Any, str, bool]] = [
    ("Observation", "code", "Coding", {"system": "http://loinc.org", "code": "8867-4"}, "8867-4", True),
    (
        "Observation",
        "code",
        "Coding",
        {"system": "http://loinc.org", "code": "8867-4"},
        "http://loinc.org|8867-4",
        True,
    ),
    ("Observation", "code", "Coding", {"system": "http://loinc.org", "code": "8867-4"}, "http://loinc.org|", True),
    ("Observation", "code", "Coding", {"system": "http://loinc.org", "code": "8867-4"}, "|8867-4", False),
    ("Observation", "code", "Coding", {"system": "http://loinc.org", "code": "8867-4"}, "urn:x|8867-4", False),
    ("Observation", "code", "Coding", {"system": "http://loinc.org", "code": "8867-4"}, "8867", False),
    ("Observation", "code", "Coding", {"system": "urn:x", "code": "ABC"}, "abc", True),
    ("Observation", "code", "Coding", {"system": "urn:x", "code": "ABC"}, "urn:x|aBC", True),
    ("Observation", "code", "Coding", {"system": "urn:x", "code": "ABC"}, "URN:X|ABC", False),
    ("Observation", "code", "Coding", {"system": UCUM, "code": "MM"}, f"{UCUM}|mm", False),
    ("Observation", "code", "Coding", {"system": UCUM, "code": "MM"}, f"{UCUM}|MM", True),
    ("Observation", "code", "Coding", {"code": "abc"}, "|ABC", True),
    ("Observation", "code", "Coding", {"code": "abc"}, "urn:x|abc", False),
    ("Observation", "code", "Coding", {"system": "urn:x"}, "urn:x|", True),
    ("Observation", "code", "CodeableConcept", {"coding": [{"code": "a"}, {"code": "b"}]}, "b", True),
    ("Observation", "code", "CodeableConcept", {"text": "b"}, "b", False),
    ("Patient", "identifier", "Identifier", {"system": "urn:w", "value": "A1"}, "urn:w|A1", True),
    ("Patient", "identifier", "Identifier", {"system": "urn:w", "value": "A1"}, "urn:w|a1", False),
    ("Patient", "identifier", "Identifier", {"system": "urn:w", "value": "A1"}, "a1", False),
    ("Patient", "identifier", "Identifier", {"system": "urn:w", "value": "A1"}, "A1", True),
    ("Patient", "identifier", "Identifier", {"value": "12345"}, "|12345", True),
    ("Patient", "identifier", "Identifier", {"system": "urn:w", "value": "12345"}, "|12345", False),
    ("Patient", "identifier", "Identifier", {"system": "urn:w", "value": "A,B|C$D"}, r"urn:w|A\,B\|C\$D", True),
    ("Patient", "identifier", "Identifier", {"system": "urn:w", "value": "B|C"}, "urn:w|B|C", True),
    ("Patient", "identifier", "Identifier", {"system": "urn:w"}, "urn:w|", True),
    ("Patient", "email", "ContactPoint", {"system": "email", "value": "P@Example.org"}, "p@example.org", True),
    ("Patient", "telecom", "ContactPoint", {"system": "email", "value": "P@Example.org"}, "email|p@EXAMPLE.org", True),
    ("Patient", "phone", "ContactPoint", {"system": "phone", "value": "(03) 5555 6473"}, "0355556473", True),
    ("Patient", "phone", "ContactPoint", {"system": "phone", "value": "(03) 5555 6473"}, "(03) 5555 6473", True),
    ("Patient", "phone", "ContactPoint", {"system": "phone", "value": "+49 30 1234567"}, "49301234567", False),
    ("Patient", "gender", "code", "male", "male", True),
    ("Patient", "gender", "code", "male", f"{GENDER}|male", True),
    ("Patient", "gender", "code", "male", "|male", True),
    ("Patient", "gender", "code", "male", "urn:x|male", False),
    ("Patient", "gender", "code", "male", f"{GENDER}|", True),
    ("Patient", "active", "boolean", True, "true", True),
    ("Patient", "active", "boolean", True, "false", False),
    ("Patient", "active", "boolean", False, "false", True),
]


def finds(condition: AnyTerm, code: str, forms: list[tuple[str, str]]) -> bool:
    stored = set(terms(code, [("present", ""), *forms]))
    return bool(stored & set(condition.terms)) is not condition.negated


@pytest.mark.parametrize(("resource_type", "code", "kind", "value", "text", "found"), CASES)
def test_a_value_is_found_or_not(resource_type: str, code: str, kind: str, value: Any, text: str, found: bool) -> None:
    condition = token.condition(parameters_of(resource_type)[code], None, [text])
    assert finds(condition, code, token.FORMS[kind](value)) is found


def test_not_is_the_complement() -> None:
    condition = token.condition(parameters_of("Patient")["gender"], "not", ["male", "other"])
    assert not finds(condition, "gender", token.folded("other"))
    assert finds(condition, "gender", token.folded("female"))
    assert finds(condition, "gender", [])


def test_of_type_needs_all_three_parts() -> None:
    parameter = parameters_of("Patient")["identifier"]
    value = {"system": "urn:w", "value": "1", "type": {"coding": [{"system": "urn:t", "code": "MR"}, {"code": "X"}]}}
    assert finds(token.condition(parameter, "of-type", ["urn:t|MR|1"]), "identifier", token.identifier(value))
    assert not finds(token.condition(parameter, "of-type", ["urn:t|SS|1"]), "identifier", token.identifier(value))
    for bad in ("urn:t|MR", "urn:t||1", "1", "|MR|1"):
        with pytest.raises(InvalidRequest):
            token.condition(parameter, "of-type", [bad])
    with pytest.raises(InvalidRequest):
        token.condition(parameters_of("Patient")["gender"], "of-type", ["a|b|c"])


@pytest.mark.parametrize("bad", ["|", "urn:a b|c"])
def test_what_is_not_a_token_is_refused_by_name(bad: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        token.condition(parameters_of("Observation")["code"], None, [bad])
    assert refused.value.issues[0].expression == "code"


def test_a_system_and_code_are_never_mixed_up() -> None:
    """`a b` is no system, so no stored pair reads like another."""
    one = token.coding({"system": "urn:a", "code": "b c"})
    assert ("sc", "urn:a b c") in one
    with pytest.raises(InvalidRequest):
        token.condition(parameters_of("Observation")["code"], None, ["urn:a b|c"])


def test_identifiers_rank_before_codes_before_statuses() -> None:
    ranks = [
        token.condition(parameters_of("Observation")[code], None, [text]).rank
        for code, text in (("identifier", "urn:w|1"), ("identifier", "1"), ("code", "x"), ("status", "final"))
    ]
    assert ranks == sorted(ranks)
    assert len(set(ranks)) == 4
