"""Dates of persons as calendar words: found by every range, never stored as a number.

https://hl7.org/fhir/R4/search.html#date. Birth and death dates identify people, so no interval of them is stored. A date
is instead the set of calendar nodes it lies in, from day to millennium (`19820123 198201 1982 198 19 1`), each a term.
A range of a query is covered by the fewest nodes, at most some 80. Nodes that contain the whole value have the form `in`;
for a value that is less precise than a day (`1982`), the months and days it begins and ends with have the forms `lo` and
`hi` (no date or dateTime is less precise than a year). So every prefix is a set of terms, exact as long as the query
speaks of whole days.
NOTE: forms are hashed into stored tokens; changing one orphans every index entry.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from domain.ranges import Box
from fhir_mapping.search_values.forms import Form, Forms
from fhir_mapping.search_values.moments import DAY, END, Interval

_EPOCH = date(1970, 1, 1).toordinal()
FIRST, LAST = date.min.toordinal(), date.max.toordinal()
_YEAR = 4
_LEVELS = (1, 2, 3, 4, 6, 8)
"""Digits of `YYYYMMDD` that name a millennium, century, decade, year, month, day."""


def _digits(ordinal: int) -> str:
    return date.fromordinal(ordinal).strftime("%Y%m%d").rjust(8, "0")


def _days(interval: Interval) -> tuple[int, int]:
    """First and last day of an interval, as ordinals within the calendar."""
    low, high = interval
    first = FIRST if low is None else low // DAY + _EPOCH
    last = LAST if high is None else (high - 1) // DAY + _EPOCH
    return max(first, FIRST), min(last, LAST)


def forms(interval: Interval) -> Forms:
    """The nodes of a value."""
    first, last = (_digits(day) for day in _days(interval))
    found: Forms = []
    for level in _LEVELS:
        if first[:level] == last[:level]:
            found.append(("in", first[:level]))
        else:
            found += [("lo", first[:level]), ("hi", last[:level])]
    return found


def cover(first: int, last: int) -> Iterator[str]:
    """The fewest nodes that together are the days `first` to `last` (ordinals, inclusive)."""
    day = first
    while day <= last:
        digits = _digits(day)
        for level in _LEVELS:
            start, end = _node(digits[:level])
            if start == day and end <= last:
                yield digits[:level]
                day = end + 1
                break


def _node(digits: str) -> tuple[int, int]:
    """First and last day of a node. There is no year 0: the first millennium starts with year 1."""
    if len(digits) == 8:
        day = date(int(digits[:4]), int(digits[4:6]), int(digits[6:])).toordinal()
        return day, day
    if len(digits) == 6:
        year, month = int(digits[:4]), int(digits[4:])
        following = date(year, month, 28) + timedelta(days=4)
        return date(year, month, 1).toordinal(), following.toordinal() - following.day
    years = 10 ** (4 - len(digits))
    start = int(digits) * years
    return date(max(start, 1), 1, 1).toordinal(), date(start + years - 1, 12, 31).toordinal()


def whole_days(box: Box) -> bool:
    """Whether the box speaks of whole days, so that its terms decide it."""
    bounds = (box.low_from, box.low_to, box.high_from, box.high_to)
    edges = (_edge(bounds[0], 0), _edge(bounds[1], 0), _edge(bounds[2], 1), _edge(bounds[3], 1))
    return all(edges)


def _edge(bound: object, beyond: int) -> bool:
    return bound is None or (isinstance(bound, int) and (bound - beyond) % DAY == 0)


def asked(box: Box) -> list[list[Form]]:
    """The terms of a box: all of the lists must hold, each by any of its forms. A superset for boxes of parts of days."""
    low = (box.low_from, box.low_to)
    # A high end above `x` means a last microsecond at `x` or later.
    high = tuple(None if bound is None else int(bound) - 1 for bound in (box.high_from, box.high_to))
    if low[0] is not None and high[1] is not None and low[1] is None and high[0] is None:
        first, last = _range(int(low[0]), high[1])
        return [[("in", node) for node in cover(first, last)]]
    found = []
    for name, (start, end) in (("lo", low), ("hi", high)):
        if start is not None or end is not None:
            first, last = _range(None if start is None else int(start), None if end is None else int(end))
            nodes = list(cover(first, last))
            found.append([("in", node) for node in nodes] + [(name, node) for node in nodes if len(node) > _YEAR])
    return found


def _range(start: int | None, end: int | None) -> tuple[int, int]:
    """Days of `[start, end)`; parts of days count whole."""
    first = FIRST if start is None else max(min(start, END) // DAY + _EPOCH, FIRST)
    last = LAST if end is None else min(-(-end // DAY) - 1 + _EPOCH, LAST)
    return first, last
