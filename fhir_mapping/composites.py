"""Composite parameters: several values of one element instance. https://hl7.org/fhir/R4/search.html#composite

`component-code-value-quantity=8480-6$gt140` wants both in the same component. How that is indexed follows from the
components' types: two coded values become one term for each pair of their forms; a coded value with a date, number or
quantity becomes keys of the range. Where the instance is the whole resource, any other composite is simply both
conditions. The rest (a gene's chromosome with two positions) only opened resources tell.
"""

from __future__ import annotations

from functools import cache
from typing import Literal, NamedTuple, TypeAlias

from fhir_mapping.extraction import Filter, Route, routes_of
from fhir_mapping.search_parameters import SearchParameter, parameters_of
from fhir_mapping.search_values import moments, quantity, token

Strategy: TypeAlias = Literal["pairs", "keys", "both", "opened"]
_NUMBERS = frozenset({"decimal", "integer", "positiveInt", "unsignedInt"})
_CODED = (frozenset(token.FORMS) | {"Reference"}) - {"string", "markdown"}


class Instance(NamedTuple):
    """One element that holds all components; `first` and `second` are routes from there."""

    steps: tuple[str, ...]
    first: tuple[Route, ...]
    second: tuple[Route, ...]

    @property
    def path(self) -> str:
        return ".".join(self.steps)

    @property
    def pair(self) -> str:
        """What the pairs of this instance are filed under, whatever parameter asks."""
        return f"{self.path}&{self.first[0].steps[0]}&{self.second[0].steps[0]}"


class Composite(NamedTuple):
    """A composite worked out; `strategy` `both` and `opened` need no instances."""

    strategy: Strategy
    instances: tuple[Instance, ...] = ()


def kind_of(route: Route) -> str | None:
    """How values of a type are compared when they are part of a composite."""
    if route.type in quantity.READERS:
        return "quantity"
    if route.type in moments.READERS:
        return "date"
    if route.type in _NUMBERS:
        return "number"
    if route.type == "Reference":
        return "reference"
    return "token" if route.type in _CODED else None


@cache
def composite_of(parameter: SearchParameter) -> Composite:
    """How a composite parameter is indexed and asked."""
    instances = [_instance(parameter, route) for route in parameter.routes or ()]
    found = tuple(each for each in instances if each is not None)
    whole = all(route.steps == () for route in parameter.routes or ())
    if instances and len(found) == len(instances) and len(parameter.components) == 2:
        kinds = {kind_of(route) for each in found for route in each.second}
        firsts = {kind_of(route) for each in found for route in each.first}
        if kinds <= {"token", "reference"} and firsts <= {"token", "reference"}:
            return Composite("pairs", found)
        if firsts == {"token"} and len(kinds) == 1 and kinds <= {"quantity", "number"}:
            return Composite("keys", found)
    known = all(code in parameters_of(parameter.resource_type) for code, _, _ in parameter.components)
    return Composite("both" if whole and known else "opened")


def _instance(parameter: SearchParameter, route: Route) -> Instance | None:
    steps = tuple(step for step in route.steps if isinstance(step, str))
    if len(steps) != len(route.steps) or len(parameter.components) != 2:
        return None
    first, second = (_readable(kind, expression, route.type) for _, kind, expression in parameter.components)
    return Instance(steps, first, second) if first and second else None


def _readable(kind: str, expression: str, instance: str) -> tuple[Route, ...]:
    """The routes of a component whose values can be compared; for a kind with a choice of types, those of the kind."""
    routes = [route for route in routes_of(expression, instance) or () if kind_of(route) is not None]
    fitting = [route for route in routes if kind_of(route) == kind] or routes
    return () if any(isinstance(step, Filter) for route in fitting for step in route.steps) else tuple(fitting)


@cache
def component_of(parameter: SearchParameter, number: int) -> SearchParameter:
    """A component of a composite with instances, as a parameter of its own."""
    composite = composite_of(parameter)
    routes = composite.instances[0].first if number == 0 else composite.instances[0].second
    code, _, expression = parameter.components[number]
    owners = [".".join((parameter.resource_type, *each.steps)) for each in composite.instances]
    parts = [part.strip() for part in expression.split("|")]
    return SearchParameter(
        parameter.resource_type,
        code,
        kind_of(routes[0]) or "token",
        " | ".join(f"{owner}.{part}" for owner in owners for part in parts),
    )


@cache
def keyed_paths(resource_type: str) -> frozenset[str]:
    """The paths whose ranges are filed with the code of their instance, by `keys` composites of the type."""
    found = set()
    for parameter in parameters_of(resource_type).values():
        if parameter.kind == "composite":
            composite = composite_of(parameter)
            if composite.strategy == "keys":
                found |= {joined(each, route) for each in composite.instances for route in each.second}
    return frozenset(found)


def joined(instance: Instance, route: Route) -> str:
    """The path from the resource of a component's values."""
    return ".".join((*instance.steps, *(step for step in route.steps if isinstance(step, str))))
