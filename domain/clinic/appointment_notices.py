"""Who is told what of an appointment. Every notice is written with its cause; a reminder lies in the future.

The reminder names the version of the appointment it was written for: when that is no longer the newest (cancelled, moved,
changed), it is dropped, and whatever still wants one has written a new one.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeAlias

from domain.clinic.appointment_cards import AppointmentCard, Side
from domain.clinic.booking_desk import Rules
from domain.notices import Notice, While

Event: TypeAlias = Literal["held", "confirmed", "cancelled", "rescheduled"]
_KINDS: dict[Event, str] = {
    "held": "appointment-held",
    "confirmed": "appointment-confirmed",
    "cancelled": "appointment-cancelled",
    "rescheduled": "appointment-rescheduled",
}
"""Events that somebody is told of; the kinds are rows of the table of texts."""
REMINDER = "appointment-reminder"


def notices_of(
    card: AppointmentCard, version: int, event: Event | None, by: Side, *, rules: Rules, now: datetime
) -> tuple[Notice, ...]:
    """The notices of an event that made this version; `event` is `None` for a change nobody is told of."""
    found: list[Notice] = []
    kind = None if event is None else _KINDS.get(event)
    recipients = _recipients(card, event, by)
    if kind is not None and recipients:
        found.append(_notice(card, version, kind, recipients, now))
    due = None if card.start is None else card.start - rules.reminder
    if card.status == "booked" and due is not None and due > now and card.patient_id is not None:
        found.append(_notice(card, version, REMINDER, (f"Patient/{card.patient_id}",), due, while_=True))
    return tuple(found)


def _recipients(card: AppointmentCard, event: Event | None, by: Side) -> tuple[str, ...]:
    """Whoever did not do it themselves. A hold concerns its patient only; a confirmation always the doctor."""
    patient = () if card.patient_id is None else (f"Patient/{card.patient_id}",)
    doctor = () if card.doctor_id is None else (f"Practitioner/{card.doctor_id}",)
    match event, by:
        case "held", _:
            return patient
        case "confirmed", "patient":
            return doctor
        case "confirmed", _:
            return (*doctor, *patient)
        case _, "patient":
            return doctor
        case _, "doctor":
            return patient
    return (*doctor, *patient)


def _notice(
    card: AppointmentCard,
    version: int,
    kind: str,
    recipients: tuple[str, ...],
    due: datetime,
    *,
    while_: bool = False,
) -> Notice:
    name = f"Appointment/{card.id}"
    return Notice(
        id=f"{name}/{version}/{kind}",
        kind=kind,
        recipients=recipients,
        due=due,
        patient=card.patient_id,
        about=(name,),
        values={} if card.start is None else {"start": card.start.isoformat(timespec="minutes")},
        while_=While(name, version) if while_ else None,
    )
