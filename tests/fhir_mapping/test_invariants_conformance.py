"""Rules of terminology, questionnaires, profiles and search parameters.

https://hl7.org/fhir/R4/valueset.html, https://hl7.org/fhir/R4/questionnaire.html, https://hl7.org/fhir/R4/snomedct.html
"""

from __future__ import annotations

from typing import Any

import pytest

from fhir_mapping.known_codes import SNOMED, is_expression_constraint, is_known
from fhir_mapping.problems import issues_of
from fhir_mapping.structure import check_resource

QUESTIONNAIRE = {"resourceType": "Questionnaire", "status": "draft"}
CODE_SYSTEM = {"resourceType": "CodeSystem", "status": "draft", "content": "complete"}
PARAMETER = {
    "resourceType": "SearchParameter",
    "url": "http://a.example/sp",
    "name": "x",
    "status": "draft",
    "description": "x",
    "code": "x",
    "base": ["Organization"],
    "type": "string",
}
PROFILE = {
    "resourceType": "StructureDefinition",
    "url": "http://a.example/p",
    "name": "P",
    "status": "draft",
    "kind": "resource",
    "abstract": False,
    "type": "Observation",
    "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Observation",
    "derivation": "constraint",
}


def places(content: dict[str, Any]) -> list[str | None]:
    return [issue.expression for issue in issues_of(check_resource(content) or (), content["resourceType"])]


def item(**more: Any) -> dict[str, Any]:
    return {**QUESTIONNAIRE, "item": [{"linkId": "1", "type": "string", **more}]}


def include(**more: Any) -> dict[str, Any]:
    return {"resourceType": "ValueSet", "status": "draft", "compose": {"include": [more]}}


def profile(*paths: str, **root: Any) -> dict[str, Any]:
    elements = [{"id": path, "path": path} for path in paths]
    return {**PROFILE, "differential": {"element": [{"id": "r", "path": "Observation", **root}, *elements]}}


BROKEN: list[tuple[dict[str, Any], str]] = [
    ({**QUESTIONNAIRE, "item": [{"linkId": "1", "type": "string"}] * 2}, "Questionnaire.item"),
    (item(type="group"), "Questionnaire.item[0]"),
    (item(type="display", required=True), "Questionnaire.item[0].required"),
    (item(type="boolean", answerValueSet="http://a.example/v"), "Questionnaire.item[0].answerValueSet"),
    (
        item(enableWhen=[{"question": "2", "operator": "=", "answerBoolean": True}] * 2),
        "Questionnaire.item[0].enableWhen",
    ),
    ({**CODE_SYSTEM, "concept": [{"code": "a"}, {"code": "a"}]}, "CodeSystem.concept"),
    ({**CODE_SYSTEM, "supplements": "http://loinc.org"}, "CodeSystem.content"),
    (
        {
            **CODE_SYSTEM,
            "property": [{"code": "rank", "type": "integer"}],
            "concept": [{"code": "a", "concept": [{"code": "b", "property": [{"code": "rank", "valueString": "1"}]}]}],
        },
        "CodeSystem.concept[0].concept[0].property[0]",
    ),
    (
        {
            **CODE_SYSTEM,
            "property": [
                {"code": "x", "uri": "http://hl7.org/fhir/concept-properties#notSelectable", "type": "string"}
            ],
        },
        "CodeSystem.property[0].type",
    ),
    (include(system="#c1"), "ValueSet.compose.include[0].system"),
    (include(system=SNOMED, concept=[{"code": "1"}]), "ValueSet.compose.include[0].concept[0].code"),
    (
        include(system=SNOMED, filter=[{"property": "concept", "op": "is-a", "value": "fever"}]),
        "ValueSet.compose.include[0].filter[0].value",
    ),
    (
        include(system=SNOMED, filter=[{"property": "constraint", "op": "=", "value": "404684003 << 404684003"}]),
        "ValueSet.compose.include[0].filter[0].value",
    ),
    ({**PARAMETER, "type": "composite"}, "SearchParameter.component"),
    (
        {**PARAMETER, "derivedFrom": "http://hl7.org/fhir/SearchParameter/Organization-name", "type": "token"},
        "SearchParameter.type",
    ),
    (
        {**PARAMETER, "derivedFrom": "http://hl7.org/fhir/SearchParameter/Organization-name", "base": ["Patient"]},
        "SearchParameter.base",
    ),
    (profile("Observation.valueBla"), "StructureDefinition.differential.element[1].path"),
    (profile("Observation.component.code.text.foo"), "StructureDefinition.differential.element[1].path"),
    (profile(slicing={"rules": "open", "description": "x"}), "StructureDefinition"),
    (
        {
            "resourceType": "Basic",
            "code": {"coding": [{"system": "http://hl7.org/fhir/resource-types", "code": "Foo"}]},
        },
        "Basic.code.coding[0].code",
    ),
    (
        {
            "resourceType": "QuestionnaireResponse",
            "status": "completed",
            "questionnaire": "http://hl7.org/fhir/ValueSet/example",
        },
        "QuestionnaireResponse.questionnaire",
    ),
]


@pytest.mark.parametrize(("content", "expression"), BROKEN)
def test_a_broken_rule_is_named(content: dict[str, Any], expression: str) -> None:
    assert places(content) == [expression]


@pytest.mark.parametrize(
    "paths",
    [
        ["Observation.value[x]", "Observation.valueQuantity", "Observation.value[x].extension"],
        ["Observation.component.code.coding.system", "Observation.subject.reference"],
        ["Observation.contained.anything", "Observation.status.extension.url"],
    ],
)
def test_a_profile_may_name_every_element_of_its_type(paths: list[str]) -> None:
    assert places(profile(*paths)) == []


@pytest.mark.parametrize(
    ("code", "known"),
    [
        ("73211009", True),
        ("73211009 |Diabetes mellitus|", True),
        ("71341001:272741003=7771000", True),
        ("=== 46866001 |Fracture of lower limb| + 428881005 |Accidental fall|", True),
        ("1597AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", True),
        ("T-15460", False),
        ("fever", False),
        ("276885007x", False),
        ("1", False),
    ],
)
def test_a_snomed_code_is_a_concept_id_or_an_expression(code: str, known: bool) -> None:
    assert is_known(SNOMED, code) is known


def test_codes_of_systems_that_grow_are_not_judged() -> None:
    assert is_known("http://terminology.hl7.org/CodeSystem/v3-ActCode", "NEW")
    assert is_known("http://a.example", "anything")


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("<< 404684003 |Clinical finding| : 363698007 = << 39057004", True),
        ("< 404684003 AND ^ 700043003", True),
        ("(< 404684003 OR < 71388002) MINUS < 64572001", True),
        ("< 27658006 : 1142135004 >= #250", True),
        ("404684003 << 404684003", False),
        ("404684003 71388002", False),
    ],
)
def test_the_coarse_mistakes_in_an_expression_constraint_are_found(text: str, valid: bool) -> None:
    assert is_expression_constraint(text) is valid
