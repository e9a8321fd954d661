"""Dates in searches: https://hl7.org/fhir/R4/search.html#date

A date text of any precision is a half-open interval `[low, high)`: `2020` is the whole year, `2020-05-11T16:32` the
whole minute. Without a zone it is read in UTC. Every prefix is arithmetic on such intervals.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone

from domain.errors import InvalidRequest
from domain.search import Updated
from fhir_mapping.search_values.escaping import unescape

PREFIXES = frozenset({"eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"})

_DATE = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d\d)(?:-(?P<day>\d\d)"
    r"(?:T(?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.(?P<fraction>\d{1,9}))?)?"
    r"(?P<zone>Z|[+\- ]\d\d:\d\d)?)?)?)?",
    re.ASCII,
)


def parse_date_interval(text: str, *, what: str = "date") -> tuple[datetime, datetime]:
    """The interval `[low, high)` in UTC that a date, dateTime or instant of any precision covers.

    Raises `InvalidRequest` naming `what` for anything that is not a date of the calendar.
    """
    found = _DATE.fullmatch(text)
    if found is None:
        raise _refused(what)
    try:
        low = datetime(
            int(found["year"]),
            int(found["month"] or 1),
            int(found["day"] or 1),
            int(found["hour"] or 0),
            int(found["minute"] or 0),
            min(int(found["second"] or 0), 59),  # A leap second is part of the second before it.
            int((found["fraction"] or "0").ljust(6, "0")[:6]),
            tzinfo=_zone(found["zone"]),
        )
        if int(found["second"] or 0) > 60:
            raise ValueError
        return low.astimezone(UTC), _end(low, found).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise _refused(what) from error


def _refused(what: str) -> InvalidRequest:
    return InvalidRequest(
        f"'{what}' takes a date such as 2020, 2020-05-11 or 2020-05-11T16:32:15Z", code="value", expression=what
    )


def _zone(text: str | None) -> timezone:
    """The zone; a blank stands for the `+` that a URL turned into one."""
    if text is None or text == "Z":
        return UTC
    hours, minutes = int(text[1:3]), int(text[4:6])
    if hours > 14 or minutes > 59:
        raise ValueError
    return timezone(timedelta(hours=hours, minutes=minutes) * (-1 if text[0] == "-" else 1))


def _end(low: datetime, found: re.Match[str]) -> datetime:
    if found["fraction"] is not None:
        return low + timedelta(microseconds=max(1, 10 ** (6 - len(found["fraction"]))))
    if found["second"] is not None:
        return low + timedelta(seconds=1)
    if found["minute"] is not None:
        return low + timedelta(minutes=1)
    if found["day"] is not None:
        return low + timedelta(days=1)
    if found["month"] is not None:
        return (low + timedelta(days=31)).replace(day=1)
    return low.replace(year=low.year + 1)


def _moved(moment: datetime, by: timedelta) -> datetime | None:
    """The moment moved, `None` (open) beyond the years a calendar has."""
    try:
        return moment + by
    except OverflowError:
        return None


def split_prefix(text: str) -> tuple[str, str]:
    """`ge2020` → `("ge", "2020")`; without a prefix it is `eq`."""
    return (text[:2], text[2:]) if text[:2] in PREFIXES else ("eq", text)


def updated_condition(values: Sequence[str], now: datetime) -> Updated:
    """`_lastUpdated`: a moment compared with an interval. `now` is what `ap` measures its 10 % from.

    Raises `InvalidRequest` for a bad date and for alternatives: a comma has no meaning for one interval.
    """
    if len(values) != 1:
        raise InvalidRequest("'_lastUpdated' takes one date, repeat it for a range", expression="_lastUpdated")
    prefix, text = split_prefix(unescape(values[0]))
    low, high = parse_date_interval(text, what="_lastUpdated")
    if prefix in ("gt", "sa"):
        return Updated(high, None)
    if prefix in ("lt", "eb"):
        return Updated(None, low)
    if prefix == "ge":
        return Updated(low, None)
    if prefix == "le":
        return Updated(None, high)
    if prefix == "ap":
        slack = abs(now - low) / 10
        return Updated(_moved(low, -slack), _moved(high, slack))
    return Updated(low, high, outside=prefix == "ne")
