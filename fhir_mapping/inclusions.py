"""`_include` and `_revinclude`: what to send along with the matches. https://hl7.org/fhir/R4/search.html#revinclude

`Type:parameter[:Target]`, with `*` for every reference parameter, and `:iterate` to go on from what was included.
A bad value is always refused: a client that asks for resources to come along relies on them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from domain.errors import InvalidRequest, TooCostly
from domain.search import Inclusion
from fhir_mapping.search_names import shown
from fhir_mapping.search_parameters import SearchParameter, parameters_of
from fhir_mapping.tables import RESOURCE_TYPES, elements_of

NAMES = frozenset({"_include", "_include:iterate", "_revinclude", "_revinclude:iterate"})
MAX_INCLUSIONS = 30
_BY_URL = frozenset({"canonical", "uri", "Attachment"})

Known: TypeAlias = Callable[[str], Mapping[str, SearchParameter]]
"""The parameters of a type by code."""


def is_inclusion(name: str) -> bool:
    """Whether a parameter asks for resources to come along. Raises `InvalidRequest` for another modifier."""
    if name in NAMES:
        return True
    if name.partition(":")[0] in ("_include", "_revinclude"):
        raise InvalidRequest("'_include' and '_revinclude' have one modifier, ':iterate'", expression=shown(name))
    return False


def inclusion(known: Known, name: str, value: str) -> Inclusion:
    """What one `_include` or `_revinclude` asks for. Raises `InvalidRequest` naming the parameter."""
    code, _, modifier = name.partition(":")
    reverse, iterate = code == "_revinclude", modifier == "iterate"
    if value == "*" and not reverse:
        return Inclusion(None, None, iterate=iterate)
    source, _, rest = value.partition(":")
    wanted, _, target = rest.partition(":")
    if source not in RESOURCE_TYPES:
        raise InvalidRequest(f"'{code}' takes Type:parameter or Type:parameter:Target", code="value", expression=code)
    parameters = _references(known(source), wanted)
    if not parameters:
        raise InvalidRequest(
            f"'{shown(wanted)}' is not a reference parameter of {source} to resources here",
            code="value",
            expression=code,
        )
    targets = {name for parameter in parameters for name in parameter.targets}
    if target and target not in targets:
        raise InvalidRequest(f"'{wanted}' of {source} cannot point at '{shown(target)}'", code="value", expression=code)
    by_url = {name for parameter in parameters for name in named_by_url(parameter) if target in ("", name)}
    return Inclusion(
        source,
        tuple(p.code for p in parameters),
        target or None,
        reverse=reverse,
        iterate=iterate,
        by_url=tuple(sorted(by_url)),
    )


def require_few(inclusions: list[Inclusion]) -> None:
    """Raise `TooCostly` for more than `MAX_INCLUSIONS`."""
    if len(inclusions) > MAX_INCLUSIONS:
        raise TooCostly(f"A search takes up to {MAX_INCLUSIONS} inclusions", expression="_include")


def _references(known: Mapping[str, SearchParameter], wanted: str) -> list[SearchParameter]:
    found = known.values() if wanted == "*" else [known[wanted]] if wanted in known else []
    return [parameter for parameter in found if can_include(parameter)]


def can_include(parameter: SearchParameter) -> bool:
    """Whether it names resources that can be here: by a place on this server, or by a URL that a type of them has."""
    if parameter.kind != "reference":
        return False
    return not is_by_url(parameter) or bool(named_by_url(parameter))


def is_by_url(parameter: SearchParameter) -> bool:
    """Whether it names resources by canonical URL. https://hl7.org/fhir/R4/references.html#canonical"""
    return parameter.kind == "reference" and bool(parameter.types) and parameter.types <= _BY_URL


def named_by_url(parameter: SearchParameter) -> list[str]:
    """The types that it names by canonical URL: those that can be found by one."""
    return [name for name in parameter.targets if _has_url(name)] if is_by_url(parameter) else []


def _has_url(resource_type: str) -> bool:
    """Whether a type calls itself by a URL and is found by it; the `url` of a Subscription is where it sends to."""
    return "url" in elements_of(resource_type) and "url" in parameters_of(resource_type)
