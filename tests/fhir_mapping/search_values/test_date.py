"""https://hl7.org/fhir/R4/search.html#date: intervals by precision, prefixes, calendar."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidRequest
from domain.search import Updated
from fhir_mapping.search_values.date import parse_date_interval, split_prefix, updated_condition

NOW = datetime(2021, 1, 1, tzinfo=UTC)

CASES = [
    ("2020", "2020-01-01T00:00:00", "2021-01-01T00:00:00"),
    ("2020-02", "2020-02-01T00:00:00", "2020-03-01T00:00:00"),
    ("2020-12", "2020-12-01T00:00:00", "2021-01-01T00:00:00"),
    ("2020-02-29", "2020-02-29T00:00:00", "2020-03-01T00:00:00"),
    ("2020-05-11T16:32", "2020-05-11T16:32:00", "2020-05-11T16:33:00"),
    ("2020-05-11T16:32:15", "2020-05-11T16:32:15", "2020-05-11T16:32:16"),
    ("2020-05-11T16:32:15Z", "2020-05-11T16:32:15", "2020-05-11T16:32:16"),
    ("2020-05-11T16:32:15.5Z", "2020-05-11T16:32:15.500000", "2020-05-11T16:32:15.600000"),
    ("2020-05-11T16:32:15.500Z", "2020-05-11T16:32:15.500000", "2020-05-11T16:32:15.501000"),
    ("2020-05-11T16:32:15.123456789Z", "2020-05-11T16:32:15.123456", "2020-05-11T16:32:15.123457"),
    ("2020-05-11T02:00:00+10:00", "2020-05-10T16:00:00", "2020-05-10T16:00:01"),
    ("2020-05-11T02:00:00 10:00", "2020-05-10T16:00:00", "2020-05-10T16:00:01"),
    ("2020-05-11T02:00:00-05:30", "2020-05-11T07:30:00", "2020-05-11T07:30:01"),
    ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59", "2017-01-01T00:00:00"),
]


@pytest.mark.parametrize(("text", "low", "high"), CASES)
def test_a_date_covers_its_precision(text: str, low: str, high: str) -> None:
    bounds = tuple(datetime.fromisoformat(each).replace(tzinfo=UTC) for each in (low, high))
    assert parse_date_interval(text) == bounds


@pytest.mark.parametrize(
    "text",
    ["", "garbage", "1982-13", "2001-02-29", "20200101", "2020-1-1", "2020-05-11T25:00", "2020-05-11T16", "0000",
     "2020-05-11T16:32:61Z", "2020-05-11T16:32:15+99:00", "٢٠٢٠", "9999", "2020-05-11T16:32:15.Z", "2020Z", " 2020"],
)  # fmt: skip
def test_what_is_no_date_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse_date_interval(text, what="birthdate")
    assert refused.value.issues[0].expression == "birthdate"


def matches(condition: Updated, moment: datetime) -> bool:
    inside = (condition.low is None or condition.low <= moment) and (condition.high is None or moment < condition.high)
    return inside is not condition.outside


DAY = datetime(2020, 5, 11, tzinfo=UTC)
BEFORE, DURING, AFTER = DAY - timedelta(milliseconds=1), DAY + timedelta(hours=5), DAY + timedelta(days=1)


@pytest.mark.parametrize(
    ("prefix", "found"),
    [
        ("", "d"),
        ("eq", "d"),
        ("ne", "ba"),
        ("gt", "a"),
        ("lt", "b"),
        ("ge", "da"),
        ("le", "bd"),
        ("sa", "a"),
        ("eb", "b"),
    ],
)
def test_prefixes_compare_a_moment_with_the_day(prefix: str, found: str) -> None:
    condition = updated_condition([f"{prefix}2020-05-11"], NOW)
    assert (
        "".join(name for name, moment in zip("bda", (BEFORE, DURING, AFTER), strict=True) if matches(condition, moment))
        == found
    )


def test_about_reaches_a_tenth_of_the_time_that_passed() -> None:
    condition = updated_condition(["ap2020-12-22"], NOW)  # Ten days ago: a day either way.
    assert matches(condition, datetime(2020, 12, 21, tzinfo=UTC))
    assert matches(condition, datetime(2020, 12, 23, 23, tzinfo=UTC))
    assert not matches(condition, datetime(2020, 12, 20, 23, tzinfo=UTC))
    assert updated_condition(["ap0001"], NOW).low is None


@pytest.mark.parametrize("values", [["2020", "2021"], ["xx2020"], ["gt"], ["GE2020"]])
def test_bad_last_updated_values_are_refused(values: list[str]) -> None:
    with pytest.raises(InvalidRequest):
        updated_condition(values, NOW)


def test_a_prefix_is_optional() -> None:
    assert split_prefix("ge2020") == ("ge", "2020")
    assert split_prefix("2020") == ("eq", "2020")


@given(st.datetimes(min_value=datetime(1, 1, 3), max_value=datetime(9998, 1, 1)), st.integers(-14 * 60, 14 * 60))
def test_an_instant_lies_in_its_own_interval(moment: datetime, zone: int) -> None:
    sign = "-" if zone < 0 else "+"
    text = moment.isoformat(timespec="milliseconds") + f"{sign}{abs(zone) // 60:02d}:{abs(zone) % 60:02d}"
    low, high = parse_date_interval(text)
    assert low <= datetime.fromisoformat(text) < high
    assert high - low == timedelta(milliseconds=1)
