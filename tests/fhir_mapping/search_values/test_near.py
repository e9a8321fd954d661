"""https://hl7.org/fhir/R4/location.html#positional: no place within the distance is missed by its cells."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidRequest
from domain.search import AllOf, AnyTerm
from fhir_mapping.search_values import near

LATITUDES, LONGITUDES = st.floats(-90, 90), st.floats(-180, 180)


def cells_asked(value: str) -> set[str]:
    found = near.condition([value])
    assert isinstance(found, AllOf)
    (cells, _) = found.conditions
    assert isinstance(cells, AnyTerm)
    return set(cells.terms)


@given(LATITUDES, LONGITUDES, st.floats(-1, 1), st.floats(-1, 1), st.sampled_from([0.5, 5.0, 50.0, 500.0, 5000.0]))
def test_what_is_inside_the_circle_has_one_of_its_cells(
    latitude: float, longitude: float, north: float, east: float, kilometres: float
) -> None:
    degrees = kilometres / 111
    there = max(-90.0, min(90.0, latitude + north * degrees)), (longitude + east * degrees + 180) % 360 - 180
    circle = near.Circle(latitude, longitude, kilometres)
    cells = {f"near|g|{text}" for _, text in near.position({"latitude": there[0], "longitude": there[1]})}
    asked = cells_asked(f"{latitude:f}|{longitude:f}|{kilometres}|km")
    assert len(asked) <= 1300
    if near.Circle(latitude, longitude, kilometres * 0.999).holds(*there) and circle.holds(*there):
        assert cells & asked


def test_distances_are_great_circles() -> None:
    zurich, bern, oslo = (47.3769, 8.5417), (46.9480, 7.4474), (59.9139, 10.7522)
    assert near.circle(f"{zurich[0]}|{zurich[1]}|96|km").holds(*bern)
    assert not near.circle(f"{zurich[0]}|{zurich[1]}|95|km").holds(*bern)
    assert not near.circle(f"{zurich[0]}|{zurich[1]}").holds(*oslo)
    assert near.circle(f"{zurich[0]}|{zurich[1]}|60|mi").holds(*bern)


@pytest.mark.parametrize("value", ["", "47", "x|8", "91|8", "47|181", "47|8|-1", "47|8|1|furlong", "nan|8", "47|8|inf"])
def test_what_is_no_circle_on_earth_is_refused_by_name(value: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        near.circle(value)
    assert refused.value.issues[0].expression == "near"
