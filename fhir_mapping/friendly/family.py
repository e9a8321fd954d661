"""Who acts for whom, as a RelatedPerson of the dependant with a Consent, and back.

https://hl7.org/fhir/R4/relatedperson.html, https://hl7.org/fhir/R4/consent.html. The RelatedPerson says by an identifier which
patient the guardian is, so that both sides find it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime

from domain.clinic.family_cards import FamilyTie, Relationship
from domain.identity import FhirJson, ResourceKey
from domain.revision import instant
from fhir_mapping.friendly import coded
from fhir_mapping.friendly.elements import LOINC, day, first, name_of, put, to

GUARDIAN = "urn:chartvault:guardian"
ROLE = "http://terminology.hl7.org/CodeSystem/v3-RoleCode"
_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
CODES: Mapping[Relationship, str] = {
    "child": "PRN",
    "grandchild": "GRPRN",
    "ward": "GUARD",
    "spouse": "SPS",
    "sibling": "SIB",
    "parent": "CHILD",
    "other": "FAMMEMB",
}
"""What the guardian is to the dependant, which is what FHIR asks, by what the dependant is to the guardian."""
_WORDS = {code: word for word, code in CODES.items()}


class Families:
    """Implements `domain.clinic.family_cards.FamilyRecords`."""

    def related(
        self,
        guardian: FhirJson,
        dependant: ResourceKey,
        relationship: Relationship,
        *,
        since: datetime,
        until: date | None,
    ) -> FhirJson:
        """See `FamilyRecords.related`."""
        content: FhirJson = {
            "resourceType": "RelatedPerson",
            "identifier": [{"system": GUARDIAN, "value": guardian["id"]}],
            "active": True,
            "patient": to(dependant),
            "relationship": [coded.single(ROLE, CODES[relationship])],
        }
        for name in ("name", "telecom", "gender"):
            put(content, name, guardian.get(name))
        content["period"] = _period(instant(since), until)
        return content

    def consent(self, related: ResourceKey, dependant: ResourceKey, *, now: datetime, until: date | None) -> FhirJson:
        """See `FamilyRecords.consent`."""
        return {
            "resourceType": "Consent",
            "status": "active",
            "scope": coded.single(f"{_TERMINOLOGY}/consentscope", "patient-privacy"),
            "category": [coded.single(LOINC, "59284-0")],
            "patient": to(dependant),
            "dateTime": instant(now),
            "performer": [to(related)],
            "policyRule": coded.single(f"{_TERMINOLOGY}/v3-ActCode", "OPTIN"),
            "provision": {
                "type": "permit",
                "period": _period(instant(now), until),
                "actor": [
                    {"role": coded.single(f"{_TERMINOLOGY}/v3-ParticipationType", "IRCP"), "reference": to(related)}
                ],
                "action": [coded.single(f"{_TERMINOLOGY}/consentaction", "access")],
            },
        }

    def ended(self, content: FhirJson, now: datetime) -> FhirJson:
        """See `FamilyRecords.ended`."""
        if content["resourceType"] == "Consent":
            return {**content, "status": "inactive"}
        return {**content, "active": False, "period": {**content.get("period", {}), "end": instant(now)}}

    def tie(self, content: FhirJson, today: date) -> FamilyTie:
        """See `FamilyRecords.tie`."""
        period = content.get("period", {})
        until = day(period.get("end"))
        codes = (coded.code_in(each, ROLE) for each in content.get("relationship", ()))
        return FamilyTie(
            key=ResourceKey("RelatedPerson", content["id"]),
            dependant=coded.patient_of(content.get("patient")),
            guardian=first(content.get("identifier"), GUARDIAN).get("value"),
            name=name_of(content.get("name"))[2],
            relationship=next((word for code in codes if (word := _WORDS.get(code or ""))), "other"),
            active=content.get("active") is not False and (until is None or today <= until),
            since=day(period.get("start")),
            until=until,
        )

    def as_dependant(self, patient: ResourceKey) -> list[tuple[str, str]]:
        """See `FamilyRecords.as_dependant`."""
        return [("patient", str(patient))]

    def as_guardian(self, patient: ResourceKey) -> list[tuple[str, str]]:
        """See `FamilyRecords.as_guardian`."""
        return [("identifier", f"{GUARDIAN}|{patient.id}")]


def _period(start: str, until: date | None) -> FhirJson:
    made: FhirJson = {"start": start}
    put(made, "end", coded.day_text(until))
    return made
