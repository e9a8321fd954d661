"""A family as people know it: who acts for whom, since when and until when."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal, Protocol, TypeAlias

import msgspec
from msgspec import Meta

from domain.clinic.chart import Day, Said
from domain.clinic.patient_cards import Gender, Id, Line
from domain.identity import FhirJson, ResourceKey

Relationship: TypeAlias = Literal["child", "grandchild", "ward", "spouse", "sibling", "parent", "other"]
"""What the dependant is to the guardian."""
MAJORITY = 18
"""Years from which people decide for themselves."""


class MemberForm(Said, frozen=True, kw_only=True):
    """A dependant: somebody in the records (`patientId`), or somebody new by name and birth date. `until` is the last day."""

    relationship: Relationship
    patient_id: Id | None = None
    first_name: Line | None = None
    last_name: Line | None = None
    date_of_birth: Day | None = None
    gender: Gender | None = None
    until: Annotated[Day, Meta(description="The last day; of a child it is the day before they come of age")] | None = (
        None
    )


class Member(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One tie of a family, seen from one side: `role` is that of the other person, `patientId` who they are in the records."""

    id: str
    version: int
    updated_at: datetime
    role: Literal["DEPENDANT", "GUARDIAN"]
    patient_id: str | None
    name: str | None
    relationship: str
    active: bool
    since: date | None
    until: date | None

    def __repr__(self) -> str:
        return f"Member({self.id})"


class FamilyTie(msgspec.Struct, frozen=True, kw_only=True):
    """What a RelatedPerson says. `guardian` is `None` for one who is no patient here."""

    key: ResourceKey
    dependant: str | None
    guardian: str | None
    name: str | None
    relationship: str
    active: bool
    since: date | None
    until: date | None

    def __repr__(self) -> str:
        return f"FamilyTie({self.key})"


class FamilyRecords(Protocol):
    """Families to resources and back. Implemented by `fhir_mapping.friendly.family`."""

    def related(
        self,
        guardian: FhirJson,
        dependant: ResourceKey,
        relationship: Relationship,
        *,
        since: datetime,
        until: date | None,
    ) -> FhirJson:
        """The RelatedPerson by whom the guardian (a Patient) acts for the dependant, from `since` to the end of `until`."""
        ...

    def consent(self, related: ResourceKey, dependant: ResourceKey, *, now: datetime, until: date | None) -> FhirJson:
        """The Consent that says so. https://hl7.org/fhir/R4/consent.html"""
        ...

    def ended(self, content: FhirJson, now: datetime) -> FhirJson:
        """The same RelatedPerson or Consent, over from now on."""
        ...

    def tie(self, content: FhirJson, today: date) -> FamilyTie:
        """What a RelatedPerson says, whoever wrote it."""
        ...

    def as_dependant(self, patient: ResourceKey) -> list[tuple[str, str]]:
        """The search of the RelatedPersons who act for a patient."""
        ...

    def as_guardian(self, patient: ResourceKey) -> list[tuple[str, str]]:
        """The search of the RelatedPersons that a patient is."""
        ...
