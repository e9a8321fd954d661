"""A prescription as people know it: what is said of it, what is shown of it, and the port to FHIR.

https://hl7.org/fhir/R4/medicationrequest.html
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, Protocol, TypeAlias

import msgspec

from domain.clinic.drug_interactions import Alert, Medication
from domain.identity import FhirJson, ResourceKey

KIND = "MedicationRequest"
Status: TypeAlias = Literal[
    "DRAFT", "ACTIVE", "ON_HOLD", "COMPLETED", "STOPPED", "CANCELLED", "ENTERED_IN_ERROR", "UNKNOWN"
]
RUNNING: frozenset[Status] = frozenset({"ACTIVE", "ON_HOLD"})


class PrescriptionForm(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of a prescription. `refills` are the times it may be dispensed again; `doctor`, `pharmacy` and
    `appointment` are `Type/id`. A draft is not in force, and nothing is dispensed from it."""

    patient_id: str
    medication: Medication
    dosage: str
    instructions: str | None = None
    refills: int = 0
    date_issued: datetime | None = None
    appointment: str | None = None
    doctor: str | None = None
    pharmacy: str | None = None
    draft: bool = False

    def __repr__(self) -> str:
        return "PrescriptionForm(…)"


class PrescriptionCard(msgspec.Struct, frozen=True, kw_only=True):
    """What is shown of a prescription. `refills_remaining` is what dispensing has left of `refills`; `replaces` is the
    prescription it came in place of, `issues` are the warnings it was written against."""

    id: str
    version: int
    updated_at: datetime
    patient_id: str | None
    medication: Medication
    status: Status
    doctor: ResourceKey | None = None
    dosage: str | None = None
    instructions: str | None = None
    refills: int = 0
    refills_remaining: int = 0
    date_issued: datetime | None = None
    appointment: ResourceKey | None = None
    pharmacy: ResourceKey | None = None
    reason: str | None = None
    replaces: str | None = None
    issues: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"PrescriptionCard({self.id})"


class Override(msgspec.Struct, frozen=True):
    """Why somebody prescribes against an alert: a coded reason, and what they say of it."""

    alert: str
    reason: str
    comment: str | None = None

    def __repr__(self) -> str:
        return f"Override({self.alert})"


class Warned(msgspec.Struct, frozen=True):
    """An alert that stood when a prescription was written, and why it was written all the same."""

    alert: Alert
    prescription: ResourceKey
    patient_id: str
    author: str | None
    override: Override | None = None


class PrescriptionRecords(Protocol):
    """Forms and cards to resources and back. Implemented by `fhir_mapping.friendly.prescriptions`."""

    @property
    def type(self) -> str: ...

    def to_fhir(self, form: PrescriptionForm, *, base: FhirJson | None, now: datetime) -> FhirJson:
        """A MedicationRequest that says what the form says. Raises `InvalidFields` naming the field."""
        ...

    def from_fhir(self, content: FhirJson, *, version: int, updated: datetime) -> PrescriptionCard:
        """The card of a stored MedicationRequest, whoever wrote it; `refills_remaining` as if nothing was dispensed."""
        ...

    def warned(self, content: FhirJson, issues: tuple[ResourceKey, ...]) -> FhirJson:
        """The same with the issues it was written against."""
        ...

    def issue(self, warned: Warned, now: datetime) -> FhirJson:
        """The DetectedIssue of an alert; with an override, its mitigation."""
        ...

    def labelled(self, content: FhirJson, labels: Sequence[str]) -> FhirJson:
        """The same with these security labels (`system|code`)."""
        ...

    def replacing(self, content: FhirJson, prior: ResourceKey) -> FhirJson:
        """The same, in place of another prescription."""
        ...

    def ended(self, content: FhirJson, reason: str | None) -> FhirJson:
        """A stored MedicationRequest that is not in force any more: a draft is cancelled, everything else stopped."""
        ...

    def refillable(self, content: FhirJson, refills: int) -> FhirJson:
        """The same with so many refills."""
        ...
