"""A request for refills as a Task about a MedicationRequest: https://hl7.org/fhir/R4/task.html"""

from __future__ import annotations

from datetime import datetime

from domain.clinic.prescription_cards import KIND, PrescriptionCard
from domain.clinic.refills import TASK, RefillCard, Status
from domain.identity import FhirJson, ResourceKey
from fhir_mapping.friendly.elements import concept, instant, moment, put, reference, text_of, to

SYSTEM, CODE = "urn:chartvault:task", "refill"
_STATUSES: dict[str, Status] = {"completed": "APPROVED", "accepted": "APPROVED", "rejected": "DENIED"}
_DECIDED = {"APPROVED": "completed", "DENIED": "rejected"}


class Refills:
    """Implements `domain.clinic.refills.RefillRecords`."""

    type = TASK

    def to_fhir(self, form: PrescriptionCard, *, base: FhirJson | None, now: datetime) -> FhirJson:
        """See `RefillRecords.to_fhir`."""
        content: FhirJson = {
            **(base or {"resourceType": TASK, "status": "requested", "intent": "proposal", "authoredOn": instant(now)}),
            "code": concept("Refill", system=SYSTEM, code=CODE),
            "focus": to(ResourceKey(KIND, form.id)),
            "lastModified": instant(now),
        }
        put(content, "for", None if form.patient_id is None else to(ResourceKey("Patient", form.patient_id)))
        put(content, "owner", None if form.doctor is None else to(form.doctor))
        return content

    def asked(self, content: FhirJson, requester: str | None, comment: str | None) -> FhirJson:
        """See `RefillRecords.asked`."""
        content = dict(content)
        put(content, "requester", None if requester is None else to(requester))
        put(content, "description", comment)
        return content

    def decided(self, content: FhirJson, status: Status, reason: str | None, now: datetime) -> FhirJson:
        """See `RefillRecords.decided`."""
        content = {**content, "status": _DECIDED[status], "lastModified": instant(now)}
        put(content, "statusReason", None if reason is None else concept(reason))
        return content

    def from_fhir(self, content: FhirJson, *, version: int, updated: datetime) -> RefillCard:
        """See `RefillRecords.from_fhir`."""
        focus, patient = reference(content.get("focus")), reference(content.get("for"))
        return RefillCard(
            id=content["id"],
            version=version,
            updated_at=updated,
            prescription_id=focus.id if focus is not None else "",
            patient_id=patient.id if patient is not None and patient.type == "Patient" else None,
            status=_STATUSES.get(content["status"], "REQUESTED"),
            created_at=moment(content.get("authoredOn")),
            comment=content.get("description"),
            reason=text_of(content.get("statusReason")),
        )

    def query(self, prescription: str) -> list[tuple[str, str]]:
        """See `RefillRecords.query`."""
        return [("focus", f"{KIND}/{prescription}"), ("code", f"{SYSTEM}|{CODE}"), ("_sort", "-authored-on")]
