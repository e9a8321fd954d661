"""One parameter of a query string as a condition: which modifiers it has, and what its values ask for.

https://hl7.org/fhir/R4/search.html#modifiers. A modifier that the parameter's type does not allow is an error, and so is
a value that is not one of its type; both name the parameter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from domain.errors import InvalidRequest, TooCostly
from domain.search import AllOf, AnyOf, AnyTerm, CodesOf, Condition, IdIn, InRange, Opened, RangeTest
from fhir_mapping import words
from fhir_mapping.composites import component_of, composite_of, joined
from fhir_mapping.filing import pair_term
from fhir_mapping.range_conditions import RANGES, quantity_tests
from fhir_mapping.range_conditions import condition as range_condition
from fhir_mapping.search_names import shown
from fhir_mapping.search_parameters import SearchParameter, parameters_of
from fhir_mapping.search_values import date, near, number, phonetic, quantity, reference, string, token, uri
from fhir_mapping.search_values.escaping import split, unescape
from fhir_mapping.search_values.forms import MARKS, Form, missing

MAX_TERMS = 5000
_MODIFIERS = {
    "token": token.MODIFIERS,
    "string": string.MODIFIERS,
    "reference": reference.MODIFIERS,
    "uri": uri.MODIFIERS,
}
"""Modifiers by kind; `missing` goes with every kind."""
_BY_TERMS = {"token": token.condition, "string": string.condition, "uri": uri.condition}


class ParameterConditions:
    """Conditions of single parameters. `base` is the server's own base URL, `now` the clock that `ap` measures from."""

    def __init__(self, base: str | None, now: Callable[[], datetime]) -> None:
        self._base = base
        self._now = now

    def of(self, parameter: SearchParameter, modifier: str | None, values: Sequence[str]) -> Condition | None:
        """The condition of alternatives, still escaped; `None` when this parameter cannot be searched by.

        Raises `InvalidRequest` or `TooCostly` naming the parameter.
        """
        require_modifier(parameter, modifier)
        condition = self._of(parameter, modifier, values)
        if _terms(condition) > MAX_TERMS:
            raise TooCostly(f"'{parameter.code}' asks for too many alternatives at once", expression=parameter.code)
        return condition

    def _of(self, parameter: SearchParameter, modifier: str | None, values: Sequence[str]) -> Condition | None:
        if parameter.code == "_id":
            if modifier not in (None, "not"):
                raise InvalidRequest(f"'_id' has no modifier ':{modifier}' here", expression="_id")
            return IdIn(tuple(unescape(value) for value in values), negated=modifier == "not")
        if parameter.code == "_lastUpdated":
            if modifier is not None:
                raise InvalidRequest("Every resource has a '_lastUpdated'", expression="_lastUpdated")
            return date.updated_condition(values, self._now())
        if modifier == "missing" and parameter.expression:
            return self._missing(parameter, values)
        if not parameter.indexed:
            return None
        if parameter.code in ("_text", "_content"):
            return any_of([words.asked(parameter, value) for value in values])
        if modifier == "text":
            return any_of([words.text_asked(parameter, value) for value in values])
        if modifier in ("in", "not-in", "above", "below") and parameter.kind == "token":
            return codes_of(parameter, modifier, values)
        if parameter.kind == "special":
            return near.condition(values) if parameter.code == "near" else None
        if parameter.code == "phonetic" and modifier is None:
            return phonetic.condition(parameter.code, values)
        if parameter.kind in RANGES:
            return range_condition(parameter, values, self._now())
        if parameter.kind == "composite":
            return self._composite(parameter, values)
        if parameter.kind == "reference":
            return reference.condition(parameter, modifier, values, self._base)
        return _BY_TERMS[parameter.kind](parameter, modifier, values)

    def _missing(self, parameter: SearchParameter, values: Sequence[str]) -> Condition:
        """A composite is present when all of its components are."""
        if parameter.kind != "composite":
            return missing(parameter.code, values)
        known = parameters_of(parameter.resource_type)
        parts = [missing(code, values) for code, _, _ in parameter.components if code in known]
        return AnyOf(tuple(parts)) if list(values) == ["true"] else AllOf(tuple(parts))

    def _composite(self, parameter: SearchParameter, values: Sequence[str]) -> Condition:
        """https://hl7.org/fhir/R4/search.html#composite: `$` joins the components of one alternative."""
        return any_of([self._instance(parameter, value) for value in values])

    def _instance(self, parameter: SearchParameter, value: str) -> Condition:
        parts = split(value, "$")
        if len(parts) != len(parameter.components) or not all(parts):
            raise InvalidRequest(
                f"'{parameter.code}' takes {len(parameter.components)} values joined by $", expression=parameter.code
            )
        composite = composite_of(parameter)
        if composite.strategy in ("pairs", "keys"):
            first = self._forms(component_of(parameter, 0), parts[0])
            if composite.strategy == "keys":
                return self._keyed(parameter, first, parts)
            second = self._forms(component_of(parameter, 1), parts[1])
            return self._paired(parameter, first, second, parts)
        return self._each(parameter, parts, exact=composite.strategy == "both")

    def _paired(self, parameter: SearchParameter, first: list[Form], second: list[Form], parts: list[str]) -> Condition:
        if any(name in MARKS for name, _ in (*first, *second)):
            return self._each(parameter, parts, exact=False)
        instances = composite_of(parameter).instances
        return AnyTerm(tuple(pair_term(i, a, b) for i in instances for a in first for b in second), rank=4)

    def _keyed(self, parameter: SearchParameter, first: list[Form], parts: list[str]) -> Condition:
        if any(name in MARKS for name, _ in first):
            return self._each(parameter, parts, exact=False)
        places = [joined(i, route) for i in composite_of(parameter).instances for route in i.second]
        second = component_of(parameter, 1)
        if second.kind == "quantity":
            wanted = quantity.wanted(parameter.code, parts[1])
        else:
            wanted = quantity.Wanted(
                number.boxes(*number.asked(parameter.code, parts[1])), quantity.ANY, anywhere=False
            )
        tests: list[RangeTest] = [test for form in first for test in quantity_tests(wanted, places, keys=(form,))]
        return InRange(tuple(tests), rank=4)

    def _forms(self, component: SearchParameter, value: str) -> list[Form]:
        if component.kind == "reference":
            found = reference.condition(component, None, [value], self._base)
            return [("ref", text.split("|", 2)[2]) for text in found.terms]
        return list(dict.fromkeys(token.forms_asked(component, value)))

    def _each(self, parameter: SearchParameter, parts: Sequence[str], *, exact: bool) -> Condition:
        """Every component by itself; unless that is `exact`, opened resources tell whether one instance has them all."""
        known = parameters_of(parameter.resource_type)
        found = []
        for (code, _, _), part in zip(parameter.components, parts, strict=True):
            condition = self._of(known[code], None, [part])
            if condition is not None:
                found.append(condition)
        return AllOf(tuple(found) if exact else (*found, Opened(parameter.code, None, ("$".join(parts),))))


