"""An immunization's card as an Immunization and back: https://hl7.org/fhir/R4/immunization.html"""

from __future__ import annotations

import copy
from datetime import datetime

from domain.clinic.chart import Entry
from domain.clinic.immunizations import ImmunizationCard, ImmunizationForm
from domain.identity import FhirJson
from fhir_mapping.friendly import coded
from fhir_mapping.friendly.elements import day, instant, put, text_of, to


class Immunizations:
    """Implements `domain.clinic.chart.ChartRecords`."""

    type = "Immunization"

    def to_fhir(self, form: Entry[ImmunizationForm], *, base: FhirJson | None, now: datetime) -> FhirJson:
        """See `Records.to_fhir`."""
        said = form.said
        content: FhirJson = copy.deepcopy(base) if base else _new(form, now)
        content["status"] = said.status
        put(content, "statusReason", said.reason and coded.coded(said.reason, None, content.get("statusReason")))
        content["vaccineCode"] = coded.coded(said.vaccine, said.code, content.get("vaccineCode"))
        if day(content.get("occurrenceDateTime")) != said.date:
            content.pop("occurrenceString", None)
            content["occurrenceDateTime"] = said.date.isoformat()
        put(content, "lotNumber", said.lot)
        if content.get("manufacturer", {}).get("display") != said.manufacturer:
            put(content, "manufacturer", said.manufacturer and {"display": said.manufacturer})
        put(content, "site", said.site and coded.coded(said.site, None, content.get("site")))
        protocol = content.get("protocolApplied", [{}])[0]
        if protocol.get("doseNumberPositiveInt") != said.dose:
            put(content, "protocolApplied", said.dose and [{"doseNumberPositiveInt": said.dose}])
        if coded.note_of(content.get("note")) != said.note:
            put(content, "note", coded.note(said.note))
        return content

    def from_fhir(self, content: FhirJson, *, version: int, updated: datetime) -> ImmunizationCard:
        """See `Records.from_fhir`."""
        return ImmunizationCard(
            id=content["id"],
            version=version,
            updated_at=updated,
            patient_id=coded.patient_of(content.get("patient")),
            vaccine=text_of(content.get("vaccineCode")),
            date=day(content.get("occurrenceDateTime")),
            code=coded.code_of(content.get("vaccineCode")),
            status=content["status"],
            reason=text_of(content.get("statusReason")),
            lot=content.get("lotNumber"),
            manufacturer=content.get("manufacturer", {}).get("display"),
            site=text_of(content.get("site")),
            dose=content.get("protocolApplied", [{}])[0].get("doseNumberPositiveInt"),
            note=coded.note_of(content.get("note")),
        )

    def holds(self, content: FhirJson) -> bool:
        """See `ChartRecords.holds`."""
        return content.get("resourceType") == self.type

    def withdrawn(self, content: FhirJson) -> FhirJson | None:
        """See `ChartRecords.withdrawn`."""
        return None


def _new(form: Entry[ImmunizationForm], now: datetime) -> FhirJson:
    content: FhirJson = {
        "resourceType": "Immunization",
        "patient": to(f"Patient/{form.patient}"),
        "recorded": instant(now),
    }
    if form.author is not None and form.author.startswith("Practitioner"):
        content["performer"] = [{"actor": to(form.author)}]
    return content
