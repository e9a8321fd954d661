"""Classes of times: what is asked of a time is asked of it in its class, and nothing gets lost on the way."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from domain.ranges import Box, meet
from storage.mongo.reaches import DAY, REACHES, boxes_of, reach_of

ENDS = st.one_of(st.none(), st.integers(0, 2_000).map(lambda days: days * DAY // 2))
BOXES = st.builds(Box, ENDS, ENDS, ENDS, ENDS)
LONGEST = st.integers(0, 1_000).map(lambda halves: halves * DAY // 2)


def interval(low: int | None, length: int | None) -> tuple[int | None, int | None]:
    return low, None if low is None or length is None else low + length


@given(BOXES, ENDS, st.one_of(st.none(), LONGEST))
def test_a_time_is_in_a_box_when_it_is_in_that_of_its_class(box: Box, low: int | None, length: int | None) -> None:
    time = interval(low, length)
    reach = reach_of(*time)
    assert dict(boxes_of(box))[reach].holds(*time) is box.holds(*time)


@given(BOXES, BOXES, ENDS, st.one_of(st.none(), LONGEST))
def test_a_time_is_where_boxes_meet_when_it_is_in_both(
    one: Box, other: Box, low: int | None, length: int | None
) -> None:
    time, both = interval(low, length), meet(one, other)
    assert (both is not None and both.holds(*time)) is (one.holds(*time) and other.holds(*time))


def test_most_times_are_bounded_from_both_sides() -> None:
    day, year, longer = REACHES
    assert (reach_of(0, DAY), reach_of(0, DAY + 1), reach_of(0, 400 * DAY)) == (day, year, longer)
    assert (reach_of(None, 0), reach_of(0, None), reach_of(None, None)) == (longer, longer, longer)
    later = dict(boxes_of(Box(high_from=10 * DAY)))
    assert (later[day].low_from, later[longer].low_from) == (9 * DAY, None)
