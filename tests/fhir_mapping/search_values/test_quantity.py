"""Quantities with comparators, in units that others share."""

from __future__ import annotations

from decimal import Decimal

import pytest

from fhir_mapping import ucum
from fhir_mapping.search_values.quantity import quantity, wanted


@pytest.mark.parametrize("comparator", ["<", ">"])
@pytest.mark.parametrize("code", ["[lb_av]", "mg", "Cel", "kg", "g/L"])
@pytest.mark.parametrize("value", ["0.80", "5", "184.6", "0.0003", "-7"])
def test_an_open_interval_stays_open_in_every_unit(value: str, code: str, comparator: str) -> None:
    measures = quantity({"value": Decimal(value), "comparator": comparator, "system": ucum.SYSTEM, "code": code})
    text = f"{value}|{ucum.SYSTEM}|{code}"
    (measure,) = [each for each in measures if ("d", ucum.canonical(code).dimension) in each.keys]  # type: ignore[union-attr]
    beyond = wanted("value-quantity", ("eb" if comparator == "<" else "sa") + text)
    touching = wanted("value-quantity", ("ge" if comparator == "<" else "le") + text)
    assert any(box.holds(measure.low, measure.high) for box in beyond.boxes)
    assert not any(box.holds(measure.low, measure.high) for box in touching.boxes)
