"""The search parameters of every type, read from the compiled official definitions on first use.

https://hl7.org/fhir/R4/searchparameter-registry.html. `SearchParameter.routes` is its expression worked out over the
element tables: which JSON keys lead to its values and of what FHIR type they are. Nothing here changes after loading.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, cached_property
from importlib.resources import files
from types import MappingProxyType
from typing import Any

import msgspec

from fhir_mapping.extraction import Route, routes_of
from fhir_mapping.tables import RESOURCE_TYPES

_EVERY_TYPE = ("Resource", "DomainResource")
_INDEXED = frozenset({"token", "string", "reference", "uri", "date", "number", "quantity", "composite", "special"})
_WITHOUT_EXPRESSION = frozenset({"_lastUpdated", "_text", "_content"})
_CODED = frozenset({"Coding", "CodeableConcept", "code"})
_NOT_DOMAIN = frozenset({"Binary", "Bundle", "Parameters"})

PROFILED: Mapping[str, Mapping[str, tuple[str, str, str]]] = {
    "DocumentReference": {
        "creation": (
            "date",
            "DocumentReference.content.attachment.creation",
            "https://profiles.ihe.net/ITI/MHD/SearchParameter/DocumentReference-Creation",
        )
    },
}
"""Parameters of the implementation guides we follow, beside the official ones: type, expression, definition.

IHE MHD ITI-67: https://profiles.ihe.net/ITI/MHD/ITI-67.html#23674121-query-search-parameters
"""


class SearchParameter(msgspec.Struct, frozen=True, dict=True, cache_hash=True):
    """One parameter of one resource type. What follows from its definition is worked out once: every search asks for it.

    `kind` is the search parameter type (`token`, `date` …). `aims` are the declared targets of a reference, `None` for
    any. `systems` are the code systems that a `code` implies. `components` of a composite: (code, kind, expression).
    `own` marks one that somebody has added, `definition` says where one of a guide is defined.
    """

    resource_type: str
    code: str
    kind: str
    expression: str
    aims: frozenset[str] | None = None
    systems: frozenset[str] = frozenset()
    components: tuple[tuple[str, str, str], ...] = ()
    own: bool = False
    definition: str | None = None

    @cached_property
    def indexed(self) -> bool:
        """Whether a search by it works."""
        return (self.kind in _INDEXED and bool(self.expression)) or self.code in _WITHOUT_EXPRESSION

    @cached_property
    def scoped(self) -> bool:
        """Whether its values are also filed together with the patient: codes of the resource itself."""
        plain = not self.code.startswith(("_", "combo-", "component-", "context"))
        return self.kind == "token" and plain and not self.own and bool(self.types) and self.types <= _CODED

    @cached_property
    def routes(self) -> tuple[Route, ...] | None:
        """Where its values are; `None` when only evaluating the whole expression can tell."""
        return routes_of(self.expression, self.resource_type) if self.expression else ()

    @cached_property
    def types(self) -> frozenset[str]:
        """The FHIR types of its values; an expression that has to be evaluated gives a truth value or a resource."""
        routes = self.routes
        if routes is None:
            return frozenset({"boolean"} if self.kind == "token" else {"Resource"})
        return frozenset(route.type for route in routes)

    @cached_property
    def targets(self) -> tuple[str, ...]:
        """The resource types a reference of this parameter can point at, sorted."""
        allowed = self.aims or frozenset(RESOURCE_TYPES)
        routes = self.routes
        if routes and all(route.type == "Reference" for route in routes):
            allowed &= frozenset().union(*(route.targets or RESOURCE_TYPES for route in routes)) or allowed
        return tuple(sorted(allowed))


@cache
def parameters_of(resource_type: str) -> Mapping[str, SearchParameter]:
    """The parameters of a type by code, those of every type (`_tag` …) included. Raises `KeyError` for no type."""
    if resource_type not in RESOURCE_TYPES:
        raise KeyError(resource_type)
    inherited = _EVERY_TYPE[:1] if resource_type in _NOT_DOMAIN else _EVERY_TYPE
    found: dict[str, SearchParameter] = {}
    for owner in (*inherited, resource_type):
        rows = msgspec.json.decode(_slices()[owner]) if owner in _slices() else []
        found |= {row[0]: _parameter(resource_type, *row) for row in rows}
    for code, (kind, expression, definition) in PROFILED.get(resource_type, {}).items():
        found[code] = SearchParameter(resource_type, code, kind, expression, definition=definition)
    return MappingProxyType(found)


def _parameter(
    resource_type: str, code: str, kind: str, expression: str, more: dict[str, Any] | None = None
) -> SearchParameter:
    more = more or {}
    return SearchParameter(
        resource_type,
        code,
        kind,
        expression,
        aims=frozenset(more["targets"]) if "targets" in more else None,
        systems=frozenset(more.get("systems", ())),
        components=tuple(tuple(component) for component in more.get("components", ())),
    )


@cache
def _slices() -> dict[str, msgspec.Raw]:
    text = files("fhir_mapping").joinpath("definitions", "search_parameters.json").read_bytes()
    return msgspec.json.decode(text, type=dict[str, msgspec.Raw])
