"""Checks that a property adds to its type: where a Reference may point, which codes a concept must have.

https://hl7.org/fhir/R4/references.html, https://hl7.org/fhir/R4/terminologies.html#required
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fhir_mapping.problems import Check, Found, Problem
from fhir_mapping.structure_primitives import CHECKS
from fhir_mapping.tables import RESOURCE_TYPES

_TYPES = frozenset(RESOURCE_TYPES)
_NAMES = "|".join(RESOURCE_TYPES)
_ID = r"[A-Za-z0-9\-.]{1,64}"
_relative = re.compile(rf"([A-Z][A-Za-z]+)/{_ID}(?:/_history/{_ID})?").fullmatch
_conditional = re.compile(r"([A-Z][A-Za-z]+)\?\S+").fullmatch
_absolute = re.compile(rf"https?://\S+?/({_NAMES})/{_ID}(?:/_history/{_ID})?").fullmatch
_MISPLACED = Problem("value", "The reference points at a type that does not belong here", ".reference")


def reference(check_object: Check, targets: frozenset[str] | None) -> Check:
    """The check of a Reference to one of `targets`, judged by the type the reference shows. `None` allows any type."""
    allowed = _TYPES if targets is None else targets

    def check(value: Any, depth: int) -> Found:
        if type(value) is dict and len(value) == 1 and type(text := value.get("reference")) is str:
            literal = _relative(text)  # most references are nothing else
            if literal is not None and literal[1] in allowed:
                return None
        found = check_object(value, depth)
        if found is not None or ("reference" not in value and "type" not in value):
            return found
        text = value.get("reference")
        if text is not None:
            literal = _relative(text)
            if literal is None:
                found = _unusual(text, targets)
            elif literal[1] not in allowed:
                found = [_MISPLACED]
        stated = value.get("type")
        if stated is not None and stated in _TYPES and stated not in allowed:
            found = [*(found or ()), Problem("value", "The type does not belong here", ".type")]
        return found

    return check


def _unusual(text: str, targets: frozenset[str] | None) -> Found:
    """A reference that is not `Type/id`: a fragment, URN, conditional reference or URL."""
    if text[0] == "#":
        return [Problem("value", "Nothing contained has this id", ".reference", (text[1:], targets))]
    if not text.startswith("urn:"):  # what a name under urn: stands for is between sender and receiver
        found = CHECKS["uri"](text, 0)
        if found is not None:
            return [problem.under(".reference") for problem in found]
    shown = _conditional(text) or _absolute(text)
    if shown is None:
        if ":" in text:
            return None
        return [Problem("value", "A reference is Type/id, Type?query, a URL, a URN or #id", ".reference")]
    return None if targets is None or shown[1] in targets else [_MISPLACED]


def bound(check_object: Check, codes: frozenset[str], *, concept: bool) -> Check:
    """The check of a Coding or CodeableConcept of which a coding must be one of `codes` (`system|code`)."""

    def check(value: Any, depth: int) -> Found:
        found = check_object(value, depth)
        if found is not None:
            return found
        codings = value.get("coding", ()) if concept else (value,)
        if any(_system_and_code(coding) in codes for coding in codings):
            return None
        return [Problem("code-invalid", "No coding is in the value set it must be from", ".coding" if concept else "")]

    return check


def _system_and_code(coding: Mapping[str, Any]) -> str:
    return f"{coding.get('system')}|{coding.get('code')}"


def simple_quantity(check_object: Check) -> Check:
    """The check of a SimpleQuantity: https://hl7.org/fhir/R4/datatypes.html#SimpleQuantity"""

    def check(value: Any, depth: int) -> Found:
        found = check_object(value, depth)
        if found is None and "comparator" in value:
            return [Problem("invariant", "There is no comparator here (sqty-1)", ".comparator")]
        return found

    return check


def resource_of(check_resource: Check, type_name: str) -> Check:
    """The check of a resource that must be of one type."""

    def check(value: Any, depth: int) -> Found:
        if type(value) is dict and value.get("resourceType") != type_name:
            return [Problem("structure", f"A resource of type {type_name} belongs here")]
        return check_resource(value, depth)

    return check
