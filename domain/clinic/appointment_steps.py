"""One step of an appointment: decided on its newest version, written with its cells, Slot and notices, all or nothing.

A step is decided again when somebody was faster, so of twenty who confirm one hold, one does. Who may change the Appointment
is said by the matrix; its Slot and Encounter follow from it, whoever may write those: that is the rule for which `acting` is
used here. https://hl7.org/fhir/R4/appointment.html#statemachine
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import NamedTuple, TypeAlias

from domain import access
from domain.cells import Cell
from domain.clinic.acting import acting
from domain.clinic.appointment_cards import AppointmentCard, Side, State
from domain.clinic.appointment_notices import Event, told
from domain.clinic.booking import KIND, card_of, checked, slot_of
from domain.clinic.booking_desk import Desk, Settled
from domain.clinic.doctors import Doctor
from domain.clinic.records import Kept
from domain.clinic.sides import side_of
from domain.identity import FhirJson, ResourceKey
from domain.interactions.guarding import authorize, seen
from domain.interactions.parts import Answer, Occasion, opened, present
from domain.interactions.update import require_match
from domain.interactions.writing import Planned, changed, removed, write_one
from domain.revision import Change, Stored


class Now(NamedTuple):
    """An appointment while a step is decided: what it is at this moment, and on whose side the caller stands."""

    card: AppointmentCard
    state: State
    side: Side
    moment: datetime


class Step(NamedTuple):
    """What comes next: the card, cells that change, the doctor when the Slot is written anew, whom to tell of what."""

    card: AppointmentCard
    event: Event | None = None
    cells: tuple[Cell, ...] = ()
    doctor: Doctor | None = None
    visit: FhirJson | None = None
    settled: Settled = Settled()


Decide: TypeAlias = Callable[[Now], Awaitable[Step]]


async def stepped(
    desk: Desk, occasion: Occasion, logical_id: str, decide: Decide, *, if_match: frozenset[str] | None = None
) -> Kept[AppointmentCard]:
    """Decide on the newest version and write what was decided, until nobody was faster."""
    parts, key = desk.parts, ResourceKey(KIND, logical_id)
    access.require(occasion.caller, "u", KIND)

    async def plan() -> Planned:
        newest, slot = await parts.store.newest_of([key, ResourceKey("Slot", logical_id)])
        stored = present(await seen(parts, occasion.caller, newest, key), key)
        require_match(key, stored, if_match)
        raw = await opened(parts, stored)
        content = parts.reading.decoded(raw)
        card = desk.records.from_fhir(content, version=stored.head.version, updated=stored.head.recorded)
        moment = parts.clock()
        now = Now(card, card.state(moment), side_of(occasion.caller, card), moment)
        step = await decide(now)
        if step.card == card:
            return Planned(Answer(200, stored.head, raw))
        content = checked(desk, desk.records.to_fhir(step.card, base=content))
        change, answer = changed(parts, occasion, key, content, method="PUT", base=stored)
        await authorize(parts, occasion.caller, change)
        version = change.revision.version
        notices = await told(desk, step.card, version, step.event, now.side, now=moment, before=card.start)
        others = (*_slots(desk, occasion, step, slot, version), *await _visit(desk, occasion, step))
        return Planned(
            answer,
            change,
            others=(*others, *step.settled.changes),
            cells=step.cells,
            notices=(*notices, *step.settled.notices),
        )

    answer = await write_one(parts, acting(occasion, "u", KIND, "Slot", "Encounter", "Invoice"), plan)
    return Kept(card_of(desk, answer), answer)


def _slots(desk: Desk, occasion: Occasion, step: Step, slot: Stored | None, version: int) -> tuple[Change, ...]:
    """The Slot of the appointment: written where the step says in whose schedule, removed with the time it stood for."""
    card, parts = step.card, desk.parts
    if card.slot == ResourceKey("Slot", card.id):
        if step.doctor is None:
            return ()
        content = checked(desk, desk.records.slot(slot_of(card, version), schedule=step.doctor.keys[2]))
        return (changed(parts, occasion, card.slot, content, method="PUT", base=slot)[0],)
    return () if slot is None or slot.head.deleted else (removed(parts, slot)[0],)


async def _visit(desk: Desk, occasion: Occasion, step: Step) -> tuple[Change, ...]:
    if step.visit is None or step.card.encounter is None:
        return ()
    key = step.card.encounter
    base = await desk.parts.store.newest(key)
    content = checked(desk, step.visit)
    return (changed(desk.parts, occasion, key, content, method="PUT" if base else "POST", base=base)[0],)
