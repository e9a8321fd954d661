"""A problem's card as a Condition of the problem list and back: https://hl7.org/fhir/R4/condition.html"""

from __future__ import annotations

import copy
from datetime import datetime

from domain.clinic.chart import Entry
from domain.clinic.medical_history import ENDED, ProblemCard, ProblemForm
from domain.errors import InvalidFields
from domain.identity import FhirJson
from fhir_mapping.friendly import coded
from fhir_mapping.friendly.elements import SNOMED, concept, instant, moment, put, reference, text_of, to

CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
VERIFICATION = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
CATEGORY = "http://terminology.hl7.org/CodeSystem/condition-category"
PROBLEM = "problem-list-item"
SEVERITY = {"mild": "255604002", "moderate": "6736007", "severe": "24484000"}
"""https://hl7.org/fhir/R4/valueset-condition-severity.html"""
_SEVERITY = {code: word for word, code in SEVERITY.items()}


class Problems:
    """Implements `domain.clinic.chart.ChartRecords`."""

    type = "Condition"

    def to_fhir(self, form: Entry[ProblemForm], *, base: FhirJson | None, now: datetime) -> FhirJson:
        """See `Records.to_fhir`. Rule con-4: what has abated is over; con-5: what was entered in error has no status."""
        said = form.said
        if said.abatement is not None and said.status not in ENDED:
            raise InvalidFields("Only a problem that is over has an abatement", expression="abatement")
        content: FhirJson = copy.deepcopy(base) if base else _new(form, now)
        wrong = said.certainty == "entered-in-error"
        put(content, "clinicalStatus", None if wrong else coded.single(CLINICAL, said.status))
        content["verificationStatus"] = coded.single(VERIFICATION, said.certainty)
        content["code"] = coded.coded(said.text, said.code, content.get("code"))
        if severity_of(content) != said.severity:
            put(
                content,
                "severity",
                said.severity and concept(said.severity, system=SNOMED, code=SEVERITY[said.severity]),
            )
        coded.put_day(content, "onset", said.onset)
        coded.put_day(content, "abatement", said.abatement)
        if coded.note_of(content.get("note")) != said.note:
            put(content, "note", coded.note(said.note))
        return content

    def from_fhir(self, content: FhirJson, *, version: int, updated: datetime) -> ProblemCard:
        """See `Records.from_fhir`."""
        author = reference(content.get("recorder"))
        return ProblemCard(
            id=content["id"],
            version=version,
            updated_at=updated,
            patient_id=coded.patient_of(content.get("subject")),
            text=text_of(content.get("code")),
            code=coded.code_of(content.get("code")),
            status=coded.code_in(content.get("clinicalStatus"), CLINICAL),
            certainty=coded.code_in(content.get("verificationStatus"), VERIFICATION),
            severity=severity_of(content),
            onset=coded.started(content, "onset"),
            abatement=coded.started(content, "abatement"),
            note=coded.note_of(content.get("note")),
            recorded_at=moment(content.get("recordedDate")),
            author=None if author is None else str(author),
        )

    def holds(self, content: FhirJson) -> bool:
        """See `ChartRecords.holds`: diagnoses of a visit are in its medical record."""
        return any(coded.code_in(each, CATEGORY) == PROBLEM for each in content.get("category", ()))

    def withdrawn(self, content: FhirJson) -> FhirJson | None:
        """See `ChartRecords.withdrawn`."""
        return None


def severity_of(content: FhirJson) -> str | None:
    """How bad it is, in a word."""
    return _SEVERITY.get(coded.code_in(content.get("severity"), SNOMED) or "")


def _new(form: Entry[ProblemForm], now: datetime) -> FhirJson:
    content: FhirJson = {
        "resourceType": "Condition",
        "category": [coded.single(CATEGORY, PROBLEM)],
        "subject": to(f"Patient/{form.patient}"),
        "recordedDate": instant(now),
    }
    put(content, "recorder", form.author and to(form.author))
    return content
