"""Medical records: one write for a visit and everything that was found at it.

A diagnosis or procedure that is taken out of a record was never so: it stays as entered in error. A record that is deleted
leaves its findings, which are facts of their own. PRODUCT 2.4. https://hl7.org/fhir/R4/composition.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from domain import access
from domain.clinic.acting import acting
from domain.clinic.medical_record_cards import (
    KIND,
    LINKS,
    Finding,
    MedicalRecords,
    Part,
    RecordCard,
    RecordForm,
    Wanted,
)
from domain.clinic.record_note_cards import NoteForm, RecordNotes
from domain.clinic.records import card_of, listed
from domain.errors import DomainError, Forbidden, InvalidFields
from domain.identity import FhirJson, ResourceKey
from domain.interactions.delete import delete
from domain.interactions.guarding import base_of, may_see, visible
from domain.interactions.parts import Answer, Occasion, Parts, opened, present
from domain.interactions.read import read
from domain.interactions.update import require_match
from domain.interactions.writing import Planned, changed, write_one
from domain.revision import Change, Stored
from domain.search import PageKey


class Kept(msgspec.Struct, frozen=True):
    """What was written, and how it is shown."""

    card: RecordCard
    answer: Answer

    def __repr__(self) -> str:
        return f"Kept({self.answer.status})"


async def shown(parts: Parts, records: MedicalRecords, occasion: Occasion, logical_id: str) -> RecordCard:
    """One record with its findings. Raises `NotFound`, `Gone`."""
    card = card_of(parts, records, await read(parts, occasion, ResourceKey(KIND, logical_id)))
    return (await filled(parts, records, occasion, [card]))[0]


async def pages(
    parts: Parts, records: MedicalRecords, occasion: Occasion, wanted: Wanted, *, after: PageKey | None, count: int
) -> tuple[Sequence[RecordCard], PageKey | None]:
    """A page of records with their findings, the latest first, and where the next begins."""
    cards, following = await listed(parts, records, occasion, records.query(wanted), after=after, count=count)
    return await filled(parts, records, occasion, cards), following


async def filled(
    parts: Parts, records: MedicalRecords, occasion: Occasion, cards: Sequence[RecordCard]
) -> list[RecordCard]:
    """The cards with what their findings say now, as far as the caller may see them."""
    keys = list(dict.fromkeys(key for card in cards for key in card.parts))
    known = await findings(parts, records, occasion, [each for each in await parts.store.newest_of(keys) if each])
    return [card.filled(known) for card in cards]


async def findings(
    parts: Parts, records: MedicalRecords, occasion: Occasion, stored: Sequence[Stored]
) -> dict[ResourceKey, Finding]:
    """What those versions say that the caller may see."""
    seen = await visible(parts, occasion.caller, [each for each in stored if not each.head.deleted])
    contents = await parts.store.open(seen)
    return {
        one.head.key: records.finding(parts.reading.decoded(content))
        for one, content in zip(seen, contents, strict=True)
        if not isinstance(content, DomainError)
    }


async def write(
    parts: Parts,
    records: MedicalRecords,
    occasion: Occasion,
    form: RecordForm,
    noting: RecordNotes,
    notes: Sequence[NoteForm] = (),
) -> Kept:
    """Write a record with its findings and first notes. Raises `NotFound` for a patient the caller does not see,
    `InvalidFields` for something it points at that is not of this patient, `Forbidden`."""
    _require_rights(occasion, "c", form)
    await read(parts, occasion, ResourceKey("Patient", form.patient_id))
    form = _signed(form, occasion)
    await _require_links(parts, occasion, form)
    key = ResourceKey(KIND, parts.new_id())
    content = records.to_fhir(form, base=None, now=parts.clock())

    async def plan() -> Planned:
        planned = await _planned(parts, records, occasion, form, key, content, None, {})
        said = (
            msgspec.structs.replace(each, record=key.id, patient_id=form.patient_id, author=form.doctor)
            for each in notes
        )
        made = [noting.to_fhir(each, base=None, now=parts.clock()) for each in said]
        added = (_change(parts, occasion, ResourceKey(KIND, parts.new_id()), each, None) for each in made)
        return msgspec.structs.replace(planned, others=(*planned.others, *added))

    return await _kept(parts, records, occasion, await write_one(parts, occasion, plan))


async def rewrite(
    parts: Parts,
    records: MedicalRecords,
    occasion: Occasion,
    logical_id: str,
    form: RecordForm,
    *,
    if_match: frozenset[str] | None = None,
) -> Kept:
    """Say something else of a visit. Findings that say the same stay what they are. Raises what `write` raises,
    `VersionConflict`."""
    _require_rights(occasion, "u", form)
    key = ResourceKey(KIND, logical_id)
    await _require_links(parts, occasion, form)

    async def plan() -> Planned:
        base = present(await base_of(parts, occasion.caller, await parts.store.newest(key), key), key)
        require_match(key, base, if_match)
        before = parts.reading.decoded(await opened(parts, base))
        card = records.from_fhir(before, version=base.head.version, updated=base.head.recorded)
        if card.patient_id != form.patient_id:
            raise InvalidFields("A record stays with its patient", expression="patientId")
        stored = await parts.store.newest_of(card.parts)
        known = {one.head.key: one for one in stored if one is not None and not one.head.deleted}
        said = form if form.doctor is not None else msgspec.structs.replace(form, doctor=_text(card.doctor))
        content = records.to_fhir(said, base=before, now=parts.clock())
        return await _planned(parts, records, occasion, said, key, content, base, known)

    return await _kept(parts, records, occasion, await write_one(parts, occasion, plan))


async def remove(
    parts: Parts, occasion: Occasion, logical_id: str, *, if_match: frozenset[str] | None = None
) -> Answer:
    """Delete a record; its versions stay. For who may change it: the matrix lets nobody delete what was written in a
    record, the documents let doctors (PRODUCT 2.11). Raises `NotFound`, `Forbidden`, `VersionConflict`."""
    access.require(occasion.caller, "u", KIND)
    key = ResourceKey(KIND, logical_id)
    stored = present(await base_of(parts, occasion.caller, await parts.store.newest(key), key), key)
    if not await may_see(parts, occasion.caller, "u", stored):
        raise Forbidden("You may not delete this record")
    return await delete(parts, acting(occasion, "d", KIND), key, if_match=if_match)


async def _planned(
    parts: Parts,
    records: MedicalRecords,
    occasion: Occasion,
    form: RecordForm,
    key: ResourceKey,
    content: FhirJson,
    base: Stored | None,
    known: Mapping[ResourceKey, Stored],
) -> Planned:
    """The plan that writes a record: what is new of its findings, what changed, what was taken out.

    A finding that is hidden from the caller stays as it is. The record is labelled as its findings are: it names them.
    """
    seen = await visible(parts, occasion.caller, list(known.values()))
    left = {one.head.key: parts.reading.decoded(await opened(parts, one)) for one in seen}
    writes: list[tuple[ResourceKey, FhirJson]] = []
    composed = [Part(key, Finding(text="")) for key in known if key not in left]
    labels = dict.fromkeys(label for one in known.values() for label in one.head.labels)
    for kind, wished in form.findings:
        for number, finding in enumerate(wished):
            part = _match(records, kind, finding, left, number)
            before = None if part is None else left.pop(part)
            part = part or ResourceKey(kind, parts.new_id())
            composed.append(Part(part, finding))
            if before is None or not finding.says(records.finding(before)):
                made = records.part(kind, finding, form, before)
                writes.append((part, made))
                before = made
            labels.update(dict.fromkeys(parts.describe.sensitivity(before, kind)))
    writes += [(one, records.withdrawn(text)) for one, text in left.items()]
    content = records.composed(content, composed, tuple(labels))
    parts.validate.check(content)
    change, answer = changed(parts, occasion, key, content, method="POST" if base is None else "PUT", base=base)
    # After the record: what a finding said before is what it said in the record's version before (`record_history`).
    others = tuple(_change(parts, occasion, one, text, known.get(one)) for one, text in writes)
    return Planned(answer, change, others=others)


def _match(
    records: MedicalRecords, kind: str, finding: Finding, left: Mapping[ResourceKey, FhirJson], number: int
) -> ResourceKey | None:
    """Which of the resources there are a finding is: the one it names, else one that says the same."""
    if finding.id is not None:
        key = ResourceKey(kind, finding.id)
        if key not in left:
            name = "diagnosis" if kind == "Condition" else "procedures"
            raise InvalidFields("This record has no such entry", expression=f"{name}[{number}].id")
        return key
    same = (key for key, text in left.items() if key.type == kind and finding.says(records.finding(text)))
    return next(same, None)


def _change(parts: Parts, occasion: Occasion, key: ResourceKey, content: FhirJson, base: Stored | None) -> Change:
    parts.validate.check(content)
    return changed(parts, occasion, key, content, method="POST" if base is None else "PUT", base=base)[0]


async def _require_links(parts: Parts, occasion: Occasion, form: RecordForm) -> None:
    """Raise `InvalidFields` for something pointed at that the caller does not see, or that is of another patient."""
    wanted = [
        (
            ResourceKey(*text.split("/")) if "/" in text else ResourceKey(kinds[0], text),
            f"{_camel(name)}[{number}]",
            kinds,
        )
        for name, kinds in LINKS.items()
        for number, text in enumerate(getattr(form, name))
    ]
    if form.encounter is not None:
        wanted.append((ResourceKey("Encounter", form.encounter), "encounterId", ("Encounter",)))
    stored = await parts.store.newest_of([key for key, _, _ in wanted])
    seen = {one.head.key for one in await visible(parts, occasion.caller, [one for one in stored if one is not None])}
    for (key, field, kinds), one in zip(wanted, stored, strict=True):
        there = one is not None and key in seen and not one.head.deleted
        if one is None or not there or key.type not in kinds or form.patient_id not in one.head.patients:
            raise InvalidFields("This patient has no such record", expression=field)


def _require_rights(occasion: Occasion, right: access.Right, form: RecordForm) -> None:
    """Only who may change records writes one: nurses and dieticians, who may add notes, do not (PRODUCT 2.11)."""
    access.require(occasion.caller, right, KIND)
    access.require(occasion.caller, "u", KIND)
    for kind, wished in form.findings:
        if wished:
            access.require(occasion.caller, right, kind)


def _signed(form: RecordForm, occasion: Occasion) -> RecordForm:
    """The form with whose record it is. Raises `InvalidFields` when nobody is."""
    if form.doctor is not None:
        return form
    author = next((each for each in occasion.caller.profiles if each.startswith("Practitioner/")), None)
    if author is None:
        raise InvalidFields("Say who treated the patient", expression="doctorId")
    return msgspec.structs.replace(form, doctor=author)


async def _kept(parts: Parts, records: MedicalRecords, occasion: Occasion, answer: Answer) -> Kept:
    return Kept((await filled(parts, records, occasion, [card_of(parts, records, answer)]))[0], answer)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(each.title() for each in rest)


def _text(key: ResourceKey | None) -> str | None:
    return None if key is None else str(key)
