"""What searches and operations read from resources they have opened, free of FHIR's shape."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import msgspec


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
