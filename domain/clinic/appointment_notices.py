"""Who is told what of an appointment. Every notice is written with its cause; a reminder lies in the future.

The reminder names the version of the appointment it was written for: when that is no longer the newest (cancelled, moved,
changed), it is dropped, and whatever still wants one has written a new one.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeAlias

from domain.clinic.appointment_cards import AppointmentCard, Side
from domain.clinic.booking_desk import Desk
from domain.errors import DomainError
from domain.identity import ResourceKey
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


async def told(
    desk: Desk,
    card: AppointmentCard,
    version: int,
    event: Event | None,
    by: Side,
    *,
    now: datetime,
    before: datetime | None = None,
) -> tuple[Notice, ...]:
    """The notices of an event that made this version; `event` is `None` for a change nobody is told of. `before` is when it
    was until now."""
    kind = None if event is None else _KINDS.get(event)
    recipients = _recipients(card, event, by)
    due = None if card.start is None else card.start - desk.rules.reminder
    reminds = card.status == "booked" and due is not None and due > now and card.patient_id is not None
    if not (kind and recipients) and not reminds:
        return ()
    values = await _values(desk, card, before)
    found: list[Notice] = []
    if kind is not None and recipients:
        found.append(_notice(card, version, kind, recipients, now, values))
    if reminds and due is not None:
        found.append(_notice(card, version, REMINDER, (f"Patient/{card.patient_id}",), due, values, while_=True))
    return tuple(found)


async def _values(desk: Desk, card: AppointmentCard, before: datetime | None) -> dict[str, str]:
    """What the texts say: when, on the doctor's clock, with whom, why. A name that cannot be read is left out."""
    keys = {"patient": ("Patient", card.patient_id), "doctor": ("Practitioner", card.doctor_id)}
    named = {name: ResourceKey(kind, each) for name, (kind, each) in keys.items() if each is not None}
    newest = dict(zip(named, await desk.parts.store.newest_of(list(named.values())), strict=True))
    live = {name: one for name, one in newest.items() if one is not None and not one.head.deleted}
    found: dict[str, str] = {}
    for name, content in zip(live, await desk.parts.store.open(list(live.values())), strict=True):
        text = None if isinstance(content, DomainError) else desk.records.name(desk.parts.reading.decoded(content))
        if text:
            found[name] = text
    zone = None if card.start is None else card.start.tzinfo
    times = {"start": card.start, "until": card.hold_expires_at, "before": before}
    found |= {name: f"{when.astimezone(zone):%-d %b %Y, %H:%M}" for name, when in times.items() if when is not None}
    found["reason"] = (card.cancellation and card.cancellation.text) or ""
    return found


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
    values: dict[str, str],
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
        values=values,
        while_=While(name, version) if while_ else None,
    )
