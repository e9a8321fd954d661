"""What is sent and shown of a patient, with the names of the older documents as aliases (PRODUCT 1.2)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType, field

from api.v1.endpoint import Form, View
from domain.clinic.chart import Day, Note
from domain.clinic.insurance import InsuranceCard, InsuranceForm
from domain.clinic.patient_cards import (
    Address,
    Contact,
    ContactPoint,
    Diet,
    Email,
    ExternalId,
    Gender,
    Id,
    Line,
    PatientCard,
    PatientForm,
    Provider,
)
from domain.clinic.patients import Patient
from domain.errors import InvalidFields

CAREPATRON = "carepatron"
Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f<>]+$")]
Unset = UnsetType
_ALIASES: dict[str, str] = {
    "name": "full_name",
    "first_name_": "first_name",
    "last_name_": "last_name",
    "full_name_": "full_name",
    "date_of_birth_": "date_of_birth",
    "medical_history_": "medical_history",
    "dietary_preferences_": "dietary_preferences",
}
"""Fields of the older documents, and what they are called here."""


class PatientFields(Form, frozen=True, kw_only=True):
    """A patient. In a change, what is left out stays and `null` removes. `practitioners` are ids of who treats them."""

    first_name: Name | Unset | None = UNSET
    last_name: Name | Unset | None = UNSET
    full_name: Name | Unset | None = UNSET
    date_of_birth: Day | Unset | None = UNSET
    gender: Gender | Unset | None = UNSET
    address: Address | Unset | None = UNSET
    contact: Contact | Unset | None = UNSET
    insurance: Annotated[tuple[InsuranceForm, ...], Meta(max_length=10)] | Unset | None = UNSET
    medical_history: Note | Unset | None = UNSET
    dietary_preferences: Diet | Unset | None = UNSET
    primary_provider: Provider | Unset | None = UNSET
    practitioners: Annotated[tuple[Id, ...], Meta(max_length=20)] | Unset | None = UNSET
    external_ids: Annotated[tuple[ExternalId, ...], Meta(max_length=20)] | Unset | None = UNSET
    reason: Annotated[str, Meta(min_length=3, max_length=500, pattern=r"\S")] | None = None
    email: Email | Unset | None = UNSET
    phone: Line | Unset | None = UNSET
    name: Name | Unset | None = UNSET
    first_name_: Name | Unset | None = field(name="first_name", default=UNSET)
    last_name_: Name | Unset | None = field(name="last_name", default=UNSET)
    full_name_: Name | Unset | None = field(name="full_name", default=UNSET)
    date_of_birth_: Day | Unset | None = field(name="date_of_birth", default=UNSET)
    medical_history_: Note | Unset | None = field(name="medical_history", default=UNSET)
    dietary_preferences_: Diet | Unset | None = field(name="dietary_preferences", default=UNSET)
    contact_details: Contact | Line | Unset | None = field(name="contact_details", default=UNSET)
    carepatron_id: int | Line | Unset | None = UNSET
    carepatron_patient_id: int | Line | Unset | None = field(name="carepatron_patient_id", default=UNSET)

    def form(self) -> PatientForm:
        """What is said, each thing once. Raises `InvalidFields` for something said under two names."""
        given: dict[str, Any] = {name: getattr(self, name) for name in PatientForm.__struct_fields__}
        for alias, name in _ALIASES.items():
            _merge(given, name, getattr(self, alias))
        _merge(given, "contact", _contact(self.contact_details))
        if self.email is not UNSET or self.phone is not UNSET:
            known = given["contact"] if isinstance(given["contact"], Contact) else Contact()
            email = known.email if self.email is UNSET else self.email
            phone = known.phone if self.phone is UNSET else self.phone
            given["contact"] = Contact(phone=phone, email=email, other=known.other)
        for number in (self.carepatron_id, self.carepatron_patient_id):
            _merge(given, "external_ids", _carepatron(number))
        return PatientForm(**given)


class Warned(View, frozen=True, kw_only=True):
    """Something to look at that kept nothing from being done."""

    code: str
    message: str


SHARED = Warned(code="shared_email", message="Somebody else has this mail address, as families do")


class PatientView(View, frozen=True, kw_only=True):
    """A patient. `insurance`, `medicalHistory` and `dietaryPreferences` are `null` for who may not see them, and left out
    of lists."""

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
    insurance: tuple[InsuranceCard, ...] | Unset | None = UNSET
    medical_history: str | Unset | None = UNSET
    dietary_preferences: Diet | Unset | None = UNSET
    warnings: tuple[Warned, ...] | Unset = UNSET


def row(card: PatientCard) -> PatientView:
    """A patient in a list."""
    return PatientView(**{name: getattr(card, name) for name in card.__struct_fields__})


def view(patient: Patient) -> PatientView:
    """A patient with what is beside them."""
    card, beside = patient.card, patient.beside
    provider = card.primary_provider
    named = provider and Provider(id=provider.id, name=beside.provider or provider.name)
    values = {name: getattr(card, name) for name in card.__struct_fields__}
    return PatientView(
        **{**values, "primary_provider": named},
        insurance=beside.insurance,
        medical_history=beside.medical_history,
        dietary_preferences=beside.dietary_preferences,
        warnings=(SHARED,) if patient.shared_email else UNSET,
    )


def _merge(given: dict[str, Any], name: str, value: Any) -> None:
    """Take a value under its other name."""
    if value is UNSET:
        return
    if given[name] is not UNSET and given[name] != value:
        raise InvalidFields("This is said twice, in different ways", expression=name)
    given[name] = value


def _contact(details: Contact | str | Unset | None) -> Contact | Unset | None:
    """Contact details that are one text, as the older documents have them."""
    return Contact(other=(ContactPoint(value=details),)) if isinstance(details, str) else details


def _carepatron(value: int | str | Unset | None) -> tuple[ExternalId, ...] | Unset | None:
    if value is UNSET or value is None:
        return UNSET if value is UNSET else None
    return (ExternalId(system=CAREPATRON, value=str(value)),)
