"""Patient/$match: https://hl7.org/fhir/R4/patient-operation-match.html

Candidates are found by the index, a few searches that each need two facts to agree or one that identifies; then every
candidate is opened and scored. The weights are those of clinic registers, not of one population: an identifier of the same
system says most, a differing birth date speaks against. Without a common identifier nobody is `certain`: people share
names and birthdays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

import msgspec

from domain import access
from domain.errors import InvalidRequest
from domain.identity import FhirJson
from domain.interactions.including import Entry
from domain.interactions.pacing import side_by_side
from domain.interactions.parts import Occasion, Parts
from domain.interactions.search import search
from domain.reading import Person
from domain.search import SearchQuery

CANDIDATES = 100
"""Candidates each of the searches may give; somebody with more namesakes needs more facts."""
Grade: TypeAlias = Literal["certain", "probable", "possible", "certainly-not"]


class Weight(NamedTuple):
    """What a fact that agrees adds, and what one that differs takes away; a fact that one side lacks says nothing."""

    agrees: float
    differs: float


WEIGHTS = {
    "family": Weight(0.20, 0.20),
    "given": Weight(0.15, 0.10),
    "birth_date": Weight(0.30, 0.40),
    "gender": Weight(0.05, 0.20),
    "telecom": Weight(0.15, 0.0),
    "postal_code": Weight(0.05, 0.0),
}
IDENTIFIER = Weight(0.65, 0.30)


class Graded(msgspec.Struct, frozen=True):
    """A candidate with how well it fits: `score` from 0 to 1."""

    entry: Entry
    score: float
    grade: Grade


async def match(
    parts: Parts, occasion: Occasion, wanted: FhirJson, *, only_certain: bool, count: int
) -> tuple[Graded, ...]:
    """The candidates, best first. Raises `InvalidRequest` when the patient given has nothing to find anybody by.

    `only_certain`: the one certain match, or nothing, also when several are certain.
    """
    access.require(occasion.caller, "s", "Patient")
    person = parts.reading.person(wanted)
    searches = [_query(parts, pairs) for pairs in parts.reading.lookups(wanted)]
    if not searches:
        raise InvalidRequest(
            "$match needs an identifier, or a name with a birth date", expression="Parameters.parameter"
        )
    pages = await side_by_side(lambda query: search(parts, occasion, query), searches, at_once=4)
    candidates = {entry.head.key: entry for page in pages for entry in page.matches}
    graded = [found for entry in candidates.values() if (found := _graded(parts, person, entry)) is not None]
    graded.sort(key=lambda found: (-found.score, found.entry.head.key))
    if only_certain:
        certain = [found for found in graded if found.grade == "certain"]
        return tuple(certain) if len(certain) == 1 else ()
    return tuple(graded[:count])


def _query(parts: Parts, pairs: Sequence[tuple[str, str]]) -> SearchQuery:
    parsed = parts.search.parse("Patient", pairs, strict=True)
    return msgspec.structs.replace(parsed.query, count=CANDIDATES, total="none")


def _graded(parts: Parts, person: Person, entry: Entry) -> Graded | None:
    if not isinstance(entry.content, bytes):
        return None
    other = parts.reading.person(parts.reading.decoded(entry.content))
    score = score_of(person, other)
    grade = grade_of(score, same_identifier=bool(person.identifiers & other.identifiers))
    return None if grade == "certainly-not" else Graded(entry, score, grade)


def score_of(a: Person, b: Person) -> float:
    """How well two descriptions fit one person, from 0 to 1."""
    score = 0.0
    if a.identifiers & b.identifiers:
        score += IDENTIFIER.agrees
    elif {system for system, _ in a.identifiers} & {system for system, _ in b.identifiers}:
        score -= IDENTIFIER.differs
    for name, weight in WEIGHTS.items():
        mine, theirs = getattr(a, name), getattr(b, name)
        if mine and theirs:
            score += weight.agrees if mine & theirs else -weight.differs
    return round(min(max(score, 0.0), 1.0), 3)


def grade_of(score: float, *, same_identifier: bool) -> Grade:
    """https://hl7.org/fhir/R4/valueset-match-grade.html"""
    if score >= 0.95 and same_identifier:
        return "certain"
    if score >= 0.65:
        return "probable"
    return "possible" if score >= 0.35 else "certainly-not"
