"""The shapes of search30 as data: what is asked, which values a resource has for it, and what they mean.

A new shape is one row. `family` groups the figures: https://hl7.org/fhir/R4/search.html#ptypes
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any, NamedTuple

from api.bench import meanings
from api.bench.meanings import Meaning
from domain.identity import FhirJson

Read = Callable[[FhirJson], Iterable[Any]]


class Shape(NamedTuple):
    """`ask` is the query with `{}` for the value; `never` is a value that nothing has."""

    family: str
    type: str
    ask: str
    read: Read
    meaning: Meaning
    never: str | None = None


def at(*paths: str) -> Read:
    """The values at some paths of JSON keys; lists are walked through."""

    def walk(value: Any, steps: list[str]) -> Iterator[Any]:
        if isinstance(value, list):
            yield from chain.from_iterable(walk(each, steps) for each in value)
        elif not steps:
            yield value
        elif isinstance(value, dict) and steps[0] in value:
            yield from walk(value[steps[0]], steps[1:])

    ways = [path.split(".") for path in paths]
    return lambda resource: chain.from_iterable(walk(resource, way) for way in ways)


def measured(*owners: Read) -> Read:
    """Pairs of code and quantity of an Observation itself or of its components."""

    def read(resource: FhirJson) -> Iterator[tuple[FhirJson, FhirJson]]:
        for owner in chain.from_iterable(each(resource) for each in owners):
            for coding in owner["code"].get("coding", ()) if "valueQuantity" in owner else ():
                yield coding, owner["valueQuantity"]

    return read


def _patient(resource: FhirJson) -> Iterator[str]:
    return (each for each in at("subject.reference")(resource) if each.startswith("Patient/"))


_NAMES = at("name.family", "name.given", "name.prefix", "name.suffix", "name.text")
_ADDRESSES = at(*(f"address.{part}" for part in ("text", "line", "city", "district", "state", "postalCode", "country")))
_ITSELF: Read = lambda resource: (resource,)  # noqa: E731 a row of the tables below reads better with a name
_NOBODY, _NO_CODE, _NOTHING = "Qqxnobody", "http://loinc.org|none-such", "gt99999999|http://unitsofmeasure.org|mm[Hg]"

SHAPES: tuple[Shape, ...] = (
    Shape("string", "Patient", "name={}", _NAMES, meanings.STARTS, _NOBODY),
    Shape("string", "Patient", "family={}", at("name.family"), meanings.STARTS, _NOBODY),
    Shape("string", "Patient", "given={}", at("name.given"), meanings.STARTS),
    Shape("string", "Patient", "family:exact={}", at("name.family"), meanings.EXACT),
    Shape("string", "Patient", "name:contains={}", _NAMES, meanings.CONTAINS, _NOBODY),
    Shape("string", "Patient", "address={}", _ADDRESSES, meanings.STARTS, _NOBODY),
    Shape("string", "Patient", "address-city={}", at("address.city"), meanings.STARTS),
    *(
        Shape(
            "date",
            "Observation",
            f"date={{}}{'&_total=none' if prefix == 'ap' else ''}",
            at("effectiveDateTime"),
            meanings.date(prefix),
        )
        for prefix in meanings.PREFIXES
    ),
    Shape("date", "Observation", "date={}", at("effectiveDateTime"), meanings.date("eq"), "eq1801-02-03"),
    Shape("date", "Encounter", "date={}", at("period"), meanings.MONTH, "ge1801-02-03&date=lt1801-03-05"),
    Shape("date", "Patient", "birthdate={}", at("birthDate"), meanings.date("eq"), "eq1801-02-03"),
    Shape("token", "Observation", "category={}", at("category.coding"), meanings.CODING, _NO_CODE),
    Shape("token", "Observation", "code={}", at("code.coding"), meanings.CODING, _NO_CODE),
    Shape("token", "Condition", "code={}", at("code.coding"), meanings.CODING, _NO_CODE),
    Shape("token", "Encounter", "class={}", at("class"), meanings.CODING, _NO_CODE),
    Shape("token", "MedicationRequest", "status={}", at("status"), meanings.SAME),
    Shape("token", "Patient", "identifier={}", at("identifier"), meanings.CODING, "http://nowhere.example|1"),
    *(
        Shape(
            "quantity",
            "Observation",
            "value-quantity={}",
            at("valueQuantity"),
            meanings.quantity(prefix),
            _NOTHING if prefix == "gt" else None,
        )
        for prefix in ("eq", "gt", "lt")
    ),
    Shape("reference", "Observation", "patient={}", _patient, meanings.SAME, "Patient/nobody-of-this-name"),
    Shape("reference", "Observation", "encounter={}", at("encounter.reference"), meanings.SAME),
    Shape("reference", "Condition", "subject={}", at("subject.reference"), meanings.SAME),
    Shape("reference", "MedicationRequest", "requester={}", at("requester.reference"), meanings.SAME),
    *(
        Shape(
            "composite",
            "Observation",
            "code-value-quantity={}",
            measured(_ITSELF),
            meanings.coded_quantity(prefix),
            f"{_NO_CODE}${_NOTHING}" if prefix == "gt" else None,
        )
        for prefix in ("gt", "lt")
    ),
    Shape(
        "composite",
        "Observation",
        "component-code-value-quantity={}",
        measured(at("component")),
        meanings.coded_quantity("gt"),
    ),
    Shape(
        "composite",
        "Observation",
        "combo-code-value-quantity={}",
        measured(_ITSELF, at("component")),
        meanings.coded_quantity("lt"),
    ),
)
FAMILIES = tuple(dict.fromkeys(shape.family for shape in SHAPES))
