"""A doctor as people know them: who they are, what they do, when they work; and the port to FHIR.

One doctor is three resources: Practitioner (the person), PractitionerRole (specialties and hours) and Schedule (what slots
belong to). https://hl7.org/fhir/R4/practitionerrole.html
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

import msgspec

from domain.clinic.availability import WorkSchedule
from domain.identity import FhirJson, ResourceKey


class Contact(msgspec.Struct, frozen=True):
    """How to reach somebody."""

    phone: str | None = None
    email: str | None = None
    other: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return "Contact(…)"


class Qualification(msgspec.Struct, frozen=True):
    """A diploma or certificate, with who issued it and in which year."""

    name: str
    issuer: str | None = None
    year: int | None = None


class DoctorForm(msgspec.Struct, frozen=True):
    """What is said of a doctor. `organization` is where they work (`Organization/1`); what is `None` stays as it is."""

    first_name: str
    last_name: str
    specialization: tuple[str, ...] = ()
    contact: Contact | None = None
    qualifications: tuple[Qualification, ...] = ()
    work_schedule: WorkSchedule | None = None
    organization: str | None = None

    def __repr__(self) -> str:
        return "DoctorForm(…)"


class DoctorCard(msgspec.Struct, frozen=True):
    """What is shown of a doctor. `version` grows with every change of any of the three resources."""

    id: str
    version: int
    updated_at: datetime
    first_name: str | None
    last_name: str | None
    full_name: str | None
    specialization: tuple[str, ...] = ()
    contact: Contact = Contact()
    qualifications: tuple[Qualification, ...] = ()
    work_schedule: WorkSchedule | None = None
    organization: str | None = None

    def __repr__(self) -> str:
        return f"DoctorCard({self.id})"


class DoctorFiles(msgspec.Struct, frozen=True):
    """The contents of the three resources; `None` for one that is not there."""

    person: FhirJson | None = None
    role: FhirJson | None = None
    schedule: FhirJson | None = None

    def __repr__(self) -> str:
        return "DoctorFiles(…)"


class DoctorRecords(Protocol):
    """Cards to resources and back. Implemented by `fhir_mapping.friendly.doctors`."""

    def to_fhir(
        self, form: DoctorForm, *, base: DoctorFiles, keys: tuple[ResourceKey, ResourceKey, ResourceKey]
    ) -> DoctorFiles:
        """The three resources that say what the form says, under these keys; what it cannot say stays as in `base`.

        Raises `InvalidFields` naming the field.
        """
        ...

    def from_fhir(self, id: str, contents: DoctorFiles, *, version: int, updated: datetime) -> DoctorCard:
        """The card of what is stored, whoever wrote it."""
        ...

    def practitioner(self, role: FhirJson) -> ResourceKey | None:
        """Whose role it is."""
        ...

    def query(self, specialization: str | None, words: str | None) -> list[tuple[str, str]]:
        """The search parameters on PractitionerRole that select doctors."""
        ...
