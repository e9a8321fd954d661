"""Booking: a hold or a firm appointment, in one write with its cells, its Slot and its notices.

What is free is read, decided and compared again inside the transaction (`domain/cells.py`): of two who want one time, one
gets `slot_taken` or `patient_busy` with other times to choose from. What FHIR clients wrote into the calendars without cells
counts as well, by a search. https://hl7.org/fhir/R4/appointment.html
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Literal, NamedTuple, TypeAlias

import msgspec

from domain import access
from domain.cells import Cell
from domain.clinic import calendars, doctors
from domain.clinic.appointment_cards import (
    CELL,
    FURTHEST,
    LONGEST_APPOINTMENT,
    AppointmentCard,
    AppointmentForm,
    SlotCard,
)
from domain.clinic.appointment_notices import told
from domain.clinic.availability import Span, free_slots, in_utc, is_working
from domain.clinic.booking_cells import lost, places, taking
from domain.clinic.booking_desk import Desk
from domain.clinic.doctors import Doctor
from domain.clinic.records import Kept
from domain.clinic.sides import side_of
from domain.clinic.wall_clock import zone_of
from domain.errors import Conflict, DomainError, InvalidFields, Throttled
from domain.identity import FhirJson, ResourceKey
from domain.interactions.guarding import seen
from domain.interactions.parts import Answer, Occasion, present
from domain.interactions.writing import Planned, changed, write_one
from domain.revision import Change, Claim
from domain.search import WrittenBy

KIND = "Appointment"
LONGEST_BUFFER = 120
"""Minutes that any doctor keeps free behind an appointment, at most."""
OFFERED = 5
"""Other times that are offered when one is taken."""
_AROUND = timedelta(days=7)
Reason: TypeAlias = Literal["slot_taken", "patient_busy", "outside_hours", "in_past", "too_far"]


class Booked(NamedTuple):
    """A time that can be taken, and the cells as they will be."""

    card: AppointmentCard
    cells: tuple[Cell, ...]


async def made(
    desk: Desk, occasion: Occasion, form: AppointmentForm, *, confirm: bool = False
) -> Kept[AppointmentCard]:
    """Hold a time for some minutes, or take it for good.

    Raises `Forbidden`, `NotFound` for a patient or doctor the caller does not see, `InvalidFields` for a time that nobody can
    book, `Conflict` for one that is taken, `Throttled` for more open holds than one account may have.
    """
    parts = desk.parts
    access.require(occasion.caller, "c", KIND)
    logical_id = parts.new_id()

    async def plan() -> Planned:
        doctor, now = await doctor_for(desk, occasion, form), parts.clock()
        refuse(out_of_reach(form.start, now))
        asked = asked_of(form.start, form.end, doctor)
        refuse(outside(asked, doctor))
        card = _new(desk, form, logical_id, in_zone(asked, doctor), now, confirm=confirm)
        claims = () if confirm else await _hold_claims(desk, occasion, now)
        cells = await taken_cells(desk, doctor, card, asked)
        change, answer = changed(
            parts,
            occasion,
            ResourceKey(KIND, logical_id),
            checked(desk, desk.records.to_fhir(card, base=None)),
            method="POST",
            base=None,
        )
        slot = slot_change(desk, occasion, doctor, card, version=1)
        by = side_of(occasion.caller, card)
        event: Literal["confirmed", "held"] = "confirmed" if confirm else "held"
        notices = await told(desk, card, 1, event, by, now=now)
        return Planned(answer, change, claims, others=(slot,), cells=cells, notices=notices)

    answer = await write_one(parts, occasion, plan)
    return Kept(card_of(desk, answer), answer)


async def doctor_for(desk: Desk, occasion: Occasion, form: AppointmentForm) -> Doctor:
    """The doctor a form asks for. Raises `NotFound` for one, or a patient, that the caller does not see."""
    parts, patient = desk.parts, ResourceKey("Patient", form.patient_id)
    doctor, newest = await asyncio.gather(
        doctors.shown(parts, desk.doctors, occasion, form.doctor_id), parts.store.newest(patient)
    )
    present(await seen(parts, occasion.caller, newest, patient), patient)
    return doctor


SENTENCES: dict[Reason, str] = {
    "outside_hours": "The doctor does not work at this time",
    "in_past": "This time has passed",
    "too_far": "This time is too far ahead",
    "slot_taken": "This time is taken",
    "patient_busy": "The patient has another appointment at this time",
}


def out_of_reach(start: datetime, now: datetime) -> Reason | None:
    """Why nobody can book a time that begins then, whoever works."""
    return "in_past" if start < now else "too_far" if start > now + FURTHEST else None


def outside(asked: Span, doctor: Doctor) -> Reason | None:
    """Whether the doctor does not work at this time, or not all of it."""
    schedule = doctor.card.work_schedule
    return None if schedule is not None and is_working(schedule, in_utc(asked)) else "outside_hours"


def refuse(problem: Reason | None) -> None:
    """Raise `InvalidFields` for a time that cannot be booked."""
    if problem is not None:
        raise InvalidFields(SENTENCES[problem], expression="start", reason=problem)


def asked_of(start: datetime, end: datetime | None, doctor: Doctor) -> Span:
    """The time asked for; one slot of the doctor without an end. Raises `InvalidFields` for one between cells, or of a length
    nobody books."""
    schedule = doctor.card.work_schedule
    end = end or start + timedelta(minutes=schedule.slot_minutes if schedule else 30)
    for name, value in (("start", start), ("end", end)):
        if value.timestamp() % CELL.total_seconds():
            raise InvalidFields("Appointments start and end at a multiple of five minutes", expression=name)
    if not CELL <= end - start <= LONGEST_APPOINTMENT:
        raise InvalidFields("An appointment takes from five minutes to eight hours", expression="end")
    return Span(start, end)


async def taken_cells(desk: Desk, doctor: Doctor, card: AppointmentCard, asked: Span) -> tuple[Cell, ...]:
    """The cells of a time as this appointment takes them. Raises `Conflict` with other times when somebody else has it."""
    reasons, cells = await conflicts(desk, doctor, card, asked)
    if reasons:
        raise await taken_error(desk, doctor, card, asked, reasons[0])
    return cells


async def conflicts(
    desk: Desk, doctor: Doctor, card: AppointmentCard, asked: Span
) -> tuple[tuple[Reason, ...], tuple[Cell, ...]]:
    """What stands against this time for this appointment (itself left out), and the cells if nothing does."""
    parts, patient = desk.parts, card.patient_id or ""
    buffer = doctor.card.work_schedule.buffer_minutes if doctor.card.work_schedule else 0
    wanted = places(doctor.card.id, patient, asked, buffer_minutes=buffer)
    held = await parts.store.cells(wanted.names)
    around = Span(asked.start - timedelta(minutes=buffer), asked.end + timedelta(minutes=buffer))
    *named, schedule = doctor.keys
    (of_doctor, of_patient), spans, own = await asyncio.gather(
        lost(parts, desk.records, wanted, held, holder=card.id, span=asked, buffer_minutes=buffer),
        calendars.taken(parts, desk.records, named, schedule, around, but=card.id),
        calendars.taken_of_patient(parts, desk.records, patient, asked, but=card.id),
    )
    found: list[Reason] = []
    if of_doctor or spans:
        found.append("slot_taken")
    if of_patient or own:
        found.append("patient_busy")
    return tuple(found), taking(wanted, held, holder=card.id, until=card.hold_expires_at, span=asked)


async def taken_error(desk: Desk, doctor: Doctor, card: AppointmentCard, asked: Span, reason: Reason) -> DomainError:
    """The conflict, with the nearest times that are free for both."""
    offered = await alternatives(desk, doctor, card, asked)
    shown = [{"start": slot.start.isoformat(), "end": slot.end.isoformat()} for slot in offered]
    return Conflict(SENTENCES[reason], reason=reason, details={"alternatives": shown})


async def alternatives(desk: Desk, doctor: Doctor, card: AppointmentCard, asked: Span) -> list[Span]:
    """The free times nearest to the one asked for, of the same length, in order."""
    schedule = doctor.card.work_schedule
    if schedule is None:
        return []
    now = desk.parts.clock()
    within = Span(max(now, asked.start - timedelta(days=1)), asked.start + _AROUND)
    *named, key = doctor.keys
    spans, own = await asyncio.gather(
        calendars.taken(desk.parts, desk.records, named, key, within, but=card.id),
        calendars.taken_of_patient(desk.parts, desk.records, card.patient_id or "", within, but=card.id),
    )
    minutes = int((asked.end - asked.start) / timedelta(minutes=1))
    free = free_slots(schedule, in_utc(within), spans, minutes=minutes)
    both = [slot for slot in free if not any(slot.overlaps(each) for each in own)]
    nearest = sorted(both, key=lambda slot: abs(slot.start - asked.start))[:OFFERED]
    return sorted(nearest)


def slot_change(desk: Desk, occasion: Occasion, doctor: Doctor, card: AppointmentCard, *, version: int) -> Change:
    """The new Slot of an appointment that had none."""
    key, schedule = ResourceKey("Slot", card.id), doctor.keys[2]
    content = checked(desk, desk.records.slot(slot_of(card, version), schedule=schedule))
    return changed(desk.parts, occasion, key, content, method="POST", base=None)[0]


def slot_of(card: AppointmentCard, version: int) -> SlotCard:
    """How the time of an appointment stands in its doctor's schedule."""
    if card.span is None:
        raise InvalidFields("This appointment has no time", expression="start")
    status = "busy-tentative" if card.hold_expires_at is not None else "busy"
    return SlotCard(card.span, status, card.hold_expires_at, version)


