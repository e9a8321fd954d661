"""A share of a document as a Consent and back: https://hl7.org/fhir/R4/consent.html

A permission for one actor to read one instance, with a period: what PRODUCT calls sharing. A Consent is recognised as a share
by that shape, so one that another system wrote shows as a share too.
"""

from __future__ import annotations

from datetime import UTC, datetime

from domain.clinic.sharing import Share
from domain.identity import FhirJson
from fhir_mapping.friendly.coded import single
from fhir_mapping.friendly.elements import LOINC, reference, to

_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"


class Shares:
    """Implements `domain.clinic.sharing.ShareRecords`."""

    def to_fhir(self, share: Share, patient: str) -> FhirJson:
        """See `ShareRecords.to_fhir`."""
        period = {"start": _instant(share.created_at)}
        if share.expires_at is not None:
            period["end"] = _instant(share.expires_at)
        return {
            "resourceType": "Consent",
            "status": "active",
            "scope": single(f"{_TERMINOLOGY}/consentscope", "patient-privacy"),
            "category": [single(LOINC, "59284-0")],
            "patient": to(f"Patient/{patient}"),
            "dateTime": _instant(share.created_at),
            "policyRule": single(f"{_TERMINOLOGY}/v3-ActCode", "OPTIN"),
            "provision": {
                "type": "permit",
                "period": period,
                "actor": [
                    {
                        "role": single(f"{_TERMINOLOGY}/v3-ParticipationType", "IRCP"),
                        "reference": to(share.practitioner),
                    }
                ],
                "action": [single(f"{_TERMINOLOGY}/consentaction", "access")],
                "purpose": [{"system": f"{_TERMINOLOGY}/v3-ActReason", "code": share.purpose}],
                "data": [{"meaning": "instance", "reference": to(f"DocumentReference/{share.document}")}],
            },
        }

    def from_fhir(self, content: FhirJson, by: str | None, now: datetime) -> Share | None:
        """See `ShareRecords.from_fhir`."""
        rule = content.get("provision", {})
        actors, data = rule.get("actor", []), rule.get("data", [])
        if rule.get("type") != "permit" or len(actors) != 1 or len(data) != 1:
            return None
        target, actor = reference(data[0].get("reference")), reference(actors[0].get("reference"))
        if target is None or target.type != "DocumentReference" or actor is None or actor.type != "Practitioner":
            return None
        period = rule.get("period", {})
        start, end = _moment(period.get("start")), _moment(period.get("end"))
        return Share(
            id=content["id"],
            document=target.id,
            practitioner=str(actor),
            created_at=start or _moment(content.get("dateTime")) or now,
            expires_at=end,
            active=content.get("status") == "active" and (end is None or now < end),
            by=by,
            purpose=next((each.get("code", "TREAT") for each in rule.get("purpose", ())), "TREAT"),
        )

    def ended(self, content: FhirJson) -> FhirJson:
        """See `ShareRecords.ended`."""
        return {**content, "status": "inactive"}


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _moment(text: str | None) -> datetime | None:
    if text is None or len(text) < 20:
        return None
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
