"""Patients, as people and front ends know them: taken in once, found, changed, removed.

Whoever takes a patient in has to do with them from then on: a doctor as the one who treats them, a dietician in a care team,
and the patient belongs to the organization of whoever wrote them down. The duplicate rule (`duplicates.py`) is asked before a
patient is written, and again in the same write when somebody else was faster.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from domain import access
from domain.access import Caller
from domain.clinic.acting import acting
from domain.clinic.duplicates import Found, differs, look, refused
from domain.clinic.patient_cards import PatientCard, PatientForm
from domain.clinic.patient_kinds import PatientKinds, profile_of
from domain.clinic.patient_parts import Beside, Parted
from domain.errors import Conflict, DomainError, Forbidden
from domain.identity import FhirJson, ResourceKey
from domain.interactions.delete import delete
from domain.interactions.guarding import authorize, base_of, may_see
from domain.interactions.parts import Answer, Occasion, Parts, opened, present
from domain.interactions.read import read
from domain.interactions.search import search
from domain.interactions.update import require_match
from domain.interactions.writing import Planned, changed, write_one
from domain.revision import Change, Stored, same_content
from domain.search import PageKey

KIND = "Patient"
OPEN = "proposed,pending,booked,arrived,checked-in,waitlist"
_NOTHING = Found((), False, ())


class Patient(msgspec.Struct, frozen=True):
    """What was written or read of a patient. `shared_email`: somebody else has the same mail address."""

    card: PatientCard
    beside: Beside
    answer: Answer
    shared_email: bool = False

    def __repr__(self) -> str:
        return f"Patient({self.card.id})"


async def taken_in(
    parts: Parts, kinds: PatientKinds, occasion: Occasion, form: PatientForm, *, reason: str | None = None
) -> Patient:
    """Write a new patient with everything said of them. `reason` says why somebody like this is no obstacle.

    Raises `Conflict` (`possible_duplicate`) with the candidates, `Forbidden` for what the caller may not say.
    """
    access.require(occasion.caller, "c", KIND)
    _require_fields(occasion.caller, form)
    key = ResourceKey(KIND, parts.new_id())
    author = profile_of(occasion.caller, "Practitioner", "PractitionerRole")
    noticed = _NOTHING

    async def plan() -> Planned:
        nonlocal noticed
        content = kinds.patients.to_fhir(form, base=None, now=parts.clock())
        content = _assigned(kinds, occasion.caller, content)
        parts.validate.check(content)
        noticed = await _look(parts, kinds, occasion, content, reason=reason)
        change, answer = changed(parts, occasion, key, content, method="POST", base=None)
        await authorize(parts, occasion.caller, change)
        said = await Parted(parts, kinds, occasion, key, author).said(form, new=True)
        others = [
            *said.changes,
            *_beside(parts, kinds, occasion, change, author, reason if noticed.candidates else None),
        ]
        return Planned(answer, change, noticed.claims, tuple(others), said.blobs)

    answer = await write_one(parts, acting(occasion, "c", KIND), plan)
    return await _patient(parts, kinds, occasion, answer, shared_email=noticed.shared_email)


async def changed_to(
    parts: Parts,
    kinds: PatientKinds,
    occasion: Occasion,
    key: ResourceKey,
    form: PatientForm,
    *,
    reason: str | None = None,
    if_match: frozenset[str] | None = None,
) -> Patient:
    """Say something else of a patient; what the form leaves out stays. Raises what `taken_in` raises, `VersionConflict`."""
    access.require(occasion.caller, "u", KIND)
    _require_fields(occasion.caller, form)
    author = profile_of(occasion.caller, "Practitioner", "PractitionerRole")
    noticed = _NOTHING

    async def plan() -> Planned:
        nonlocal noticed
        base = present(await base_of(parts, occasion.caller, await parts.store.newest(key), key), key)
        require_match(key, base, if_match)
        if not await may_see(parts, occasion.caller, "u", base):
            raise Forbidden("You may not update this Patient")
        current = await opened(parts, base)
        before = parts.reading.decoded(current)
        content = kinds.patients.to_fhir(form, base=before, now=parts.clock())
        noticed = _NOTHING
        if differs(kinds.likeness, before, content):
            noticed = await _look(parts, kinds, occasion, content, reason=reason, itself=key.id)
        changes, answer = await _next(parts, occasion, key, content, base, current)
        said = await Parted(parts, kinds, occasion, key, author).said(form, new=False)
        if changes and noticed.candidates and reason:
            changes += _reasoned(parts, kinds, occasion, changes[0], reason, new=False)
        changes += said.changes
        return Planned(answer, changes[0] if changes else None, noticed.claims, tuple(changes[1:]), said.blobs)

    answer = await write_one(parts, acting(occasion, "u", KIND), plan)
    return await _patient(parts, kinds, occasion, answer, shared_email=noticed.shared_email)


async def shown(parts: Parts, kinds: PatientKinds, occasion: Occasion, key: ResourceKey) -> Patient:
    """A patient with what the caller may see beside them. Raises `NotFound`, `Gone`."""
    return await _patient(parts, kinds, occasion, await read(parts, occasion, key))


async def listed(
    parts: Parts,
    kinds: PatientKinds,
    occasion: Occasion,
    pairs: Sequence[tuple[str, str]],
    *,
    after: PageKey | None,
    count: int,
) -> tuple[Sequence[PatientCard], PageKey | None]:
    """A page of the patients that the search parameters select and the caller sees."""
    query = parts.search.parse(KIND, [*pairs, ("_total", "none")], strict=True).query
    found = await search(parts, occasion, msgspec.structs.replace(query, after=after, count=count))
    cards = [
        kinds.patients.from_fhir(
            parts.reading.decoded(entry.content), version=entry.head.version, updated=entry.head.recorded
        )
        for entry in found.matches
        if not isinstance(entry.content, DomainError)
    ]
    return cards, found.next


async def removed(
    parts: Parts, occasion: Occasion, key: ResourceKey, *, if_match: frozenset[str] | None = None
) -> Answer:
    """Delete a patient; their history stays. It is for who created the record and for administrators who manage it.

    Raises `Conflict` (`has_open_appointments`) for somebody who is still expected.
    """
    answer = await read(parts, occasion, key)
    caller = occasion.caller
    created = answer.head is not None and answer.head.source == caller.subject
    if caller.account is not None and not created and "ADMIN" not in caller.roles:
        raise Forbidden("Only who created a patient, or an administrator, removes them", reason="not_source")
    if caller.account is None:
        access.require(caller, "d", KIND)
    today = parts.clock().date().isoformat()
    pairs = [("patient", key.id), ("status", OPEN), ("date", f"ge{today}"), ("_total", "none")]
    query = parts.search.parse("Appointment", pairs, strict=True).query
    expected = await search(parts, acting(occasion, "s", "Appointment"), msgspec.structs.replace(query, count=1))
    if expected.matches:
        raise Conflict("This patient has appointments; cancel those first", reason="has_open_appointments")
    return await delete(parts, acting(occasion, "d", KIND), key, if_match=if_match)


def _require_fields(caller: Caller, form: PatientForm) -> None:
    """Raise `Forbidden` for who files people, not their health: a rule of this module (`DECISIONS.md`)."""
    if form.clinical and caller.account is not None and caller.roles.isdisjoint(("DOCTOR", "DIETICIAN")):
        raise Forbidden("Medical history and diet are for who treats the patient", reason="clinical_fields")


def _assigned(kinds: PatientKinds, caller: Caller, content: FhirJson) -> FhirJson:
    """The patient as one of the caller's organization and, of a doctor, as one they treat."""
    doctor = profile_of(caller, "Practitioner") if "DOCTOR" in caller.roles else None
    return kinds.patients.assigned(content, organization=next(iter(caller.organizations), None), practitioner=doctor)