def any_of(conditions: Sequence[Condition]) -> Condition:
    """At least one of several conditions; alternatives of one kind become one condition, which one index answers."""
    ranges = [condition for condition in conditions if isinstance(condition, InRange)]
    if len(ranges) == len(conditions):
        return InRange(tuple(test for each in ranges for test in each.tests), rank=max(each.rank for each in ranges))
    return conditions[0] if len(conditions) == 1 else AnyOf(tuple(conditions))


def codes_of(parameter: SearchParameter, modifier: str, values: Sequence[str]) -> CodesOf:
    """`:in`, `:not-in`, `:above`, `:below`: https://hl7.org/fhir/R4/search.html#token"""
    code = parameter.code
    if len(values) != 1:
        raise InvalidRequest(f"'{code}:{modifier}' takes one value", code="value", expression=code)
    text = unescape(values[0])
    if modifier in ("in", "not-in"):
        return CodesOf(code, "ValueSet", text, negated=modifier == "not-in")
    system, bar, wanted = text.partition("|")
    if not (bar and system and wanted):
        raise InvalidRequest(f"'{code}:{modifier}' takes system|code", code="value", expression=code)
    return CodesOf(code, "CodeSystem", system, wanted, above=modifier == "above")


def _terms(condition: Condition | None) -> int:
    match condition:
        case AnyTerm(terms):
            return len(terms)
        case InRange(tests):
            return len(tests)
        case AllOf(conditions) | AnyOf(conditions):
            return sum(map(_terms, conditions))
    return 0


def require_modifier(parameter: SearchParameter, modifier: str | None) -> None:
    """Raise `InvalidRequest` unless the parameter's kind has this modifier and it works here."""
    if modifier is None or modifier == "missing":
        return
    works = _MODIFIERS.get(parameter.kind, {}).get(modifier)
    named = f"'{parameter.code}:{shown(modifier)}'"
    if works is None:
        raise InvalidRequest(f"{named}: a {parameter.kind} parameter has no such modifier", expression=parameter.code)
    if not works:
        raise InvalidRequest(f"{named} is not supported yet", code="not-supported", expression=parameter.code)
