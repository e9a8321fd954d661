"""Parameters that share index entries, so that no value is filed twice.

https://hl7.org/fhir/R4/search.html.
`combo-code` reads what `code` and `component-code` read: it files nothing, and a search by it asks for them. What names and
addresses share is in `search_values.string`.
NOTE: this decides what is stored under which name; a change orphans index entries.
"""

from __future__ import annotations

from functools import cache

from fhir_mapping.extraction import Route
from fhir_mapping.search_parameters import SearchParameter, parameters_of


@cache
def answering(parameter: SearchParameter) -> tuple[str, ...]:
    """The codes under which the values of a parameter are filed."""
    if is_union(parameter):
        return tuple(dict.fromkeys(_reader(parameter, route) or parameter.code for route in parameter.routes or ()))
    return (parameter.code,)


@cache
def is_union(parameter: SearchParameter) -> bool:
    """Whether all of its values are those of other parameters of its kind."""
    routes = parameter.routes or ()
    if parameter.kind != "token" or parameter.own or len(routes) < 2:
        return False
    return all(_reader(parameter, route) is not None for route in routes)


def _reader(parameter: SearchParameter, route: Route) -> str | None:
    """The code of another parameter that reads exactly this route."""
    for other in parameters_of(parameter.resource_type).values():
        if other.code != parameter.code and other.kind == parameter.kind and other.routes == (route,):
            return other.code
    return None
