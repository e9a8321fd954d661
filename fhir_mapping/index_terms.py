"""What search and access need to know of a resource, from one walk over it: the `Describe` port.

https://hl7.org/fhir/R4/search.html. For each type a plan is compiled on first use that reads the values of all its
search parameters; each value kind (`fhir_mapping.search_values`) says which terms a value has. Every parameter that has
a value also gets a `present` term, whatever its kind, so that `:missing` works for all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, cast

from domain.errors import TooCostly
from domain.identity import FhirJson, ResourceKey
from domain.revision import Description
from domain.search import IndexTerm
from fhir_mapping.compartments import membership_of
from fhir_mapping.extraction import Plan
from fhir_mapping.outline import outline_of
from fhir_mapping.search_parameters import SearchParameter, parameters_of
from fhir_mapping.search_values import reference, string, token, uri
from fhir_mapping.search_values.forms import PRESENT, Forms
from fhir_mapping.tables import RESOURCE_TYPES

MAX_TERMS = 50_000
"""Bounds what one hostile or machine-made resource can cost; the largest official example has 514."""
NATIVE = frozenset({"_id", "_lastUpdated"})
"""Parameters the store answers from its own fields."""


class _Reader(NamedTuple):
    read: Callable[[Any], Forms]
    code: str


def _nothing(_value: Any) -> Forms:
    """For kinds whose values are not indexed as terms: only that there is one."""
    return []


class IndexTerms:
    """Describes resources. `base` is the server's own base URL: references under it count as relative ones."""

    def __init__(self, base: str | None = None) -> None:
        self._base = base.rstrip("/") if base else None
        self._kinds: dict[str, dict[str, Callable[[Any], Forms]]] = {
            "token": token.FORMS,
            "string": string.FORMS,
            "uri": uri.FORMS,
            "reference": reference.forms_by_type(self._base),
        }
        self._plans: dict[str, Plan[_Reader]] = {}

    def describe(self, content: FhirJson, key: ResourceKey) -> Description:
        """The description of a checked resource under the id it will have.

        Raises `TooCostly` for more searchable values than one resource may have.
        """
        membership = membership_of(content, key.type, key.id, self._base)
        labels = content["meta"].get("security", ()) if "meta" in content else ()
        return Description(
            terms=self.terms(content, key.type),
            outline=outline_of(content, key.type),
            patient=membership.owner,
            patients=membership.patients,
            labels=tuple(f"{label.get('system', '')}|{label['code']}" for label in labels if "code" in label),
        )

    def terms(self, content: FhirJson, resource_type: str) -> tuple[IndexTerm, ...]:
        """Every index term of a checked resource, each once. Raises `TooCostly` above `MAX_TERMS`."""
        plan = self._plans.get(resource_type) or self._plan(resource_type)
        found: dict[str, None] = {}
        for readers, value in plan.values(content):
            last, forms = None, []
            for read, code in readers:
                if read is not last:
                    last, forms = read, [PRESENT, *read(value)]
                for name, text in forms:  # `term`, written out: this runs 200 times for a patient
                    found[f"{code}|{name}|{text}"] = None
            if len(found) > MAX_TERMS:
                raise TooCostly(f"More than {MAX_TERMS} searchable values in one resource", expression=resource_type)
        return cast(tuple[IndexTerm, ...], tuple(found))

    def _plan(self, resource_type: str) -> Plan[_Reader]:
        plan: Plan[_Reader] = Plan()
        for parameter in parameters_of(resource_type).values():
            if parameter.code in NATIVE or parameter.kind == "composite" or not parameter.expression:
                continue
            reader_of = partial(self._reader, parameter)
            routes = parameter.routes
            if routes is None:
                plan.add_evaluated(parameter.expression, reader_of)
            for route in routes or ():
                plan.add(route, reader_of(route.type))
        self._plans[resource_type] = plan
        return plan

    def _reader(self, parameter: SearchParameter, type_name: str) -> _Reader:
        """How values of a FHIR type are read for a parameter. `_profile` and `_source` do without URL segments."""
        flat = parameter.kind == "uri" and parameter.code.startswith("_")
        by_type = uri.FLAT_FORMS if flat else self._kinds[parameter.kind] if parameter.indexed else {}
        return _Reader(by_type.get("Resource" if type_name in RESOURCE_TYPES else type_name, _nothing), parameter.code)
