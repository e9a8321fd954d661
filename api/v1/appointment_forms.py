"""What is sent and shown of appointments: `/api/v1` of PRODUCT 2.11, Appointments."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, field

from api.v1.doctor_forms import FreeView
from api.v1.endpoint import Form, View
from api.v1.listing import Listing
from domain.clinic.appointment_cards import AppointmentCard, AppointmentChanges, AppointmentForm, Mode, State
from domain.clinic.appointment_lists import Wanted

Id: TypeAlias = Annotated[str, Meta(pattern=r"^[A-Za-z0-9\-.]{1,64}$")]
Moment: TypeAlias = Annotated[datetime, Meta(tz=True)]
Text: TypeAlias = Annotated[str, Meta(min_length=1, max_length=2_000)]
Short: TypeAlias = Annotated[str, Meta(min_length=1, max_length=200)]
Code: TypeAlias = Annotated[
    str,
    Meta(
        pattern=r"^(pat|prov|maint|meds-inc|other|oth|pat-[a-z]{2,5}|prov-[a-z]{3,4}|oth-[a-z]{2,5})$",
        description="Of https://terminology.hl7.org/CodeSystem-appointment-cancellation-reason.html",
    ),
]
_ALIASES: dict[str, State] = {"SCHEDULED": "CONFIRMED", "CANCELED": "CANCELLED"}


class AppointmentAsked(Form, frozen=True, kw_only=True):
    """A time with a doctor. Start and length are multiples of five minutes; without an `end` it takes one slot."""

    patient_id: Id
    doctor_id: Id
    start: Moment
    end: Moment | None = None
    reason: Short | None = None
    notes: Text | None = None
    patient_instructions: Text | None = None
    mode: Mode = "IN_PERSON"

    @property
    def form(self) -> AppointmentForm:
        return AppointmentForm(**{name: getattr(self, name) for name in AppointmentForm.__struct_fields__})


class NewAppointment(AppointmentAsked, frozen=True, kw_only=True):
    """Held for some minutes, or with `confirm` booked at once."""

    confirm: bool = False


class TimeAsked(AppointmentAsked, frozen=True, kw_only=True):
    """`appointmentId` is the one that is to be moved there: it is not in its own way."""

    appointment_id: Id | None = None


class AppointmentChange(Form, frozen=True, kw_only=True):
    """What is left out stays. Another `start` moves the appointment, which keeps its length without an `end`."""

    start: Moment | None = None
    end: Moment | None = None
    reason: Short | None = None
    notes: Text | None = None
    patient_instructions: Text | None = None
    mode: Mode | None = None

    @property
    def changes(self) -> AppointmentChanges:
        return AppointmentChanges(**{name: getattr(self, name) for name in AppointmentChanges.__struct_fields__})


class Reschedule(Form, frozen=True, kw_only=True):
    """The new time; without an `end` it keeps its length."""

    start: Moment
    end: Moment | None = None


class Cancel(Form, frozen=True, kw_only=True):
    """Why: in words, and as a code of FHIR (by default whether patient or doctor cancelled)."""

    reason: Short | None = None
    reason_code: Code | None = None


class AppointmentsWanted(Listing, frozen=True, kw_only=True):
    """Each filter narrows; `from` is included, `to` is not. SCHEDULED means CONFIRMED, CANCELED means CANCELLED."""

    patient_id: Id | None = None
    doctor_id: Id | None = None
    status: State | Literal["SCHEDULED", "CANCELED"] | None = None
    since: Moment | None = field(name="from", default=None)
    until: Moment | None = field(name="to", default=None)
    sort: Literal["date", "-date"] = "date"

    @property
    def wanted(self) -> Wanted:
        state = None if self.status is None else _ALIASES.get(self.status, self.status)
        return Wanted(self.patient_id, self.doctor_id, state, self.since, self.until, self.sort)  # type: ignore[arg-type]


class CancellationView(View, frozen=True, kw_only=True):
    reason: str | None
    reason_code: str | None


class AppointmentView(View, frozen=True, kw_only=True):
    """An appointment; its times are on the doctor's clock. A hold is PENDING until `holdExpiresAt`, and EXPIRED from then
    on."""

    id: str
    version: int
    created_at: datetime | None
    updated_at: datetime
    status: State
    patient_id: str | None
    doctor_id: str | None
    start: datetime | None
    end: datetime | None
    reason: str | None
    notes: str | None
    patient_instructions: str | None
    mode: Mode
    hold_expires_at: datetime | None
    cancellation: CancellationView | None
    encounter_id: str | None
    invoice_id: str | None


class ConflictView(View, frozen=True, kw_only=True):
    code: str
    message: str


class ConflictsView(View, frozen=True, kw_only=True):
    """Nothing stands against the time when `conflicts` is empty; else `alternatives` are free."""

    conflicts: tuple[ConflictView, ...]
    alternatives: tuple[FreeView, ...]


class VideoSessionView(View, frozen=True, kw_only=True):
    join_url: str
    expires_at: datetime


def view(card: AppointmentCard, now: datetime) -> AppointmentView:
    """A card as it is shown at this moment."""
    same = (
        *("id", "version", "created_at", "updated_at", "patient_id", "doctor_id", "start", "end", "reason", "notes"),
        *("patient_instructions", "mode"),
    )
    why, state = card.cancellation, card.state(now)
    return AppointmentView(
        **{name: getattr(card, name) for name in same},
        status=state,
        hold_expires_at=card.hold_expires_at,
        cancellation=None if why is None or why.expired else CancellationView(reason=why.text, reason_code=why.code),
        encounter_id=None if card.encounter is None else card.encounter.id,
        invoice_id=None if card.invoice is None else card.invoice.id,
    )
