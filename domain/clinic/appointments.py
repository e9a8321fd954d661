"""What becomes of an appointment: confirmed, moved, changed, cancelled, completed, missed, run out.

What each needs and refuses is here; how a step is written is in `appointment_steps`.
https://hl7.org/fhir/R4/appointment.html#statemachine
"""

from __future__ import annotations

import msgspec

from domain.cells import Cell
from domain.clinic import booking, doctors
from domain.clinic.appointment_cards import AppointmentCard, AppointmentChanges, Cancellation, Side, State
from domain.clinic.appointment_steps import Now, Step, stepped
from domain.clinic.availability import Span
from domain.clinic.booking import KIND, asked_of, card_of
from domain.clinic.booking_cells import places, releasing
from domain.clinic.booking_desk import Desk, Settled
from domain.clinic.records import Kept
from domain.clinic.sides import is_program
from domain.errors import Conflict, Forbidden
from domain.identity import ResourceKey
from domain.interactions.parts import Occasion
from domain.interactions.read import read

CODES: dict[Side, str] = {"patient": "pat", "doctor": "prov", "desk": "other"}
"""Why somebody cancels who does not say. https://terminology.hl7.org/CodeSystem-appointment-cancellation-reason.html"""
_ENDED: dict[State, str] = {
    "CONFIRMED": "already_confirmed",
    "COMPLETED": "already_completed",
    "CANCELLED": "already_cancelled",
    "NO_SHOW": "already_no_show",
    "EXPIRED": "hold_expired",
}


async def shown(desk: Desk, occasion: Occasion, logical_id: str) -> Kept[AppointmentCard]:
    """An appointment. Raises `NotFound` for one the caller does not see."""
    answer = await read(desk.parts, occasion, ResourceKey(KIND, logical_id))
    return Kept(card_of(desk, answer), answer)


async def confirmed(desk: Desk, occasion: Occasion, logical_id: str) -> Kept[AppointmentCard]:
    """Make a hold firm. Raises `Conflict` when it has run out or was confirmed before."""

    async def decide(now: Now) -> Step:
        if now.state != "PENDING":
            raise _ended(now.state)
        card = msgspec.structs.replace(now.card, status="booked", hold_expires_at=None, slot=_slot_key(now.card))
        doctor = await doctors.shown(desk.parts, desk.doctors, occasion, _doctor(card))
        cells = await booking.taken_cells(desk, doctor, card, _span(card))
        return Step(card, "confirmed", cells, doctor)

    return await stepped(desk, occasion, logical_id, decide)


async def amended(
    desk: Desk,
    occasion: Occasion,
    logical_id: str,
    changes: AppointmentChanges,
    *,
    if_match: frozenset[str] | None = None,
) -> Kept[AppointmentCard]:
    """Say something else of an appointment, or move it: its new time is taken before the old one is free.

    Raises what `booking.made` raises for a time, `Conflict` for an appointment that is over.
    """

    async def decide(now: Now) -> Step:
        if now.state not in ("PENDING", "CONFIRMED"):
            raise _ended(now.state)
        values = ("reason", "notes", "patient_instructions", "mode")
        said = {name: value for name in values if (value := getattr(changes, name)) is not None}
        card = msgspec.structs.replace(now.card, **said)
        if changes.start is None and changes.end is None:
            return Step(card)
        return await _moved(desk, occasion, now, card, changes)

    return await stepped(desk, occasion, logical_id, decide, if_match=if_match)


async def cancelled(
    desk: Desk,
    occasion: Occasion,
    logical_id: str,
    *,
    text: str | None = None,
    code: str | None = None,
    if_match: frozenset[str] | None = None,
) -> Kept[AppointmentCard]:
    """Cancel: its time is free at once and the other side is told. Cancelled again, it stays as it is.

    Raises `Conflict` for a visit that took place or was missed.
    """

    async def decide(now: Now) -> Step:
        if now.state in ("COMPLETED", "NO_SHOW"):
            raise _ended(now.state)
        if now.card.status in ("cancelled", "entered-in-error"):
            return Step(now.card)
        why = Cancellation(code or CODES[now.side], text)
        card = msgspec.structs.replace(
            now.card, status="cancelled", cancellation=why, hold_expires_at=None, slot=_released(now.card)
        )
        return Step(card, "cancelled", await _freed(desk, now.card))

    return await stepped(desk, occasion, logical_id, decide, if_match=if_match)


