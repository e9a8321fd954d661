"""Times on the clock of a place, as moments: what "09:00 on that day in that zone" is, on every day of the year.

When the clocks go forward, some local times never happen: they mean the moment of the change, so that an hour that is not
there has no length. When they go back, some happen twice: a working time that starts then starts with the first, and one
that ends then ends with the second, so that both hours are worked. https://peps.python.org/pep-0495/
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from domain.errors import InvalidFields


def zone_of(name: str, expression: str) -> ZoneInfo:
    """The time zone of an IANA name (`Europe/Berlin`). Raises `InvalidFields` naming `expression` for an unknown one."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidFields(
            "This is not the name of a time zone, such as Europe/Berlin", expression=expression
        ) from None


def first_moment(day: date, clock: time, zone: ZoneInfo) -> datetime:
    """When the clock shows `clock` on that day, the first time if it does so twice; in UTC."""
    return _moment(day, clock, zone, fold=0)


def last_moment(day: date, clock: time, zone: ZoneInfo) -> datetime:
    """When the clock shows `clock` on that day, the last time if it does so twice; in UTC."""
    return _moment(day, clock, zone, fold=1)


def _moment(day: date, clock: time, zone: ZoneInfo, *, fold: int) -> datetime:
    local = datetime.combine(day, clock, zone).replace(fold=fold)
    moment = local.astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None):
        return moment
    return _change(local, zone)


def _change(never: datetime, zone: ZoneInfo) -> datetime:
    """The moment at which the clock skipped over a local time, to the second."""
    low, high = sorted(never.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    low, high = low - timedelta(seconds=1), high + timedelta(seconds=1)
    before = low.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = (low + (high - low) / 2).replace(microsecond=0)
        if middle.astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high
