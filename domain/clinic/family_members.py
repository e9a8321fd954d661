"""Who belongs to a family, seen from one side, as far as the caller may know: the reading half of `family.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from domain.clinic.acting import acting
from domain.clinic.family_cards import FamilyRecords, FamilyTie, Member
from domain.clinic.patient_cards import PatientCard
from domain.clinic.patient_kinds import PatientKinds
from domain.errors import DomainError, NotFound
from domain.identity import ResourceKey
from domain.interactions.guarding import may_see
from domain.interactions.parts import Answer, Occasion, Parts, opened
from domain.interactions.read import read
from domain.interactions.search import search
from domain.revision import Stored


class Kinds(NamedTuple):
    """The mappings of a family."""

    patients: PatientKinds
    families: FamilyRecords


async def family(parts: Parts, kinds: Kinds, occasion: Occasion, patient: ResourceKey) -> Sequence[Member]:
    """For whom a patient acts, and who acts for them; whom the caller may not see is left out. Raises `NotFound`."""
    await read(parts, occasion, patient)
    clerk = acting(occasion, "s", "RelatedPerson")
    found: dict[ResourceKey, Member] = {}
    for pairs in (kinds.families.as_guardian(patient), kinds.families.as_dependant(patient)):
        query = parts.search.parse("RelatedPerson", [*pairs, ("_total", "none")], strict=True).query
        page = await search(parts, clerk, msgspec.structs.replace(query, count=100))
        for entry in page.matches:
            if isinstance(entry.content, DomainError):
                continue
            tie = kinds.families.tie(parts.reading.decoded(entry.content), parts.clock().date())
            if await _sees(parts, occasion, tie, patient):
                answer = Answer(200, entry.head, entry.content)
                found[tie.key] = await member_of(parts, kinds, occasion, tie, answer, patient)
    return sorted(found.values(), key=lambda each: (each.role, each.id))


async def files(parts: Parts, occasion: Occasion, patient: ResourceKey) -> bool:
    """Whether the caller files this patient for the clinic: reception and administrators, and programs that write patients."""
    caller = occasion.caller
    stored = await parts.store.newest(patient)
    if stored is None or not await may_see(parts, caller, "r", stored):
        raise NotFound(f"There is no {patient}")
    if caller.account is None:
        return caller.may("u", "Patient")
    return bool(caller.roles & {"ADMIN", "RECEPTIONIST"}) and await may_see(parts, caller, "u", stored)


async def _sees(parts: Parts, occasion: Occasion, tie: FamilyTie, patient: ResourceKey) -> bool:
    """Whether the caller may know of a tie: who sees the other person, or their RelatedPerson in the record they read."""
    if tie.guardian == patient.id:
        return await _visible(parts, occasion, ResourceKey("Patient", tie.dependant or ""))
    return await _visible(parts, occasion, tie.key) or await files(parts, occasion, patient)


async def _visible(parts: Parts, occasion: Occasion, key: ResourceKey) -> bool:
    stored = await parts.store.newest(key)
    return (
        stored is not None
        and not stored.head.deleted
        and occasion.caller.may("r", key.type)
        and await may_see(parts, occasion.caller, "r", stored)
    )


async def member_of(
    parts: Parts, kinds: Kinds, occasion: Occasion, tie: FamilyTie, answer: Answer, seen_from: ResourceKey
) -> Member:
    """A tie as it looks from one side. The dependant's name is that of their record."""
    head = answer.head
    if head is None:
        raise ValueError("a tie that was read has a version")
    guards = tie.guardian == seen_from.id
    name = tie.name
    if guards and tie.dependant is not None:
        stored = await parts.store.newest(ResourceKey("Patient", tie.dependant))
        name = (await card_of(parts, kinds, stored)).full_name if stored and not stored.head.deleted else None
    return Member(
        id=tie.key.id,
        version=head.version,
        updated_at=head.recorded,
        role="DEPENDANT" if guards else "GUARDIAN",
        patient_id=tie.dependant if guards else tie.guardian,
        name=name,
        relationship=tie.relationship,
        active=tie.active,
        since=tie.since,
        until=tie.until,
    )


async def tie_of(parts: Parts, kinds: Kinds, stored: Stored) -> FamilyTie:
    return kinds.families.tie(parts.reading.decoded(await opened(parts, stored)), parts.clock().date())


async def card_of(parts: Parts, kinds: Kinds, stored: Stored) -> PatientCard:
    """A patient as the rules of families look at them, whoever may see them."""
    content = parts.reading.decoded(await opened(parts, stored))
    return kinds.patients.patients.from_fhir(content, version=stored.head.version, updated=stored.head.recorded)
