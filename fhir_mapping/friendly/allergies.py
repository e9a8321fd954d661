"""An allergy's card as an AllergyIntolerance and back: https://hl7.org/fhir/R4/allergyintolerance.html"""

from __future__ import annotations

import copy
from datetime import datetime
from typing import Any

from domain.clinic.allergies import AllergyCard, AllergyForm, Reaction
from domain.clinic.chart import Entry
from domain.identity import FhirJson
from fhir_mapping.friendly import coded
from fhir_mapping.friendly.elements import instant, moment, put, reference, text_of, to

CLINICAL = "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical"
VERIFICATION = "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification"


class Allergies:
    """Implements `domain.clinic.chart.ChartRecords`."""

    type = "AllergyIntolerance"

    def to_fhir(self, form: Entry[AllergyForm], *, base: FhirJson | None, now: datetime) -> FhirJson:
        """See `Records.to_fhir`. Rules ait-1 and ait-2: what was entered in error has no clinical status."""
        said = form.said
        content: FhirJson = copy.deepcopy(base) if base else _new(form, now)
        wrong = said.certainty == "entered-in-error"
        put(content, "clinicalStatus", None if wrong else coded.single(CLINICAL, said.status))
        content["verificationStatus"] = coded.single(VERIFICATION, said.certainty)
        if said.category is None or said.category not in content.get("category", ()):
            put(content, "category", None if said.category is None else [said.category])
        put(content, "criticality", said.criticality)
        content["code"] = coded.coded(said.substance, said.code, content.get("code"))
        coded.put_day(content, "onset", said.onset)
        if tuple(map(_reaction_of, content.get("reaction", ()))) != said.reactions:
            put(content, "reaction", [_reaction(each) for each in said.reactions])
        if coded.note_of(content.get("note")) != said.note:
            put(content, "note", coded.note(said.note))
        return content

    def from_fhir(self, content: FhirJson, *, version: int, updated: datetime) -> AllergyCard:
        """See `Records.from_fhir`."""
        author = reference(content.get("recorder"))
        return AllergyCard(
            id=content["id"],
            version=version,
            updated_at=updated,
            patient_id=coded.patient_of(content.get("patient")),
            substance=text_of(content.get("code")),
            code=coded.code_of(content.get("code")),
            category=next(iter(content.get("category", ())), None),
            criticality=content.get("criticality"),
            status=coded.code_in(content.get("clinicalStatus"), CLINICAL),
            certainty=coded.code_in(content.get("verificationStatus"), VERIFICATION),
            onset=coded.started(content, "onset"),
            reactions=tuple(map(_reaction_of, content.get("reaction", ()))),
            note=coded.note_of(content.get("note")),
            recorded_at=moment(content.get("recordedDate")),
            author=None if author is None else str(author),
        )

    def holds(self, content: FhirJson) -> bool:
        """See `ChartRecords.holds`."""
        return content.get("resourceType") == self.type

    def withdrawn(self, content: FhirJson) -> FhirJson | None:
        """See `ChartRecords.withdrawn`."""
        return None


def _new(form: Entry[AllergyForm], now: datetime) -> FhirJson:
    content: FhirJson = {
        "resourceType": "AllergyIntolerance",
        "patient": to(f"Patient/{form.patient}"),
        "recordedDate": instant(now),
    }
    put(content, "recorder", form.author and to(form.author))
    return content


def _reaction(said: Reaction) -> FhirJson:
    made: FhirJson = {"manifestation": [{"text": said.manifestation}]}
    put(made, "severity", said.severity)
    return made


def _reaction_of(reaction: dict[str, Any]) -> Reaction:
    shown = [text for each in reaction.get("manifestation", ()) if (text := text_of(each))]
    return Reaction(manifestation=", ".join(shown), severity=reaction.get("severity"))
