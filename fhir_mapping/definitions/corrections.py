"""Where the archived definitions differ from the published R4 pages, element by element.

The archive was edited for another server: elements and targets of that server and of R5 were added and some
cardinalities relaxed. What the JSON schema beside it does not know is dropped by rule (`compile_structure`); this is
the rest, found by comparing with the R4B models of fhir.resources and checked against https://hl7.org/fhir/R4/.
"""

from __future__ import annotations

from typing import Any

FOREIGN_TYPES = frozenset({"SubscriptionStatus"})  # R4B

FOREIGN_ELEMENTS = frozenset({
    "DeviceDefinition.classification",
    "Meta.account",
    "Meta.author",
    "Meta.compartment",
    "Meta.project",
    "ObservationDefinition.publisher",
})  # fmt: skip

FOREIGN_TARGETS: dict[str, set[str]] = {
    "AuditEvent.source.observer": {"Bot", "ClientApplication", "Subscription"},
    "Group.member.entity": {"RelatedPerson"},
    "MeasureReport.subject": {"CareTeam", "HealthcareService", "Organization"},
    "ResearchStudy.site": {"Organization", "ResearchStudy"},
}

REQUIRED = frozenset({"EvidenceVariable.characteristic"})

_DEFINITION = ["Reference", "canonical", "CodeableConcept", "Expression", "DataRequirement", "TriggerDefinition"]
REPLACED: dict[str, list[list[Any]]] = {
    "EvidenceVariable.characteristic": [
        ["description", "", "string"],
        ["definition[x]", "!s", _DEFINITION, "", ["Group"]],
        ["usageContext", "*", "UsageContext"],
        ["exclude", "", "boolean"],
        ["participantEffective[x]", "", ["dateTime", "Period", "Duration", "Timing"]],
        ["timeFromStart", "", "Duration"],
        ["groupMeasure", "", "code", "group-measure"],
    ],
}
"""Rows of `structure.json` where the archive has another release's elements; they follow those of the base."""

VALUE_SETS = {"DetectedIssue.status": "http://hl7.org/fhir/ValueSet/observation-status"}

CODES: dict[str, tuple[str, ...]] = {
    "group-measure": ("mean", "mean-of-mean", "mean-of-median", "median", "median-of-mean", "median-of-median"),
    "v3-ConfidentialityClassification": ("L", "M", "N", "R", "U", "V"),
}
"""Lists the archive does not hold, by the last segment of the value set's URL."""
