"""A code and a measure in one condition: `Observation?code=29463-7&value-quantity=gt100`.

Either alone selects thousands. Where a composite (`code-value-quantity`) joins the two and its instance is the whole
resource, ranges are filed with the code as a key (`fhir_mapping.composites`), so both together are one walk of the index.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import msgspec

from domain.search import AnyTerm, Condition, IndexTerm, InRange, Linked, RangeTest, term
from fhir_mapping.composites import composite_of, joined
from fhir_mapping.search_parameters import parameters_of
from fhir_mapping.search_values import quantity

MOST_TESTS = 100
_ANY_UNIT = term("unit", *quantity.ANY)


def keyed(resource_type: str, conditions: Sequence[Condition]) -> tuple[Condition, ...]:
    """The same conditions, with a code and a measure of it as one where both are there.

    A chain may yet say whose resource it is, which tells more: then nothing is put together.
    """
    if not [each for each in conditions if isinstance(each, InRange)]:
        return tuple(conditions)
    if any(isinstance(each, Linked) for each in conditions):
        return tuple(conditions)
    for coded in conditions:
        paths = _measured_by(resource_type, coded)
        for measure in conditions if paths else ():
            if isinstance(measure, InRange) and _stands_in(measure, paths):
                both = _together(coded, measure)
                if len(both.tests) <= MOST_TESTS:
                    return (both, *(each for each in conditions if each is not coded and each is not measure))
    return tuple(conditions)


def _measured_by(resource_type: str, condition: Condition) -> frozenset[str]:
    """The paths of measures that are filed with the code this condition asks for; none for other conditions."""
    if not isinstance(condition, AnyTerm) or condition.negated or condition.shelf != "terms":
        return frozenset()
    codes = {term.partition("|")[0] for term in condition.terms}
    return _keyed_by(resource_type).get(codes.pop(), frozenset()) if len(codes) == 1 else frozenset()


def _stands_in(measure: InRange, paths: frozenset[str]) -> bool:
    marks = quantity.CONVERTED + quantity.EXTENDED
    return all(path.lstrip(marks) in paths for test in measure.tests for path in test.paths)


def _together(coded: Condition, measure: InRange) -> InRange:
    terms = coded.terms if isinstance(coded, AnyTerm) else ()
    keys = [IndexTerm(f"key|{each.partition('|')[2]}") for each in terms]
    return InRange(tuple(_with(test, key) for key in keys for test in measure.tests), rank=4)


def _with(test: RangeTest, key: IndexTerm) -> RangeTest:
    return msgspec.structs.replace(test, keys=(key, *(each for each in test.keys if each != _ANY_UNIT)))


@cache
def _keyed_by(resource_type: str) -> dict[str, frozenset[str]]:
    """Codes of parameters that read the whole resource alone, each with the paths of the measures that carry it as a key."""
    found: dict[str, frozenset[str]] = {}
    for parameter in parameters_of(resource_type).values():
        if parameter.kind != "composite" or (composite := composite_of(parameter)).strategy != "keys":
            continue
        if not any(each.steps for each in composite.instances):
            code = parameter.components[0][0]
            found[code] = frozenset(joined(each, route) for each in composite.instances for route in each.second)
    return found
