"""When a doctor can be booked: their hours, minus everything that is taken. Computed when asked, never stored."""

from __future__ import annotations

from datetime import datetime, timedelta

from domain.clinic import calendars
from domain.clinic.appointment_cards import FURTHEST
from domain.clinic.availability import LONGEST, Span, free_slots, in_utc
from domain.clinic.booking_desk import Desk
from domain.clinic.doctors import Doctor
from domain.errors import InvalidFields


def window(low: datetime, high: datetime, now: datetime) -> Span | None:
    """The part of the time asked for in which somebody can still book; `None` when it has passed.

    Raises `InvalidFields` for more than 62 days, or a time nobody can book yet.
    """
    if high <= low:
        raise InvalidFields("The time ends after it begins", expression="?to")
    if low > now + FURTHEST:
        raise InvalidFields("This time is too far ahead", expression="?from", reason="too_far")
    if high <= now:
        return None
    low = max(low, now)
    if high - low > LONGEST:
        raise InvalidFields(f"At most {LONGEST.days} days are looked at", expression="?to", reason="too_long")
    return in_utc(Span(low, high))


async def free_times(desk: Desk, doctor: Doctor, within: Span, *, minutes: int | None = None) -> list[Span]:
    """Every start at which `minutes` (one slot of the doctor, if not given) are free within a time, in order, on the clock
    where the doctor works. None without a schedule."""
    schedule = doctor.card.work_schedule
    if schedule is None:
        return []
    *named, key = doctor.keys
    taken = await calendars.taken(desk.parts, desk.records, named, key, around(within, schedule.buffer_minutes))
    return free_slots(schedule, within, taken, minutes=minutes or schedule.slot_minutes)


def around(within: Span, minutes: int) -> Span:
    """A time with the buffer before and after it."""
    buffer = timedelta(minutes=minutes)
    return Span(within.start - buffer, within.end + buffer)
