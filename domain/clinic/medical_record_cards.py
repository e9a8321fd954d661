"""A medical record as people know it: what was found and done at one visit, and the port to FHIR.

One Composition whose sections point at resources of their own, so that each can be found by itself: diagnoses are
Conditions, procedures Procedures. https://hl7.org/fhir/R4/composition.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

import msgspec

from domain.identity import FhirJson, ResourceKey

KIND = "Composition"
PARTS = ("Condition", "Procedure")
LINKS: Mapping[str, tuple[str, ...]] = {
    "prescription_ids": ("MedicationRequest",),
    "test_result_ids": ("DiagnosticReport", "Observation"),
    "allergy_ids": ("AllergyIntolerance",),
    "immunization_ids": ("Immunization",),
}
"""What a record points at besides its own parts, and of which types that may be; the first when only an id is given."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A diagnosis or a procedure: its text, its code when there is one, when it was done. With an `id` it is one that the
    record has already."""

    text: str
    id: str | None = None
    system: str | None = None
    code: str | None = None
    date: str | None = None

    def __repr__(self) -> str:
        return f"Finding({self.id})"

    def says(self, other: Finding) -> bool:
        """Whether the other one says the same, whichever it is."""
        return msgspec.structs.replace(self, id=None) == msgspec.structs.replace(other, id=None)


class RecordForm(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of a visit. `doctor` is `Practitioner/1`, `encounter` an id; what is pointed at are ids or `Type/id`."""

    patient_id: str
    title: str | None = None
    date: datetime | None = None
    encounter: str | None = None
    doctor: str | None = None
    diagnosis: tuple[Finding, ...] = ()
    procedures: tuple[Finding, ...] = ()
    treatment: str | None = None
    prescription_ids: tuple[str, ...] = ()
    test_result_ids: tuple[str, ...] = ()
    allergy_ids: tuple[str, ...] = ()
    immunization_ids: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return "RecordForm(…)"

    @property
    def findings(self) -> tuple[tuple[str, tuple[Finding, ...]], ...]:
        """The parts of a record, by type, in the order of `PARTS`."""
        return (PARTS[0], self.diagnosis), (PARTS[1], self.procedures)


class RecordCard(msgspec.Struct, frozen=True, kw_only=True):
    """What is shown of a visit. Findings carry only their id until `filled`."""

    id: str
    version: int
    updated_at: datetime
    patient_id: str | None
    title: str | None = None
    date: datetime | None = None
    status: str = "final"
    encounter_id: str | None = None
    doctor: ResourceKey | None = None
    diagnosis: tuple[Finding, ...] = ()
    procedures: tuple[Finding, ...] = ()
    treatment: str | None = None
    prescription_ids: tuple[str, ...] = ()
    test_result_ids: tuple[str, ...] = ()
    allergy_ids: tuple[str, ...] = ()
    immunization_ids: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"RecordCard({self.id})"

    @property
    def parts(self) -> list[ResourceKey]:
        """The resources its findings are."""
        groups = zip(PARTS, (self.diagnosis, self.procedures), strict=True)
        return [ResourceKey(kind, each.id) for kind, found in groups for each in found if each.id is not None]

    def filled(self, known: Mapping[ResourceKey, Finding]) -> RecordCard:
        """The card with what its findings say; those that are not known, because they are hidden or gone, are left out."""
        groups = zip(("diagnosis", "procedures"), PARTS, (self.diagnosis, self.procedures), strict=True)
        found = {
            name: tuple(known[key] for each in rows if (key := ResourceKey(kind, each.id or "")) in known)
            for name, kind, rows in groups
        }
        return msgspec.structs.replace(self, **found)


class Part(NamedTuple):
    """A finding with the resource it is; one without a text is hidden from who writes."""

    key: ResourceKey
    finding: Finding


class MedicalRecords(Protocol):
    """Implemented by `fhir_mapping.friendly.medical_records`."""

    @property
    def type(self) -> str: ...

    def to_fhir(self, form: RecordForm, *, base: FhirJson | None, now: datetime) -> FhirJson:
        """The Composition without its parts. Raises `InvalidFields` naming the field."""
        ...

    def composed(self, content: FhirJson, parts: Sequence[Part], labels: Sequence[str]) -> FhirJson:
        """The same with its parts, and with the security labels (`system|code`) that they have."""
        ...

    def from_fhir(self, content: FhirJson, *, version: int, updated: datetime) -> RecordCard:
        """The card of a Composition, whoever wrote it."""
        ...

    def part(self, kind: str, finding: Finding, form: RecordForm, base: FhirJson | None) -> FhirJson:
        """The Condition or Procedure of a finding."""
        ...

    def finding(self, content: FhirJson) -> Finding:
        """What a Condition or Procedure says."""
        ...

    def withdrawn(self, content: FhirJson) -> FhirJson:
        """A Condition or Procedure as entered in error."""
        ...

    def query(self, wanted: Wanted) -> list[tuple[str, str]]:
        """The search parameters that select records."""
        ...


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Filters of a list; each narrows. `words` are found anywhere in the record, whole words."""

    patient: str | None = None
    doctor: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    words: str | None = None
