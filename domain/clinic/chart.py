"""Entries of a patient's chart: allergies, immunizations, vital signs, problems, insurance. Each is one FHIR resource.

An entry belongs to the patient whose chart it was asked in: the same id in another chart is 404. Forms and cards are named
as clients of `/api/v1` name things, because nothing stands between: what is said of an entry is what is sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Generic, Protocol, TypeAlias, TypeVar

import msgspec
from msgspec import Meta

from domain.access import Caller
from domain.clinic import records
from domain.clinic.records import Kept, Records, card_of
from domain.errors import NotFound
from domain.identity import FhirJson, ResourceKey
from domain.interactions.parts import Answer, Occasion, Parts
from domain.interactions.read import read
from domain.interactions.update import update
from domain.search import PageKey

Text: TypeAlias = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"\S")]
Note: TypeAlias = Annotated[str, Meta(min_length=1, max_length=10_000, pattern=r"\S")]
Day: TypeAlias = date
Moment: TypeAlias = Annotated[datetime, Meta(tz=True)]


class Said(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What is said of something."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"


class Shown(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What is shown of an entry."""

    id: str
    version: int
    updated_at: datetime
    patient_id: str | None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id})"


class Code(Said, frozen=True, kw_only=True):
    """A code of a code system: `{"system": "http://snomed.info/sct", "code": "91935009"}`."""

    system: Annotated[str, Meta(pattern=r"^(https?://|urn:)\S+$", max_length=300)]
    code: Annotated[str, Meta(pattern=r"^\S+( \S+)*$", max_length=100)]


F = TypeVar("F")
C = TypeVar("C")
F_ = TypeVar("F_")
C_ = TypeVar("C_", covariant=True)


class Entry(msgspec.Struct, Generic[F], frozen=True):
    """What is said, of whom, and by whom (`Practitioner/1`; `None` for somebody who is nobody in the records)."""

    said: F
    patient: str
    author: str | None = None

    def __repr__(self) -> str:
        return f"Entry({type(self.said).__name__})"


class ChartRecords(Records[Entry[F_], C_], Protocol[F_, C_]):
    """`Records` of one kind of entry."""

    def holds(self, content: FhirJson) -> bool:
        """Whether a resource of the type is such an entry: an Observation may be a vital sign or a laboratory result."""
        ...

    def withdrawn(self, content: FhirJson) -> FhirJson | None:
        """The resource as it is when the entry is taken back; `None` where that deletes it."""
        ...


async def noted(parts: Parts, kind: ChartRecords[F, C], occasion: Occasion, patient: ResourceKey, said: F) -> Kept[C]:
    """Write a new entry. Raises `NotFound` for a patient the caller does not see, `Forbidden`, `InvalidFields`."""
    await read(parts, occasion, patient)
    entry = Entry(said, patient.id, await author(parts, occasion.caller, patient))
    return await records.made(parts, kind, occasion, entry)


async def found(
    parts: Parts, kind: ChartRecords[F, C], occasion: Occasion, patient: ResourceKey, entry_id: str
) -> tuple[C, Answer]:
    """An entry. Raises `NotFound` unless it stands in the chart of this patient."""
    answer = await _standing(parts, kind, occasion, patient, entry_id)
    return card_of(parts, kind, answer), answer


async def amended(
    parts: Parts,
    kind: ChartRecords[F, C],
    occasion: Occasion,
    patient: ResourceKey,
    entry_id: str,
    said: F,
    *,
    if_match: frozenset[str] | None = None,
) -> Kept[C]:
    """Say something else in an entry; what the form cannot say stays, and so does who wrote it first."""
    await _standing(parts, kind, occasion, patient, entry_id)
    entry = Entry(said, patient.id, await author(parts, occasion.caller, patient))
    return await records.altered(parts, kind, occasion, entry_id, entry, if_match=if_match)


async def taken_back(
    parts: Parts,
    kind: ChartRecords[F, C],
    occasion: Occasion,
    patient: ResourceKey,
    entry_id: str,
    *,
    if_match: frozenset[str] | None = None,
) -> Answer:
    """Delete an entry, or mark it as taken back where others may rely on it. Its history stays."""
    before = await _standing(parts, kind, occasion, patient, entry_id)
    key = ResourceKey(kind.type, entry_id)
    withdrawn = kind.withdrawn(parts.reading.decoded(before.content or b"{}"))
    if withdrawn is None:
        return await records.removed(parts, occasion, key, if_match=if_match)
    return await update(parts, occasion, key, withdrawn, if_match=if_match)


async def listed(
    parts: Parts,
    kind: ChartRecords[F, C],
    occasion: Occasion,
    patient: ResourceKey,
    pairs: Sequence[tuple[str, str]],
    *,
    after: PageKey | None,
    count: int,
) -> tuple[Sequence[C], PageKey | None]:
    """A page of entries that the search parameters `pairs` select. Raises `NotFound` for a patient the caller does not
    see: nobody is told of an empty chart that it is empty."""
    await read(parts, occasion, patient)
    return await records.listed(parts, kind, occasion, [("patient", patient.id), *pairs], after=after, count=count)


async def author(parts: Parts, caller: Caller, patient: ResourceKey) -> str | None:
    """Who writes in this chart: a practitioner as themselves, a patient in their own, a relative in that of whom they act
    for. Another patient's name never gets into a record by this."""
    for profile in caller.profiles:
        kind, _, name = profile.partition("/")
        if kind in ("Practitioner", "PractitionerRole") or profile == str(patient):
            return profile
        if kind == "RelatedPerson":
            stored = await parts.store.newest(ResourceKey(kind, name))
            if stored is not None and stored.head.patient == patient.id:
                return profile
    return None


async def _standing(
    parts: Parts, kind: ChartRecords[F, C], occasion: Occasion, patient: ResourceKey, entry_id: str
) -> Answer:
    """The entry as it stands in this patient's chart."""
    key = ResourceKey(kind.type, entry_id)
    answer = await read(parts, occasion, key)
    content = parts.reading.decoded(answer.content or b"{}")
    if answer.head is None or answer.head.patient != patient.id or not kind.holds(content):
        raise NotFound(f"There is no {key} in the chart of {patient}")
    return answer
