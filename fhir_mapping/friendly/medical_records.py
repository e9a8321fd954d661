"""A medical record as a Composition and back: https://hl7.org/fhir/R4/composition.html

Each part of the record is a section with a LOINC code; sections that others wrote stay where they are.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from domain.clinic.medical_record_cards import KIND, LINKS, Finding, Part, RecordCard, RecordForm, Wanted
from domain.identity import FhirJson, ResourceKey
from fhir_mapping.friendly.elements import (
    LOINC,
    concept,
    first,
    instant,
    labelled,
    moment,
    named,
    put,
    reference,
    text_of,
    to,
)
from fhir_mapping.friendly.prose import items, narrative, prose
from fhir_mapping.search_values.escaping import escape

_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
TYPE, NAME = "34133-9", "Medical record"
"""Summary of episode note."""


class Section(NamedTuple):
    code: str
    title: str


SECTIONS: dict[str, Section] = {
    "diagnosis": Section("11450-4", "Diagnosis"),
    "treatment": Section("18776-5", "Treatment"),
    "procedures": Section("47519-4", "Procedures"),
    "prescription_ids": Section("10160-0", "Prescriptions"),
    "test_result_ids": Section("30954-2", "Test results"),
    "allergy_ids": Section("48765-2", "Allergies"),
    "immunization_ids": Section("11369-6", "Immunizations"),
}
_OURS = {section.code for section in SECTIONS.values()}


class MedicalRecords:
    """Implements `domain.clinic.medical_record_cards.MedicalRecords`."""

    type = KIND

    def to_fhir(self, form: RecordForm, *, base: FhirJson | None, now: datetime) -> FhirJson:
        """See `MedicalRecords.to_fhir`."""
        content: FhirJson = copy.deepcopy(base) if base is not None else {"resourceType": KIND}
        content["status"] = "final" if base is None else "amended"
        content["type"] = {"coding": [{"system": LOINC, "code": TYPE, "display": "Summary of episode note"}]}
        content["subject"] = to(ResourceKey("Patient", form.patient_id))
        put(content, "encounter", None if form.encounter is None else to(ResourceKey("Encounter", form.encounter)))
        if form.date is not None or base is None:
            content["date"] = instant(form.date or now)
        if form.doctor is not None:
            content["author"] = [to(named(form.doctor, "doctorId", "Practitioner"))]
        content["title"] = form.title or (NAME if base is None else base["title"])
        others = [each for each in content.get("section", ()) if _code(each) not in _OURS]
        mine = [_section("treatment", text=form.treatment)] if form.treatment is not None else []
        for name, kinds in LINKS.items():
            keys = [each if "/" in each else f"{kinds[0]}/{each}" for each in getattr(form, name)]
            mine += [_section(name, keys)] if keys else []
        put(content, "section", [*mine, *others])
        return content

    def composed(self, content: FhirJson, parts: Sequence[Part], labels: Sequence[str]) -> FhirJson:
        """See `MedicalRecords.composed`."""
        made = []
        for name, kind in (("diagnosis", "Condition"), ("procedures", "Procedure")):
            mine = [each for each in parts if each.key.type == kind]
            if mine:
                section = _section(name, [str(each.key) for each in mine])
                made.append({**section, "text": items([each.finding.text for each in mine if each.finding.text])})
        content = dict(content)
        put(content, "section", [*made, *content.get("section", ())])
        return labelled(content, labels)

    def from_fhir(self, content: FhirJson, *, version: int, updated: datetime) -> RecordCard:
        """See `MedicalRecords.from_fhir`."""
        subject, encounter = reference(content.get("subject")), reference(content.get("encounter"))
        authors = (key for each in content.get("author", ()) if (key := reference(each)) is not None)
        sections = {_code(each): each for each in content.get("section", ())}
        found = {name: sections.get(section.code, {}) for name, section in SECTIONS.items()}
        return RecordCard(
            id=content["id"],
            version=version,
            updated_at=updated,
            patient_id=subject.id if subject is not None and subject.type == "Patient" else None,
            title=content.get("title"),
            date=moment(content.get("date")),
            status=content["status"],
            encounter_id=None if encounter is None else encounter.id,
            doctor=next(authors, None),
            diagnosis=tuple(Finding(text="", id=key.id) for key in _entries(found["diagnosis"], "Condition")),
            procedures=tuple(Finding(text="", id=key.id) for key in _entries(found["procedures"], "Procedure")),
            treatment=prose(found["treatment"].get("text")),
            **{name: _ids(found[name], kinds) for name, kinds in LINKS.items()},
        )

    def part(self, kind: str, finding: Finding, form: RecordForm, base: FhirJson | None) -> FhirJson:
        """See `MedicalRecords.part`."""
        content: FhirJson = copy.deepcopy(base) if base is not None else {"resourceType": kind}
        content["subject"] = to(ResourceKey("Patient", form.patient_id))
        content["code"] = concept(finding.text, system=finding.system, code=finding.code)
        if form.encounter is not None:
            content["encounter"] = to(ResourceKey("Encounter", form.encounter))
        if kind == "Procedure":
            content.setdefault("status", "completed")
            put(content, "performedDateTime", finding.date)
            return content
        put(content, "recordedDate", finding.date)
        content.setdefault("clinicalStatus", concept(system=f"{_TERMINOLOGY}/condition-clinical", code="active"))
        content.setdefault(
            "verificationStatus", concept(system=f"{_TERMINOLOGY}/condition-ver-status", code="confirmed")
        )
        content.setdefault(
            "category", [concept(system=f"{_TERMINOLOGY}/condition-category", code="encounter-diagnosis")]
        )
        return content

    def finding(self, content: FhirJson) -> Finding:
        """See `MedicalRecords.finding`."""
        value = content.get("code", {})
        coding: FhirJson = next(iter(value.get("coding", ())), {})
        return Finding(
            id=content["id"],
            text=text_of(value) or "",
            system=coding.get("system"),
            code=coding.get("code"),
            date=content.get("performedDateTime") or content.get("recordedDate"),
        )

    def withdrawn(self, content: FhirJson) -> FhirJson:
        """See `MedicalRecords.withdrawn`."""
        if content["resourceType"] == "Procedure":
            return {**content, "status": "entered-in-error"}
        wrong = concept(system=f"{_TERMINOLOGY}/condition-ver-status", code="entered-in-error")
        content = {name: value for name, value in content.items() if name != "clinicalStatus"}  # rule con-5
        return {**content, "verificationStatus": wrong}

    def query(self, wanted: Wanted) -> list[tuple[str, str]]:
        """See `MedicalRecords.query`."""
        found = [("type", f"{LOINC}|{TYPE}"), ("_sort", "-date")]
        if wanted.patient is not None:
            found.append(("patient", wanted.patient))
        if wanted.doctor is not None:
            found.append(("author", f"Practitioner/{wanted.doctor}"))
        for sign, limit in (("ge", wanted.since), ("lt", wanted.until)):
            if limit is not None:
                found.append(("date", f"{sign}{instant(limit)}"))
        if wanted.words is not None:
            found.append(("_content", escape(wanted.words)))
        return found


def _section(name: str, keys: Sequence[str] = (), text: str | None = None) -> FhirJson:
    section = SECTIONS[name]
    made: FhirJson = {"title": section.title, "code": {"coding": [{"system": LOINC, "code": section.code}]}}
    put(made, "text", None if text is None else narrative(text))
    put(made, "entry", [to(each) for each in keys])
    return made


def _code(section: FhirJson) -> str | None:
    code: str | None = first(section.get("code", {}).get("coding"), LOINC).get("code")
    return code


def _entries(section: FhirJson, *kinds: str) -> list[ResourceKey]:
    keys = (reference(each) for each in section.get("entry", ()))
    return [key for key in keys if key is not None and key.type in kinds]


def _ids(section: FhirJson, kinds: tuple[str, ...]) -> tuple[str, ...]:
    """Ids of the first type, `Type/id` of the others."""
    return tuple(key.id if key.type == kinds[0] else str(key) for key in _entries(section, *kinds))
