"""What stands against a time, asked without booking it: every conflict at once, and other times."""

from __future__ import annotations

from typing import NamedTuple

from domain import access
from domain.clinic import booking
from domain.clinic.appointment_cards import AppointmentCard, AppointmentForm
from domain.clinic.availability import Span
from domain.clinic.booking import SENTENCES
from domain.clinic.booking_desk import Desk
from domain.interactions.parts import Occasion


class Found(NamedTuple):
    """One conflict: a code such as `slot_taken`, and a sentence."""

    code: str
    message: str


class DryRun(NamedTuple):
    """All conflicts; other times only where there is one."""

    conflicts: tuple[Found, ...]
    alternatives: tuple[Span, ...] = ()


async def dry_run(desk: Desk, occasion: Occasion, form: AppointmentForm, *, moving: str | None = None) -> DryRun:
    """Whether `form` could be booked now; the appointment `moving` is not in its own way.

    Raises `Forbidden`, `NotFound`, and `InvalidFields` for a time that is none.
    """
    access.require(occasion.caller, "c", booking.KIND)
    doctor, now = await booking.doctor_for(desk, occasion, form), desk.parts.clock()
    never = booking.out_of_reach(form.start, now)
    if never is not None:
        return DryRun((Found(never, SENTENCES[never]),))
    asked = booking.asked_of(form.start, form.end, doctor)
    card = AppointmentCard(moving or "", 0, now, "proposed", form.patient_id, form.doctor_id, asked.start, asked.end)
    taken, _ = await booking.conflicts(desk, doctor, card, asked)
    closed = booking.outside(asked, doctor)
    reasons = taken if closed is None else (closed, *taken)
    if not reasons:
        return DryRun(())
    offered = await booking.alternatives(desk, doctor, card, asked)
    return DryRun(tuple(Found(each, SENTENCES[each]) for each in reasons), tuple(offered))
