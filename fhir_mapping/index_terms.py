"""What search and access need to know of a resource, from one walk over it: the `Describe` port.

https://hl7.org/fhir/R4/search.html. For each type a plan is compiled on first use that reads the values of all its
search parameters; each value kind (`fhir_mapping.search_values`) says what is filed of a value: terms, ranges, or both.
Every parameter that has a value also gets a `present` mark, whatever its kind, so that `:missing` works for all.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from domain.errors import TooCostly
from domain.identity import FhirJson, ResourceKey
from domain.revision import Description
from domain.search import IndexTerm
from fhir_mapping.access_facets import facets_of
from fhir_mapping.compartments import membership_of, says_whose
from fhir_mapping.composites import composite_of, keyed_paths
from fhir_mapping.custom_parameters import CustomParameters
from fhir_mapping.extraction import Plan, Route
from fhir_mapping.filing import CompositeReader, Filed, MeasureReader, MomentReader, Reader, TermReader
from fhir_mapping.outline import outline_of
from fhir_mapping.range_conditions import RANGES
from fhir_mapping.range_paths import is_leading, is_personal, is_sealed, path_of
from fhir_mapping.search_parameters import SearchParameter, parameters_of
from fhir_mapping.search_values import calendar, moments, near, phonetic, quantity, reference, string, token, uri
from fhir_mapping.search_values.forms import Forms
from fhir_mapping.sensitivity import sensitivity_of
from fhir_mapping.sharing import is_union
from fhir_mapping.tables import RESOURCE_TYPES
from fhir_mapping.ties import ties_of
from fhir_mapping.words import words_of

MAX_TERMS = 50_000
"""Bounds what one hostile or machine-made resource can cost; the largest official example has 514."""
LOOK = 50
"""Values after which the bound is looked at again."""
NATIVE = frozenset({"_id", "_lastUpdated"})
"""Parameters the store answers from its own fields."""


def _nothing(_value: Any) -> Forms:
    """For values that are not filed as terms: only that there is one."""
    return []


class IndexTerms:
    """Describes resources. `base` is the server's own base URL: references under it count as relative ones."""

    def __init__(self, base: str | None = None, custom: CustomParameters | None = None) -> None:
        self._custom = custom or CustomParameters()
        self._generation = self._custom.generation
        self._base = base.rstrip("/") if base else None
        self._kinds: dict[str, dict[str, Callable[[Any], Forms]]] = {
            "token": token.FORMS,
            "uri": uri.FORMS,
            "reference": reference.forms_by_type(self._base),
        }
        self._plans: dict[str, Plan[Reader]] = {}

    def describe(self, content: FhirJson, key: ResourceKey) -> Description:
        """The description of a checked resource under the id it will have.

        Raises `TooCostly` for more searchable values than one resource may have.
        """
        membership = membership_of(content, key.type, key.id, self._base)
        labels = content["meta"].get("security", ()) if "meta" in content else ()
        filed = self.filed(content, key.type)
        return Description(
            terms=tuple(filed.terms),
            marks=tuple(filed.marks),
            scoped=filed.scoped(membership.owner),
            moment=filed.moment,
            ranges=tuple(filed.ranges),
            words=words_of(content),
            outline=outline_of(content, key.type),
            patient=membership.owner,
            patients=membership.patients,
            facets=facets_of(content, key.type, self._base),
            ties=ties_of(content, key, membership.patients, self._base),
            labels=tuple(f"{label.get('system', '')}|{label['code']}" for label in labels if "code" in label),
        )

    def sensitivity(self, content: FhirJson, resource_type: str) -> tuple[str, ...]:
        """See `domain.ports.Describe.sensitivity`."""
        return sensitivity_of(content, resource_type)

    def terms(self, content: FhirJson, resource_type: str) -> tuple[IndexTerm, ...]:
        """Every index term and mark of a checked resource, each once. Raises `TooCostly` above `MAX_TERMS`."""
        filed = self.filed(content, resource_type)
        return (*filed.terms, *filed.marks)

    def filed(self, content: FhirJson, resource_type: str) -> Filed:
        """Everything that is filed of a checked resource. Raises `TooCostly` above `MAX_TERMS`."""
        if self._generation != self._custom.generation:
            self._generation = self._custom.generation
            self._plans.clear()
        plan = self._plans.get(resource_type) or self._plan(resource_type)
        filed = Filed()
        for number, (readers, value) in enumerate(plan.values(content)):
            for reader in readers:
                reader.file(value, filed)
            if number % LOOK == 0:
                _require_few(filed, resource_type)
        _require_few(filed, resource_type)
        return filed

    def _plan(self, resource_type: str) -> Plan[Reader]:
        plan: Plan[Reader] = Plan()
        filed: set[tuple[Any, ...]] = set()
        keyed = keyed_paths(resource_type)
        for parameter in (*parameters_of(resource_type).values(), *self._custom.filed(resource_type)):
            if parameter.code in NATIVE or not parameter.expression:
                continue
            if parameter.kind == "composite":
                self._add_composite(plan, parameter, filed)
                continue
            reader_of = partial(self._reader, parameter)
            routes = parameter.routes
            if routes is None:
                plan.add_evaluated(parameter.expression, reader_of)
                if parameter.kind in RANGES:
                    plan.add_evaluated(parameter.expression, partial(_evaluated_ranges, parameter))
            for route in routes or ():
                plan.add(route, reader_of(route.type))
                path = path_of(parameter, route)
                ranges = _range_reader(parameter, route, path)
                if ranges is not None and path not in keyed and (path, type(ranges)) not in filed:
                    filed.add((path, type(ranges)))
                    plan.add(route, ranges)
        self._plans[resource_type] = plan
        return plan

    def _add_composite(self, plan: Plan[Reader], parameter: SearchParameter, filed: set[tuple[Any, ...]]) -> None:
        """File each kind of instance once, however many composites ask for it."""
        composite = composite_of(parameter)
        for instance in composite.instances:
            if (instance, composite.strategy) not in filed:
                filed.add((instance, composite.strategy))
                plan.add(
                    Route(instance.steps, parameter.resource_type),
                    CompositeReader(instance, pairs=composite.strategy == "pairs", base=self._base),
                )

    def _reader(self, parameter: SearchParameter, type_name: str) -> TermReader:
        """How values of a FHIR type become terms, by this parameter alone. `_profile` and `_source` do without segments."""
        code = parameter.code
        if is_personal(parameter):
            return TermReader(partial(_calendar_forms, moments.READERS.get(type_name, _no_interval)), code)
        read = self._read(parameter, "Resource" if type_name in RESOURCE_TYPES else type_name)
        owned = says_whose(parameter.resource_type, "patient")
        return TermReader(read, code, scoped=owned and parameter.scoped, patient=owned and code == "patient")

    def _read(self, parameter: SearchParameter, type_name: str) -> Callable[[Any], Forms]:
        match parameter.kind:
            case "token" if is_union(parameter):
                return _nothing
            case "special":
                return near.position if parameter.code == "near" else _nothing
            case "uri" if parameter.code.startswith("_"):
                return uri.FLAT_FORMS[type_name]
            case "string" if parameter.code == "phonetic":
                return phonetic.forms
            case "string":
                return string.forms_of(parameter, type_name) or _nothing
        return self._kinds.get(parameter.kind, {}).get(type_name, _nothing)


