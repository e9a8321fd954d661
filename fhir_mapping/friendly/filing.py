"""What is written beside a patient: the team of who took them in, and why a duplicate was allowed.

https://hl7.org/fhir/R4/careteam.html, https://hl7.org/fhir/R4/provenance.html
"""

from __future__ import annotations

from datetime import datetime

from domain.identity import FhirJson
from domain.revision import instant
from fhir_mapping.friendly import coded
from fhir_mapping.friendly.elements import to

SUBJECT = "urn:chartvault:subject"
_OPERATION = "http://terminology.hl7.org/CodeSystem/v3-DataOperation"


class PatientFiling:
    """Implements `domain.clinic.patient_kinds.Filing`."""

    def team(self, patient: str, practitioner: str, now: datetime) -> FhirJson:
        """See `Filing.team`."""
        return {
            "resourceType": "CareTeam",
            "status": "active",
            "subject": to(f"Patient/{patient}"),
            "period": {"start": instant(now)},
            "participant": [{"member": to(practitioner)}],
        }

    def reason(self, target: str, text: str, *, agent: str, subject: str, new: bool, now: datetime) -> FhirJson:
        """See `Filing.reason`."""
        resource, _, version = target.rpartition("/")
        who = to(agent) if agent else {"identifier": {"system": SUBJECT, "value": subject}}
        return {
            "resourceType": "Provenance",
            "target": [{"reference": f"{resource}/_history/{version}"}],
            "recorded": instant(now),
            "reason": [{"text": text}],
            "activity": coded.single(_OPERATION, "CREATE" if new else "UPDATE"),
            "agent": [{"who": who}],
        }
