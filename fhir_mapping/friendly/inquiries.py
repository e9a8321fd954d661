"""An inquiry as a Task of nobody's record, who asks as its inputs: https://hl7.org/fhir/R4/task.html"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from domain.clinic.inquiries import TASK, InquiryCard, InquiryForm, Status
from domain.identity import FhirJson, ResourceKey
from fhir_mapping.friendly.elements import concept, day, instant, moment, put, reference, text_of, to
from fhir_mapping.friendly.refills import SYSTEM

CODE = "inquiry"
_STATUSES: dict[str, Status] = {"completed": "ACCEPTED", "rejected": "DECLINED"}


class Inquiries:
    """Implements `domain.clinic.inquiries.InquiryRecords`."""

    type = TASK

    def to_fhir(self, form: InquiryForm, *, base: FhirJson | None, now: datetime) -> FhirJson:
        """See `InquiryRecords.to_fhir`."""
        content: FhirJson = {
            **(base or {"resourceType": TASK, "status": "requested", "intent": "proposal", "authoredOn": instant(now)}),
            "code": concept("Inquiry of a new patient", system=SYSTEM, code=CODE),
            "lastModified": instant(now),
        }
        born = None if form.birth_date is None else form.birth_date.isoformat()
        given = (("name", form.name), ("email", form.email), ("phone", form.phone), ("birth-date", born))
        content["input"] = [_input(name, value) for name, value in given if value]
        put(content, "description", form.message)
        return content

    def closed(self, content: FhirJson, *, patient: str | None, reason: str | None, now: datetime) -> FhirJson:
        """See `InquiryRecords.closed`."""
        status = "rejected" if patient is None else "completed"
        content = {**content, "status": status, "lastModified": instant(now)}
        put(content, "focus", None if patient is None else to(ResourceKey("Patient", patient)))
        put(content, "statusReason", None if reason is None else concept(reason))
        return content

    def from_fhir(self, content: FhirJson, *, version: int, updated: datetime) -> InquiryCard:
        """See `InquiryRecords.from_fhir`."""
        focus = reference(content.get("focus"))
        return InquiryCard(
            id=content["id"],
            version=version,
            updated_at=updated,
            created_at=moment(content.get("authoredOn")),
            status=_STATUSES.get(content["status"], "OPEN"),
            name=_value(content, "name"),
            email=_value(content, "email"),
            phone=_value(content, "phone"),
            birth_date=day(_value(content, "birth-date")),
            message=content.get("description"),
            patient_id=focus.id if focus is not None and focus.type == "Patient" else None,
            reason=text_of(content.get("statusReason")),
        )

    def query(self, *, open_only: bool) -> list[tuple[str, str]]:
        """See `InquiryRecords.query`."""
        open_ones = [("status", "requested")] if open_only else []
        return [("code", f"{SYSTEM}|{CODE}"), *open_ones, ("_sort", "-authored-on")]


def _input(name: str, value: str) -> FhirJson:
    return {"type": concept(system=SYSTEM, code=f"{CODE}-{name}"), "valueString": value}


def _value(content: FhirJson, name: str) -> str | None:
    for each in content.get("input", ()):
        codings: list[Mapping[str, Any]] = each.get("type", {}).get("coding", [])
        if any(coding.get("code") == f"{CODE}-{name}" for coding in codings):
            found: str | None = each.get("valueString")
            return found
    return None
