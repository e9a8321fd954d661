"""Free times, on ordinary days and when the clocks change."""

from __future__ import annotations

import itertools
import random
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from domain.clinic.availability import (
    DayException,
    Hours,
    Span,
    Weekday,
    WorkSchedule,
    free_slots,
    is_working,
    working_times,
)
from domain.errors import InvalidFields

BERLIN = ZoneInfo("Europe/Berlin")
EVERY_DAY: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def day(text: str, zone: ZoneInfo = BERLIN) -> Span:
    start = datetime.fromisoformat(text).replace(tzinfo=zone)
    return Span(start, start + timedelta(days=1))


def schedule(start: str, end: str, *, minutes: int = 60, zone: str = "Europe/Berlin", **more: object) -> WorkSchedule:
    hours = Hours(EVERY_DAY, time.fromisoformat(start), time.fromisoformat(end))
    return WorkSchedule(zone, minutes, (hours,), **more)  # type: ignore[arg-type]


def clock(slots: list[Span]) -> list[str]:
    return [f"{slot.start:%H:%M}{slot.start:%z}" for slot in slots]


def test_a_day_is_cut_into_slots_from_the_start_of_work() -> None:
    found = free_slots(schedule("09:00", "12:00", minutes=30), day("2026-11-20"), [], minutes=60)
    assert clock(found) == [f"{hour}+0100" for hour in ("09:00", "09:30", "10:00", "10:30", "11:00")]


def test_what_is_taken_is_not_free_and_neither_is_the_buffer_around_it() -> None:
    taken = [Span(datetime(2026, 11, 20, 9, 30, tzinfo=UTC), datetime(2026, 11, 20, 10, 0, tzinfo=UTC))]  # 10:30 there
    plain = free_slots(schedule("09:00", "13:00", minutes=30), day("2026-11-20"), taken, minutes=30)
    assert [each[:5] for each in clock(plain)] == ["09:00", "09:30", "10:00", "11:00", "11:30", "12:00", "12:30"]
    kept = schedule("09:00", "13:00", minutes=30, buffer_minutes=10)
    found = free_slots(kept, day("2026-11-20"), taken, minutes=30)
    assert [each[:5] for each in clock(found)] == ["09:00", "09:30", "11:30", "12:00", "12:30"]


def test_spring_has_no_hour_that_never_happens() -> None:
    found = free_slots(schedule("00:00", "06:00"), day("2026-03-29"), [], minutes=60)
    assert clock(found) == ["00:00+0100", "01:00+0100", "03:00+0200", "04:00+0200", "05:00+0200"]


def test_autumn_has_the_doubled_hour_twice() -> None:
    found = free_slots(schedule("00:00", "05:00"), day("2026-10-25"), [], minutes=60)
    assert clock(found) == ["00:00+0200", "01:00+0200", "02:00+0200", "02:00+0100", "03:00+0100", "04:00+0100"]


@pytest.mark.parametrize(
    ("start", "end", "hours"), [("02:00", "03:00", 0), ("02:30", "04:00", 1), ("01:00", "02:30", 1)]
)
def test_work_that_starts_or_ends_in_the_missing_hour_starts_or_ends_with_the_change(
    start: str, end: str, hours: int
) -> None:
    found = working_times(schedule(start, end), Span(*(t.astimezone(UTC) for t in day("2026-03-29"))))
    same_day = [span for span in found if span.start.astimezone(BERLIN).date() == date(2026, 3, 29)]
    assert sum(((span.end - span.start) for span in same_day), timedelta()) == timedelta(hours=hours)


def test_work_that_starts_or_ends_in_the_doubled_hour_has_both() -> None:
    found = free_slots(schedule("02:00", "03:00", minutes=30), day("2026-10-25"), [], minutes=30)
    assert clock(found) == ["02:00+0200", "02:30+0200", "02:00+0100", "02:30+0100"]


def test_a_night_shift_ends_on_the_next_day() -> None:
    found = free_slots(schedule("22:00", "02:00"), day("2026-11-20"), [], minutes=60)
    assert [each[:5] for each in clock(found)] == ["00:00", "01:00", "22:00", "23:00"]


def test_an_exception_closes_a_day_or_gives_it_hours_of_its_own() -> None:
    closed, other = date(2026, 11, 20), date(2026, 11, 21)
    exceptions = (DayException(closed, closed=True), DayException(other, start=time(14), end=time(16)))
    hours = schedule("09:00", "17:00", exceptions=exceptions)
    assert free_slots(hours, day("2026-11-20"), [], minutes=60) == []
    assert [each[:5] for each in clock(free_slots(hours, day("2026-11-21"), [], minutes=60))] == ["14:00", "15:00"]


def test_nothing_is_offered_outside_of_what_was_asked_for() -> None:
    within = Span(datetime(2026, 11, 20, 9, 15, tzinfo=BERLIN), datetime(2026, 11, 20, 11, 15, tzinfo=BERLIN))
    found = free_slots(schedule("09:00", "17:00", minutes=30), within, [], minutes=30)
    assert [each[:5] for each in clock(found)] == ["09:30", "10:00", "10:30"]


def test_only_whole_stretches_of_work_can_be_booked() -> None:
    hours = schedule("09:00", "12:00")
    nine = datetime(2026, 11, 20, 9, tzinfo=BERLIN)
    assert is_working(hours, Span(nine, nine + timedelta(hours=3)))
    assert not is_working(hours, Span(nine, nine + timedelta(hours=3, minutes=5)))
    assert not is_working(hours, Span(nine - timedelta(minutes=5), nine + timedelta(hours=1)))


def test_an_unknown_zone_is_refused_by_name() -> None:
    with pytest.raises(InvalidFields) as refused:
        free_slots(schedule("09:00", "12:00", zone="Europe/Nowhere"), day("2026-11-20"), [], minutes=60)
    assert refused.value.issues[0].expression == "workSchedule.timezone"


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC", "Asia/Kathmandu"])
def test_a_year_of_days_around_the_clock_is_every_moment_once(zone: str) -> None:
    """Lord Howe moves its clocks by half an hour."""
    around = schedule("00:00", "00:00", minutes=30, zone=zone)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for month in range(0, 360, 30):
        within = Span(start + timedelta(days=month), start + timedelta(days=month + 30))
        found = [slot.start.astimezone(UTC) for slot in free_slots(around, within, [], minutes=30)]
        assert all(later - earlier == timedelta(minutes=30) for earlier, later in itertools.pairwise(found))
        assert len(found) >= 30 * 48 - 1


def test_a_free_slot_never_touches_what_is_taken() -> None:
    rng = random.Random(7)
    hours = schedule("08:00", "18:00", minutes=5)
    base = datetime(2026, 11, 20, 6, tzinfo=UTC)
    for _ in range(50):
        starts = [base + timedelta(minutes=rng.randrange(700)) for _ in range(8)]
        taken = [Span(start, start + timedelta(minutes=rng.choice([5, 20, 45]))) for start in starts]
        for slot in free_slots(hours, day("2026-11-20"), taken, minutes=rng.choice([5, 30, 60])):
            assert not any(slot.overlaps(each) for each in taken)
