"""What searches and operations read from resources they have opened: the `ReadContent` port.

References are read by search parameter (https://hl7.org/fhir/R4/search.html#revinclude), along the same routes as the
index was written, so that `_include` and a chain can never disagree about where a reference points.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import msgspec

from domain.identity import FhirJson, ResourceKey, parse_reference
from domain.search import Inclusion
from fhir_mapping.extraction import Plan
from fhir_mapping.search_parameters import parameters_of
from fhir_mapping.search_values.reference import local_reference

_decode = msgspec.json.Decoder(dict).decode


class ContentReading:
    """Implements `domain.ports.ReadContent`. `base` is our own base URL: references under it are ours."""

    def __init__(self, base: str | None = None) -> None:
        self._base = base.rstrip("/") if base else None

    def references(self, content: bytes, wanted: Sequence[Inclusion]) -> list[ResourceKey]:
        """See `domain.ports.ReadContent.references`."""
        resource: FhirJson = _decode(content)
        found: dict[ResourceKey, None] = {}
        for codes, value in _plan(resource["resourceType"]).values(resource):
            mine = [each for each in wanted if each.parameters is None or not set(each.parameters).isdisjoint(codes)]
            key = self._key(value) if mine else None
            if key is not None and any(each.target in (None, key.type) for each in mine):
                found[key] = None
        return list(found)

    def _key(self, value: object) -> ResourceKey | None:
        """The resource of this server a Reference or a URL points at."""
        text = value.get("reference") if isinstance(value, dict) else value
        local = local_reference(text, self._base) if isinstance(text, str) else None
        literal = parse_reference(local) if local is not None else None
        return literal.key if literal is not None else None


@cache
def _plan(resource_type: str) -> Plan[str]:
    """Reads the references of a type; a reader is the code of a parameter that leads there."""
    plan: Plan[str] = Plan()
    for parameter in parameters_of(resource_type).values():
        if parameter.kind == "reference":
            for route in parameter.routes or ():
                plan.add(route, parameter.code)
    return plan
