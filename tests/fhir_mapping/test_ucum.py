"""https://ucum.org/ucum: units that compare, and what they are in the unit they share."""

from __future__ import annotations

from decimal import Decimal

import pytest

from fhir_mapping.ucum import canonical, converted


@pytest.mark.parametrize(
    ("first", "number", "second", "expected"),
    [
        ("mg/dL", "100", "g/L", "1"),
        ("kg", "1", "g", "1000"),
        ("[lb_av]", "1", "g", "453.59237"),
        ("mm[Hg]", "7.5", "kPa", "0.999915"),
        ("Cel", "37", "[degF]", "98.6"),
        ("Cel", "0", "K", "273.15"),
        ("10*3/uL", "5", "10*9/L", "5"),
        ("/min", "60", "Hz", "1"),
        ("{beats}/min", "60", "/min", "60"),
        ("mL/min", "60", "mL/s", "1"),
        ("[in_i]", "1", "cm", "2.54"),
        ("mmol/L", "1", "mol/m3", "1"),
        ("mL/(kg.h)", "1", "mL/kg/h", "1"),
        ("u[IU]/mL", "1", "m[IU]/L", "1"),
        ("%", "50", "1", "0.5"),
    ],
)
def test_two_units_of_one_dimension_give_the_same_number(first: str, number: str, second: str, expected: str) -> None:
    one, other = canonical(first), canonical(second)
    assert one is not None
    assert other is not None
    assert one.dimension == other.dimension
    assert converted(Decimal(number), one) == pytest.approx(converted(Decimal(expected), other), rel=Decimal("1e-9"))


@pytest.mark.parametrize(
    ("first", "second"), [("kg", "m"), ("mmol/L", "mg/dL"), ("[iU]/L", "U/L"), ("kg", "kg/m2"), ("s", "/s")]
)
def test_different_dimensions_never_compare(first: str, second: str) -> None:
    one, other = canonical(first), canonical(second)
    assert one is not None
    assert other is not None
    assert one.dimension != other.dimension


@pytest.mark.parametrize("code", ["", "1"])
def test_no_unit_is_the_unit_one(code: str) -> None:
    assert canonical(code) == canonical("{score}")


@pytest.mark.parametrize("code", ["xyz", "mg//dL", "(mg", "mg/", "m" * 65, "m99", "((((((m))))))", "mg dL", "dB"])
def test_what_cannot_be_read_compares_only_with_itself(code: str) -> None:
    assert canonical(code) is None


@pytest.mark.parametrize("code", ["mg/dL", "mmol/L", "mm[Hg]", "kg", "cm", "/min", "Cel", "%", "10*3/uL", "U/L"])
def test_common_units_keep_their_number(code: str) -> None:
    unit = canonical(code)
    assert unit is not None
    assert converted(Decimal("7.25"), unit) == Decimal("7.25")
