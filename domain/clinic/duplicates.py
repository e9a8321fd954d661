"""Whether somebody is in the records already: the duplicate rule of PRODUCT 2.11.

Two records are of one person when an identifier of another system is the same; when the mail address is the same and
neither name nor birth date speaks against it; or when the names are alike (0.92) and birth date or phone number is the
same. A mail address alone is what families share: that only warns.

The rule is symmetric, and asked on every change of what it looks at. Every rule needs one fact to be equal, so looking
those facts up finds every candidate; the similarity of names then decides. Only records the caller may see are looked at:
an answer about others would tell strangers who is a patient here (`DECISIONS.md`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, Protocol, TypeAlias

import msgspec

from domain.clinic.likeness import similarity
from domain.errors import Conflict, DomainError
from domain.identity import FhirJson
from domain.interactions.pacing import side_by_side
from domain.interactions.parts import Occasion, Parts
from domain.interactions.search import search
from domain.operations.match import Grade
from domain.reading import Person
from domain.revision import Claim

ALIKE = 0.92
PAGE, MOST = 200, 1_000
Fact: TypeAlias = Literal["externalId", "email", "name", "dateOfBirth", "phone"]


class Likeness(NamedTuple):
    """What the rule looks at: whole names and everything else a person is told apart by, in normalised form."""

    names: tuple[str, ...]
    person: Person

    def __repr__(self) -> str:
        return "Likeness(…)"


class ReadLikeness(Protocol):
    """A Patient as the rule looks at it. Implemented by `fhir_mapping.friendly.duplicates`."""

    def likeness(self, patient: FhirJson) -> Likeness: ...

    def lookups(self, found: Likeness) -> Mapping[str, Sequence[tuple[str, str]]]:
        """Searches by a fact that must be equal, by their names; what is called `dateOfBirth` may give many."""
        ...

    def narrowed(self, found: Likeness) -> Sequence[tuple[str, str]]:
        """The search by date of birth, only of those whose name begins alike."""
        ...


class Candidate(msgspec.Struct, frozen=True):
    """A record that is probably of the same person."""

    id: str
    score: float
    grade: Grade
    matched_on: tuple[Fact, ...]


class Found(msgspec.Struct, frozen=True):
    """The candidates, the most alike first; whether somebody else has the same mail address; and the claims that make
    of two who write the same person at once one that sees the other."""

    candidates: tuple[Candidate, ...]
    shared_email: bool
    claims: tuple[Claim, ...]


async def look(
    parts: Parts, reading: ReadLikeness, occasion: Occasion, patient: FhirJson, *, itself: str | None = None
) -> Found:
    """Who may be the same person as `patient`, but for the record `itself`."""
    mine = reading.likeness(patient)
    names = sorted({f"same-person|{fact}|{value}" for fact, value in _facts(mine)})
    seen = await parts.store.claim(names) if names else []
    claims = tuple(Claim(name, count) for name, count in zip(names, seen, strict=True))
    records = await _records(parts, reading, occasion, mine)
    graded, shared = [], False
    for key, content in records.items():
        if key == itself:
            continue
        theirs = reading.likeness(content)
        matched = same_person(mine, theirs)
        if matched:
            graded.append(_candidate(key, mine, theirs, matched))
        shared = shared or bool(_addresses(mine) & _addresses(theirs))
    graded.sort(key=lambda each: (-each.score, each.id))
    return Found(tuple(graded), shared, claims)


def differs(reading: ReadLikeness, before: FhirJson, after: FhirJson) -> bool:
    """Whether a change touches what the rule looks at."""
    return reading.likeness(before) != reading.likeness(after)


def same_person(one: Likeness, other: Likeness) -> tuple[Fact, ...]:
    """The facts that make two records one person's; none when they are not."""
    a, b = one.person, other.person
    alike = similarity(one.names, other.names) >= ALIKE
    facts: tuple[tuple[Fact, bool], ...] = (
        ("externalId", bool(a.identifiers & b.identifiers)),
        ("email", bool(_addresses(one) & _addresses(other))),
        ("name", alike),
        ("dateOfBirth", bool(a.birth_date & b.birth_date)),
        ("phone", bool(_numbers(one) & _numbers(other))),
    )
    agreeing = {fact for fact, agrees in facts if agrees}
    nameless = not (one.names and other.names)
    another_birth = bool(a.birth_date and b.birth_date) and "dateOfBirth" not in agreeing
    by_mail = "email" in agreeing and (alike or nameless) and not another_birth
    by_name = alike and bool(agreeing & {"dateOfBirth", "phone"})
    if not ("externalId" in agreeing or by_mail or by_name):
        return ()
    return tuple(fact for fact, _ in facts if fact in agreeing)


def refused(found: Found) -> Conflict:
    """The 409 that names the candidates; nothing of them but their ids."""
    rows = [
        {
            "id": each.id,
            "score": each.score,
            "grade": each.grade,
            "matchedOn": list(each.matched_on),
            "url": f"/api/v1/patients/{each.id}",
        }
        for each in found.candidates
    ]
    message = "Somebody like this is in the records; look, or allow the duplicate and say why"
    return Conflict(message, reason="possible_duplicate", details={"candidates": rows})


def _candidate(key: str, mine: Likeness, theirs: Likeness, matched: tuple[Fact, ...]) -> Candidate:
    weights = {"externalId": 0.5, "email": 0.15, "dateOfBirth": 0.25, "phone": 0.1}
    score = 0.5 * similarity(mine.names, theirs.names) + sum(weights.get(fact, 0.0) for fact in matched)
    score = round(min(score, 1.0), 3)
    certain = score >= 0.95 and "externalId" in matched
    return Candidate(key, score, "certain" if certain else "probable" if score >= 0.65 else "possible", matched)


async def _records(parts: Parts, reading: ReadLikeness, occasion: Occasion, mine: Likeness) -> dict[str, FhirJson]:
    """Everybody of whom one of the facts is true that the rule needs."""
    found: dict[str, FhirJson] = {}

    async def asked(fact: str, pairs: Sequence[tuple[str, str]], count: int) -> bool:
        query = parts.search.parse("Patient", [*pairs, ("_total", "none")], strict=True).query
        page = await search(parts, occasion, msgspec.structs.replace(query, count=count))
        for entry in page.matches:
            if not isinstance(entry.content, DomainError):
                found[entry.head.key.id] = parts.reading.decoded(entry.content)
        return page.next is not None and fact == "dateOfBirth"

    lookups = reading.lookups(mine)
    crowded = await side_by_side(lambda row: asked(*row, PAGE), list(lookups.items()), at_once=4)
    narrower = reading.narrowed(mine)
    if any(crowded) and narrower:
        await asked("name", narrower, MOST)
    return found


def _facts(mine: Likeness) -> list[tuple[str, str]]:
    person = mine.person
    rows = [("id", f"{system}|{value}") for system, value in person.identifiers]
    return [*rows, *(("telecom", each) for each in person.telecom), *(("born", each) for each in person.birth_date)]


def _addresses(of: Likeness) -> frozenset[str]:
    return frozenset(each for each in of.person.telecom if "@" in each)


def _numbers(of: Likeness) -> frozenset[str]:
    return frozenset(each for each in of.person.telecom if "@" not in each)
