"""A patient as people know them: who they are, how to reach them, who pays, what they had, what they eat.

The Patient is one resource; insurance, medical history and diet are others that are said and shown with it, and written in the
same transaction. In a change, what is left out stays, and `null` removes.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Protocol, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from domain.clinic.chart import Day, Note, Said, Text
from domain.clinic.insurance import InsuranceForm
from domain.identity import FhirJson

Gender: TypeAlias = Literal["male", "female", "other", "unknown"]
Id: TypeAlias = Annotated[str, Meta(pattern=r"^[A-Za-z0-9\-.]{1,64}$")]
Line: TypeAlias = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"\S")]
Email: TypeAlias = Annotated[
    str, Meta(max_length=254, pattern=r"^[^@\s<>\",;:\\]{1,64}@[^@\s<>\",;:\\]{1,189}$", description="A mail address")
]
EXTERNAL = "urn:chartvault:external:"
"""The system of identifiers whose system has a word instead of an address: `carepatron`."""


class Address(Said, frozen=True, kw_only=True):
    line: Annotated[tuple[Line, ...], Meta(max_length=10)] = ()
    city: Line | None = None
    state: Line | None = None
    postal_code: Line | None = None
    country: Line | None = None


class ContactPoint(Said, frozen=True, kw_only=True):
    """Another way to reach somebody."""

    system: Literal["phone", "fax", "email", "pager", "url", "sms", "other"] = "other"
    value: Line


class Contact(Said, frozen=True, kw_only=True):
    phone: Line | None = None
    email: Email | None = None
    other: Annotated[tuple[ContactPoint, ...], Meta(max_length=20)] = ()


class ExternalId(Said, frozen=True, kw_only=True):
    """How another system calls the patient; the system is an address, or a word such as `carepatron`."""

    system: Annotated[str, Meta(pattern=r"^[^\s|]{1,200}$")]
    value: Line


class Diet(Said, frozen=True, kw_only=True):
    """Foods the patient does not tolerate, which is a matter of safety, and what they choose not to eat."""

    allergies: Annotated[tuple[Line, ...], Meta(max_length=50)] = ()
    restrictions: Annotated[tuple[Line, ...], Meta(max_length=50)] = ()


class Provider(Said, frozen=True, kw_only=True):
    """The primary healthcare provider, an Organization; `name` is shown, and ignored where it is said."""

    id: Id
    name: Text | None = None


class PatientForm(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of a patient. `practitioners` are the ids of those who treat them."""

    first_name: str | UnsetType | None = UNSET
    last_name: str | UnsetType | None = UNSET
    full_name: str | UnsetType | None = UNSET
    date_of_birth: Day | UnsetType | None = UNSET
    gender: Gender | UnsetType | None = UNSET
    address: Address | UnsetType | None = UNSET
    contact: Contact | UnsetType | None = UNSET
    insurance: tuple[InsuranceForm, ...] | UnsetType | None = UNSET
    medical_history: Note | UnsetType | None = UNSET
    dietary_preferences: Diet | UnsetType | None = UNSET
    primary_provider: Provider | UnsetType | None = UNSET
    practitioners: tuple[Id, ...] | UnsetType | None = UNSET
    external_ids: tuple[ExternalId, ...] | UnsetType | None = UNSET

    def __repr__(self) -> str:
        return "PatientForm(…)"

    @property
    def clinical(self) -> bool:
        """Whether it says anything of health."""
        return self.medical_history is not UNSET or self.dietary_preferences is not UNSET


class PatientCard(msgspec.Struct, frozen=True, kw_only=True):
    """What a Patient resource says."""

    id: str
    version: int
    updated_at: datetime
    first_name: str | None
    last_name: str | None
    full_name: str | None
    date_of_birth: Day | None
    gender: str | None
    address: Address | None
    contact: Contact
    primary_provider: Provider | None
    practitioners: tuple[str, ...]
    external_ids: tuple[ExternalId, ...]

    def __repr__(self) -> str:
        return f"PatientCard({self.id})"


class PatientRecords(Protocol):
    """Patients to resources and back. Implemented by `fhir_mapping.friendly.patients`."""

    @property
    def type(self) -> str: ...

    def to_fhir(self, form: PatientForm, *, base: FhirJson | None, now: datetime) -> FhirJson:
        """See `Records.to_fhir`. Raises `InvalidFields` for somebody without a name."""
        ...

    def from_fhir(self, content: FhirJson, *, version: int, updated: datetime) -> PatientCard: ...

    def assigned(self, content: FhirJson, *, organization: str | None, practitioner: str | None) -> FhirJson:
        """The patient as one of an organization (unless they are of one), treated by a practitioner (`Type/id`)."""
        ...
