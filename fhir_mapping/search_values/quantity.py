"""Quantities as closed intervals with keys for their units. https://hl7.org/fhir/R4/search.html#quantity

`[prefix]number|system|code` finds the code in that system, `number||code` any unit or code written so, `number` any
quantity. A UCUM unit is also filed under its dimension, with the number in a unit that all of the dimension share, so
that `5|http://unitsofmeasure.org|g` finds `5000 mg`. A comparator opens the interval: `<5` is everything below 5.
The keys are forms: `u` unit or code as written, `q` system and code, `d` UCUM dimension.
NOTE: forms are hashed into stored keys; changing one orphans every index entry.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple, TypeAlias

from domain.errors import InvalidRequest
from domain.ranges import Box
from fhir_mapping import ucum
from fhir_mapping.search_values import number
from fhir_mapping.search_values.escaping import split, unescape
from fhir_mapping.search_values.forms import Form, Forms

CONVERTED, EXTENDED = "=", "~"
"""Before the path of a range whose number was converted to the shared unit of its dimension, and of one that has more
than one number: the index is walked a short way for points only."""
ANY: Form = ("any", "")
"""The key of every number as it was written."""
CURRENCIES = "urn:iso:std:iso:4217"


Ends: TypeAlias = tuple[Decimal | None, Decimal | None]
Convert: TypeAlias = Callable[[Decimal], Decimal]


class Measure(NamedTuple):
    """One interval of a quantity and the keys it is found by; `converted` tells that it has no number of its own."""

    low: Decimal | None
    high: Decimal | None
    keys: Forms
    converted: bool = False


def quantity(value: Mapping[str, Any]) -> list[Measure]:
    amount = value.get("value")
    if amount is None:
        return []
    exact = number.EXACT.create_decimal(Decimal(amount))
    return _measures(lambda convert: _compared(convert(exact), value.get("comparator")), value)


def _compared(amount: Decimal, comparator: str | None) -> Ends:
    """The interval of an amount in the unit it is filed in: the next number there may be none in another unit."""
    match comparator:
        case "<":
            return None, number.EXACT.next_minus(amount)
        case "<=":
            return None, amount
        case ">":
            return number.EXACT.next_plus(amount), None
        case ">=":
            return amount, None
    return amount, amount


def span(value: Mapping[str, Any]) -> list[Measure]:
    """A Range: from its low to its high quantity, in the unit of either (which R4 wants to be the same)."""
    low, high = value.get("low", {}), value.get("high", {})
    ends = [
        None if each.get("value") is None else number.EXACT.create_decimal(Decimal(each["value"]))
        for each in (low, high)
    ]
    if ends == [None, None]:
        return []
    known = [end for end in ends if end is not None]
    first, last = (min(known), max(known)) if len(known) == 2 else (ends[0], ends[1])
    return _measures(lambda convert: (_each(convert, first), _each(convert, last)), {**low, **high})


def _each(convert: Convert, end: Decimal | None) -> Decimal | None:
    return None if end is None else convert(end)


def money(value: Mapping[str, Any]) -> list[Measure]:
    return quantity({"value": value.get("value"), "system": CURRENCIES, "code": value.get("currency")})


def number_measures(value: Any) -> list[Measure]:
    """A plain number, or a Range where a number parameter reads one (`RiskAssessment.probability`)."""
    if isinstance(value, Mapping):
        return span(value)
    exact = number.EXACT.create_decimal(Decimal(value))
    return [Measure(exact, exact, [ANY])]


def _measures(ends: Callable[[Convert], Ends], unit: Mapping[str, Any]) -> list[Measure]:
    """What is filed of an interval, as its unit writes it and in the unit that its dimension shares."""
    low, high = ends(lambda each: each)
    code, text, system = unit.get("code"), unit.get("unit"), unit.get("system")
    keys: Forms = [ANY, *(("u", each) for each in dict.fromkeys((code, text)) if each)]
    canonical = ucum.canonical(code) if code and system == ucum.SYSTEM else None
    if canonical is None:
        if code and system:
            keys.append(("q", f"{system} {code}"))
        return [Measure(low, high, keys)]
    dimension = [("d", canonical.dimension)]
    if canonical.factor == 1 and not canonical.offset:
        return [Measure(low, high, keys + dimension)]
    shared = ends(lambda each: ucum.converted(each, canonical))
    return [Measure(low, high, keys), Measure(*shared, dimension, converted=True)]


READERS: dict[str, Callable[[Any], list[Measure]]] = {
    **dict.fromkeys(("Quantity", "SimpleQuantity", "Count", "Distance", "Duration", "Age", "MoneyQuantity"), quantity),
    "Range": span,
    "Money": money,
}


def places(path: str, measure: Measure) -> str:
    """Where a range of an element is filed."""
    where = CONVERTED + path if measure.converted else path
    return where if measure.low == measure.high else EXTENDED + where


class Wanted(NamedTuple):
    """What one alternative asks: a range in one of `boxes` that carries `key`; `anywhere`: converted numbers count too.

    `converted`: the question itself was, so what is meant is most likely filed as converted.
    """

    boxes: tuple[Box, ...]
    key: Form
    anywhere: bool = False
    converted: bool = False


def wanted(code: str, value: str) -> Wanted:
    """Raises `InvalidRequest` naming the parameter for what is no quantity."""
    parts = [*split(value, "|", 2)]
    asked = number.asked(code, parts[0])
    if len(parts) == 1:
        return Wanted(number.boxes(*asked), ANY)
    if len(parts) == 2:
        raise InvalidRequest(
            f"'{code}' takes number, number||unit or number|system|code", code="value", expression=code
        )
    system, unit = unescape(parts[1]), unescape(parts[2])
    if not unit:
        if system:
            raise InvalidRequest(f"'{code}' needs a code with its system", code="value", expression=code)
        return Wanted(number.boxes(*asked), ANY)
    if not system:
        return Wanted(number.boxes(*asked), ("u", unit))
    canonical = ucum.canonical(unit) if system == ucum.SYSTEM else None
    if canonical is None:
        return Wanted(number.boxes(*asked), ("q", f"{system} {unit}"))
    shared = tuple(ucum.converted(each, canonical) for each in asked[1:])
    boxes = number.boxes(asked.prefix, *shared)
    return Wanted(boxes, ("d", canonical.dimension), anywhere=True, converted=shared != tuple(asked[1:]))


def all_wanted(code: str, values: Sequence[str]) -> list[Wanted]:
    return [wanted(code, value) for value in values]
