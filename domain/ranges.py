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


def both_ends(box: Box) -> Box:
    """The box of an interval that is one number: each end keeps to the bounds of both."""
    starts = [bound for bound in (box.low_from, box.high_from) if bound is not None]
    ends = [bound for bound in (box.low_to, box.high_to) if bound is not None]
    low, high = max(starts, default=None), min(ends, default=None)
    return Box(low, high, low, high)