def in_zone(span: Span, doctor: Doctor) -> Span:
    """The same time on the clock where the doctor works."""
    schedule = doctor.card.work_schedule
    if schedule is None:
        return span
    zone = zone_of(schedule.timezone, "workSchedule.timezone")
    return Span(span.start.astimezone(zone), span.end.astimezone(zone))


def checked(desk: Desk, content: FhirJson) -> FhirJson:
    """The same resource, which FHIR allows. Raises `InvalidContent`."""
    desk.parts.validate.check(content)
    return content


def card_of(desk: Desk, answer: Answer) -> AppointmentCard:
    """The card of a version that was read or written."""
    if answer.head is None or answer.content is None:
        raise ValueError("a write of an appointment has content")
    content = desk.parts.reading.decoded(answer.content)
    return desk.records.from_fhir(content, version=answer.head.version, updated=answer.head.recorded)


def _new(
    desk: Desk, form: AppointmentForm, logical_id: str, asked: Span, now: datetime, *, confirm: bool
) -> AppointmentCard:
    """The appointment a form makes. A hold ends on a second: that is what FHIR says of it."""
    expires = None if confirm else (now + desk.rules.hold).replace(microsecond=0)
    return AppointmentCard(
        id=logical_id,
        version=1,
        updated_at=now,
        status="booked" if confirm else "pending",
        patient_id=form.patient_id,
        doctor_id=form.doctor_id,
        start=asked.start,
        end=asked.end,
        created_at=now,
        reason=form.reason,
        notes=form.notes,
        patient_instructions=form.patient_instructions,
        mode=form.mode,
        hold_expires_at=expires,
        slot=ResourceKey("Slot", logical_id),
    )


async def _hold_claims(desk: Desk, occasion: Occasion, now: datetime) -> tuple[Claim, ...]:
    """The claim of one more open hold by this account. Raises `Throttled` when it has as many as it may.

    A hold is open for `rules.hold` after it was written, so counting needs no contents. Programs have no such limit.
    """
    caller = occasion.caller
    if caller.account is None:
        return ()
    name = f"holds/{caller.subject}"
    seen_claims = await desk.parts.store.claim([name])
    since = calendars.utc_text(now - desk.rules.hold)
    query = desk.parts.search.parse(KIND, [("status", "pending"), ("_lastUpdated", f"gt{since}")], strict=True).query
    mine = msgspec.structs.replace(query, conditions=(*query.conditions, WrittenBy(caller.subject)))
    if len(await desk.parts.store.keys([mine], limit=desk.rules.most_holds)) >= desk.rules.most_holds:
        wait = int(desk.rules.hold.total_seconds())
        raise Throttled("Confirm or cancel what you hold first", reason="too_many_holds", retry_after=wait)
    return (Claim(name, seen_claims[0]),)
