"""Invariants of data types and clinical resources that take a computation; see `invariants`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeAlias

from fhir_mapping.problems import Found, Problem

Node: TypeAlias = Mapping[str, Any]
Rule: TypeAlias = Callable[[Node], Found]
UCUM = "http://unitsofmeasure.org"
TERMINOLOGY = "http://terminology.hl7.org/CodeSystem/"
_OF_FAMILY_NAME = frozenset(
    f"http://hl7.org/fhir/StructureDefinition/humanname-{name}"
    for name in ("fathers-family", "mothers-family", "own-name", "own-prefix", "partner-name", "partner-prefix")
)
"""https://hl7.org/fhir/R4/humanname-extensions.html"""


def that(key: str, human: str, holds: Callable[[Node], bool], at: str = "") -> Rule:
    """A rule that one predicate decides."""
    problem = Problem("invariant", f"{human} ({key})", at)

    def rule(value: Node) -> Found:
        return None if holds(value) else [problem]

    return rule


def each(find: Callable[[Node], Iterator[Problem]]) -> Rule:
    """A rule that finds any number of problems."""

    def rule(value: Node) -> Found:
        return list(find(value)) or None

    return rule


def present(value: Node, stem: str) -> bool:
    """Whether a choice has a value or a sibling with extensions."""
    return any(name.lstrip("_").startswith(stem) and name.lstrip("_")[len(stem) :][:1].isupper() for name in value)


def not_after(start: str | None, end: str | None) -> bool:
    """Whether `start` is surely not after `end`; an end that is a day, month or year includes all of it.

    A start that is coarser than the end and covers it may lie after it: https://hl7.org/fhir/R4/datatypes.html#Period
    """
    if start is None or end is None:
        return True
    shorter = min(len(start), len(end))
    if shorter <= 10:
        return start[:shorter] <= end[:shorter] and (len(start) >= len(end) or start != end[:shorter])
    if start[19:] == end[19:]:
        return start <= end
    try:
        return datetime.fromisoformat(start) <= datetime.fromisoformat(end)
    except ValueError:  # a leap second
        return True


def has_coding(concept: Any, system: str, codes: Iterable[str]) -> bool:
    codings = concept.get("coding", ()) if type(concept) is dict else ()
    return any(coding.get("system") == system and coding.get("code") in codes for coding in codings)


def _extension(value: Node) -> bool:
    nested = "extension" in value
    rest = len(value) - nested - ("url" in value) - ("id" in value)
    return (rest > 0) != nested


def _period(value: Node) -> bool:
    return not_after(value.get("start"), value.get("end"))


def _range(value: Node) -> bool:
    low, high = value.get("low", {}), value.get("high", {})
    if low.get("code") != high.get("code") or "value" not in low or "value" not in high:
        return True
    return bool(low["value"] <= high["value"])


