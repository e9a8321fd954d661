"""Checks a resource against the element tables, in one pass over the plain dict.

https://hl7.org/fhir/R4/json.html. Each type or backbone path becomes a closure on first use, and each of its elements
when first met, so a process compiles what it sees. Problems are collected, not raised: all of them are reported, and
paths are put together only where there is something to report. Why this is not generated msgspec types: DECISIONS.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from fhir_mapping import contained, invariants, structure_values
from fhir_mapping.narrative import xhtml
from fhir_mapping.problems import Check, Found, Problem, under
from fhir_mapping.structure_arrays import extended, many, missing_code
from fhir_mapping.structure_primitives import CHECKS, closed_code
from fhir_mapping.tables import RESOURCE_TYPES, Element, elements_of

MAX_DEPTH = 64
_TYPES = frozenset(RESOURCE_TYPES)
_SIBLING = [Problem("structure", "There is no such element")]


def check_resource(content: Any, depth: int = 1) -> Found:
    """Every problem of one resource of any type, paths relative to it; `None` when it is a good one."""
    found = _check_inner(content, depth)
    if found is None and (type(content) is not dict or "contained" not in content):
        return None
    return contained.settle(content, found or []) if type(content) is dict else found


def _check_inner(content: Any, depth: int) -> Found:
    """`check_resource` without what concerns contained resources: for these themselves."""
    if type(content) is not dict:
        return [Problem("structure", "A resource is a JSON object")]
    name = content.get("resourceType")
    if type(name) is not str:
        return [Problem("structure", "A resource names its resourceType")]
    if name not in _TYPES:
        return [Problem("structure", "The resourceType is not a type of FHIR R4")]
    return _check_of(name)(content, depth)


@cache
def _check_of(path: str) -> Check:
    """The check of an object of a complex type, a backbone or a resource."""
    elements = elements_of(path)
    checks = _ElementChecks(path, elements)
    required = tuple(e.name for e in elements.values() if e.required and e.choice is None)
    choices = _choices(elements)
    chosen = frozenset(choices).intersection
    required_choices = frozenset(e.choice for e in elements.values() if e.required and e.choice is not None)
    rules = invariants.of(path)

    def check(value: Any, depth: int) -> Found:
        if type(value) is not dict or not value or depth > MAX_DEPTH:
            return _no_object(value)
        problems: list[Problem] = []
        depth += 1
        for name, child in value.items():
            found = checks[name](child, depth)
            if found is not None:
                problems += _explain(checks, name, value, found, depth)
        for name in required:
            if name not in value:
                problems += _missing(name, value)
        if choices and (required_choices or (len(value) > 2 and len(chosen(value)) > 1)):
            problems += _choice_problems(choices, required_choices, chosen(value))
        if rules and not (problems and any(problem.local is None for problem in problems)):
            for rule in rules:
                found = rule(value)
                if found is not None:
                    problems += found
        return problems or None

    return check


class _ElementChecks(dict[str, Check]):
    """Name of a JSON property -> check of its value. Made when first met; unknown names are never kept."""

    def __init__(self, path: str, elements: Mapping[str, Element]) -> None:
        super().__init__()
        self.elements = elements
        if path in _TYPES:
            self["resourceType"] = _passed

    def __missing__(self, name: str) -> Check:
        element = self.elements.get(name)
        if element is None:
            return _sibling
        one = check_of_value(element)
        made = self[name] = many(one) if element.many else one
        return made


def _passed(value: Any, depth: int) -> Found:
    return None


def _sibling(value: Any, depth: int) -> Found:
    """An unknown element, or the `_x` of a primitive: `_explain` tells which."""
    return _SIBLING


def check_of_value(element: Element) -> Check:
    """The check of one value of an element, whether it repeats or not."""
    kind = element.type
    if kind == "xhtml":
        return xhtml
    if kind == "Resource":
        return _check_inner if element.name == "contained" else check_resource
    if kind in CHECKS:
        return CHECKS[kind] if element.codes is None else closed_code(element.codes)
    if kind in _TYPES:
        return structure_values.resource_of(check_resource, kind)
    check = _check_of(kind)
    if kind == "Reference":
        return structure_values.reference(check, element.targets)
    if element.codes is not None and kind in ("Coding", "CodeableConcept"):
        return structure_values.bound(check, element.codes, concept=kind == "CodeableConcept")
    return structure_values.simple_quantity(check) if element.simple else check


def _explain(checks: _ElementChecks, name: str, value: Mapping[str, Any], found: Found, depth: int) -> list[Problem]:
    """The problems of one property under its FHIRPath name, with the sibling `_x` taken into account."""
    element = checks.elements.get(name)
    sibling = value.get("_" + name)
    if element is not None and sibling is not None and type(value[name]) is list and None in value[name]:
        return []  # the nulls are judged with the sibling
    if element is None and name[:1] == "_":
        element = checks.elements.get(name[1:])
        if element is None or element.type not in CHECKS:
            return [Problem("structure", "There is no such element", f".{name}")]
        plain = value.get(name[1:])
        found = extended(
            plain,
            value[name],
            repeats=element.many,
            one=check_of_value(element),
            element=_check_of("Element"),
            depth=depth,
        )
        if plain is None and element.codes is not None and not found:
            found = missing_code(value[name])
    step = f".{name}" if element is None else f".{element.choice or element.name}"
    return under(step, found or ())


def _choices(elements: Mapping[str, Element]) -> dict[str, tuple[str, str]]:
    """JSON name, also of the sibling -> stem of the choice and the JSON name without `_`."""
    names = [(e.name, e.choice) for e in elements.values() if e.choice is not None]
    return {prefix + name: (stem, name) for prefix in ("", "_") for name, stem in names}


def _choice_problems(
    choices: Mapping[str, tuple[str, str]], required: frozenset[str], chosen: frozenset[str]
) -> list[Problem]:
    taken: dict[str, str] = {}
    problems = []
    for name in sorted(chosen):
        stem, plain = choices[name]
        if taken.setdefault(stem, plain) != plain:
            problems.append(Problem("structure", f"Only one of the types of {stem}[x] may be present", f".{stem}"))
    absent = sorted(required - taken.keys())
    problems += [Problem("required", f"One of the types of {stem}[x] is required", f".{stem}") for stem in absent]
    return problems


def _missing(name: str, value: Mapping[str, Any]) -> list[Problem]:
    return [] if "_" + name in value else [Problem("required", f"{name} is required", f".{name}")]


def _no_object(value: Any) -> Found:
    if value is None:
        return [Problem("structure", "null where an object belongs; leave the element out")]
    if type(value) is not dict:
        return [Problem("structure", "An object belongs here")]
    if not value:
        return [Problem("structure", "An empty object is not a value; leave the element out")]
    return [Problem("structure", f"Nested more than {MAX_DEPTH} deep")]
