"""Dates as intervals of microseconds: what values cover, and what every prefix asks of them.

https://hl7.org/fhir/R4/search.html#date, #prefix. An interval is `(low, high)`, half-open, in microseconds since 1970 in
UTC; `None` is open. Without a zone UTC is meant. A Period reaches from the start of its start to the end of its end, a
Timing to its outer limits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, TypeAlias

from domain.errors import InvalidRequest
from domain.ranges import Box
from fhir_mapping.search_values.date import parse_date_interval, split_prefix
from fhir_mapping.search_values.escaping import unescape

Interval: TypeAlias = tuple[int | None, int | None]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
DAY = 86_400_000_000
END = (datetime(9999, 12, 31, tzinfo=UTC) - _EPOCH) // _MICROSECOND + DAY
"""The end of the calendar, which `datetime` itself cannot hold."""


def microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


@lru_cache(maxsize=4096)
def covered(text: str) -> tuple[int, int]:
    """The interval of a date, dateTime or instant of any precision. Raises `InvalidRequest` when it is none."""
    if text.startswith("9999"):
        return _last_year(text)
    low, high = parse_date_interval(text)
    return microseconds(low), microseconds(high)


def _last_year(text: str) -> tuple[int, int]:
    """An interval of the year 9999, "for ever" in many systems: its end is no `datetime`."""
    low, high = parse_date_interval(f"9995{text[4:]}")  # As long as 9999, and as all years after 9996 no leap year.
    shift = (datetime(9999, 1, 1, tzinfo=UTC) - datetime(9995, 1, 1, tzinfo=UTC)) // _MICROSECOND
    return microseconds(low) + shift, microseconds(high) + shift


def date_value(value: str) -> tuple[int, int] | None:
    try:
        return covered(value)
    except InvalidRequest:
        return None  # A date the calendar has, but no `datetime`, such as year 0: not found by date.


def period(value: Mapping[str, Any]) -> Interval | None:
    start, end = value.get("start"), value.get("end")
    if start is None and end is None:
        return None
    first, last = (date_value(start) if start else None), (date_value(end) if end else None)
    if first is not None and last is not None and last[1] <= first[0]:
        return first  # One that ends before it starts says when it started, if anything.
    return (first[0] if first else None), (last[1] if last else None)


def timing(value: Mapping[str, Any]) -> Interval | None:
    found: list[Interval | None] = [date_value(event) for event in value.get("event", ()) if event is not None]
    bounds = value.get("repeat", {}).get("boundsPeriod")
    if bounds is not None:
        found.append(period(bounds))
    known = [each for each in found if each is not None]
    if not known:
        return None
    lows, highs = [low for low, _ in known], [high for _, high in known]
    low = None if None in lows else min(each for each in lows if each is not None)
    high = None if None in highs else max(each for each in highs if each is not None)
    return low, high


READERS: dict[str, Callable[[Any], Interval | None]] = {
    "date": date_value,
    "dateTime": date_value,
    "instant": date_value,
    "Period": period,
    "Timing": timing,
}


def boxes(prefix: str, low: int | None, high: int | None) -> tuple[Box, ...]:
    """What a prefix asks of an interval, given that of the search value: one box of the union must hold it."""
    above = None if high is None else high + 1
    match prefix:
        case "eq":
            return (Box(low_from=low, high_to=above),)
        case "ne":
            return Box(low_to=low), Box(high_from=above)
        case "gt":
            return (Box(high_from=above),)
        case "lt":
            return (Box(low_to=low),)
        case "ge":
            return Box(high_from=above), Box(low_from=low, high_to=above)
        case "le":
            return Box(low_to=low), Box(low_from=low, high_to=above)
        case "sa":
            return (Box(low_from=high),)
        case "eb":
            return (Box(high_to=None if low is None else low + 1),)
        case _:  # ap: they overlap
            return (Box(low_to=high, high_from=None if low is None else low + 1),)


def asked(code: str, value: str, now: datetime) -> tuple[str, int, int]:
    """Prefix and interval of a search value; that of `ap` is widened by a tenth of its distance from now.

    Raises `InvalidRequest` naming the parameter for what is no date.
    """
    prefix, text = split_prefix(unescape(value))
    try:
        low, high = covered(text)
    except InvalidRequest:
        parse_date_interval(text, what=code)
        raise
    if prefix == "ap":
        slack = abs(microseconds(now) - low) // 10
        return prefix, low - slack, high + slack
    return prefix, low, high


def all_boxes(code: str, values: Sequence[str], now: datetime) -> tuple[Box, ...]:
    """The boxes of alternatives."""
    return tuple(dict.fromkeys(box for value in values for box in boxes(*asked(code, value, now))))