def _attachment_size(value: Node) -> bool:
    if "data" not in value or "size" not in value:
        return True
    data = "".join(value["data"].split())
    return bool(value["size"] == len(data) * 3 // 4 - data[-2:].count("="))


def _measured(value: Node) -> bool:
    """Age, Distance, Duration: a value has a unit, and the unit is UCUM's."""
    return ("code" in value or "value" not in value) and value.get("system", UCUM) == UCUM


def _duration(value: Node) -> bool:
    return "code" not in value or (value.get("system") == UCUM and "value" in value)


def _count(value: Node) -> bool:
    return _measured(value) and value.get("code", "1") == "1" and not str(value.get("value", 0)).strip("-0123456789")


def _not_negative(name: str) -> Callable[[Node], bool]:
    return lambda value: value.get(name, 0) >= 0


def _abated(value: Node) -> bool:
    ended = ("resolved", "remission", "inactive")
    system = TERMINOLOGY + "condition-clinical"
    return not present(value, "abatement") or has_coding(value.get("clinicalStatus"), system, ended)


def _in_error(value: Node, system: str) -> bool:
    return has_coding(value.get("verificationStatus"), TERMINOLOGY + system, ("entered-in-error",))


def _component_codes(value: Node) -> bool:
    """obs-7: a component with the code of the observation repeats what the value says."""
    if "component" not in value or not present(value, "value"):
        return True
    own = {(c.get("system"), c.get("code")) for c in value.get("code", {}).get("coding", ())}
    codes = (c for part in value["component"] for c in part.get("code", {}).get("coding", ()))
    return not any((c.get("system"), c.get("code")) in own for c in codes)


def _probability(value: Node) -> bool:
    probability = value.get("probabilityDecimal", 0)
    return isinstance(probability, int | Decimal) and probability <= 100


def _home(name: str) -> Callable[[Node], bool]:
    return lambda value: all(each.get("use") != "home" for each in value.get(name, ()))


def _list_entries(name: str, mode: str) -> Callable[[Node], bool]:
    return lambda value: value.get("mode") == mode or all(name not in each for each in value.get("entry", ()))


def _parameter(value: Node) -> bool:
    said = present(value, "value") + ("resource" in value) + ("part" in value)
    return said == 1


def _timed(value: Node) -> bool:
    return ("start" in value and "end" in value) or value.get("status") in ("proposed", "cancelled", "waitlist")


RULES: dict[str, tuple[Rule, ...]] = {
    "Extension": (that("ext-1", "An extension has a value or extensions, and not both", _extension),),
    "Period": (that("per-1", "A period starts before it ends", _period, ".start"),),
    "Range": (that("rng-2", "The low end of a range is not above the high one", _range, ".low"),),
    "Attachment": (that("att-size", "The size is that of the data", _attachment_size, ".size"),),
    "Age": (
        that("age-1", "An age has a UCUM unit", _measured),
        that("age-1", "An age is positive", lambda v: v.get("value", 1) > 0, ".value"),
    ),
    "Distance": (that("dis-1", "A distance has a UCUM unit", _measured),),
    "Duration": (that("drt-1", "A duration has a UCUM unit", _duration),),
    "Count": (that("cnt-3", "A count is a whole number without unit", _count),),
    "Timing.repeat": (
        that("tim-4", "A duration is not negative", _not_negative("duration"), ".duration"),
        that("tim-5", "A period is not negative", _not_negative("period"), ".period"),
        that(
            "tim-9",
            "Meals have no offset",
            lambda v: "offset" not in v or not {"C", "CM", "CD", "CV"} & {*v.get("when", ())},
        ),
    ),
    "AllergyIntolerance": (
        that(
            "ait-1",
            "An allergy has a clinical status unless it was entered in error",
            lambda v: "clinicalStatus" in v or _in_error(v, "allergyintolerance-verification"),
        ),
        that(
            "ait-2",
            "An allergy entered in error has no clinical status",
            lambda v: "clinicalStatus" not in v or not _in_error(v, "allergyintolerance-verification"),
            ".clinicalStatus",
        ),
    ),
    "Appointment": (
        that("app-3", "Only a proposed, cancelled or waitlisted appointment has no time", _timed),
        that(
            "app-4",
            "Only what was cancelled or missed has a reason for it",
            lambda v: "cancelationReason" not in v or v.get("status") in ("noshow", "cancelled"),
            ".cancelationReason",
        ),
    ),
    "Condition": (
        that("con-4", "A condition that ended is inactive, resolved or in remission", _abated, ".abatement"),
        that(
            "con-5",
            "A condition entered in error has no clinical status",
            lambda v: "clinicalStatus" not in v or not _in_error(v, "condition-ver-status"),
            ".clinicalStatus",
        ),
    ),
    "Group": (
        that("grp-1", "Only an actual group has members", lambda v: "member" not in v or v.get("actual") is True),
    ),
    "Linkage": (that("lnk-1", "A linkage links at least two items", lambda v: len(v.get("item", ())) > 1, ".item"),),
    "List": (
        that("lst-2", "Only a list of changes has deleted entries", _list_entries("deleted", "changes"), ".entry"),
        that("lst-3", "Only a working list has dates of entries", _list_entries("date", "working"), ".entry"),
    ),
    "MedicationDispense": (
        that(
            "mdd-1",
            "What is handed over was prepared before",
            lambda v: not_after(v.get("whenPrepared"), v.get("whenHandedOver")),
            ".whenHandedOver",
        ),
    ),
    "Observation": (
        that("obs-7", "A component does not repeat the code of the value", _component_codes, ".component"),
    ),
    "HumanName": (
        that(
            "ext-context",
            "This extension belongs to the family name",
            lambda v: all(e.get("url") not in _OF_FAMILY_NAME for e in v.get("extension", ())),
            ".extension",
        ),
    ),
    "Organization": (
        that("org-2", "An organization has no home address", _home("address"), ".address"),
        that("org-3", "An organization has no home telecom", _home("telecom"), ".telecom"),
    ),
    "Parameters.parameter": (that("inv-1", "A parameter has a value, a resource or parts", _parameter),),
    "RiskAssessment.prediction": (that("ras-2", "A probability is at most 100", _probability, ".probability"),),
    "Task": (
        that(
            "inv-1",
            "A task is not modified before it was authored",
            lambda v: not_after(v.get("authoredOn"), v.get("lastModified")),
            ".lastModified",
        ),
    ),
}
