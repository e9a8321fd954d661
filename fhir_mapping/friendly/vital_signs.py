"""A vital sign's card as an Observation of the vital signs profile and back.

https://hl7.org/fhir/R4/observation-vitalsigns.html, https://hl7.org/fhir/R4/bp.html
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from domain.clinic.chart import Entry
from domain.clinic.vital_signs import DIASTOLIC, SIGNS, SYSTOLIC, Number, VitalSignCard, VitalSignForm
from domain.errors import InvalidFields
from domain.identity import FhirJson
from fhir_mapping.friendly import coded
from fhir_mapping.friendly.elements import LOINC, UCUM, instant, moment, put, reference, text_of, to

CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
_KINDS = {sign.loinc: kind for kind, sign in SIGNS.items()}


class VitalSigns:
    """Implements `domain.clinic.chart.ChartRecords`."""

    type = "Observation"

    def to_fhir(self, form: Entry[VitalSignForm], *, base: FhirJson | None, now: datetime) -> FhirJson:
        """See `Records.to_fhir`. A measurement that is said anew is `amended`."""
        said = form.said
        sign = SIGNS[said.type]
        unit = said.unit or sign.units[0]
        if unit not in sign.units:
            raise InvalidFields(f"{sign.label} is measured in {' or '.join(sign.units)}", expression="unit")
        content: FhirJson = copy.deepcopy(base) if base else _new(form)
        content["status"] = "amended" if base else "final"
        content["code"] = _code(sign.loinc, sign.label)
        content["effectiveDateTime"] = instant(said.taken_at)
        for name in [name for name in content if name.startswith("value")] + ["component", "dataAbsentReason"]:
            content.pop(name, None)
        if said.type == "blood-pressure":
            content["component"] = _pressures(said, unit)
        else:
            content["valueQuantity"] = _quantity(_required(said, "value"), unit)
            if said.systolic is not None or said.diastolic is not None:
                raise InvalidFields("Only a blood pressure has this", expression="systolic")
        if coded.note_of(content.get("note")) != said.note:
            put(content, "note", coded.note(said.note))
        return content

    def from_fhir(self, content: FhirJson, *, version: int, updated: datetime) -> VitalSignCard:
        """See `Records.from_fhir`."""
        code = content.get("code", {})
        parts = {coded.code_in(each.get("code"), LOINC): each for each in content.get("component", ())}
        systolic, diastolic = (parts.get(loinc, {}).get("valueQuantity", {}) for loinc in (SYSTOLIC, DIASTOLIC))
        quantity = content.get("valueQuantity", {})
        author = next((key for each in content.get("performer", ()) if (key := reference(each))), None)
        return VitalSignCard(
            id=content["id"],
            version=version,
            updated_at=updated,
            patient_id=coded.patient_of(content.get("subject")),
            type=kind_of(code) or "other",
            label=text_of(code),
            status=content["status"],
            taken_at=moment(content.get("effectiveDateTime") or content.get("effectivePeriod", {}).get("start")),
            value=number(quantity.get("value")),
            systolic=number(systolic.get("value")),
            diastolic=number(diastolic.get("value")),
            unit=next((unit for each in (quantity, systolic) if (unit := each.get("code") or each.get("unit"))), None),
            note=coded.note_of(content.get("note")),
            author=None if author is None else str(author),
        )

    def holds(self, content: FhirJson) -> bool:
        """See `ChartRecords.holds`."""
        return any(coded.code_in(each, CATEGORY) == "vital-signs" for each in content.get("category", ()))

    def withdrawn(self, content: FhirJson) -> FhirJson | None:
        """See `ChartRecords.withdrawn`."""
        return None


def kind_of(code: Mapping[str, Any]) -> str | None:
    """Which of our signs a code says; a panel of other codes may carry the one we know among them."""
    codings: Sequence[Mapping[str, Any]] = code.get("coding", ())
    return next((kind for each in codings if (kind := _KINDS.get(each.get("code", "")))), None)


def number(value: object) -> Number | None:
    """A decimal as a JSON number; the resource keeps its digits."""
    if not isinstance(value, Decimal | int | float):
        return None
    return int(value) if value == int(value) else float(value)


def _new(form: Entry[VitalSignForm]) -> FhirJson:
    content: FhirJson = {
        "resourceType": "Observation",
        "category": [coded.single(CATEGORY, "vital-signs")],
        "subject": to(f"Patient/{form.patient}"),
    }
    put(content, "performer", form.author and [to(form.author)])
    return content


def _code(loinc: str, label: str) -> FhirJson:
    return {"coding": [{"system": LOINC, "code": loinc, "display": label}], "text": label}


def _pressures(said: VitalSignForm, unit: str) -> list[FhirJson]:
    if said.value is not None:
        raise InvalidFields("A blood pressure has a systolic and a diastolic value", expression="value")
    rows = ((SYSTOLIC, "Systolic blood pressure", "systolic"), (DIASTOLIC, "Diastolic blood pressure", "diastolic"))
    return [
        {"code": _code(loinc, label), "valueQuantity": _quantity(_required(said, name), unit)}
        for loinc, label, name in rows
    ]


def _required(said: VitalSignForm, name: str) -> Decimal:
    value: Decimal | None = getattr(said, name)
    if value is None or not value.is_finite() or abs(value) > 100_000:
        raise InvalidFields("A measured number is required here", expression=name)
    return value


def _quantity(value: Decimal, unit: str) -> FhirJson:
    return {"value": value, "unit": unit, "system": UCUM, "code": unit}
