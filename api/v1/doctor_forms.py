"""What is sent and shown of doctors: `/api/v1` of PRODUCT 2.11, Doctors. Times of day are `HH:MM` on the doctor's clock."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta

from api.v1.endpoint import Form, View
from api.v1.forms import Date, Email, Name, Reference
from domain.clinic.availability import DayException, Hours, Span, Weekday, WorkSchedule
from domain.clinic.doctor_cards import Contact, DoctorCard, DoctorForm, Qualification
from domain.errors import InvalidFields

Short: TypeAlias = Annotated[str, Meta(min_length=1, max_length=200)]
Clock: TypeAlias = Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][05]$", description="09:00, on five minutes")]
Closing: TypeAlias = Annotated[
    str,
    Meta(pattern=r"^(([01][0-9]|2[0-3]):[0-5][05]|24:00)$", description="17:00, on five minutes; 24:00 is midnight"),
]
Zone: TypeAlias = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_+\-]{1,32}(/[A-Za-z0-9_+\-]{1,32}){0,2}$")]


class ContactForm(Form, frozen=True, kw_only=True):
    phone: Short | None = None
    email: Email | None = None
    other: Annotated[tuple[Short, ...], Meta(max_length=10)] = ()


class QualificationForm(Form, frozen=True, kw_only=True):
    name: Short
    issuer: Short | None = None
    year: Annotated[int, Meta(ge=1900, le=2200)] | None = None


class HoursForm(Form, frozen=True, kw_only=True):
    """Working time on these days of every week; one that does not end after it starts ends on the next day."""

    days: Annotated[tuple[Weekday, ...], Meta(min_length=1, max_length=7)]
    start: Clock
    end: Closing


class DayForm(Form, frozen=True, kw_only=True):
    """A day that is not as every week: closed, or with hours of its own."""

    date: Date
    closed: bool = False
    start: Clock | None = None
    end: Closing | None = None


class WorkScheduleForm(Form, frozen=True, kw_only=True):
    """When a doctor works. `bufferMinutes` are kept free around every appointment."""

    timezone: Zone
    slot_minutes: Annotated[int, Meta(ge=5, le=480, multiple_of=5)] = 30
    buffer_minutes: Annotated[int, Meta(ge=0, le=120, multiple_of=5)] = 0
    weekly: Annotated[tuple[HoursForm, ...], Meta(max_length=50)] = ()
    exceptions: Annotated[tuple[DayForm, ...], Meta(max_length=400)] = ()

    @property
    def schedule(self) -> WorkSchedule:
        """The same in the domain's words. Raises `InvalidFields` for a day that is none."""
        return WorkSchedule(
            self.timezone,
            self.slot_minutes,
            tuple(Hours(each.days, _time(each.start), _time(each.end)) for each in self.weekly),
            tuple(_exception(number, each) for number, each in enumerate(self.exceptions)),
            self.buffer_minutes,
        )


class DoctorFields(Form, frozen=True, kw_only=True):
    """A doctor. Without `contact` or `workSchedule` those stay as they are; `organizationId` is where they work."""

    first_name: Name
    last_name: Name
    specialization: Annotated[tuple[Short, ...], Meta(max_length=20)] = ()
    contact: ContactForm | None = None
    qualifications: Annotated[tuple[QualificationForm, ...], Meta(max_length=50)] = ()
    work_schedule: WorkScheduleForm | None = None
    organization_id: Reference | None = None

    @property
    def form(self) -> DoctorForm:
        contact, hours = self.contact, self.work_schedule
        return DoctorForm(
            self.first_name,
            self.last_name,
            self.specialization,
            None if contact is None else Contact(contact.phone, contact.email, contact.other),
            tuple(Qualification(each.name, each.issuer, each.year) for each in self.qualifications),
            None if hours is None else hours.schedule,
            self.organization_id,
        )


class ContactView(View, frozen=True, kw_only=True):
    phone: str | None
    email: str | None
    other: tuple[str, ...]


class QualificationView(View, frozen=True, kw_only=True):
    name: str
    issuer: str | None
    year: int | None


class HoursView(View, frozen=True, kw_only=True):
    days: tuple[Weekday, ...]
    start: str
    end: str


class DayView(View, frozen=True, kw_only=True):
    date: str
    closed: bool
    start: str | None
    end: str | None


class WorkScheduleView(View, frozen=True, kw_only=True):
    timezone: str
    slot_minutes: int
    buffer_minutes: int
    weekly: tuple[HoursView, ...]
    exceptions: tuple[DayView, ...]


class DoctorView(View, frozen=True, kw_only=True):
    """A doctor; `workSchedule` is null for one who takes no appointments."""

    id: str
    version: int
    updated_at: datetime
    first_name: str | None
    last_name: str | None
    full_name: str | None
    specialization: tuple[str, ...]
    contact: ContactView
    qualifications: tuple[QualificationView, ...]
    work_schedule: WorkScheduleView | None
    organization_id: str | None


class FreeView(View, frozen=True, kw_only=True):
    start: datetime
    end: datetime
    status: Literal["free"] = "free"


class AvailabilityView(View, frozen=True, kw_only=True):
    """Times at which an appointment can start, on the doctor's clock."""

    timezone: str | None
    slots: tuple[FreeView, ...]


def view(card: DoctorCard) -> DoctorView:
    """A card as it is shown."""
    contact, hours = card.contact, card.work_schedule
    return DoctorView(
        id=card.id,
        version=card.version,
        updated_at=card.updated_at,
        first_name=card.first_name,
        last_name=card.last_name,
        full_name=card.full_name,
        specialization=card.specialization,
        contact=ContactView(phone=contact.phone, email=contact.email, other=contact.other),
        qualifications=tuple(
            QualificationView(name=each.name, issuer=each.issuer, year=each.year) for each in card.qualifications
        ),
        work_schedule=None if hours is None else _hours(hours),
        organization_id=card.organization,
    )


def free_view(slot: Span) -> FreeView:
    return FreeView(start=slot.start, end=slot.end)


def _hours(hours: WorkSchedule) -> WorkScheduleView:
    return WorkScheduleView(
        timezone=hours.timezone,
        slot_minutes=hours.slot_minutes,
        buffer_minutes=hours.buffer_minutes,
        weekly=tuple(
            HoursView(days=each.days, start=f"{each.start:%H:%M}", end=_closing(each.end)) for each in hours.weekly
        ),
        exceptions=tuple(
            DayView(
                date=each.date.isoformat(),
                closed=each.closed,
                start=None if each.start is None else f"{each.start:%H:%M}",
                end=None if each.end is None else _closing(each.end),
            )
            for each in hours.exceptions
        ),
    )


def _closing(end: time) -> str:
    return "24:00" if end == time(0) else f"{end:%H:%M}"


def _time(text: str) -> time:
    return time(0) if text == "24:00" else time.fromisoformat(text)


def _exception(number: int, day: DayForm) -> DayException:
    where = f"workSchedule.exceptions[{number}]"
    if day.closed == (day.start is not None or day.end is not None) or (day.start is None) != (day.end is None):
        raise InvalidFields("A day is closed, or has a start and an end", expression=where)
    try:
        on = date.fromisoformat(day.date)
    except ValueError:
        raise InvalidFields("There is no such day", expression=f"{where}.date") from None
    times = (None if text is None else _time(text) for text in (day.start, day.end))
    start, end = times
    return DayException(on, day.closed, start, end)
