"""https://hl7.org/fhir/R4/search.html#number: what digits stand for, and what prefixes ask."""

from __future__ import annotations

from decimal import Decimal

import pytest

from domain.errors import InvalidRequest
from fhir_mapping.search_values import number


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("100", "99.5", "100.5"),
        ("100.00", "99.995", "100.005"),
        ("1e2", "95", "105"),
        ("1.1e2", "109.5", "110.5"),
        ("5.4", "5.35", "5.45"),
        ("-3", "-3.5", "-2.5"),
        ("0", "-0.5", "0.5"),
        ("ap100", "90", "110"),
        ("ap0", "-0.5", "0.5"),
    ],
)
def test_a_number_stands_for_half_a_unit_of_its_last_digit(text: str, low: str, high: str) -> None:
    asked = number.asked("value", text)
    assert (asked.low, asked.high) == (Decimal(low), Decimal(high))


@pytest.mark.parametrize(
    "text", ["", "gt", "abc", "1,5", "١", "1e9999", "NaN", "Infinity", "1" * 40, "0x1", " 1", "--1"]
)
def test_what_is_no_number_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        number.asked("probability", text)
    assert refused.value.issues[0].expression == "probability"


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("0.8", ["0.8", "0.80", "0.8000000000000000000000000000000001"]),
        ("gt0.8", ["0.8000000000000000000000000000000001", "100"]),
        ("ge0.8", ["0.8", "0.80", "0.8000000000000000000000000000000001", "100"]),
        ("lt0.8", ["0.7999999999999999999999999999999999", "-1"]),
        ("eb0.8", ["0.7999999999999999999999999999999999", "-1"]),
        ("le0.8", ["0.8", "0.80", "0.7999999999999999999999999999999999", "-1"]),
        (
            "ne100",
            ["0.8", "0.80", "0.8000000000000000000000000000000001", "0.7999999999999999999999999999999999", "-1"],
        ),
    ],
)
def test_comparison_is_exact_to_the_last_of_34_digits(asked: str, found: list[str]) -> None:
    values = [
        "0.8",
        "0.80",
        "0.8000000000000000000000000000000001",
        "0.7999999999999999999999999999999999",
        "100",
        "-1",
    ]
    boxes = number.boxes(*number.asked("probability", asked))
    held = [text for text in values if any(box.holds(Decimal(text), Decimal(text)) for box in boxes)]
    expected = [text for text in values if text in found]
    if asked == "0.8":  # [0.75, 0.85) holds what is just below, too.
        expected = [text for text in values if text.startswith("0.")]
    assert held == expected
