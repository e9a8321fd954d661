"""Searches by date, number and quantity as conditions. https://hl7.org/fhir/R4/search.html#prefix

Dates of persons become terms of calendar words, ages are left to opened resources, everything else is intervals.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from domain.ranges import Box
from domain.search import AllOf, AnyOf, AnyTerm, Condition, InRange, Opened, RangeTest, term
from fhir_mapping.range_paths import is_personal, is_sealed, is_single, paths
from fhir_mapping.search_parameters import SearchParameter
from fhir_mapping.search_values import calendar, moments, number, quantity
from fhir_mapping.search_values.forms import PRESENT, Form, terms

RANGES = frozenset({"date", "number", "quantity"})


def condition(parameter: SearchParameter, values: Sequence[str], now: datetime) -> Condition:
    """Resources with a value that one of `values` asks for. Raises `InvalidRequest` naming the parameter."""
    code = parameter.code
    if parameter.kind == "date":
        asked = [moments.boxes(*moments.asked(code, value, now)) for value in values]
        found = tuple(dict.fromkeys(box for boxes in asked for box in boxes))
        if is_personal(parameter):
            return _calendar(code, found, values)
        tests = tuple(RangeTest(paths(parameter), box, times=True) for box in found)
        return InRange(tests, single=is_single(parameter))
    if parameter.kind == "number":
        numbers = [quantity.Wanted(number.boxes(*number.asked(code, value)), quantity.ANY) for value in values]
        return InRange(tuple(test for each in numbers for test in quantity_tests(each, paths(parameter))))
    wanted = quantity.all_wanted(code, values)
    if is_sealed(parameter):
        return AllOf((_present(code), Opened(code, None, tuple(values))))
    return InRange(tuple(test for each in wanted for test in quantity_tests(each, paths(parameter))))


def quantity_tests(wanted: quantity.Wanted, where: Sequence[str], *, keys: tuple[Form, ...] = ()) -> list[RangeTest]:
    """The tests of one alternative; `keys` are more that the range must carry.

    They are walked in order, so what is likely there comes first. Numbers that happen to be in the shared unit already, when
    the question was not, are few: there the unit leads, or every number of that code would be looked at to find none.
    """
    codes = tuple(term("key", *key) for key in keys)
    unit = () if keys and wanted.key == quantity.ANY else (term("unit", *wanted.key),)
    plain, converted = tuple(where), tuple(quantity.CONVERTED + path for path in where)
    groups = [(plain, codes + unit)]
    if wanted.anywhere:
        groups = [((*plain, *converted), codes + unit)]
    if wanted.converted:
        groups = [(converted, codes + unit), (plain, unit + codes)]
    points = [RangeTest(paths, box, asked, points=True) for paths, asked in groups for box in wanted.boxes]
    return points + [
        RangeTest(tuple(quantity.EXTENDED + path for path in paths), box, asked)
        for paths, asked in groups
        for box in wanted.boxes
    ]


def _present(code: str) -> AnyTerm:
    return AnyTerm(terms(code, [PRESENT]), rank=9, shelf="marks")


def _calendar(code: str, boxes: Sequence[Box], values: Sequence[str]) -> Condition:
    """Boxes over calendar words; looked at again after opening when they speak of parts of days."""
    parts: list[Condition] = []
    plain: list[Form] = []
    for box in boxes:
        asked = calendar.asked(box)
        if len(asked) == 1:
            plain += asked[0]
        else:
            parts.append(AllOf(tuple(AnyTerm(terms(code, forms), rank=5) for forms in asked)))
    if plain:
        parts.append(AnyTerm(terms(code, plain), rank=5))
    found = parts[0] if len(parts) == 1 else AnyOf(tuple(parts))
    if all(map(calendar.whole_days, boxes)):
        return found
    return AllOf((found, Opened(code, None, tuple(values))))
