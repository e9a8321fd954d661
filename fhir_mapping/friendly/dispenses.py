"""What was handed over of a prescription as a MedicationDispense: https://hl7.org/fhir/R4/medicationdispense.html"""

from __future__ import annotations

from datetime import datetime

from domain.clinic.dispensing import DISPENSE, Handed, Supply
from domain.clinic.prescription_cards import KIND
from domain.identity import FhirJson, ResourceKey
from fhir_mapping.friendly.elements import concept, instant, put, reference, to
from fhir_mapping.friendly.prescriptions import ACT_CODE

FIRST, REFILL = "FF", "RF"
"""First fill and refill: https://hl7.org/fhir/R4/v3/ActPharmacySupplyType/vs.html"""
_NEVER = frozenset({"cancelled", "declined", "entered-in-error", "stopped"})


class Dispenses:
    """Implements `domain.clinic.dispensing.DispenseRecords`."""

    def to_fhir(self, supply: Supply, request: FhirJson, performer: str | None, now: datetime) -> FhirJson:
        """See `DispenseRecords.to_fhir`."""
        content: FhirJson = {
            "resourceType": DISPENSE,
            "status": "completed",
            "subject": request["subject"],
            "authorizingPrescription": [to(ResourceKey(KIND, request["id"]))],
            "type": concept(system=ACT_CODE, code=FIRST if supply.first else REFILL),
            "whenHandedOver": instant(now),
        }
        for name in ("medicationCodeableConcept", "medicationReference", "contained", "dosageInstruction"):
            put(content, name, request.get(name))
        put(content, "performer", None if performer is None else [{"actor": to(performer)}])
        if supply.quantity is not None:
            content["quantity"] = {"value": supply.quantity}
            put(content["quantity"], "unit", supply.unit)
        put(content, "note", None if supply.note is None else [{"text": supply.note}])
        return content

    def handed(self, content: FhirJson) -> Handed | None:
        """See `DispenseRecords.handed`. One without a type counts as a refill: what was handed over is gone."""
        if content.get("status") in _NEVER:
            return None
        keys = (reference(each) for each in content.get("authorizingPrescription", ()))
        prescription = next((key.id for key in keys if key is not None and key.type == KIND), None)
        codes = {each.get("code") for each in content.get("type", {}).get("coding", ())}
        return Handed(prescription, refill=not any(code and code.startswith("FF") for code in codes))
