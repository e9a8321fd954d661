"""A prescription as a MedicationRequest and back: https://hl7.org/fhir/R4/medicationrequest.html

A warning it was written against is a DetectedIssue, why it was written all the same its mitigation:
https://hl7.org/fhir/R4/detectedissue.html. The appointment it comes from is supporting information.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from domain.clinic.drug_interactions import Alert, Medication
from domain.clinic.prescription_cards import KIND, PrescriptionCard, PrescriptionForm, Status, Warned
from domain.identity import FhirJson, ResourceKey
from fhir_mapping.friendly.elements import concept, instant, labelled, moment, named, put, reference, text_of, to
from fhir_mapping.friendly.medications import concept_of, medication_of

ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
ALERT, REASON = "urn:chartvault:interaction-alert", "urn:chartvault:override-reason"
STATUSES: dict[str, Status] = {
    "draft": "DRAFT",
    "active": "ACTIVE",
    "on-hold": "ON_HOLD",
    "completed": "COMPLETED",
    "stopped": "STOPPED",
    "cancelled": "CANCELLED",
    "entered-in-error": "ENTERED_IN_ERROR",
}
_SEVERITIES = {"contraindicated": "high", "major": "high", "moderate": "moderate", "minor": "low"}
MITIGATIONS = {
    "THERAPY_APPROPRIATE": "1",
    "PATIENT_ASSESSED": "2",
    "PATIENT_EXPLAINED": "3",
    "OTHER_SOURCE_CONSULTED": "4",
    "NO_LONGER_TAKEN": "7",
    "MONITORED": "9",
    "PATIENT_EDUCATED": "10",
    "SUSPENDED": "12",
    "STOPPED": "13",
    "INDICATED": "22",
    "PRIOR_THERAPY": "23",
}
"""Reasons that FHIR has codes for: https://hl7.org/fhir/R4/valueset-detectedissue-mitigation-action.html. Others keep their
own code."""


class Prescriptions:
    """Implements `domain.clinic.prescription_cards.PrescriptionRecords`."""

    type = KIND

    def to_fhir(self, form: PrescriptionForm, *, base: FhirJson | None, now: datetime) -> FhirJson:
        """See `PrescriptionRecords.to_fhir`."""
        content: FhirJson = copy.deepcopy(base) if base is not None else {"resourceType": KIND, "intent": "order"}
        content["status"] = "draft" if form.draft else "active"
        content.pop("medicationReference", None)
        content["medicationCodeableConcept"] = concept_of(form.medication)
        content["subject"] = to(ResourceKey("Patient", form.patient_id))
        content["authoredOn"] = instant(form.date_issued or now)
        if form.doctor is not None:
            content["requester"] = to(named(form.doctor, "doctorId", "Practitioner"))
        appointment = None if form.appointment is None else named(form.appointment, "appointmentId", "Appointment")
        others = [each for each in content.get("supportingInformation", ()) if not _is_appointment(each)]
        put(content, "supportingInformation", others + ([to(appointment)] if appointment is not None else []))
        first = dict(next(iter(content.get("dosageInstruction", ())), {}))
        first["text"] = form.dosage
        put(first, "patientInstruction", form.instructions)
        content["dosageInstruction"] = [first, *content.get("dosageInstruction", ())[1:]]
        supply = {**content.get("dispenseRequest", {}), "numberOfRepeatsAllowed": form.refills}
        pharmacy = None if form.pharmacy is None else named(form.pharmacy, "pharmacyId", "Organization")
        put(supply, "performer", None if pharmacy is None else to(pharmacy))
        content["dispenseRequest"] = supply
        return content

    def from_fhir(self, content: FhirJson, *, version: int, updated: datetime) -> PrescriptionCard:
        """See `PrescriptionRecords.from_fhir`."""
        subject, doctor = reference(content.get("subject")), reference(content.get("requester"))
        medication = medication_of(content)
        dosages, supply = content.get("dosageInstruction", ()), content.get("dispenseRequest", {})
        prior = reference(content.get("priorPrescription"))
        refills = supply.get("numberOfRepeatsAllowed", 0)
        appointments = (reference(each) for each in content.get("supportingInformation", ()) if _is_appointment(each))
        return PrescriptionCard(
            id=content["id"],
            version=version,
            updated_at=updated,
            patient_id=subject.id if subject is not None and subject.type == "Patient" else None,
            medication=Medication(_display(content) or str(medication))
            if isinstance(medication, ResourceKey)
            else medication,
            status=STATUSES.get(content["status"], "UNKNOWN"),
            doctor=doctor,
            dosage="; ".join(each["text"] for each in dosages if each.get("text")) or None,
            instructions=next((each["patientInstruction"] for each in dosages if each.get("patientInstruction")), None),
            refills=refills,
            refills_remaining=refills,
            date_issued=moment(content.get("authoredOn")),
            appointment=next(appointments, None),
            pharmacy=reference(supply.get("performer")),
            reason=text_of(content.get("statusReason")),
            replaces=prior.id if prior is not None and prior.type == KIND else None,
            issues=tuple(key.id for each in content.get("detectedIssue", ()) if (key := reference(each)) is not None),
        )

    def warned(self, content: FhirJson, issues: tuple[ResourceKey, ...]) -> FhirJson:
        """See `PrescriptionRecords.warned`."""
        content = dict(content)
        put(content, "detectedIssue", [to(each) for each in issues])
        return content

    def issue(self, warned: Warned, now: datetime) -> FhirJson:
        """See `PrescriptionRecords.issue`."""
        alert = warned.alert
        others = (each for each in alert.references if each is not None and each != str(warned.prescription))
        content: FhirJson = {
            "resourceType": "DetectedIssue",
            "identifier": [{"system": ALERT, "value": alert.id}],
            "status": "final",
            "code": {"coding": [{"system": ACT_CODE, "code": "ALGY" if alert.allergy else "DRG"}]},
            "severity": _SEVERITIES[alert.severity],
            "patient": to(ResourceKey("Patient", warned.patient_id)),
            "identifiedDateTime": instant(now),
            "implicated": [to(each) for each in dict.fromkeys((str(warned.prescription), *others))],
            "detail": detail_of(alert),
        }
        content["code"]["text"] = " with ".join(alert.pair)
        author = None if warned.author is None else to(named(warned.author, "doctorId", "Practitioner"))
        put(content, "author", author)
        put(content, "reference", next((each.url for each in alert.sources if each.url), None))
        if warned.override is not None:
            known = MITIGATIONS.get(warned.override.reason)
            action = concept(
                warned.override.comment,
                system=ACT_CODE if known else REASON,
                code=known or warned.override.reason,
            )
            mitigation: FhirJson = {"action": action, "date": instant(now)}
            put(mitigation, "author", author)
            content["mitigation"] = [mitigation]
        return content

    def considered(self, content: FhirJson) -> str | None:
        """See `domain.clinic.order_checking.ReadIssues.considered`."""
        identifiers = content.get("identifier", ())
        found = (each for each in identifiers if isinstance(each, dict) and each.get("system") == ALERT)
        value = next(found, {}).get("value")
        return value if isinstance(value, str) else None

    def labelled(self, content: FhirJson, labels: Sequence[str]) -> FhirJson:
        """See `PrescriptionRecords.labelled`."""
        return labelled(content, labels)

    def replacing(self, content: FhirJson, prior: ResourceKey) -> FhirJson:
        """See `PrescriptionRecords.replacing`."""
        return {**content, "priorPrescription": to(prior)}

    def ended(self, content: FhirJson, reason: str | None) -> FhirJson:
        """See `PrescriptionRecords.ended`."""
        content = {**content, "status": "cancelled" if content["status"] == "draft" else "stopped"}
        if reason is not None:
            content["statusReason"] = concept(reason)
        return content

    def refillable(self, content: FhirJson, refills: int) -> FhirJson:
        """See `PrescriptionRecords.refillable`."""
        return {**content, "dispenseRequest": {**content.get("dispenseRequest", {}), "numberOfRepeatsAllowed": refills}}


def detail_of(alert: Alert) -> str:
    """What happens, what to do, and who says so."""
    sources = "; ".join(dict.fromkeys(each.source for each in alert.sources))
    return " ".join(each for each in (alert.effect, alert.management, f"({sources})" if sources else "") if each)


def _is_appointment(value: Mapping[str, Any]) -> bool:
    key = reference(value)
    return key is not None and key.type == "Appointment"


def _display(content: FhirJson) -> str | None:
    display: str | None = content.get("medicationReference", {}).get("display")
    return display
