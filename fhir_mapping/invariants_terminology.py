"""Invariants of codings, code systems and value sets; see `invariants` and `known_codes`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from fhir_mapping.invariants_computed import Node, Rule, each, that
from fhir_mapping.known_codes import SNOMED, is_expression_constraint, is_known
from fhir_mapping.problems import Found, Problem
from fhir_mapping.tables import RESOURCE_TYPES

_CONCEPT_PROPERTIES = "http://hl7.org/fhir/concept-properties#"
_PROPERTY_TYPES = {
    "inactive": "boolean",
    "deprecated": "dateTime",
    "notSelectable": "boolean",
    "parent": "code",
    "child": "code",
}
"""https://hl7.org/fhir/R4/codesystem-concept-properties.html"""
_CANONICALS = (
    ("QuestionnaireResponse", "questionnaire", "Questionnaire"),
    ("Questionnaire.item", "answerValueSet", "ValueSet"),
    ("MeasureReport", "measure", "Measure"),
    ("CodeSystem", "supplements", "CodeSystem"),
    ("CodeSystem", "valueSet", "ValueSet"),
    ("StructureDefinition", "baseDefinition", "StructureDefinition"),
)
"""Where, which canonical, and the type it names. A URL may show another type: `http://…/ValueSet/x`."""
_NO_SYSTEM = Problem("invariant", "A code system is named by an absolute URI", ".system")
_NO_CODE = Problem("code-invalid", "The code system has no such code", ".code")
_shown = re.compile(rf"https?://\S+/({'|'.join(RESOURCE_TYPES)})/[^/\s|#]+(?:\|\S*)?").fullmatch


def _coding(value: Node) -> Found:
    """One function for both rules of Coding: there are more Codings than anything else.

    SNOMED CT codes are left alone here, though not in value sets: old codes and placeholders are all over real data.
    """
    system = value.get("system")
    if system is None:
        return None
    if ":" not in system:
        return [_NO_SYSTEM]
    code = value.get("code")
    return None if code is None or system == SNOMED or is_known(system, code) else [_NO_CODE]


def _canonical(name: str, wanted: str) -> Rule:
    def holds(value: Node) -> bool:
        shown = _shown(value.get(name, ""))
        return shown is None or shown[1] == wanted

    return that("canonical", f"The URL is that of a {wanted}", holds, f".{name}")


def _codes(concepts: Iterable[Node]) -> Iterator[Any]:
    for concept in concepts:
        yield concept.get("code")
        yield from _codes(concept.get("concept", ()))


def _codes_distinct(value: Node) -> bool:
    return all(count == 1 for count in Counter(_codes(value.get("concept", ()))).values())


def _property(value: Node) -> bool:
    uri = value.get("uri", "")
    wanted = _PROPERTY_TYPES.get(uri.removeprefix(_CONCEPT_PROPERTIES)) if uri.startswith(_CONCEPT_PROPERTIES) else None
    return wanted is None or value.get("type") == wanted


def _property_values(value: Node) -> Iterator[Problem]:
    """A property of a concept has the type the code system declares for it."""
    declared = {row.get("code"): row.get("type") for row in value.get("property", ())}
    waiting = [(f".concept[{i}]", concept) for i, concept in enumerate(value.get("concept", ()))]
    while waiting:
        path, concept = waiting.pop()
        waiting += [(f"{path}.concept[{i}]", child) for i, child in enumerate(concept.get("concept", ()))]
        for index, found in enumerate(concept.get("property", ())):
            wanted = declared.get(found.get("code"))
            if wanted is not None and f"value{wanted[0].upper()}{wanted[1:]}" not in found:
                yield Problem("invariant", "The property is declared with another type", f"{path}.property[{index}]")


def _included(value: Node) -> Iterator[Problem]:
    system = value.get("system")
    if system is None:
        return
    if ":" not in system:
        yield _NO_SYSTEM
    for index, concept in enumerate(value.get("concept", ())):
        if "code" in concept and not is_known(system, concept["code"]):
            yield Problem("code-invalid", "The code system has no such code", f".concept[{index}].code")
    for index, rule in enumerate(value.get("filter", ())):
        if system == SNOMED and not _snomed_filter(rule):
            yield Problem("value", "SNOMED CT has no such filter", f".filter[{index}].value")


def _snomed_filter(rule: Node) -> bool:
    """https://hl7.org/fhir/R4/snomedct.html#filters"""
    text = rule.get("value")
    if text is None:
        return True
    if rule.get("property") == "concept" and rule.get("op") in ("is-a", "descendent-of", "in"):
        return is_known(SNOMED, text)
    return rule.get("property") != "constraint" or is_expression_constraint(text)


RULES: dict[str, tuple[Rule, ...]] = {
    "Coding": (_coding,),
    "CodeSystem": (
        that("csd-1", "Each code stands once", _codes_distinct, ".concept"),
        that(
            "csd-supplement",
            "What supplements another code system has the content 'supplement'",
            lambda v: "supplements" not in v or v.get("content") == "supplement",
            ".content",
        ),
        each(_property_values),
    ),
    "CodeSystem.property": (that("csd-property", "FHIR gives this property another type", _property, ".type"),),
    "ValueSet.compose.include": (each(_included),),
    "ValueSet.expansion.contains": (
        that("vsd-9", "What has no code is abstract", lambda v: "code" in v or v.get("abstract") is True),
    ),
}
for _path, _name, _type in _CANONICALS:
    RULES[_path] = (*RULES.get(_path, ()), _canonical(_name, _type))
