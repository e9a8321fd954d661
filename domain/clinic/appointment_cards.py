"""An appointment as people know it: what is asked for, what is shown, in which state it is; and the ports to FHIR.

The words of `/api/v1` are derived: a hold that has run out is EXPIRED from that moment on, whether or not anybody has
written so. https://hl7.org/fhir/R4/appointment.html
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal, Protocol, TypeAlias

import msgspec

from domain.clinic.availability import Span
from domain.identity import FhirJson, ResourceKey

State: TypeAlias = Literal["PENDING", "CONFIRMED", "COMPLETED", "CANCELLED", "NO_SHOW", "EXPIRED"]
Mode: TypeAlias = Literal["IN_PERSON", "VIDEO"]
Side: TypeAlias = Literal["patient", "doctor", "desk"]
"""Who acts: the patient or who acts for them, the doctor of the appointment, anybody else of the clinic."""

CELL = timedelta(minutes=5)
"""Appointments start and last in multiples of this."""
LONGEST_APPOINTMENT = timedelta(hours=8)
FURTHEST = timedelta(days=730)
"""How far ahead anybody can book."""
ACTIVE = ("pending", "booked", "arrived", "checked-in", "fulfilled")
"""The codes under which an appointment takes its time. https://hl7.org/fhir/R4/valueset-appointmentstatus.html"""
_STATES: dict[str, State] = {
    "proposed": "PENDING",
    "waitlist": "PENDING",
    "pending": "PENDING",
    "booked": "CONFIRMED",
    "arrived": "CONFIRMED",
    "checked-in": "CONFIRMED",
    "fulfilled": "COMPLETED",
    "noshow": "NO_SHOW",
}


class AppointmentChanges(msgspec.Struct, frozen=True):
    """What is to be different; what is `None` stays. A new `start` moves the appointment, which keeps its length without an
    `end`."""

    start: datetime | None = None
    end: datetime | None = None
    reason: str | None = None
    notes: str | None = None
    patient_instructions: str | None = None
    mode: Mode | None = None

    def __repr__(self) -> str:
        return "AppointmentChanges(…)"


class AppointmentForm(msgspec.Struct, frozen=True):
    """What is asked for. Without an `end` it takes one slot of the doctor."""

    patient_id: str
    doctor_id: str
    start: datetime
    end: datetime | None = None
    reason: str | None = None
    notes: str | None = None
    patient_instructions: str | None = None
    mode: Mode = "IN_PERSON"

    def __repr__(self) -> str:
        return "AppointmentForm(…)"


class Cancellation(msgspec.Struct, frozen=True):
    """Why it was cancelled: a code of https://terminology.hl7.org/CodeSystem-appointment-cancellation-reason.html and words.
    `expired`: nobody cancelled it, the hold ran out."""

    code: str | None = None
    text: str | None = None
    expired: bool = False

    def __repr__(self) -> str:
        return f"Cancellation({self.code})"


class AppointmentCard(msgspec.Struct, frozen=True):
    """An appointment. `status` is the FHIR code; `slot` the Slot that stands for its time in the doctor's schedule,
    `encounter` and `invoice` what came of it."""

    id: str
    version: int
    updated_at: datetime
    status: str
    patient_id: str | None
    doctor_id: str | None
    start: datetime | None
    end: datetime | None
    created_at: datetime | None = None
    reason: str | None = None
    notes: str | None = None
    patient_instructions: str | None = None
    mode: Mode = "IN_PERSON"
    hold_expires_at: datetime | None = None
    cancellation: Cancellation | None = None
    slot: ResourceKey | None = None
    encounter: ResourceKey | None = None
    invoice: ResourceKey | None = None

    def __repr__(self) -> str:
        return f"AppointmentCard({self.id})"

    @property
    def span(self) -> Span | None:
        """The time it takes, or would take."""
        return None if self.start is None or self.end is None else Span(self.start, self.end)

    def state(self, now: datetime) -> State:
        """What `/api/v1` calls it at this moment."""
        if self.status == "pending" and self.hold_expires_at is not None and self.hold_expires_at <= now:
            return "EXPIRED"
        if self.cancellation is not None and self.cancellation.expired:
            return "EXPIRED"
        return _STATES.get(self.status, "CANCELLED")

    def takes_time(self, now: datetime) -> bool:
        """Whether its time is not free for others."""
        return self.status in ACTIVE and self.state(now) != "EXPIRED"


class SlotCard(msgspec.Struct, frozen=True):
    """A Slot that is not free. `until` is the end of a tentative hold; `appointment` the version of the appointment of the
    same id that it was written for. https://hl7.org/fhir/R4/slot.html"""

    span: Span
    status: str
    until: datetime | None = None
    appointment: int | None = None


class AppointmentRecords(Protocol):
    """Cards to resources and back. Implemented by `fhir_mapping.friendly.appointments`."""

    def to_fhir(self, card: AppointmentCard, *, base: FhirJson | None) -> FhirJson:
        """The Appointment that says what the card says: a new one, or `base` with everything kept that a card cannot say."""
        ...

    def from_fhir(self, content: FhirJson, *, version: int, updated: datetime) -> AppointmentCard:
        """The card of a stored Appointment, whoever wrote it."""
        ...

    def slot(self, slot: SlotCard, *, schedule: ResourceKey) -> FhirJson:
        """The Slot in a schedule; it says nothing of the patient."""
        ...

    def from_slot(self, content: FhirJson) -> SlotCard | None:
        """What a stored Slot says; `None` for one without times."""
        ...

    def name(self, content: FhirJson) -> str | None:
        """What a stored Patient or Practitioner is called."""
        ...

    def encounter(self, card: AppointmentCard, *, now: datetime) -> FhirJson:
        """The finished visit of an appointment. https://hl7.org/fhir/R4/encounter.html"""
        ...
