"""An insurance's card as a Coverage and back: https://hl7.org/fhir/R4/coverage.html"""

from __future__ import annotations

import copy
from datetime import datetime
from typing import Any

from domain.clinic.chart import Entry
from domain.clinic.insurance import InsuranceCard, InsuranceForm
from domain.errors import InvalidFields
from domain.identity import FhirJson
from fhir_mapping.friendly import coded
from fhir_mapping.friendly.elements import day, put, reference, to

CLASS = "http://terminology.hl7.org/CodeSystem/coverage-class"
RELATIONSHIP = "http://terminology.hl7.org/CodeSystem/subscriber-relationship"


class Insurances:
    """Implements `domain.clinic.chart.ChartRecords`."""

    type = "Coverage"

    def to_fhir(self, form: Entry[InsuranceForm], *, base: FhirJson | None, now: datetime) -> FhirJson:
        """See `Records.to_fhir`."""
        said = form.said
        if (said.provider is None) == (said.provider_id is None):
            raise InvalidFields("The insurer is named by provider or by providerId", expression="provider")
        if said.valid_from is not None and said.valid_to is not None and said.valid_to < said.valid_from:
            raise InvalidFields("It ends before it begins", expression="validTo")
        content: FhirJson = copy.deepcopy(base) if base else _new(form)
        if said.provider_id is not None:
            content["payor"] = [to(f"Organization/{said.provider_id}")]
        elif _payor(content).get("display") != said.provider:
            content["payor"] = [{"display": said.provider}]
        content["subscriberId"] = said.policy_number
        content["relationship"] = coded.single(RELATIONSHIP, said.relationship)
        period: FhirJson = {}
        put(period, "start", coded.day_text(said.valid_from))
        put(period, "end", coded.day_text(said.valid_to))
        put(content, "period", period)
        others = [each for each in content.get("class", ()) if _class_code(each) not in ("plan", "group")]
        for code, value in (("plan", said.coverage_details), ("group", said.group)):
            others += [] if value is None else [{"type": coded.single(CLASS, code), "value": value}]
        put(content, "class", others)
        return content

    def from_fhir(self, content: FhirJson, *, version: int, updated: datetime) -> InsuranceCard:
        """See `Records.from_fhir`."""
        payor, period = _payor(content), content.get("period", {})
        insurer = reference(payor)
        classes = {_class_code(each): each.get("value") for each in content.get("class", ())}
        return InsuranceCard(
            id=content["id"],
            version=version,
            updated_at=updated,
            patient_id=coded.patient_of(content.get("beneficiary")),
            provider=payor.get("display"),
            provider_id=insurer.id if insurer is not None and insurer.type == "Organization" else None,
            policy_number=content.get("subscriberId"),
            coverage_details=classes.get("plan"),
            group=classes.get("group"),
            relationship=coded.code_in(content.get("relationship"), RELATIONSHIP),
            status=content["status"],
            valid_from=day(period.get("start")),
            valid_to=day(period.get("end")),
        )

    def holds(self, content: FhirJson) -> bool:
        """See `ChartRecords.holds`."""
        return content.get("resourceType") == self.type

    def withdrawn(self, content: FhirJson) -> FhirJson | None:
        """See `ChartRecords.withdrawn`: claims may refer to it, so it stays, as cancelled."""
        return {**content, "status": "cancelled"}


def _new(form: Entry[InsuranceForm]) -> FhirJson:
    return {
        "resourceType": "Coverage",
        "status": "active",
        "beneficiary": to(f"Patient/{form.patient}"),
    }


def _payor(content: FhirJson) -> dict[str, Any]:
    found: dict[str, Any] = next(iter(content.get("payor", ())), {})
    return found


def _class_code(row: dict[str, Any]) -> str | None:
    return coded.code_in(row.get("type"), CLASS)
