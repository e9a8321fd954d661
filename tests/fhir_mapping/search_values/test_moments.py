"""https://hl7.org/fhir/R4/search.html#date, #prefix: what values cover and what prefixes ask, against plain arithmetic."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidRequest
from fhir_mapping.search_values import moments

NOW = datetime(2022, 1, 1, tzinfo=UTC)
PREFIXES = ["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"]


def at(text: str) -> int:
    return moments.microseconds(datetime.fromisoformat(text).replace(tzinfo=UTC))


def test_a_period_reaches_from_the_start_of_its_start_to_the_end_of_its_end() -> None:
    assert moments.period({"start": "2020-05", "end": "2020-05-12"}) == (at("2020-05-01"), at("2020-05-13"))
    assert moments.period({"start": "2020"}) == (at("2020-01-01"), None)
    assert moments.period({"end": "2020"}) == (None, at("2021-01-01"))
    assert moments.period({}) is None
    assert moments.period({"start": "2021", "end": "2020"}) == (at("2021-01-01"), at("2022-01-01"))


def test_a_timing_is_its_outer_limits() -> None:
    events = {"event": ["2020-05-11", "2020-05-01", None, "2020-06-01T10:00:00Z"]}
    assert moments.timing(events) == (at("2020-05-01"), at("2020-06-01T10:00:01"))
    bounded = {"event": ["2020-05-11"], "repeat": {"boundsPeriod": {"start": "2020-01-01"}}}
    assert moments.timing(bounded) == (at("2020-01-01"), None)
    assert moments.timing({"repeat": {"frequency": 1}}) is None


def test_the_last_year_of_the_calendar_has_an_end() -> None:
    assert moments.covered("9999") == (at("9999-01-01"), moments.END)
    assert moments.covered("9999-12-31") == (at("9999-12-31"), moments.END)
    assert moments.covered("9999-12") == (at("9999-12-01"), moments.END)


def test_what_is_no_date_is_refused_by_name() -> None:
    for text in ("garbage", "gt", "2001-02-29", "ge9999-13"):
        with pytest.raises(InvalidRequest) as refused:
            moments.asked("birthdate", text, NOW)
        assert refused.value.issues[0].expression == "birthdate"


def expected(prefix: str, value: tuple[int, int], asked: tuple[int, int]) -> bool:
    (low, high), (start, end) = value, asked
    contained = start <= low and high <= end
    rules = {
        "eq": contained,
        "ne": not contained,
        "gt": high > end,
        "lt": low < start,
        "ge": high > end or contained,
        "le": low < start or contained,
        "sa": low >= end,
        "eb": high <= start,
        "ap": low < end and high > start,
    }
    return rules[prefix]


@given(st.sampled_from(PREFIXES), st.lists(st.integers(0, 9), min_size=4, max_size=4))
def test_a_prefix_is_the_union_of_its_boxes(prefix: str, ends: list[int]) -> None:
    value, asked = tuple(sorted(ends[:2])), tuple(sorted(ends[2:]))
    value, asked = (value[0], value[1] + 1), (asked[0], asked[1] + 1)
    boxes = moments.boxes(prefix, *asked)
    assert any(box.holds(*value) for box in boxes) is expected(prefix, value, asked)
