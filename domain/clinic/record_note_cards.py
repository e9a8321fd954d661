"""A note on a medical record as people know it, and the port to FHIR."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from domain.identity import FhirJson, ResourceKey


class NoteForm(msgspec.Struct, frozen=True, kw_only=True):
    """What a note says, on which record of which patient, by whom (`Practitioner/1`)."""

    text: str
    record: str = ""
    patient_id: str = ""
    author: str | None = None

    def __repr__(self) -> str:
        return "NoteForm(…)"


class NoteCard(msgspec.Struct, frozen=True, kw_only=True):
    """A note as it is shown."""

    id: str
    version: int
    updated_at: datetime
    record: str | None
    text: str
    author: ResourceKey | None = None
    created_at: datetime | None = None
    patient_id: str | None = None

    def __repr__(self) -> str:
        return f"NoteCard({self.id})"


class RecordNotes(Protocol):
    """Implemented by `fhir_mapping.friendly.record_notes`."""

    @property
    def type(self) -> str: ...

    def to_fhir(self, form: NoteForm, *, base: FhirJson | None, now: datetime) -> FhirJson: ...

    def from_fhir(self, content: FhirJson, *, version: int, updated: datetime) -> NoteCard: ...

    def subject(self, record: FhirJson) -> str | None:
        """The patient a record is about."""
        ...

    def query(self, records: Sequence[str]) -> list[tuple[str, str]]:
        """The search parameters that select the notes on these records."""
        ...
