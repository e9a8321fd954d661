"""When somebody can be booked: working hours, minus exceptions, minus what is taken.

Free times are computed, never stored: a change of hours is one write and no migration. All arithmetic is on moments in
UTC; the clock of the place only says where each day's working time starts and ends (`wall_clock`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal, NamedTuple, TypeAlias

import msgspec

from domain.clinic.wall_clock import first_moment, last_moment, zone_of

Weekday: TypeAlias = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
"""https://hl7.org/fhir/R4/valueset-days-of-week.html"""
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = timedelta(days=1)
LONGEST = timedelta(days=62)
"""The longest time a calendar is computed for at once."""


class Hours(msgspec.Struct, frozen=True):
    """Working time on some days of every week, from `start` to `end` on the clock; an `end` that is not after the start is
    of the next day."""

    days: tuple[Weekday, ...]
    start: time
    end: time


class DayException(msgspec.Struct, frozen=True):
    """One day that is not as every week: closed, or with hours of its own."""

    date: date
    closed: bool = False
    start: time | None = None
    end: time | None = None


class WorkSchedule(msgspec.Struct, frozen=True):
    """The hours somebody works. Bookings start every `slot_minutes` from the start of a working time, and `buffer_minutes`
    are kept free around what is taken."""

    timezone: str
    slot_minutes: int = 30
    weekly: tuple[Hours, ...] = ()
    exceptions: tuple[DayException, ...] = ()
    buffer_minutes: int = 0


class Span(NamedTuple):
    """From `start` up to but not including `end`, both with a zone."""

    start: datetime
    end: datetime

    def overlaps(self, other: Span) -> bool:
        return self.start < other.end and other.start < self.end


def working_times(schedule: WorkSchedule, within: Span) -> list[Span]:
    """The working times that touch `within`, in order, joined where they meet; whole ones, not cut. In UTC."""
    zone = zone_of(schedule.timezone, "workSchedule.timezone")
    first, last = within.start.astimezone(zone).date(), within.end.astimezone(zone).date()
    days = (first + timedelta(days=number) for number in range(-1, (last - first).days + 1))
    found = [
        Span(first_moment(day, start, zone), last_moment(day + _DAY if end <= start else day, end, zone))
        for day in days
        for start, end in _hours_on(schedule, day)
    ]
    return [span for span in _joined(sorted(found)) if span.overlaps(within)]


def free_slots(schedule: WorkSchedule, within: Span, taken: Sequence[Span], *, minutes: int) -> list[Span]:
    """Every start at which `minutes` can be booked inside `within`, in order; the times are those of the schedule's zone.

    A slot lies in one working time and keeps the buffer from everything `taken`.
    """
    zone = zone_of(schedule.timezone, "workSchedule.timezone")
    length, step = timedelta(minutes=minutes), timedelta(minutes=schedule.slot_minutes)
    buffer = timedelta(minutes=schedule.buffer_minutes)
    blocked = _joined(sorted(Span(start - buffer, end + buffer) for start, end in map(in_utc, taken)))
    within = in_utc(within)
    found: list[Span] = []
    passed = 0  # both are in order: what ended before one start ended before all later ones
    for span in working_times(schedule, within):
        for start in _starts(span, length, step):
            end = start + length
            if start < within.start or end > within.end:
                continue
            while passed < len(blocked) and blocked[passed].end <= start:
                passed += 1
            if passed == len(blocked) or blocked[passed].start >= end:
                found.append(Span(start.astimezone(zone), end.astimezone(zone)))
    return found


def is_working(schedule: WorkSchedule, asked: Span) -> bool:
    """Whether the whole of `asked` lies in one working time."""
    return any(span.start <= asked.start and asked.end <= span.end for span in working_times(schedule, asked))


def _hours_on(schedule: WorkSchedule, day: date) -> Iterator[tuple[time, time]]:
    special = [each for each in schedule.exceptions if each.date == day]
    if special:
        yield from (
            (each.start, each.end)
            for each in special
            if not each.closed and each.start is not None and each.end is not None
        )
        return
    weekday = WEEKDAYS[day.weekday()]
    yield from ((each.start, each.end) for each in schedule.weekly if weekday in each.days)


def _starts(span: Span, length: timedelta, step: timedelta) -> Iterator[datetime]:
    start = span.start
    while start + length <= span.end:
        yield start
        start += step


def _joined(spans: Sequence[Span]) -> list[Span]:
    """Spans in order, those that touch or overlap made one; empty ones left out."""
    found: list[Span] = []
    for start, end in spans:
        if start >= end:
            continue
        if found and start <= found[-1].end:
            found[-1] = Span(found[-1].start, max(found[-1].end, end))
        else:
            found.append(Span(start, end))
    return found


def in_utc(span: Span) -> Span:
    """The same span; Python compares and adds times of one zone by the clock, and of UTC by what really passes."""
    return Span(span.start.astimezone(UTC), span.end.astimezone(UTC))
