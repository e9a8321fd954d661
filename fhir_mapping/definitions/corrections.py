"""Where the archived definitions differ from the published R4 pages, element by element.

The archive was edited for another server: elements and targets of that server and of R5 were added and some
cardinalities relaxed. What the JSON schema beside it does not know is dropped by rule (`compile_structure`); this is
the rest, found by comparing with the R4B models of fhir.resources and checked against https://hl7.org/fhir/R4/.
"""

from __future__ import annotations

FOREIGN_TYPES = frozenset({"SubscriptionStatus"})  # R4B

FOREIGN_ELEMENTS = frozenset({
    "DeviceDefinition.classification",
    "Meta.account",
    "Meta.author",
    "Meta.compartment",
    "Meta.project",
    "ObservationDefinition.publisher",
})  # fmt: skip

FOREIGN_TARGETS = {
    "AuditEvent.source.observer": {"Bot", "ClientApplication", "Subscription"},
    "EvidenceVariable.characteristic.definition[x]": {"Evidence", "EvidenceVariable"},
    "Group.member.entity": {"RelatedPerson"},
    "MeasureReport.subject": {"CareTeam", "HealthcareService", "Organization"},
    "ResearchStudy.site": {"Organization", "ResearchStudy"},
}

REQUIRED = frozenset({"EvidenceVariable.characteristic", "EvidenceVariable.characteristic.definition[x]"})

VALUE_SETS = {"DetectedIssue.status": "http://hl7.org/fhir/ValueSet/observation-status"}

CODES = {"v3-ConfidentialityClassification": ("L", "M", "N", "R", "U", "V")}
"""Lists the archive does not hold, by the last segment of the value set's URL."""
