"""Checking what is prescribed against everything the patient takes and must not be given.

Asked are the running prescriptions, what the patient is known to take besides, and the allergies, as far as the caller may
see them: a check must not tell somebody of what is hidden from them. Whatever cannot be read or is not known to the
tables is reported as unresolved. https://hl7.org/fhir/R4/medicationrequest.html, https://github.com/HL7/PDDI-CDS
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple, Protocol, TypeAlias

import msgspec

from domain.clinic.drug_interactions import Medication
from domain.errors import DomainError
from domain.identity import FhirJson, ResourceKey
from domain.interactions.including import Entry
from domain.interactions.parts import Occasion, Parts
from domain.interactions.read import read
from domain.interactions.search import search
from domain.search import PageKey

Mode: TypeAlias = Literal["off", "warn", "block"]
"""Whether there are checks, and whether a contraindication stops a prescription until it is overridden."""
PAGE, MOST = 200, 2_000
UNREADABLE = Medication("A medication that cannot be read here")
UNREADABLE_ALLERGY = Medication("An allergy that cannot be read here")
TOO_MANY = Medication("More medications or allergies than are checked")
_TAKEN = (
    ("MedicationRequest", "active,on-hold"),
    ("MedicationStatement", "active,intended,on-hold"),
)


class ReadMedications(Protocol):
    """What FHIR says somebody takes or must not be given. Implemented by `fhir_mapping.friendly.medications`."""

    def medication(self, content: FhirJson) -> Medication | ResourceKey:
        """The medication of a MedicationRequest or MedicationStatement, or the Medication that describes it."""
        ...

    def described(self, content: FhirJson) -> Medication:
        """What a Medication is."""
        ...

    def allergy(self, content: FhirJson) -> Medication | None:
        """What an AllergyIntolerance is about; `None` when it was refuted, is over, or was entered in error."""
        ...


class CheckSet(NamedTuple):
    """What a new medication is checked against."""

    taken: tuple[Medication, ...] = ()
    allergies: tuple[Medication, ...] = ()


async def check_set(
    parts: Parts, reading: ReadMedications, occasion: Occasion, patient: str, *, without: frozenset[str] = frozenset()
) -> CheckSet:
    """What the patient takes and must not be given. `without` are resources (`Type/id`) that do not count."""
    *taken, allergic = await asyncio.gather(
        *(_found(parts, occasion, kind, patient, status) for kind, status in _TAKEN),
        _found(parts, occasion, "AllergyIntolerance", patient, None),
    )
    medications = [
        await _medication(parts, reading, occasion, entry)
        for entries in taken
        for entry in entries
        if str(entry.head.key) not in without
    ]
    if any(len(entries) >= MOST for entries in (*taken, allergic)):
        medications.append(TOO_MANY)
    closed = [each for each in allergic if isinstance(each.content, DomainError)]
    medications += [msgspec.structs.replace(UNREADABLE_ALLERGY, reference=str(each.head.key)) for each in closed]
    return CheckSet(tuple(medications), tuple(_allergies(parts, reading, allergic)))


async def _found(parts: Parts, occasion: Occasion, kind: str, patient: str, status: str | None) -> list[Entry]:
    if not occasion.caller.may("s", kind):
        return []
    pairs = [("patient", patient), ("_total", "none")]
    if status is not None:
        pairs.append(("status", status))
    query = parts.search.parse(kind, pairs, strict=True).query
    entries: list[Entry] = []
    after: PageKey | None = None
    while len(entries) < MOST:
        page = await search(parts, occasion, msgspec.structs.replace(query, after=after, count=PAGE))
        entries += page.matches
        after = page.next
        if after is None:
            break
    return entries


async def _medication(parts: Parts, reading: ReadMedications, occasion: Occasion, entry: Entry) -> Medication:
    if isinstance(entry.content, DomainError):
        return msgspec.structs.replace(UNREADABLE, reference=str(entry.head.key))
    found = reading.medication(parts.reading.decoded(entry.content))
    if isinstance(found, ResourceKey):
        found = await described(parts, reading, occasion, found)
    return msgspec.structs.replace(found, reference=str(entry.head.key))


async def described(parts: Parts, reading: ReadMedications, occasion: Occasion, key: ResourceKey) -> Medication:
    """What the Medication `key` is; one that cannot be read is told as such, never left out."""
    try:
        answer = await read(parts, occasion, key)
    except DomainError:
        return UNREADABLE
    return reading.described(parts.reading.decoded(answer.content or b"{}"))


def _allergies(parts: Parts, reading: ReadMedications, entries: Sequence[Entry]) -> Iterator[Medication]:
    for entry in entries:
        if isinstance(entry.content, DomainError):
            continue
        found = reading.allergy(parts.reading.decoded(entry.content))
        if found is not None:
            yield msgspec.structs.replace(found, reference=str(entry.head.key))
