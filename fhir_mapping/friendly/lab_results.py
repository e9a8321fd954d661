"""A laboratory report as a DiagnosticReport with Observations and back.

https://hl7.org/fhir/R4/diagnosticreport.html, https://hl7.org/fhir/R4/observation.html
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from domain.clinic.lab_result_cards import Interpretation, LabReportCard, LabReportForm, Measured, Result
from domain.errors import InvalidFields
from domain.identity import FhirJson, ResourceKey
from domain.revision import instant as to_the_millisecond
from fhir_mapping.friendly import coded
from fhir_mapping.friendly.elements import UCUM, instant, moment, put, reference, text_of, to
from fhir_mapping.friendly.vital_signs import CATEGORY, number

SECTION = "http://terminology.hl7.org/CodeSystem/v2-0074"
INTERPRETATION = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
CODES: Mapping[Interpretation, str] = {"normal": "N", "low": "L", "high": "H", "abnormal": "A", "critical": "AA"}
_WORDS = {code: word for word, code in CODES.items()}
FINAL = frozenset({"final", "amended", "corrected", "appended"})
WITHDRAWN = frozenset({"entered-in-error", "cancelled"})


class LabResults:
    """Implements `domain.clinic.lab_result_cards.LabRecords`."""

    def report(
        self,
        said: LabReportForm,
        *,
        patient: str,
        performer: str | None,
        results: Sequence[ResourceKey],
        base: FhirJson | None,
        now: datetime,
    ) -> FhirJson:
        """See `LabRecords.report`."""
        was_final = base is not None and base.get("status") in FINAL
        if was_final and said.status != "final":
            raise InvalidFields("What was final is corrected, or withdrawn", expression="status")
        content: FhirJson = (
            copy.deepcopy(base) if base else _new("DiagnosticReport", SECTION, "LAB", patient, performer)
        )
        content["status"] = "corrected" if was_final else said.status
        content["code"] = coded.coded(said.title, said.code, content.get("code"))
        content["effectiveDateTime"] = instant(said.taken_at)
        content.pop("effectivePeriod", None)
        content["issued"] = to_the_millisecond(said.issued_at or now)
        content["result"] = [to(key) for key in results]
        put(content, "conclusion", said.conclusion)
        return content

    def observation(
        self,
        said: Measured,
        report: FhirJson,
        *,
        patient: str,
        performer: str | None,
        place: int,
        base: FhirJson | None,
    ) -> FhirJson:
        """See `LabRecords.observation`."""
        where = f"results[{place}]"
        if (said.value is None) == (said.text is None):
            raise InvalidFields("A result is a value or a text", expression=f"{where}.value")
        if said.unit is not None and said.value is None:
            raise InvalidFields("Only a value has a unit", expression=f"{where}.unit")
        content: FhirJson = (
            copy.deepcopy(base) if base else _new("Observation", CATEGORY, "laboratory", patient, performer)
        )
        content["status"] = "registered" if report["status"] == "partial" else report["status"]
        content["code"] = coded.coded(said.name, said.code, content.get("code"))
        content["effectiveDateTime"] = report["effectiveDateTime"]
        for name in [name for name in content if name.startswith("value")] + ["dataAbsentReason"]:
            content.pop(name, None)
        if said.value is not None:
            content["valueQuantity"] = _quantity(said.value, said.unit, f"{where}.value")
        else:
            content["valueString"] = said.text
        bounds = {"low": said.low, "high": said.high}
        usual = {
            name: _quantity(value, said.unit, f"{where}.{name}") for name, value in bounds.items() if value is not None
        }
        put(content, "referenceRange", [usual] if usual else None)
        word = said.interpretation or _interpreted(said)
        put(content, "interpretation", None if word is None else [coded.single(INTERPRETATION, CODES[word])])
        return content

    def from_fhir(
        self, content: FhirJson, results: Sequence[FhirJson], *, version: int, updated: datetime
    ) -> LabReportCard:
        """See `LabRecords.from_fhir`."""
        return LabReportCard(
            id=content["id"],
            version=version,
            updated_at=updated,
            patient_id=coded.patient_of(content.get("subject")),
            title=text_of(content.get("code")),
            code=coded.code_of(content.get("code")),
            status=content["status"],
            taken_at=moment(content.get("effectiveDateTime") or content.get("effectivePeriod", {}).get("start")),
            issued_at=moment(content.get("issued")),
            results=tuple(map(_result, results)),
            conclusion=content.get("conclusion"),
            performers=tuple(str(key) for each in content.get("performer", ()) if (key := reference(each))),
        )

    def results(self, content: FhirJson) -> list[ResourceKey]:
        """See `LabRecords.results`."""
        keys = (reference(each) for each in content.get("result", ()))
        return [key for key in keys if key is not None and key.type == "Observation"]

    def withdrawn(self, content: FhirJson) -> FhirJson:
        """See `LabRecords.withdrawn`."""
        return {**content, "status": "entered-in-error"}

    def holds(self, content: FhirJson) -> bool:
        """See `LabRecords.holds`."""
        categories = content.get("category", ())
        laboratory = any(
            coded.code_in(each, SECTION) == "LAB" or coded.code_in(each, CATEGORY) == "laboratory"
            for each in categories
        )
        return laboratory and content.get("status") not in WITHDRAWN


def _new(kind: str, system: str, category: str, patient: str, performer: str | None) -> FhirJson:
    content: FhirJson = {
        "resourceType": kind,
        "category": [coded.single(system, category)],
        "subject": to(f"Patient/{patient}"),
    }
    put(content, "performer", performer and [to(performer)])
    return content


def _quantity(value: Decimal, unit: str | None, where: str) -> FhirJson:
    if not value.is_finite() or abs(value) > 10**12:
        raise InvalidFields("This is no number that anybody measured", expression=where)
    return {"value": value, **({"unit": unit, "system": UCUM, "code": unit} if unit else {})}


def _interpreted(said: Measured) -> Interpretation | None:
    """What follows from the usual bounds."""
    if said.value is None or (said.low is None and said.high is None):
        return None
    if said.low is not None and said.value < said.low:
        return "low"
    return "high" if said.high is not None and said.value > said.high else "normal"


def _result(content: FhirJson) -> Result:
    quantity: Mapping[str, Any] = content.get("valueQuantity", {})
    usual: Mapping[str, Any] = next(iter(content.get("referenceRange", ())), {})
    words = (coded.code_in(each, INTERPRETATION) for each in content.get("interpretation", ()))
    code = next((code for code in words if code), None)
    return Result(
        id=content["id"],
        name=text_of(content.get("code")),
        code=coded.code_of(content.get("code")),
        value=number(quantity.get("value")),
        unit=quantity.get("code") or quantity.get("unit"),
        text=content.get("valueString") or text_of(content.get("valueCodeableConcept")),
        low=number(usual.get("low", {}).get("value")),
        high=number(usual.get("high", {}).get("value")),
        interpretation=None if code is None else _WORDS.get(code, code),
    )
