"""A note on a medical record as a Composition that appends to it: https://hl7.org/fhir/R4/composition.html"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from domain.clinic.medical_record_cards import KIND
from domain.clinic.record_note_cards import NoteCard, NoteForm
from domain.identity import FhirJson, ResourceKey
from fhir_mapping.friendly.elements import LOINC, instant, moment, named, put, reference, to
from fhir_mapping.friendly.prose import narrative, prose

TYPE, SECTION = "11506-3", "48767-8"
"""Progress note; annotation comment."""


class RecordNotes:
    """Implements `domain.clinic.record_note_cards.RecordNotes`."""

    type = KIND

    def to_fhir(self, form: NoteForm, *, base: FhirJson | None, now: datetime) -> FhirJson:
        """See `domain.clinic.records.Records.to_fhir`."""
        content: FhirJson = dict(base) if base is not None else self._new(form)
        content["status"] = "final" if base is None else "amended"
        content["date"] = content.get("date", instant(now))
        if form.author is not None:
            content["author"] = [to(named(form.author, "authorId", "Practitioner"))]
        code = {"coding": [{"system": LOINC, "code": SECTION}]}
        content["section"] = [{"title": "Note", "code": code, "text": narrative(form.text)}]
        return content

    def _new(self, form: NoteForm) -> FhirJson:
        content: FhirJson = {
            "resourceType": KIND,
            "type": {"coding": [{"system": LOINC, "code": TYPE, "display": "Progress note"}]},
            "title": "Note",
            "relatesTo": [{"code": "appends", "targetReference": to(ResourceKey(KIND, form.record))}],
        }
        put(content, "subject", to(ResourceKey("Patient", form.patient_id)) if form.patient_id else None)
        return content

    def from_fhir(self, content: FhirJson, *, version: int, updated: datetime) -> NoteCard:
        """See `domain.clinic.records.Records.from_fhir`."""
        texts = (prose(each.get("text")) for each in content.get("section", ()))
        related = (reference(each.get("targetReference")) for each in content.get("relatesTo", ()))
        authors = (reference(each) for each in content.get("author", ()))
        return NoteCard(
            id=content["id"],
            version=version,
            updated_at=updated,
            record=next((key.id for key in related if key is not None and key.type == KIND), None),
            text="\n".join(text for text in texts if text) or prose(content.get("text")) or "",
            author=next((key for key in authors if key is not None), None),
            created_at=moment(content.get("date")),
            patient_id=self.subject(content),
        )

    def subject(self, record: FhirJson) -> str | None:
        """See `RecordNotes.subject`."""
        key = reference(record.get("subject"))
        return key.id if key is not None and key.type == "Patient" else None

    def query(self, records: Sequence[str]) -> list[tuple[str, str]]:
        """See `RecordNotes.query`."""
        names = ",".join(f"{KIND}/{each}" for each in records)
        return [("type", f"{LOINC}|{TYPE}"), ("related-ref", names), ("_sort", "date")]
