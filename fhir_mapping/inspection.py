"""What only opened resources tell: searches the index cannot decide, and values to sort by. The `Inspect` port.

https://hl7.org/fhir/R4/search.html#sort. Works on the JSON itself, by evaluating the parameter's expression; everything
the index does know of the resource is asked of its description, made again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from domain import decimals
from domain.identity import FhirJson
from domain.matching import holds
from domain.ports import Describe, Inspected
from domain.ranges import Box
from domain.revision import Description, Head
from domain.search import Condition, Opened
from fhir_mapping import words
from fhir_mapping.custom_parameters import CustomParameters
from fhir_mapping.fhirpath import Place, evaluate, evaluate_at
from fhir_mapping.fhirpath_syntax import parse
from fhir_mapping.search_parameters import SearchParameter, parameters_of
from fhir_mapping.search_values import moments, near, number, quantity, string, token
from fhir_mapping.search_values.escaping import split, unescape

_decode = msgspec.json.Decoder(float_hook=decimals.exact).decode
Interval = tuple[int | Decimal | None, int | Decimal | None]


class Inspection:
    """Looks inside resources. `describe` is the describer the store's index was made by, `now` the clock of `ap`, `custom`
    the search parameters of one's own."""

    def __init__(self, describe: Describe, now: Callable[[], datetime], custom: CustomParameters | None = None) -> None:
        self._describe = describe
        self._now = now
        self._custom = custom or CustomParameters()

    def __call__(self, head: Head, content: bytes, found: frozenset[str] = frozenset()) -> Inspected:
        return OpenedResource(head, _decode(content), self._describe, self._now, self._custom, found)


class OpenedResource:
    """One resource; described when first asked for what the description tells."""

    def __init__(
        self,
        head: Head,
        content: FhirJson,
        describe: Describe,
        now: Callable[[], datetime],
        custom: CustomParameters | None = None,
        found: frozenset[str] = frozenset(),
    ) -> None:
        self._custom = custom or CustomParameters()
        self._found = found
        self._head = head
        self._content = content
        self._describe = describe
        self._now = now
        self._described: Description | None = None

    def __repr__(self) -> str:
        return f"OpenedResource({self._head.key})"

    def satisfies(self, condition: Condition) -> bool:
        if self._described is None:
            described = self._describe.describe(self._content, self._head.key)
            self._described = msgspec.structs.replace(described, found=self._found)
        return holds(condition, self._head, self._described, self._opened)

    def sort_value(self, code: str, descending: bool) -> str | int | None:
        parameter = self._parameter(code)
        found = [value for place in self._places(parameter) for value in _sort_values(parameter, place)]
        if not found:
            return None
        return max(found) if descending else min(found)

    def _parameter(self, code: str) -> SearchParameter:
        own = self._custom.get(self._head.key.type, code)
        return own or parameters_of(self._head.key.type)[code]

    def _places(self, parameter: SearchParameter) -> list[Place]:
        return evaluate(parse(parameter.expression), self._content)

    def _opened(self, condition: Opened) -> bool:
        parameter = self._parameter(condition.code)
        if parameter.code in ("_text", "_content"):
            text = self._content.get("text", {}).get("div", "")
            texts = [text] if parameter.code == "_text" else list(words.texts_of(self._content))
            found = frozenset[str]() if parameter.code == "_text" else self._found
            return any(words.contains_all(value, texts, found) for value in condition.values)
        if condition.modifier == "text":
            texts = [text for place in self._places(parameter) for text in words.texts_beside(place.value)]
            return any(words.occurs(value, texts) for value in condition.values)
        if parameter.code == "near":
            points = [near.point_of(place.value) for place in self._places(parameter)]
            circles = [near.circle(value) for value in condition.values]
            return any(circle.holds(*point) for circle in circles for point in points if point is not None)
        if parameter.kind == "composite":
            return any(self._composite(parameter, value) for value in condition.values)
        if parameter.kind == "string":
            texts = [string.normalised(unescape(value)) for value in condition.values]
            values = [string.normalised(each) for place in self._places(parameter) for each in string.texts(place)]
            return any(text in value for text in texts for value in values)
        return any(_fits(parameter, self._places(parameter), value, self._now()) for value in condition.values)

    def _composite(self, parameter: SearchParameter, value: str) -> bool:
        """Whether one instance has all components."""
        parts = split(value, "$")
        for instance in self._places(parameter):
            if all(
                _component_fits(parameter, component, self._component(component[2], instance), part, self._now())
                for component, part in zip(parameter.components, parts, strict=True)
            ):
                return True
        return False

    def _component(self, expression: str, instance: Place) -> list[Place]:
        if expression.startswith("%resource."):
            own = f"{self._head.key.type}.{expression.removeprefix('%resource.')}"
            return evaluate(parse(own), self._content)
        return evaluate_at(parse(expression), instance, self._content)


