"""What searches and operations read from resources they have opened: the `ReadContent` port.

References are read by search parameter (https://hl7.org/fhir/R4/search.html#revinclude), along the same routes as the
index was written, so that `_include` and a chain can never disagree about where a reference points.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from typing import Any

import msgspec

from domain.identity import FhirJson, ResourceKey, parse_reference
from domain.reading import CodeSet, Observed, Person
from domain.search import CodesOf, Inclusion, IndexTerm
from fhir_mapping import person
from fhir_mapping.code_sets import code_terms, codes_of
from fhir_mapping.custom_parameters import CustomParameters
from fhir_mapping.extraction import Plan
from fhir_mapping.json_text import parse
from fhir_mapping.range_paths import leading
from fhir_mapping.search_parameters import SearchParameter, parameters_of
from fhir_mapping.search_values import moments
from fhir_mapping.search_values.reference import local_reference

_decode = msgspec.json.Decoder(dict).decode
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ContentReading:
    """Implements `domain.ports.ReadContent`. `base` is our own base URL: references under it are ours."""

    def __init__(self, base: str | None = None, custom: CustomParameters | None = None) -> None:
        self._base = base.rstrip("/") if base else None
        self._custom = custom or CustomParameters()
        self._generation = self._custom.generation
        self._plans: dict[str, Plan[str]] = {}

    def references(self, content: bytes, wanted: Sequence[Inclusion]) -> list[ResourceKey]:
        """See `domain.ports.ReadContent.references`."""
        resource: FhirJson = _decode(content)
        found: dict[ResourceKey, None] = {}
        for codes, value in self._references(resource["resourceType"]).values(resource):
            mine = [each for each in wanted if each.parameters is None or not set(each.parameters).isdisjoint(codes)]
            key = self._key(value) if mine else None
            if key is not None and any(each.target in (None, key.type) for each in mine):
                found[key] = None
        return list(found)

    def canonicals(self, content: bytes, wanted: Sequence[Inclusion]) -> list[str]:
        """See `domain.ports.ReadContent.canonicals`."""
        resource: FhirJson = _decode(content)
        named = {code for each in wanted for code in each.parameters or ()}
        texts = (
            value
            for codes, value in self._references(resource["resourceType"]).values(resource)
            if isinstance(value, str) and not named.isdisjoint(codes)
        )
        return [text for text in dict.fromkeys(texts) if not text.startswith("#") and self._key(text) is None]

    def canonical_url(self, content: bytes) -> str | None:
        """See `domain.ports.ReadContent.canonical_url`."""
        url: str | None = _decode(content).get("url")
        return url

    def _references(self, resource_type: str) -> Plan[str]:
        """Reads the references of a type; a reader is the code of a parameter that leads there."""
        if self._generation != self._custom.generation:
            self._generation = self._custom.generation
            self._plans.clear()
        plan = self._plans.get(resource_type)
        if plan is None:
            own = self._custom.filed(resource_type)
            plan = self._plans[resource_type] = _plan_of((*parameters_of(resource_type).values(), *own))
        return plan

    def codes(self, content: bytes, wanted: CodesOf) -> CodeSet:
        """See `domain.ports.ReadContent.codes`."""
        return codes_of(_decode(content), wanted)

    def code_terms(self, resource_type: str, parameter: str, codes: Sequence[tuple[str, str]]) -> list[IndexTerm]:
        """See `domain.ports.ReadContent.code_terms`."""
        return code_terms(parameters_of(resource_type)[parameter], codes)

    def _key(self, value: object) -> ResourceKey | None:
        """The resource of this server a Reference or a URL points at."""
        text = value.get("reference") if isinstance(value, dict) else value
        local = local_reference(text, self._base) if isinstance(text, str) else None
        literal = parse_reference(local) if local is not None else None
        return literal.key if literal is not None else None

    def decoded(self, content: bytes) -> FhirJson:
        """See `domain.ports.ReadContent.decoded`."""
        resource: FhirJson = parse(content)
        return resource

    def care(self, content: bytes) -> tuple[datetime | None, datetime | None] | None:
        """See `domain.ports.ReadContent.care`: the leading date of the type, the one searches sort by."""
        resource: FhirJson = _decode(content)
        found = [each for read, value in _dates(resource) if (each := read(value)) is not None]
        return (_moment(found[0][0]), _moment(found[0][1])) if found else None

    def observed(self, content: bytes) -> Observed:
        """See `domain.ports.ReadContent.observed`."""
        resource: FhirJson = _decode(content)
        code = resource.get("code", {})
        kinds = [f"{each.get('system', '')}|{each['code']}" for each in code.get("coding", ()) if "code" in each]
        if not kinds and "text" in code:
            kinds = ["text|" + " ".join(code["text"].casefold().split())]
        care = self.care(content)
        low, high = care if care is not None else (None, None)
        return Observed(tuple(kinds), high if "effectivePeriod" in resource and high is not None else low)

    def person(self, patient: FhirJson) -> Person:
        """See `domain.ports.ReadContent.person`."""
        return person.person_of(patient)

    def lookups(self, patient: FhirJson) -> list[list[tuple[str, str]]]:
        """See `domain.ports.ReadContent.lookups`."""
        return person.lookups_of(patient)


def _plan_of(parameters: Iterable[SearchParameter]) -> Plan[str]:
    plan: Plan[str] = Plan()
    for parameter in parameters:
        if parameter.kind == "reference":
            if parameter.routes is None:
                plan.add_evaluated(parameter.expression, partial(_named, parameter.code))
            for route in parameter.routes or ():
                plan.add(route, parameter.code)
    return plan


def _named(code: str, _type: str) -> str:
    return code


def _dates(resource: FhirJson) -> list[tuple[Any, Any]]:
    """The values of the leading date of a resource, with how to read them."""
    return [(readers[0], value) for readers, value in _leading_dates(resource["resourceType"]).values(resource)]


@cache
def _leading_dates(resource_type: str) -> Plan[Any]:
    plan: Plan[Any] = Plan()
    code = leading(resource_type)
    for route in (parameters_of(resource_type)[code].routes or ()) if code is not None else ():
        if route.type in moments.READERS:
            plan.add(route, moments.READERS[route.type])
    return plan


def _moment(microseconds: int | None) -> datetime | None:
    """A bound as a time; beyond the calendar it is open."""
    try:
        return None if microseconds is None else _EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        return None