def _require_few(filed: Filed, resource_type: str) -> None:
    if filed.size > MAX_TERMS:
        raise TooCostly(f"More than {MAX_TERMS} searchable values in one resource", expression=resource_type)


def _calendar_forms(read: Callable[[Any], moments.Interval | None], value: Any) -> Forms:
    interval = read(value)
    return [] if interval is None else calendar.forms(interval)


def _no_interval(_value: Any) -> None:
    return None


def _evaluated_ranges(parameter: SearchParameter, type_name: str) -> Reader:
    """How values that only evaluation finds become ranges, under the name of their parameter."""
    reader = _range_reader(parameter, Route((), type_name), f"?{parameter.code}")
    return reader or TermReader(_nothing, parameter.code)


def _range_reader(parameter: SearchParameter, route: Route, path: str) -> Reader | None:
    """How values become ranges; `None` for kinds that do not, and for dates and ages of persons."""
    if parameter.kind not in RANGES or is_personal(parameter) or is_sealed(parameter):
        return None
    if parameter.kind == "date":
        read = moments.READERS.get(route.type)
        return None if read is None else MomentReader(read, path, leads=is_leading(parameter))
    measure = quantity.READERS.get(route.type) if parameter.kind == "quantity" else quantity.number_measures
    return None if measure is None else MeasureReader(measure, path)
