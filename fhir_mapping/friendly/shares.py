"""A share of a document as a Consent and back: https://hl7.org/fhir/R4/consent.html

A permission for one actor to read one instance, with a period: what PRODUCT calls sharing. A Consent is recognised as a share
by that shape, so one that another system wrote shows as a share too.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from domain.clinic.sharing import Share
from domain.identity import FhirJson, parse_reference

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
            "scope": _concept(f"{_TERMINOLOGY}/consentscope", "patient-privacy"),
            "category": [_concept("http://loinc.org", "59284-0")],
            "patient": {"reference": f"Patient/{patient}"},
            "dateTime": _instant(share.created_at),
            "policyRule": _concept(f"{_TERMINOLOGY}/v3-ActCode", "OPTIN"),
            "provision": {
                "type": "permit",
                "period": period,
                "actor": [
                    {
                        "role": _concept(f"{_TERMINOLOGY}/v3-ParticipationType", "IRCP"),
                        "reference": {"reference": share.practitioner},
                    }
                ],
                "action": [_concept(f"{_TERMINOLOGY}/consentaction", "access")],
                "purpose": [{"system": f"{_TERMINOLOGY}/v3-ActReason", "code": share.purpose}],
                "data": [{"meaning": "instance", "reference": {"reference": f"DocumentReference/{share.document}"}}],
            },
        }

    def from_fhir(self, content: FhirJson, by: str | None, now: datetime) -> Share | None:
        """See `ShareRecords.from_fhir`."""
        rule = content.get("provision", {})
        actors, data = rule.get("actor", []), rule.get("data", [])
        if rule.get("type") != "permit" or len(actors) != 1 or len(data) != 1:
            return None
        target, actor = _key(data[0]), _key(actors[0])
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


def _concept(system: str, code: str) -> FhirJson:
    return {"coding": [{"system": system, "code": code}]}


def _key(row: FhirJson) -> Any:
    literal = parse_reference(row.get("reference", {}).get("reference", ""))
    return None if literal is None else literal.key


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _moment(text: str | None) -> datetime | None:
    if text is None or len(text) < 20:
        return None
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
