"""How long times last, in three classes: what bounds a search for a time from both sides.

https://hl7.org/fhir/R4/search.html#date. "Later than May" says nothing of when something started that may last for years, so
an index by starts would be walked from its beginning. Nearly everything lasts a day at most, though: filed apart by how
long it lasts at most, each class is walked only from so long before, and the few that last for years by themselves.
NOTE: marks and numbers are stored, and who searches relies on them: changing a class means describing everything again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from domain.ranges import Box, Number, hull, narrowed
from domain.search import RangeTest

DAY = 86_400_000_000
"""Microseconds; a date without a time lasts as long."""


class Reach(NamedTuple):
    """Times that last up to `width` microseconds (`None`: any time). `mark` stands before the path of a range."""

    number: int
    mark: str
    width: int | None


REACHES = (Reach(0, "", DAY), Reach(1, "^", 366 * DAY), Reach(2, "~", None))
UNDATED = 3
"""Where a number is kept: what has no leading date at all."""


def reach_of(low: Number | None, high: Number | None) -> Reach:
    """The first class an interval fits in."""
    if low is not None and high is not None:
        for reach in REACHES:
            if reach.width is not None and high - low <= reach.width:
                return reach
    return REACHES[-1]


def boxes_of(box: Box) -> list[tuple[Reach, Box]]:
    """What is asked of the times of each class."""
    return [(reach, narrowed(box, reach.width)) for reach in REACHES]


def places_of(test: RangeTest, path: str) -> Sequence[tuple[str, Box]]:
    """Where ranges of an element are filed, and the bounds they have there."""
    if test.times:
        return [(reach.mark + path, box) for reach, box in boxes_of(test.box)]
    return [(path, narrowed(test.box, 0) if test.points else hull([test.box]))]
