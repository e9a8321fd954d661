"""Doctors: who they are and when they work, as one thing over three resources that are written together.

The three have the same id where we made them; what another FHIR client made is found by its references. Who may change a
PractitionerRole (by the matrix: who administers its organization, and who it is about) may change the person and the
schedule behind it, unless that person works elsewhere, too: that is the rule for which `acting` is used here. The directory
is everybody's to look through who may read it. https://hl7.org/fhir/R4/practitionerrole.html
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from domain import access
from domain.clinic.acting import acting
from domain.clinic.doctor_cards import DoctorCard, DoctorFiles, DoctorForm, DoctorRecords
from domain.clinic.records import Kept
from domain.errors import Conflict, DomainError, Forbidden, Gone, NotFound, VersionConflict
from domain.identity import FhirJson, ResourceKey
from domain.interactions.guarding import authorize, may_see, seen
from domain.interactions.parts import Answer, Occasion, Parts, present
from domain.interactions.search import search
from domain.interactions.writing import Planned, changed, removed, write_one
from domain.revision import Change, Stored, same_content
from domain.search import PageKey

PERSON, ROLE, SCHEDULE = KINDS = ("Practitioner", "PractitionerRole", "Schedule")
_OPEN = "booked,pending,arrived,checked-in"


class Doctor(msgspec.Struct, frozen=True):
    """A doctor as stored: the card, and the newest versions of the three resources, which may be missing or deleted."""

    card: DoctorCard
    stored: tuple[Stored | None, Stored | None, Stored | None]
    contents: DoctorFiles

    def __repr__(self) -> str:
        return f"Doctor({self.card.id})"

    @property
    def keys(self) -> tuple[ResourceKey, ResourceKey, ResourceKey]:
        """Where the three are, or will be."""
        person, role, schedule = (
            ResourceKey(kind, self.card.id) if one is None else one.head.key
            for kind, one in zip(KINDS, self.stored, strict=True)
        )
        return person, role, schedule


async def shown(parts: Parts, records: DoctorRecords, occasion: Occasion, logical_id: str) -> Doctor:
    """A doctor, or anybody else with a Practitioner. Raises `NotFound`, `Gone`."""
    access.require(occasion.caller, "r", PERSON)
    return (await _doctors(parts, records, occasion, [logical_id]))[0]


async def made(parts: Parts, records: DoctorRecords, occasion: Occasion, form: DoctorForm) -> Kept[DoctorCard]:
    """Add a doctor. Raises `Forbidden` for who may not, or not at that organization."""
    access.require(occasion.caller, "c", PERSON)
    access.require(occasion.caller, "c", ROLE)
    if form.organization is None and occasion.caller.organizations:
        form = msgspec.structs.replace(form, organization=occasion.caller.organizations[0])
    logical_id = parts.new_id()
    nobody = Doctor(DoctorCard(logical_id, 0, parts.clock(), None, None, None), (None, None, None), DoctorFiles())
    return await _written(parts, records, occasion, nobody, form)


async def altered(
    parts: Parts,
    records: DoctorRecords,
    occasion: Occasion,
    logical_id: str,
    form: DoctorForm,
    *,
    if_match: frozenset[str] | None = None,
) -> Kept[DoctorCard]:
    """Say something else of a doctor. Raises `Forbidden`, `NotFound`, `VersionConflict`."""
    access.require(occasion.caller, "u", ROLE)
    doctor = await shown(parts, records, occasion, logical_id)
    _require_match(doctor, if_match)
    return await _written(parts, records, occasion, doctor, form)


async def withdrawn(
    parts: Parts,
    records: DoctorRecords,
    occasion: Occasion,
    logical_id: str,
    *,
    if_match: frozenset[str] | None = None,
) -> Answer:
    """Delete the three resources; their history stays. Raises `Conflict` while appointments are open."""
    access.require(occasion.caller, "c", ROLE)  # who adds doctors to an organization also takes them out of it
    doctor = await shown(parts, records, occasion, logical_id)
    _require_match(doctor, if_match)
    await _require_role(parts, occasion, doctor)
    if doctor.stored[0] is not None:
        await _require_person(parts, occasion, doctor.stored[0])
    await _require_no_appointments(parts, doctor)

    async def plan() -> Planned:
        bases = await parts.store.newest_of(doctor.keys)
        changes = [removed(parts, base) for base in bases if base is not None and not base.head.deleted]
        if not changes:
            raise Gone(f"Practitioner/{logical_id} was deleted")
        (change, answer), *others = changes
        return Planned(answer, change, others=tuple(each for each, _ in others))

    return await write_one(parts, acting(occasion, "d", *KINDS), plan)


async def listed(
    parts: Parts,
    records: DoctorRecords,
    occasion: Occasion,
    *,
    specialization: str | None = None,
    words: str | None = None,
    more: Sequence[tuple[str, str]] = (),
    after: PageKey | None,
    count: int,
) -> tuple[Sequence[Doctor], PageKey | None]:
    """A page of the doctors with a specialization (a known name, or words of it), whose names begin with `words`; `more` are
    search parameters of PractitionerRole."""
    access.require(occasion.caller, "r", PERSON)
    pairs = [*records.query(specialization, words), *more, ("_total", "none")]
    query = parts.search.parse(ROLE, pairs, strict=True).query
    everybody = acting(occasion, "s", *KINDS)
    found = await search(parts, everybody, msgspec.structs.replace(query, after=after, count=count))
    contents = (parts.reading.decoded(each.content) for each in found.matches if isinstance(each.content, bytes))
    people = (records.practitioner(content) for content in contents)
    ids = dict.fromkeys(key.id for key in people if key is not None and key.type == PERSON)
    return await _doctors(parts, records, occasion, list(ids), lenient=True), found.next


async def _doctors(
    parts: Parts, records: DoctorRecords, occasion: Occasion, ids: Sequence[str], *, lenient: bool = False
) -> list[Doctor]:
    """The doctors of these ids in one look at the store; with `lenient` without those that cannot be shown."""
    keys = [ResourceKey(kind, each) for each in ids for kind in KINDS]
    newest = await parts.store.newest_of(keys)
    trios: list[list[Stored | None]] = []
    for number, logical_id in enumerate(ids):
        person, role, schedule = newest[3 * number : 3 * number + 3]
        key = ResourceKey(PERSON, logical_id)
        try:
            person = present(await seen(parts, occasion.caller, person, key), key)
        except NotFound:
            if not lenient:
                raise
            continue
        trios.append([person, await _of(parts, ROLE, key, role), await _of(parts, SCHEDULE, key, schedule)])
    live = [one for trio in trios for one in trio if one is not None and not one.head.deleted]
    opened = dict(zip((one.head.key for one in live), await parts.store.open(live), strict=True))
    return [_doctor(parts, records, trio, opened) for trio in trios]


async def _of(parts: Parts, kind: str, person: ResourceKey, same: Stored | None) -> Stored | None:
    """The role or schedule of somebody: the one with their id, else the first that names them."""
    if same is not None:
        return same
    parameter = "practitioner" if kind == ROLE else "actor"
    pairs = [(parameter, str(person)), ("active:not", "false"), ("_total", "none")]
    query = parts.search.parse(kind, pairs, strict=True).query
    found = (await parts.store.find(msgspec.structs.replace(query, count=1))).matches
    return found[0] if found else None


def _doctor(
    parts: Parts,
    records: DoctorRecords,
    trio: Sequence[Stored | None],
    opened: dict[ResourceKey, bytes | DomainError],
) -> Doctor:
    contents = DoctorFiles(*(_content(parts, one, opened) for one in trio))
    there = [one.head for one in trio if one is not None]
    version, updated = sum(head.version for head in there), max(head.recorded for head in there)
    card = records.from_fhir(there[0].key.id, contents, version=version, updated=updated)
    person, role, schedule = trio
    return Doctor(card, (person, role, schedule), contents)


def _content(parts: Parts, one: Stored | None, opened: dict[ResourceKey, bytes | DomainError]) -> FhirJson | None:
    content = None if one is None else opened.get(one.head.key)
    if isinstance(content, DomainError):
        raise content
    return None if content is None else parts.reading.decoded(content)


async def _written(
    parts: Parts, records: DoctorRecords, occasion: Occasion, doctor: Doctor, form: DoctorForm
) -> Kept[DoctorCard]:
    """Write what differs of the three, all at once."""
    wanted = records.to_fhir(form, base=doctor.contents, keys=doctor.keys)
    contents = [each for each in (wanted.person, wanted.role, wanted.schedule) if each is not None]
    for content in contents:
        parts.validate.check(content)
    made: list[tuple[Change, Answer]] = []
    for key, content, base in zip(doctor.keys, contents, doctor.stored, strict=True):
        if not await _says(parts, base, content):
            method = "POST" if base is None else "PUT"
            made.append(changed(parts, occasion, key, content, method=method, base=base))  # type: ignore[arg-type]
    await _authorize(parts, occasion, doctor, [change for change, _ in made])
    if made:
        (change, first), *others = made
        answer = msgspec.structs.replace(first, status=200 if doctor.stored[0] else 201)
        planned = Planned(answer, change, others=tuple(each for each, _ in others))
    else:
        planned = Planned(Answer(200, doctor.stored[0].head if doctor.stored[0] else None))
    answer = await _once(parts, acting(occasion, "u", *KINDS), planned, doctor)
    heads = [one.head.version if one is not None else 0 for one in doctor.stored]
    updated = max((change.revision.recorded for change, _ in made), default=doctor.card.updated_at)
    card = records.from_fhir(doctor.card.id, wanted, version=sum(heads) + len(made), updated=updated)
    return Kept(card, answer)


async def _once(parts: Parts, occasion: Occasion, planned: Planned, doctor: Doctor) -> Answer:
    """Carry out a plan that may not be made again: what the form left out was taken from these versions."""
    tried = False

    async def plan() -> Planned:
        nonlocal tried
        if tried:
            raise VersionConflict(f"Somebody changed Practitioner/{doctor.card.id} at the same time")
        tried = True
        return planned

    return await write_one(parts, occasion, plan)


async def _authorize(parts: Parts, occasion: Occasion, doctor: Doctor, changes: Sequence[Change]) -> None:
    """Raise `Forbidden` unless the matrix lets the caller make the change of the role, or of the person where there is no
    other; the rule of this module lets them make the others."""
    by_kind = {change.revision.key.type: change for change in changes}
    if doctor.stored[0] is None:
        await authorize(parts, occasion.caller, by_kind[PERSON])
    if ROLE in by_kind:
        fresh = [key for key, stored in zip(doctor.keys, doctor.stored, strict=True) if stored is None]
        await authorize(parts, occasion.caller, by_kind[ROLE], fresh)
    else:
        await _require_role(parts, occasion, doctor)
    if doctor.stored[0] is not None and PERSON in by_kind:
        await _require_person(parts, occasion, doctor.stored[0])
    schedule = doctor.stored[2]
    if schedule is not None and SCHEDULE in by_kind and not await may_see(parts, occasion.caller, "u", schedule):
        raise Forbidden("You may not update this Schedule")


async def _require_role(parts: Parts, occasion: Occasion, doctor: Doctor) -> None:
    """Raise `Forbidden` unless the caller may change the role as it is."""
    role, content = doctor.stored[1], doctor.contents.role
    if role is None or content is None:
        raise NotFound(f"There is no doctor {doctor.card.id}")
    same, _ = changed(parts, occasion, role.head.key, content, method="PUT", base=role)
    await authorize(parts, occasion.caller, same)


async def _require_person(parts: Parts, occasion: Occasion, person: Stored) -> None:
    """Raise `Forbidden` unless the caller may change the person, or administers every organization they work at."""
    if await may_see(parts, occasion.caller, "u", person):
        return
    pairs = [("practitioner", str(person.head.key)), ("_total", "none")]
    roles = (await parts.store.find(parts.search.parse(ROLE, pairs, strict=True).query)).matches
    places = {name for role in roles for name in role.head.facets if name.startswith("Organization/")}
    if not places <= set(occasion.caller.organizations):
        raise Forbidden("They work at another organization, too", reason="works_elsewhere")


async def _says(parts: Parts, base: Stored | None, content: FhirJson) -> bool:
    if base is None or base.head.deleted:
        return False
    opened = (await parts.store.open([base]))[0]
    return isinstance(opened, bytes) and same_content(content, base, opened)


def _require_match(doctor: Doctor, if_match: frozenset[str] | None) -> None:
    if if_match is not None and "*" not in if_match and str(doctor.card.version) not in if_match:
        raise VersionConflict("Somebody changed this since you have read it")


async def _require_no_appointments(parts: Parts, doctor: Doctor) -> None:
    now = parts.clock().isoformat().replace("+00:00", "Z")
    pairs = [("practitioner", doctor.card.id), ("status", _OPEN), ("date", f"ge{now}")]
    query = parts.search.parse("Appointment", pairs, strict=True).query
    if await parts.store.keys([query], limit=1):
        raise Conflict("This doctor has open appointments", reason="has_open_appointments")