async def completed(desk: Desk, occasion: Occasion, logical_id: str) -> Kept[AppointmentCard]:
    """Record that the visit took place: Encounter and invoice are written with it, once. Only its doctor says so."""

    async def decide(now: Now) -> Step:
        _require(occasion, now, "doctor")
        if now.state != "CONFIRMED":
            raise Conflict("Only a confirmed appointment can be completed", reason=_reason(now.state))
        visit = ResourceKey("Encounter", now.card.id)
        card = msgspec.structs.replace(now.card, status="fulfilled", encounter=visit)
        settled = Settled()
        for settle in desk.settle:
            more = await settle(desk.parts, occasion, card)
            settled = Settled((*settled.changes, *more.changes), (*settled.notices, *more.notices))
        keys = [change.revision.key for change in settled.changes]
        invoice = next((key for key in keys if key.type == "Invoice"), None)
        card = msgspec.structs.replace(card, invoice=invoice)
        return Step(card, visit=desk.records.encounter(card, now=now.moment), settled=settled)

    return await stepped(desk, occasion, logical_id, decide)


async def missed(desk: Desk, occasion: Occasion, logical_id: str) -> Kept[AppointmentCard]:
    """Record that the patient did not come. For the doctor and the desk, once it has begun."""

    async def decide(now: Now) -> Step:
        _require(occasion, now, "doctor", "desk")
        if now.state != "CONFIRMED":
            raise Conflict("Only a confirmed appointment can be missed", reason=_reason(now.state))
        if now.card.start is None or now.card.start > now.moment:
            raise Conflict("It has not begun", reason="not_started")
        return Step(msgspec.structs.replace(now.card, status="noshow"))

    return await stepped(desk, occasion, logical_id, decide)


class StillOpen(Exception):
    """The hold was confirmed, cancelled or renewed meanwhile: there is nothing to write."""


async def expired(desk: Desk, occasion: Occasion, logical_id: str) -> Kept[AppointmentCard]:
    """Write down that a hold has run out, which everybody was told already. Raises `StillOpen` when it has not."""

    async def decide(now: Now) -> Step:
        if now.card.status != "pending" or now.state != "EXPIRED":
            raise StillOpen
        card = msgspec.structs.replace(
            now.card, status="cancelled", cancellation=Cancellation(expired=True), slot=_released(now.card)
        )
        return Step(card, None, await _freed(desk, now.card))

    return await stepped(desk, occasion, logical_id, decide)


async def _moved(desk: Desk, occasion: Occasion, now: Now, card: AppointmentCard, changes: AppointmentChanges) -> Step:
    """The step to another time. Cells that both times have are taken again, the rest of the old ones released."""
    old = _span(now.card)
    start = changes.start or old.start
    booking.refuse(booking.out_of_reach(start, now.moment))
    doctor = await doctors.shown(desk.parts, desk.doctors, occasion, _doctor(card))
    asked = asked_of(start, changes.end or start + (old.end - old.start), doctor)
    if asked == old:
        return Step(card)
    booking.refuse(booking.outside(asked, doctor))
    there = booking.in_zone(asked, doctor)
    card = msgspec.structs.replace(card, start=there.start, end=there.end, slot=_slot_key(card))
    taken = await booking.taken_cells(desk, doctor, card, asked)
    kept = {cell.name for cell in taken}
    freed = [cell for cell in await _freed(desk, now.card) if cell.name not in kept]
    return Step(card, "rescheduled", (*taken, *freed), doctor)


async def _freed(desk: Desk, card: AppointmentCard) -> tuple[Cell, ...]:
    """The cells an appointment holds, free. Those of a buffer that was longer are nobody's once it has moved on."""
    span = card.span
    if span is None or card.doctor_id is None or card.patient_id is None:
        return ()
    names = places(card.doctor_id, card.patient_id, span, buffer_minutes=booking.LONGEST_BUFFER).names
    held = await desk.parts.store.cells(names)
    return releasing(names, held, holder=card.id, span=span)


def _slot_key(card: AppointmentCard) -> ResourceKey:
    """The Slot of an appointment, one of another client included."""
    return card.slot or ResourceKey("Slot", card.id)


def _released(card: AppointmentCard) -> ResourceKey | None:
    """The Slot of another client stays."""
    return None if card.slot == ResourceKey("Slot", card.id) else card.slot


def _require(occasion: Occasion, now: Now, *sides: Side) -> None:
    if now.side not in sides and not is_program(occasion.caller):
        raise Forbidden("This is for the doctor of the appointment to say", reason="not_the_doctor")


def _reason(state: State) -> str:
    return _ENDED.get(state, "not_confirmed")


def _ended(state: State) -> Conflict:
    return Conflict("This appointment cannot be changed any more in this way", reason=_reason(state))


def _span(card: AppointmentCard) -> Span:
    span = card.span
    if span is None:
        raise Conflict("This appointment has no time yet", reason="no_time")
    return span


def _doctor(card: AppointmentCard) -> str:
    if card.doctor_id is None or card.patient_id is None:
        raise Conflict("This appointment names no doctor and patient", reason="no_doctor")
    return card.doctor_id
