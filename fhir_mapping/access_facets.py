"""What access is decided by besides whose record it is: a few plain words and references of each resource, as data.

Words name a kind of content that a rule tells apart (`lab`, `final`, `draft` …); references (`Organization/1`) name who
takes part or is responsible. Both are of the kinds that the outline shows anyway (`deploy/LEAKAGE.md`).
NOTE: stored with every resource and version; a change here makes those of older releases differ until they are written again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from domain.identity import FhirJson, parse_reference

REFERENCES: dict[str, tuple[str, ...]] = {
    "Appointment": ("participant.actor",),
    "Claim": ("provider", "careTeam.provider"),
    "Consent": ("organization",),
    "DocumentReference": ("custodian",),
    "Encounter": ("serviceProvider", "participant.individual"),
    "HealthcareService": ("providedBy",),
    "Invoice": ("issuer", "participant.actor"),
    "Location": ("managingOrganization",),
    "Organization": ("partOf",),
    "Patient": ("managingOrganization", "generalPractitioner"),
    "PractitionerRole": ("practitioner", "organization", "location"),
    "Schedule": ("actor",),
    "Slot": ("schedule",),
}
"""Elements whose references are facets, by type."""
_ACTORS = ("Practitioner/", "PractitionerRole/", "Organization/", "Location/", "HealthcareService/", "Schedule/")

_OBSERVATION_CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
_SERVICE_SECTION = "http://terminology.hl7.org/CodeSystem/v2-0074"
_LABORATORY = frozenset({(_OBSERVATION_CATEGORY, "laboratory"), (_SERVICE_SECTION, "LAB")})
_ADMINISTRATIVE = frozenset(
    ("http://loinc.org", code) for code in ("51851-4", "57016-8", "57017-6", "59284-0", "64290-0", "64291-8", "64292-6")
)
"""Administrative note, privacy policy acknowledgement and its receipt, consent document, insurance card, insurance claim,
release of information consent: https://loinc.org, among http://hl7.org/fhir/R4/valueset-c80-doc-typecodes.html."""
_FINAL = frozenset({"final", "amended", "corrected", "appended"})
_DRAFT = frozenset({"draft", "proposed"})
_REPORTED_BY = ("Patient/", "RelatedPerson/")


def facets_of(content: FhirJson, resource_type: str, base: str | None) -> tuple[str, ...]:
    """The facets of a checked resource, sorted. `base` is our own base URL."""
    found = {word for word, holds in _WORDS.get(resource_type, ()) if holds(content)}
    for path in REFERENCES.get(resource_type, ()):
        found.update(name for name in references_at(content, path, base) if name.startswith(_ACTORS))
    return tuple(sorted(found))


def references_at(content: FhirJson, path: str, base: str | None) -> Iterator[str]:
    """The resources of ours (`Type/id`) that the references at a path of JSON names point at."""
    for value in values_at(content, path):
        name = reference_name(value, base)
        if name is not None:
            yield name


def values_at(content: Any, path: str) -> list[Any]:
    """The values at a path of JSON names, lists flattened."""
    found = [content]
    for step in path.split("."):
        found = [value[step] for value in found if isinstance(value, dict) and step in value]
        found = [each for value in found for each in (value if isinstance(value, list) else (value,))]
    return found


def reference_name(value: Any, base: str | None) -> str | None:
    """`Type/id` of a Reference to a resource of this server."""
    text = value.get("reference") if isinstance(value, dict) else None
    literal = parse_reference(text) if isinstance(text, str) else None
    return str(literal.key) if literal is not None and literal.base in (None, base) else None


def _codes(content: FhirJson, path: str) -> set[tuple[str | None, str | None]]:
    return {(coding.get("system"), coding.get("code")) for coding in values_at(content, f"{path}.coding")}


def _is_laboratory(content: FhirJson) -> bool:
    return not _LABORATORY.isdisjoint(_codes(content, "category"))


def _is_final(content: FhirJson) -> bool:
    return content.get("status") in _FINAL


def _is_draft(content: FhirJson) -> bool:
    return content.get("status") in _DRAFT


def _is_reported(content: FhirJson) -> bool:
    """Made by the patient or who acts for them, and by nobody else."""
    texts = [performer.get("reference", "") for performer in values_at(content, "performer")]
    return bool(texts) and all(text.startswith(_REPORTED_BY) for text in texts)


def _is_administrative(content: FhirJson) -> bool:
    return not _ADMINISTRATIVE.isdisjoint(_codes(content, "type"))


Word = tuple[str, Callable[[FhirJson], bool]]
_WORDS: dict[str, tuple[Word, ...]] = {
    "Consent": (("draft", _is_draft),),
    "DiagnosticReport": (("lab", _is_laboratory), ("final", _is_final)),
    "DocumentReference": (("admin", _is_administrative),),
    "Observation": (("lab", _is_laboratory), ("final", _is_final), ("reported", _is_reported)),
}
