"""What searches and operations read from resources they have opened, free of FHIR's shape: a port and its values."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

import msgspec

from domain.identity import FhirJson, ResourceKey
from domain.search import CodesOf, Inclusion, IndexTerm


class Observed(NamedTuple):
    """What `$lastn` reads of an observation: the names of its kind, and when it was made."""

    kinds: tuple[str, ...]
    when: datetime | None


class Person(msgspec.Struct, frozen=True):
    """What people are told apart by, in normalised form. Holds a person's data: never printed."""

    identifiers: frozenset[tuple[str, str]] = frozenset()
    family: frozenset[str] = frozenset()
    given: frozenset[str] = frozenset()
    birth_date: frozenset[str] = frozenset()
    gender: frozenset[str] = frozenset()
    telecom: frozenset[str] = frozenset()
    postal_code: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        return "Person(…)"


class CodeSet(NamedTuple):
    """Codes of a set as `(system, code)`, those it leaves out again, and other ValueSets (URLs) that belong to it."""

    codes: Sequence[tuple[str, str]] = ()
    excluded: Sequence[tuple[str, str]] = ()
    value_sets: Sequence[str] = ()


class ReadContent(Protocol):
    """What searches read from resources they have opened. Implemented by `fhir_mapping.reading`."""

    def references(self, content: bytes, wanted: Sequence[Inclusion]) -> list[ResourceKey]:
        """The resources of this server that a resource points at by one of these inclusions, each once, in order."""
        ...

    def canonicals(self, content: bytes, wanted: Sequence[Inclusion]) -> list[str]:
        """The canonical URLs (`url` or `url|version`) that a resource names by one of these inclusions, each once."""
        ...

    def canonical_url(self, content: bytes) -> str | None:
        """What the resource calls itself."""
        ...

    def codes(self, content: bytes, wanted: CodesOf) -> CodeSet:
        """The codes a ValueSet or CodeSystem defines for a condition.

        Raises `InvalidRequest` naming the parameter when only a terminology server could tell.
        """
        ...

    def code_terms(self, resource_type: str, parameter: str, codes: Sequence[tuple[str, str]]) -> Sequence[IndexTerm]:
        """The index terms of `(system, code)` pairs under a parameter."""
        ...

    def decoded(self, content: bytes) -> FhirJson:
        """The resource itself, its decimals exact."""
        ...

    def care(self, content: bytes) -> tuple[datetime | None, datetime | None] | None:
        """When the care that a resource tells of happened, `[from, to)` and open where `None`; `None` if it has no date."""
        ...

    def observed(self, content: bytes) -> Observed:
        """The kinds and the time of an observation."""
        ...

    def person(self, patient: FhirJson) -> Person:
        """What a Patient is told apart by."""
        ...

    def lookups(self, patient: FhirJson) -> list[list[tuple[str, str]]]:
        """Searches, as parameters, that find whoever may be this Patient; none when it says too little."""
        ...
