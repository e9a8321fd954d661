"""Values with an extent: what dates, numbers and quantities are to a search. https://hl7.org/fhir/R4/search.html#prefix"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TypeAlias

import msgspec

Number: TypeAlias = int | Decimal
"""A bound of an interval: microseconds since 1970 (UTC) for times, a decimal for numbers and quantities."""

MOMENT = ""
"""The path of a resource's one leading date, which stands beside its other ranges."""


class Box(msgspec.Struct, frozen=True):
    """Intervals whose low end lies in `[low_from, low_to)` and whose high end lies in `[high_from, high_to)`.

    Every prefix of https://hl7.org/fhir/R4/search.html#prefix is one box or two. `None` is open; an interval that is open
    at an end lies beyond every number there.
    """

    low_from: Number | None = None
    low_to: Number | None = None
    high_from: Number | None = None
    high_to: Number | None = None

    def __repr__(self) -> str:
        return "Box(…)"

    def holds(self, low: Number | None, high: Number | None) -> bool:
        if low is None and self.low_from is not None:
            return False
        if high is None and self.high_to is not None:
            return False
        return (
            (low is None or self.low_from is None or low >= self.low_from)
            and (low is None or self.low_to is None or low < self.low_to)
            and (high is None or self.high_from is None or high >= self.high_from)
            and (high is None or self.high_to is None or high < self.high_to)
        )


def hull(boxes: Sequence[Box]) -> Box:
    """One box that holds whatever one of the boxes holds, given that no interval ends before it starts."""

    def least(bounds: list[Number | None]) -> Number | None:
        known = [bound for bound in bounds if bound is not None]
        return min(known) if known and len(known) == len(bounds) else None

    def most(bounds: list[Number | None]) -> Number | None:
        known = [bound for bound in bounds if bound is not None]
        return max(known) if known and len(known) == len(bounds) else None

    return Box(
        least([box.low_from for box in boxes]),
        most([box.low_to if box.low_to is not None else box.high_to for box in boxes]),
        least([box.high_from if box.high_from is not None else box.low_from for box in boxes]),
        most([box.high_to for box in boxes]),
    )


def narrowed(box: Box, width: int | None) -> Box:
    """The same box for intervals of at most this width (0: numbers): each end keeps to what the other's bounds allow."""
    box = hull([box])
    if width is None:
        return box
    low_from, high_to = box.low_from, box.high_to
    if box.high_from is not None:
        # Nothing is subtracted from a decimal: it would be rounded.
        earliest = box.high_from - width if width else box.high_from
        low_from = earliest if low_from is None else max(low_from, earliest)
    if box.low_to is not None:
        latest = box.low_to + width if width else box.low_to
        high_to = latest if high_to is None else min(high_to, latest)
    return Box(low_from, box.low_to, box.high_from, high_to)


def meet(one: Box, other: Box) -> Box | None:
    """What lies in both boxes; `None` when nothing can."""

    def last(*bounds: Number | None) -> Number | None:
        return max((bound for bound in bounds if bound is not None), default=None)

    def first(*bounds: Number | None) -> Number | None:
        return min((bound for bound in bounds if bound is not None), default=None)

    low_from, low_to = last(one.low_from, other.low_from), first(one.low_to, other.low_to)
    high_from, high_to = last(one.high_from, other.high_from), first(one.high_to, other.high_to)
    for start, end in ((low_from, low_to), (high_from, high_to), (low_from, high_to)):
        if start is not None and end is not None and start >= end:
            return None
    return Box(low_from, low_to, high_from, high_to)
