"""The places in the calendars of a doctor and a patient that a booking holds: each five minutes of both.

A doctor's buffer is held after the end only: two bookings that each keep it behind them keep it between them. A cell whose
holder no longer takes that time (cancelled by another FHIR client, deleted) is as good as free. `domain/cells.py`
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from domain.cells import Cell, Held
from domain.clinic.appointment_cards import CELL, AppointmentCard, AppointmentRecords
from domain.clinic.availability import Span
from domain.clinic.calendars import cards_of
from domain.identity import ResourceKey
from domain.interactions.parts import Parts

_FORGOTTEN = timedelta(days=1)


class Places(NamedTuple):
    """The cells of one booking: those of the doctor, and those of the patient."""

    doctor: tuple[str, ...]
    patient: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.doctor, *self.patient)


def places(doctor: str, patient: str, span: Span, *, buffer_minutes: int = 0) -> Places:
    """The cells of a booking. NOTE: their names are hashed into stored rows; a change frees what is booked."""
    kept = Span(span.start, span.end + timedelta(minutes=buffer_minutes))
    return Places(
        tuple(f"doctor/{doctor}/{number}" for number in _numbers(kept)),
        tuple(f"patient/{patient}/{number}" for number in _numbers(span)),
    )


async def lost(
    parts: Parts,
    records: AppointmentRecords,
    wanted: Places,
    held: Sequence[Held],
    *,
    holder: str,
    span: Span,
    buffer_minutes: int,
) -> tuple[bool, bool]:
    """Whether others hold cells of the doctor, and of the patient; `held` are the cells of `wanted.names`."""
    now = parts.clock()
    others = {
        each.holder: None for each in held if each.holder is not None and each.holder != holder and not each.free(now)
    }
    if not others:
        return False, False
    stored = await parts.store.newest_of([ResourceKey("Appointment", each) for each in others])
    cards = await cards_of(parts, records, [one for one in stored if one is not None and not one.head.deleted])
    around = timedelta(minutes=buffer_minutes)
    near = Span(span.start - around, span.end + around)
    truly = {card.id for card in cards if _takes(card, near, now)}
    doctors, patients = held[: len(wanted.doctor)], held[len(wanted.doctor) :]
    return any(each.holder in truly for each in doctors), any(each.holder in truly for each in patients)


def taking(
    wanted: Places, held: Sequence[Held], *, holder: str, until: datetime | None, span: Span
) -> tuple[Cell, ...]:
    """The cells as a booking takes them; a tentative one `until` then."""
    gone = span.end + _FORGOTTEN
    return tuple(Cell(name, each.seen, holder, gone, until) for name, each in zip(wanted.names, held, strict=True))


def releasing(names: Sequence[str], held: Sequence[Held], *, holder: str, span: Span) -> tuple[Cell, ...]:
    """Those of these cells that the booking still holds, free."""
    gone = span.end + _FORGOTTEN
    return tuple(
        Cell(name, each.seen, None, gone) for name, each in zip(names, held, strict=True) if each.holder == holder
    )


def _takes(card: AppointmentCard, near: Span, now: datetime) -> bool:
    return card.span is not None and card.takes_time(now) and card.span.overlaps(near)


def _numbers(span: Span) -> range:
    """The numbers of the five minutes that a time touches, counted since 1970."""
    low, high = span.start.timestamp(), span.end.timestamp()
    step = CELL.total_seconds()
    return range(int(low // step), int(-(-high // step)))
