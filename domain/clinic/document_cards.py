"""A document as people know it: what is said of it, what is shown of it, how it is looked for, and the port to FHIR."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

import msgspec

from domain.blobs import Blob
from domain.identity import FhirJson, ResourceKey


class DocumentForm(msgspec.Struct, frozen=True):
    """What is said of a document. `type` is one of the known kinds, `date` when it was made or what it is about happened,
    `source` where it comes from (`PHP` is the primary healthcare provider), `author` who wrote it (`Practitioner/1`)."""

    type: str = "other"
    title: str | None = None
    date: datetime | None = None
    description: str | None = None
    source: str | None = None
    author: str | None = None

    def __repr__(self) -> str:
        return f"DocumentForm({self.type})"


class DocumentCard(msgspec.Struct, frozen=True):
    """What is shown of a document. `sha1` is that of its bytes, in hexadecimal."""

    id: str
    version: int
    updated_at: datetime
    patient_id: str | None
    type: str
    type_label: str
    status: str
    title: str | None = None
    date: datetime | None = None
    description: str | None = None
    source: str | None = None
    author: str | None = None
    content_type: str | None = None
    size: int | None = None
    sha1: str | None = None
    pages: int | None = None
    replaces: str | None = None
    binary: ResourceKey | None = None

    def __repr__(self) -> str:
        return f"DocumentCard({self.id})"


class Wanted(msgspec.Struct, frozen=True):
    """Filters of a list; each narrows. `since` and `until` bound the document's date, `words` are found in it, whole words."""

    patient: str
    type: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    source: str | None = None
    author: str | None = None
    words: str | None = None
    by_type: bool = False
    all_states: bool = False


class DocumentRecords(Protocol):
    """Cards to resources and back. Implemented by `fhir_mapping.friendly.documents`."""

    def to_fhir(self, form: DocumentForm, *, patient: str, now: datetime, replaces: str | None = None) -> FhirJson:
        """A current DocumentReference without its document. Raises `InvalidFields` for an unknown type or source."""
        ...

    def attached(self, content: FhirJson, blob: Blob, binary: ResourceKey, pages: int | None) -> FhirJson:
        """The same with its document in the Binary."""
        ...

    def amended(self, content: FhirJson, form: DocumentForm) -> FhirJson:
        """A stored DocumentReference that says what the form says; its document stays."""
        ...

    def withdrawn(self, content: FhirJson) -> FhirJson:
        """The same as entered in error."""
        ...

    def from_fhir(self, content: FhirJson, *, version: int, updated: datetime) -> DocumentCard:
        """The card of a stored DocumentReference, whoever wrote it."""
        ...

    def query(self, wanted: Wanted) -> list[tuple[str, str]]:
        """The search parameters that select what is wanted. Raises `InvalidFields` for an unknown type or source."""
        ...
