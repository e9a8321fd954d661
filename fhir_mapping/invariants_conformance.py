"""Invariants of profiles, questionnaires, capabilities and search parameters; see `invariants`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from fhir_mapping.invariants_computed import Node, Rule, each, that
from fhir_mapping.problems import Problem
from fhir_mapping.tables import PRIMITIVES, RESOURCE_TYPES, elements_of

CHOSEN = ("choice", "open-choice", "decimal", "integer", "date", "dateTime", "time", "string", "quantity")
WITH_LENGTH = ("boolean", "decimal", "integer", "string", "text", "url", "open-choice")


def _distinct(key: str, name: str, of: str) -> Rule:
    """No two of the elements `name` have the same `of`."""

    def holds(value: Node) -> bool:
        counts = Counter(item.get(of) for item in value.get(name, ()))
        return all(count == 1 for found, count in counts.items() if found is not None)

    return that(key, f"Each {of} stands once in {name}", holds, f".{name}")


def _link_ids(items: Iterable[Node]) -> Iterator[Any]:
    for item in items:
        yield item.get("linkId")
        yield from _link_ids(item.get("item", ()))


def _link_ids_distinct(value: Node) -> bool:
    return all(count == 1 for count in Counter(_link_ids(value.get("item", ()))).values())


def _only_for(name: str, *types: str) -> Callable[[Node], bool]:
    return lambda item: name not in item or item.get("type") in types


def _never_for(name: str, *types: str) -> Callable[[Node], bool]:
    return lambda item: name not in item or item.get("type") not in types


def _kind(kind: str, *, needs: str = "", lacks: str = "") -> Callable[[Node], bool]:
    """A statement of this kind has every element of `needs` and none of `lacks`."""
    return lambda v: (
        v.get("kind") != kind
        or (all(name in v for name in needs.split()) and all(name not in v for name in lacks.split()))
    )


def _can_be_evaluated(value: Node) -> bool:
    from fhir_mapping.custom_parameters import problem_of  # only conformance resources need it

    return problem_of(value) is None


def _official(url: str) -> str | None:
    """The kind of an official search parameter, `None` for any other URL."""
    from fhir_mapping.search_parameters import parameters_of  # only conformance resources need it

    base, dash, code = url.partition("|")[0].removeprefix("http://hl7.org/fhir/SearchParameter/").partition("-")
    found = parameters_of(base).get(code) if dash and base in RESOURCE_TYPES else None
    return None if found is None else found.kind


def _search_param(value: Node) -> bool:
    """What a server says of an official parameter is what its definition says."""
    official = _official(value.get("definition", ""))
    return official is None or value.get("type") == official


def _derived_type(value: Node) -> bool:
    official = _official(value.get("derivedFrom", ""))
    return official is None or value.get("type") == official


def _derived_base(value: Node) -> bool:
    derived = value.get("derivedFrom", "").removeprefix("http://hl7.org/fhir/SearchParameter/")
    base = derived.partition("-")[0]
    return base not in RESOURCE_TYPES or base in value.get("base", ())


def _root_elements(value: Node) -> Iterator[Node]:
    for view in ("snapshot", "differential"):
        for element in value.get(view, {}).get("element", ()):
            if "." not in element.get("path", "."):
                yield element


def _paths_exist(value: Node) -> Iterator[Problem]:
    """The paths of a profile on an R4 type are paths of that type, choices spelled `value[x]` or `valueQuantity`."""
    elements = value.get("differential", {}).get("element", ())
    if value.get("derivation") != "constraint" or value.get("type") not in RESOURCE_TYPES:
        return
    for index, element in enumerate(elements):
        if not _path_exists(element.get("path", "").split(".")):
            yield Problem("value", "The type has no such element", f".differential.element[{index}].path")


def _path_exists(steps: list[str]) -> bool:
    here = steps[0]
    for step in steps[1:]:
        if here in PRIMITIVES:
            here = "Element"
        if here == "Resource" or here not in _known(here):
            return True  # a resource of any type, or a type of a later release: nothing to compare with
        found = [e for e in elements_of(here).values() if step in (e.name, f"{e.choice}[x]")]
        if not found:
            return False
        if len({e.type for e in found}) > 1:
            return True  # below a choice the types differ
        here = found[0].type
    return True


def _known(name: str) -> frozenset[str]:
    try:
        return frozenset({name}) if elements_of(name) else frozenset()
    except KeyError:
        return frozenset()


RULES: dict[str, tuple[Rule, ...]] = {
    "Questionnaire": (that("que-2", "Each linkId stands once", _link_ids_distinct, ".item"),),
    "Questionnaire.item": (
        that("que-1", "A group has items", lambda v: v.get("type") != "group" or "item" in v),
        that("que-1", "A display has no items", _never_for("item", "display"), ".item"),
        that("que-3", "A display has no code", _never_for("code", "display"), ".code"),
        that("que-5", "Only a choice has answers to choose from", _only_for("answerOption", *CHOSEN), ".answerOption"),
        that("que-5", "Only a choice has a value set", _only_for("answerValueSet", *CHOSEN), ".answerValueSet"),
        that("que-6", "A display is not required", _never_for("required", "display"), ".required"),
        that("que-6", "A display does not repeat", _never_for("repeats", "display"), ".repeats"),
        that("que-8", "Only a question has initial values", _never_for("initial", "group", "display"), ".initial"),
        that("que-9", "A display is not read-only", _never_for("readOnly", "display"), ".readOnly"),
        that("que-10", "Only text has a maximal length", _only_for("maxLength", *WITH_LENGTH), ".maxLength"),
        that(
            "que-12",
            "Several conditions need an enableBehavior",
            lambda v: len(v.get("enableWhen", ())) < 2 or "enableBehavior" in v,
            ".enableWhen",
        ),
        that(
            "que-13",
            "Only what repeats has several initial values",
            lambda v: v.get("repeats") is True or len(v.get("initial", ())) < 2,
            ".initial",
        ),
    ),
    "Questionnaire.item.enableWhen": (
        that(
            "que-7",
            "Whether an answer exists is true or false",
            lambda v: v.get("operator") != "exists" or "answerBoolean" in v,
            ".answer",
        ),
    ),
    "CapabilityStatement": (
        that("cpb-14", "An instance has an implementation", _kind("instance", needs="implementation")),
        that("cpb-15", "A capability has software only", _kind("capability", needs="software", lacks="implementation")),
        that("cpb-16", "Requirements have no software", _kind("requirements", lacks="implementation software")),
    ),
    "CapabilityStatement.rest": (_distinct("cpb-9", "resource", "type"),),
    "CapabilityStatement.rest.resource": (_distinct("cpb-12", "searchParam", "name"),),
    "CapabilityStatement.rest.resource.searchParam": (
        that("search-type", "The type is that of the official parameter", _search_param, ".type"),
    ),
    "OperationDefinition.parameter": (
        that("opd-2", "Only a string is searched", lambda v: "searchType" not in v or v.get("type") == "string"),
        that(
            "opd-3",
            "Only a reference or canonical has targets",
            lambda v: "targetProfile" not in v or v.get("type") in ("Reference", "canonical"),
        ),
    ),
    "SearchParameter": (
        that("spd-2", "Only a reference chains", lambda v: "chain" not in v or v.get("type") == "reference", ".chain"),
        that(
            "search-components",
            "A composite has two components or more",
            lambda v: v.get("type") != "composite" or len(v.get("component", ())) > 1,
            ".component",
        ),
        that(
            "search-expression",
            "The expression is FHIRPath that can be evaluated here, and names elements of the base",
            _can_be_evaluated,
            ".expression",
        ),
        that("search-type", "The type is that of the parameter it derives from", _derived_type, ".type"),
        that("search-base", "The base includes that of the parameter it derives from", _derived_base, ".base"),
    ),
    "StructureDefinition": (
        that(
            "sdf-4", "Only an abstract type has no base", lambda v: v.get("abstract") is True or "baseDefinition" in v
        ),
        that(
            "sdf-5",
            "A profile on Extension has a context",
            lambda v: v.get("type") != "Extension" or v.get("derivation") == "specialization" or "context" in v,
        ),
        that(
            "sdf-18",
            "Only an extension has a context invariant",
            lambda v: "contextInvariant" not in v or v.get("type") == "Extension",
            ".contextInvariant",
        ),
        that("sdf-20", "The root is not sliced", lambda v: all("slicing" not in e for e in _root_elements(v))),
        that("sdf-23", "The root has no slice name", lambda v: all("sliceName" not in e for e in _root_elements(v))),
        each(_paths_exist),
    ),
    "ElementDefinition.type": (
        that(
            "eld-17",
            "Only a reference or canonical has targets",
            lambda v: "targetProfile" not in v or v.get("code") in ("Reference", "canonical"),
            ".targetProfile",
        ),
    ),
    "ConceptMap.group.unmapped": (
        that("cmd-2", "A fixed code is given", lambda v: v.get("mode") != "fixed" or "code" in v),
        that("cmd-3", "Another map is named", lambda v: v.get("mode") != "other-map" or "url" in v),
    ),
    "MessageDefinition.focus": (that("md-1", "The maximum is * or positive", lambda v: v.get("max") != "0", ".max"),),
    "Measure.group.stratifier": (
        that(
            "mea-1",
            "A stratifier has components or is one",
            lambda v: ("component" in v) != any(name in v for name in ("code", "description", "criteria")),
        ),
    ),
    "MeasureReport": (
        that(
            "mrp-1", "A data collection has no groups", lambda v: v.get("type") != "data-collection" or "group" not in v
        ),
    ),
    "MeasureReport.group.stratifier.stratum": (
        that("mrp-2", "A stratum has components or a value", lambda v: ("component" in v) != ("value" in v)),
    ),
}
