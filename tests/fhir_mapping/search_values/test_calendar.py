"""Dates of persons are found by every prefix without an interval of them being filed."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_mapping.search_values import calendar, moments

NOW = datetime(2022, 1, 1, tzinfo=UTC)
DAYS = st.dates(date(1, 1, 1), date(9998, 12, 31)) | st.dates(date(1979, 12, 25), date(1983, 1, 5))


def precise(day: date, digits: int) -> str:
    return f"{day.year:04}-{day.month:02}-{day.day:02}"[:digits]


@given(DAYS, DAYS, st.sampled_from([4, 7, 10]), st.sampled_from([4, 7, 10]), st.sampled_from(
    ["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb"]))  # fmt: skip
def test_words_decide_as_intervals_do(born: date, asked: date, digits: int, of: int, prefix: str) -> None:
    value = moments.covered(precise(born, digits))
    forms = set(calendar.forms(value))
    for box in moments.boxes(*moments.asked("birthdate", prefix + precise(asked, of), NOW)):
        assert calendar.whole_days(box)
        assert all(forms & set(each) for each in calendar.asked(box)) is box.holds(*value)


def test_a_day_is_six_words_and_says_no_more() -> None:
    assert calendar.forms(moments.covered("1982-01-23")) == [
        ("in", "1"), ("in", "19"), ("in", "198"), ("in", "1982"), ("in", "198201"), ("in", "19820123")
    ]  # fmt: skip


@given(DAYS, DAYS)
def test_a_cover_is_each_day_once_and_short(first: date, last: date) -> None:
    if first > last:
        first, last = last, first
    nodes = list(calendar.cover(first.toordinal(), last.toordinal()))
    assert len(nodes) <= 160
    spans = [calendar._node(node) for node in nodes]
    assert spans[0][0] == first.toordinal()
    assert spans[-1][1] == last.toordinal()
    assert all(after[0] == before[1] + 1 for before, after in itertools.pairwise(spans))


@pytest.mark.parametrize("text", ["gt2015-02-14T10:00", "lt2015-02-14T10:00:00.5Z"])
def test_parts_of_days_are_not_decided_by_words(text: str) -> None:
    assert not all(map(calendar.whole_days, moments.boxes(*moments.asked("death-date", text, NOW))))
