"""Conditions on other resources: chains (`subject.name=…`) and reverse chains (`_has:Observation:patient:code=…`).

https://hl7.org/fhir/R4/search.html#chaining, https://hl7.org/fhir/R4/search.html#has

A chain without a type follows its reference to every type that has the parameter (`subject.identifier`): each gets a
query of its own, since a parameter may be of another kind there. Both forms nest, at most `MAX_HOPS` deep.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from domain.errors import InvalidRequest, TooCostly
from domain.search import Condition, Having, IndexTerm, Linked, SearchQuery, term
from fhir_mapping.compartments import owning_parameter
from fhir_mapping.inclusions import Known, is_by_url
from fhir_mapping.search_names import Unknown, parse_name, shown
from fhir_mapping.search_parameters import SearchParameter
from fhir_mapping.search_values.forms import PRESENT
from fhir_mapping.tables import RESOURCE_TYPES

MAX_HOPS = 3
HAS = "_has:"

Parse: TypeAlias = Callable[[str, str, str, int], Condition]
"""`(resource type, name, value, hops left)` to a condition of that type."""


def linked(
    parse: Parse,
    has: Callable[[str, str], bool],
    parameter: SearchParameter,
    wanted: str | None,
    chain: str,
    value: str,
    hops: int,
) -> Linked:
    """The chain on `parameter`; `wanted` is the type its modifier names, `has` tells whether a type has a parameter.

    Raises `InvalidRequest` or `Unknown`.
    """
    code = parameter.code
    if parameter.kind != "reference":
        raise Unknown(f"'{code}' is not a reference, so '{shown(chain)}' cannot follow it")
    if hops == 0:
        raise TooCostly(f"A chain has up to {MAX_HOPS} hops", expression=code)
    if wanted is not None and wanted not in parameter.targets:
        raise InvalidRequest(f"'{code}' cannot point at '{shown(wanted)}'", expression=code)
    first = parse_name(chain).code
    queries: list[SearchQuery] = []
    refused: list[InvalidRequest | Unknown] = []
    for target in [wanted] if wanted else [t for t in parameter.targets if chain.startswith(HAS) or has(t, first)]:
        try:
            queries.append(SearchQuery(target, (parse(target, chain, value, hops - 1),), total="none"))
        except TooCostly:
            raise
        except (InvalidRequest, Unknown) as problem:
            refused.append(problem)
    if not queries:
        raise refused[0] if refused else Unknown(f"Nothing '{code}' points at has the parameter '{shown(chain)}'")
    return Linked(code, tuple(queries), is_by_url(parameter))


def having(parse: Parse, known: Known, resource_type: str, name: str, value: str, hops: int) -> Having:
    """`_has:Observation:patient:code`: resources of `resource_type` that such an Observation points at.

    Raises `InvalidRequest` for what is not of that form, or names a reference that cannot point at the type.
    """
    parts = name.split(":", 3)
    if len(parts) != 4 or not parts[3]:
        raise InvalidRequest("'_has' is written _has:Type:reference:parameter=value", expression=shown(name))
    if hops == 0:
        raise TooCostly(f"'_has' nests up to {MAX_HOPS} times", expression="_has")
    _, source, code, rest = parts
    if source not in RESOURCE_TYPES:
        raise InvalidRequest(f"'{shown(source)}' is not an R4 resource type", expression="_has")
    parameter = known(source).get(code)
    if parameter is None or parameter.kind != "reference":
        raise InvalidRequest(f"'{shown(code)}' is not a reference parameter of {source}", expression="_has")
    if resource_type not in parameter.targets:
        raise InvalidRequest(f"'{code}' of {source} cannot point at a {resource_type}", expression="_has")
    query = SearchQuery(source, (parse(source, rest, value, hops - 1),), total="none")
    return Having(code, query, _owned(parameter, resource_type), is_by_url(parameter))


def _owned(parameter: SearchParameter, resource_type: str) -> IndexTerm | None:
    """The term that tells that `parameter` says whose record a resource is in."""
    deciding = owning_parameter(parameter.resource_type, parameter.code) if resource_type == "Patient" else None
    return term(deciding, *PRESENT) if deciding is not None else None
