"""What a search searches in: one type, several types, or those of a compartment.

https://hl7.org/fhir/R4/http.html#search, https://hl7.org/fhir/R4/compartmentdefinition.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from api.fhir.service import Call, Service
from domain.audit import READ_ONLY
from domain.errors import InvalidRequest, NotFound, TooCostly
from domain.identity import ResourceKey, parse_id

MAX_TYPES = 20
Pairs = Sequence[tuple[str, str]]


class SearchScope(NamedTuple):
    """`path` is what the links of the answer go to, below the base. One type, or `several`."""

    path: str
    types: tuple[str, ...]
    compartment: ResourceKey | None = None
    several: bool = False


SYSTEM = SearchScope("", (), several=True)
"""The whole system, its types to be read from a page link."""


def of_type(call: Call) -> SearchScope:
    """`[type]`"""
    return SearchScope(call.type, (call.type,))


def of_compartment(service: Service, call: Call) -> SearchScope:
    """`[compartment]/[id]/[type]`, or `*` for every type the compartment may hold. Raises `NotFound`, `InvalidRequest`."""
    kind, logical_id, inner = call.exchange.segments[:3]
    compartment = ResourceKey(kind, parse_id(logical_id))
    types = service.parts.search.types_within(kind)
    path = f"{compartment}/{inner}"
    if inner == "*":
        return SearchScope(path, tuple(types), compartment, several=True)
    if inner not in service.types:
        raise NotFound("This is not an R4 resource type that is supported here", code="not-supported")
    return SearchScope(path, (inner,), compartment)


def of_system(service: Service, pairs: Pairs) -> SearchScope:
    """The base, with `_type`. Raises `InvalidRequest` without it: no answer is useful that mixes every type there is."""
    asked = [name for code, value in pairs if code == "_type" for name in value.split(",") if name]
    types = tuple(dict.fromkeys(asked))
    if not types:
        raise InvalidRequest(
            "A search of the whole system says which types: _type=Patient,Observation",
            code="required",
            expression="_type",
        )
    unknown = [name for name in types if name not in service.types]
    if unknown:
        raise InvalidRequest("'_type' takes R4 resource types", code="value", expression="_type")
    if READ_ONLY in types:
        raise InvalidRequest(f"{READ_ONLY} is searched on its own", code="not-supported", expression="_type")
    if len(types) > MAX_TYPES:
        raise TooCostly(f"'_type' takes up to {MAX_TYPES} types", expression="_type")
    return SYSTEM._replace(types=types)
