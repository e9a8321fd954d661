"""Search parameters of one's own: stored SearchParameter resources that are active.

https://hl7.org/fhir/R4/searchparameter.html. Their values are filed as soon as they are known; they answer searches when
everything that was there before is filed too (`domain.operations.reindex`). An official parameter is never replaced.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from domain.errors import InvalidRequest
from domain.identity import FhirJson
from fhir_mapping.extraction import routes_of
from fhir_mapping.fhirpath_syntax import parse
from fhir_mapping.search_parameters import SearchParameter, parameters_of
from fhir_mapping.tables import RESOURCE_TYPES

KINDS = frozenset({"token", "string", "reference", "uri", "date", "number", "quantity"})
"""Types of parameters that can be added; a composite has no values of its own."""
_EVERY = frozenset({"Resource", "DomainResource"})


class CustomParameters:
    """The parameters of this process: `replace`d as a whole, so that nobody ever sees half of a change."""

    def __init__(self) -> None:
        self._filed: Mapping[str, Mapping[str, SearchParameter]] = {}
        self._usable: frozenset[tuple[str, str]] = frozenset()
        self.generation = 0
        """Changes whenever what is filed changes."""

    def filed(self, resource_type: str) -> Iterable[SearchParameter]:
        """Every parameter of one's own whose values are filed."""
        return self._filed.get(resource_type, {}).values()

    def get(self, resource_type: str, code: str) -> SearchParameter | None:
        """The parameter of that code, if searches may use it."""
        return self._filed.get(resource_type, {}).get(code) if (resource_type, code) in self._usable else None

    def known(self, resource_type: str) -> Mapping[str, SearchParameter]:
        """Every parameter that searches of a type may use: the official ones, and those of one's own."""
        official = parameters_of(resource_type)
        own = self._filed.get(resource_type)
        if not own:
            return official
        usable = {code: each for code, each in own.items() if (resource_type, code) in self._usable}
        return {**usable, **official}

    def pending(self, resource_type: str, code: str) -> bool:
        """Whether it is known, but what was there before is not filed yet."""
        return code in self._filed.get(resource_type, {}) and (resource_type, code) not in self._usable

    def types_of(self, content: FhirJson) -> tuple[str, ...]:
        """The types a SearchParameter resource adds something to, none if it has no effect here."""
        return tuple(sorted({parameter.resource_type for parameter in parameters_in(content)}))

    def replace(self, rows: Iterable[tuple[FhirJson, bool]]) -> None:
        """From now on these SearchParameter resources count, each with whether searches may use it."""
        filed: dict[str, dict[str, SearchParameter]] = {}
        usable: set[tuple[str, str]] = set()
        for content, ready in rows:
            for parameter in parameters_in(content):
                of_type = filed.setdefault(parameter.resource_type, {})
                if parameter.code not in of_type:
                    of_type[parameter.code] = parameter
                    if ready:
                        usable.add((parameter.resource_type, parameter.code))
        if filed != self._filed:
            self._filed = filed
            self.generation += 1
        self._usable = frozenset(usable)


def parameters_in(content: FhirJson) -> list[SearchParameter]:
    """What a SearchParameter resource adds: one parameter per type; none where R4 has one of that code already."""
    if content.get("status") != "active" or content.get("type") not in KINDS or problem_of(content) is not None:
        return []
    if "expression" not in content:
        return []
    targets = frozenset(content.get("target", ())) & frozenset(RESOURCE_TYPES)
    return [
        SearchParameter(name, content["code"], content["type"], content["expression"], aims=targets or None, own=True)
        for name in _types(content)
        if content["code"] not in parameters_of(name) and _gives_something(content["expression"], name)
    ]


def problem_of(content: Mapping[str, Any]) -> str | None:
    """What is wrong with the expression of a SearchParameter; `None` when it can be evaluated here or has none."""
    expression = content.get("expression")
    if type(expression) is not str or content.get("type") not in KINDS:
        return None
    try:
        parse(expression)
        named = any(_gives_something(expression, name) for name in _types(content))
    except InvalidRequest as refused:
        return refused.message
    return None if named else "The expression names no element of the types in base"


def _types(content: Mapping[str, Any]) -> tuple[str, ...]:
    bases = content.get("base")
    if type(bases) is not list:
        return ()
    return RESOURCE_TYPES if _EVERY & set(bases) else tuple(name for name in RESOURCE_TYPES if name in bases)


def _gives_something(expression: str, resource_type: str) -> bool:
    """Whether it may have values: paths must lead to an element, anything else shows when it is evaluated."""
    return routes_of(expression, resource_type) != ()