async def _look(
    parts: Parts,
    kinds: PatientKinds,
    occasion: Occasion,
    content: FhirJson,
    *,
    reason: str | None,
    itself: str | None = None,
) -> Found:
    """What the duplicate rule finds; raises `Conflict` when that is somebody, and no reason to go on was given.

    Patients change their own contact data and look at nobody else."""
    if not occasion.caller.may("s", KIND) or occasion.caller.roles == {"PATIENT"}:
        return _NOTHING
    found = await look(parts, kinds.likeness, occasion, content, itself=itself)
    if found.candidates and reason is None:
        raise refused(found)
    return found


async def _next(
    parts: Parts, occasion: Occasion, key: ResourceKey, content: FhirJson, base: Stored, current: bytes
) -> tuple[list[Change], Answer]:
    """The next version of a Patient, if it is another one."""
    parts.validate.check(content)
    if same_content(content, base, current):
        return [], Answer(200, base.head, current)
    change, answer = changed(parts, occasion, key, content, method="PUT", base=base)
    await authorize(parts, occasion.caller, change)
    return [change], answer


def _beside(
    parts: Parts, kinds: PatientKinds, occasion: Occasion, change: Change, author: str | None, reason: str | None
) -> list[Change]:
    """What is filed with a new patient: the team of a dietician, the reason of a duplicate."""
    found: list[Change] = []
    if "DIETICIAN" in occasion.caller.roles and author is not None:
        content = kinds.filing.team(change.revision.key.id, author, parts.clock())
        key = ResourceKey("CareTeam", parts.new_id())
        found.append(changed(parts, occasion, key, content, method="POST", base=None)[0])
    if reason is not None:
        found += _reasoned(parts, kinds, occasion, change, reason, new=True)
    return found


def _reasoned(
    parts: Parts, kinds: PatientKinds, occasion: Occasion, change: Change, reason: str, *, new: bool
) -> list[Change]:
    revision, caller = change.revision, occasion.caller
    content = kinds.filing.reason(
        revision.key.at(revision.version), reason, agent=next(iter(caller.profiles), ""), subject=caller.subject,
        new=new, now=parts.clock(),
    )  # fmt: skip
    parts.validate.check(content)
    key = ResourceKey("Provenance", parts.new_id())
    return [changed(parts, occasion, key, content, method="POST", base=None)[0]]


async def _patient(
    parts: Parts, kinds: PatientKinds, occasion: Occasion, answer: Answer, *, shared_email: bool = False
) -> Patient:
    head = answer.head
    if head is None or answer.content is None:
        raise ValueError("a patient that was read or written has content")
    content = parts.reading.decoded(answer.content)
    card = kinds.patients.from_fhir(content, version=head.version, updated=head.recorded)
    provider = card.primary_provider
    beside = await Parted(parts, kinds, occasion, head.key).shown(provider.id if provider else None)
    return Patient(card, beside, answer, shared_email)
