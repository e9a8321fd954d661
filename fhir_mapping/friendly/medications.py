"""What FHIR says somebody takes, or must not be given, as the interaction check wants it.

https://hl7.org/fhir/R4/medicationrequest.html, https://hl7.org/fhir/R4/medicationstatement.html,
https://hl7.org/fhir/R4/allergyintolerance.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domain.clinic.drug_interactions import RXNORM, Medication
from domain.clinic.medication_check import UNREADABLE
from domain.identity import FhirJson, ResourceKey
from fhir_mapping.friendly.elements import concept, first, put, reference, text_of

_REFUTED = frozenset({"refuted", "entered-in-error"})
_OVER = frozenset({"inactive", "resolved"})


class Medications:
    """Implements `domain.clinic.medication_check.ReadMedications`."""

    def medication(self, content: FhirJson) -> Medication | ResourceKey:
        """See `ReadMedications.medication`."""
        return medication_of(content)

    def described(self, content: FhirJson) -> Medication:
        """See `ReadMedications.described`."""
        return coded(content.get("code"))

    def allergy(self, content: FhirJson) -> Medication | None:
        """See `ReadMedications.allergy`."""
        if _REFUTED & _codes(content.get("verificationStatus")) or _OVER & _codes(content.get("clinicalStatus")):
            return None
        return coded(content.get("code"))


def medication_of(content: FhirJson) -> Medication | ResourceKey:
    """The medication of a request, statement or dispense: written there, contained, or a Medication of its own."""
    if "medicationCodeableConcept" in content:
        return coded(content["medicationCodeableConcept"])
    pointer = content.get("medicationReference", {})
    text = pointer.get("reference", "")
    if text.startswith("#"):
        contained: list[FhirJson] = content.get("contained", [])
        return next((coded(each.get("code")) for each in contained if f"#{each.get('id')}" == text), UNREADABLE)
    key = reference(pointer)
    if key is not None and key.type == "Medication":
        return key
    return Medication(pointer["display"]) if pointer.get("display") else UNREADABLE


def coded(value: Mapping[str, Any] | None) -> Medication:
    """A CodeableConcept as a medication: its name, and its RxNorm code when there is one."""
    text = text_of(value)
    return UNREADABLE if text is None else Medication(text, first((value or {}).get("coding"), RXNORM).get("code"))


def concept_of(medication: Medication) -> FhirJson:
    """The CodeableConcept of a medication."""
    system = RXNORM if medication.rxnorm is not None else None
    made = concept(system=system, code=medication.rxnorm)
    put(made, "text", medication.text)
    return made


def _codes(value: Mapping[str, Any] | None) -> set[str]:
    return {each.get("code", "") for each in (value or {}).get("coding", ())}
