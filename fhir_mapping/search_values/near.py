"""`near` of Location: within a distance of a point. https://hl7.org/fhir/R4/location.html#positional

`near=latitude|longitude|distance|units`, units `km` (default), `m`, `[mi_i]` or `mi_us`. A position is filed under the cells it
lies in, of 10, 1, 0.1 and 0.01 degrees; a search covers its circle with the cells of one size, and opened resources tell
which of the candidates are inside. Distances are great circles on a sphere of 6,371 km.
NOTE: forms are hashed into stored tokens; changing one orphans every index entry.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from domain.errors import InvalidRequest
from domain.search import AllOf, AnyTerm, Condition, Opened
from fhir_mapping.search_values.escaping import split, unescape
from fhir_mapping.search_values.forms import Forms, terms

EARTH_KM = 6371.0088
DEFAULT_KM = 50.0
"""When no distance is given, R4 leaves it to the server."""
_KM = {"km": 1.0, "m": 0.001, "[mi_i]": 1.609344, "[mi_us]": 1.6093472186944, "mi": 1.609344, "mi_us": 1.6093472186944}
_SIZES = (10.0, 1.0, 0.1, 0.01)
_MOST_CELLS = 100


class Circle(NamedTuple):
    """Degrees and kilometres."""

    latitude: float
    longitude: float
    kilometres: float

    def holds(self, latitude: float, longitude: float) -> bool:
        """Whether a point is inside."""
        first, second = math.radians(self.latitude), math.radians(latitude)
        half = math.sin((second - first) / 2) ** 2
        half += math.cos(first) * math.cos(second) * math.sin(math.radians(longitude - self.longitude) / 2) ** 2
        return 2 * EARTH_KM * math.asin(min(1.0, math.sqrt(half))) <= self.kilometres


def position(value: Mapping[str, Any]) -> Forms:
    """The cells of a Location.position."""
    point = point_of(value)
    if point is None:
        return []
    return [("g", _cell(size, *_index(point, size))) for size in _SIZES]


def point_of(value: Mapping[str, Any]) -> tuple[float, float] | None:
    latitude, longitude = value.get("latitude"), value.get("longitude")
    return None if latitude is None or longitude is None else (float(latitude), float(longitude))


def _index(point: tuple[float, float], size: float) -> tuple[int, int]:
    columns = round(360 / size)
    return math.floor(point[0] / size), math.floor(point[1] / size) % columns


def _cell(size: float, row: int, column: int) -> str:
    return f"{size:g} {row} {column}"


def circle(value: str) -> Circle:
    """Raises `InvalidRequest` for what is not a point on earth with a distance."""
    parts = [unescape(part).strip() for part in split(value, "|", 3)]
    try:
        latitude, longitude = float(parts[0]), float(parts[1])
        distance = float(parts[2]) if len(parts) > 2 and parts[2] else None
        unit = _KM[parts[3] if len(parts) > 3 and parts[3] else "km"]
        kilometres = DEFAULT_KM if distance is None else distance * unit
        if not (abs(latitude) <= 90 and abs(longitude) <= 180 and 0 <= kilometres <= math.pi * EARTH_KM):
            raise ValueError
    except (ValueError, IndexError, KeyError) as error:
        raise InvalidRequest(
            "'near' takes latitude|longitude|distance|units, units km, m or mi", code="value", expression="near"
        ) from error
    return Circle(latitude, longitude, kilometres)


def condition(values: Sequence[str]) -> Condition:
    """Locations in one of the circles."""
    cells = [cell for value in values for cell in _cover(circle(value))]
    return AllOf((AnyTerm(terms("near", cells), rank=5), Opened("near", None, tuple(values))))


def _cover(found: Circle) -> Forms:
    """Cells of one size that hold the whole circle."""
    height = math.degrees(found.kilometres / EARTH_KM)
    low, high = max(-90.0, found.latitude - height), min(90.0, found.latitude + height)
    whole = low <= -90 or high >= 90
    # The circle is widest in longitude at the latitude where a meridian touches it.
    narrow = math.sin(math.radians(min(height, 90.0))) / max(math.cos(math.radians(found.latitude)), 1e-9)
    width = 180.0 if whole or narrow >= 1 else math.degrees(math.asin(narrow))
    for size in reversed(_SIZES):
        rows = range(math.floor(low / size), math.floor(high / size) + 1)
        across = math.floor((found.longitude + width) / size) - math.floor((found.longitude - width) / size) + 1
        count = min(round(360 / size), across)
        if len(rows) * count <= _MOST_CELLS:
            break
    first = math.floor((found.longitude - width) / size)
    columns = [(first + step) % round(360 / size) for step in range(count)]
    return [("g", _cell(size, row, column)) for row in rows for column in columns]
