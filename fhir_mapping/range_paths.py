"""Where the dates, numbers and quantities of a type are filed: one path for each element, however many parameters read it.

https://hl7.org/fhir/R4/search.html. `value-quantity` and `combo-value-quantity` of an Observation read the same element,
so it has one range, and a parameter is a set of paths. One date of each type leads: it stands beside the ranges, where
the database can sort by it. Dates of persons have no range at all (`search_values.calendar`), ages none either.
NOTE: paths are stored; changing how they are made orphans every index entry.
"""

from __future__ import annotations

from functools import cache

from domain.ranges import MOMENT
from fhir_mapping.extraction import Filter, Route
from fhir_mapping.search_parameters import SearchParameter, parameters_of
from fhir_mapping.search_values import quantity
from fhir_mapping.tables import elements_of

PERSONS = frozenset({"Patient", "Person", "RelatedPerson", "Practitioner"})
_LEADING = (
    *(
        "date",
        "authoredon",
        "authored",
        "authored-on",
        "created",
        "onset-date",
        "period",
        "effective-time",
        "sent",
        "recorded",
    ),
    *("started", "occurrence", "whenprepared", "issued", "event-date", "start", "start-date", "timestamp", "collected"),
    *("effective", "identified", "expiration-date", "datetime", "datewritten"),
)
"""Codes of date parameters, the first of which a type has leads it."""


def path_of(parameter: SearchParameter, route: Route) -> str:
    """The path of a route; one with a filter has the name of its parameter, since no other reads the same values.

    So has a parameter of one's own: it must not depend on which official one reads the element too.
    """
    if parameter.own or any(isinstance(step, Filter) for step in route.steps):
        return f"?{parameter.code}"
    return ".".join(step for step in route.steps if isinstance(step, str))


@cache
def paths(parameter: SearchParameter) -> tuple[str, ...]:
    """The paths of a date, number or quantity parameter."""
    if is_leading(parameter):
        return (MOMENT,)
    routes = parameter.routes
    if routes is None:
        return (f"?{parameter.code}",)
    return tuple(dict.fromkeys(path_of(parameter, route) for route in routes if _is_filed(parameter, route)))


def _is_filed(parameter: SearchParameter, route: Route) -> bool:
    """Whether values of the route's type have ranges: a search for others would walk for nothing (SampledData)."""
    return parameter.kind != "quantity" or route.type in quantity.READERS


def is_personal(parameter: SearchParameter) -> bool:
    """Whether its values are dates of a person, found by calendar words only."""
    return parameter.kind == "date" and parameter.resource_type in PERSONS


def is_sealed(parameter: SearchParameter) -> bool:
    """Whether its values are ages, which only opened resources tell."""
    return parameter.kind == "quantity" and "Age" in parameter.types


def is_leading(parameter: SearchParameter) -> bool:
    return parameter.kind == "date" and leading(parameter.resource_type) == parameter.code


@cache
def leading(resource_type: str) -> str | None:
    """The code of the date parameter that leads a type: the first of a list with at most one value per resource."""
    if resource_type in PERSONS:
        return None
    parameters = parameters_of(resource_type)
    for code in _LEADING:
        parameter = parameters.get(code)
        if parameter is not None and parameter.kind == "date" and parameter.routes and is_single(parameter):
            return code
    return None


def is_single(parameter: SearchParameter) -> bool:
    """Whether a resource has at most one value: no list on the way, and routes that exclude each other."""
    routes = parameter.routes or ()
    choices = {_choice(parameter.resource_type, route) for route in routes}
    return len(choices) == 1 and None not in choices


def _choice(resource_type: str, route: Route) -> str | None:
    """What a route reads, the same for all types of one choice element; `None` when it may read several values."""
    owner, names = resource_type, []
    for step in route.steps:
        if not isinstance(step, str):
            return None
        element = elements_of(owner)[step]
        if element.many:
            return None
        names.append(element.choice or step)
        owner = element.type.lstrip("#")
    return ".".join(names)