def _component_fits(
    parameter: SearchParameter, component: tuple[str, str, str], places: Sequence[Place], value: str, now: datetime
) -> bool:
    return _fits(parameters_of(parameter.resource_type)[component[0]], places, value, now)


def _fits(parameter: SearchParameter, places: Sequence[Place], value: str, now: datetime) -> bool:
    """Whether one of the values passes one alternative."""
    if parameter.kind == "token":
        wanted = set(token.forms_asked(parameter, value))
        return any(wanted & set(token.FORMS[place.type or ""](place.value)) for place in places)
    if parameter.kind == "number":
        boxes = number.boxes(*number.asked(parameter.code, value))
        measures = [measure for place in places for measure in quantity.number_measures(place.value)]
        return any(_in(boxes, (measure.low, measure.high)) for measure in measures if not measure.converted)
    if parameter.kind == "date":
        asked = moments.boxes(*moments.asked(parameter.code, value, now))
        return any(_in(asked, interval) for interval in map(_interval, places) if interval is not None)
    wanted_quantity = quantity.wanted(parameter.code, value)
    return any(
        _in(wanted_quantity.boxes, (measure.low, measure.high))
        for place in places
        for measure in quantity.READERS.get(place.type or "", _no_measures)(place.value)
        if wanted_quantity.key in measure.keys
    )


def _no_measures(_value: Any) -> list[quantity.Measure]:
    return []


def _interval(place: Place) -> moments.Interval | None:
    read = moments.READERS.get(place.type or "")
    return None if read is None else read(place.value)


def _in(boxes: Sequence[Box], interval: Interval) -> bool:
    return any(box.holds(*interval) for box in boxes)


def _sort_values(parameter: SearchParameter, place: Place) -> Iterator[str | int]:
    """The values of one place, comparable among those of the parameter."""
    value, kind = place.value, place.type or ""
    if parameter.kind == "date":
        interval = _interval(place)
        if interval is not None:
            yield -moments.END if interval[0] is None else interval[0]
    elif parameter.kind == "string":
        yield from (string.normalised(text) for text in string.texts(place))
    elif parameter.kind in ("number", "quantity"):
        numbers = [value] if isinstance(value, int | Decimal) else _amounts(kind, value)
        yield from (sortable(Decimal(each)) for each in numbers)
    elif isinstance(value, dict):
        yield from (str(each).casefold() for each in _texts_of(value))
    elif isinstance(value, bool):
        yield "true" if value else "false"
    else:
        yield str(value).casefold()


def _amounts(kind: str, value: Any) -> list[Decimal]:
    """Numbers in the shared unit of their dimension where there is one."""
    found = quantity.READERS.get(kind, _no_measures)(value)
    chosen = found[-1:]
    return [end for measure in chosen for end in (measure.low, measure.high) if end is not None][:1]


def _texts_of(value: dict[str, Any]) -> list[str]:
    """What a code, identifier or reference is sorted by: its code or value, then its text."""
    codings = value.get("coding")
    if codings:
        return [coding.get("code") or coding.get("display", "") for coding in codings]
    for name in ("code", "value", "reference", "display", "text"):
        if isinstance(value.get(name), str):
            return [value[name]]
    return []


def sortable(value: Decimal) -> str:
    """A text that sorts as the number does."""
    if value == 0:
        return "1"
    digits = "".join(map(str, value.normalize().as_tuple().digits))
    exponent = value.adjusted() + 5000
    if value > 0:
        return f"2{exponent:05d}{digits}"
    complement = "".join(str(9 - int(digit)) for digit in digits)
    return f"0{99999 - exponent:05d}{complement}~"
