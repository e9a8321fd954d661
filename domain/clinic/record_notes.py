"""Notes on a medical record: resources of their own, which nurses add and only doctors change or take back.

A note is a Composition that appends to the record, so the record itself has no new version for it and nobody's If-Match
fails because a nurse wrote something. https://hl7.org/fhir/R4/composition-definitions.html#Composition.relatesTo
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from domain import access
from domain.clinic.medical_record_cards import KIND
from domain.clinic.medical_records import remove
from domain.clinic.record_note_cards import NoteCard, NoteForm, RecordNotes
from domain.clinic.records import Kept, altered, card_of, listed, made
from domain.errors import InvalidFields, NotFound
from domain.identity import ResourceKey
from domain.interactions.parts import Answer, Occasion, Parts
from domain.interactions.read import read

MOST = 500
"""Notes of one page of records that are shown."""


async def add(parts: Parts, notes: RecordNotes, occasion: Occasion, record: str, form: NoteForm) -> Kept[NoteCard]:
    """Write a note on a record. Raises `NotFound` for a record the caller does not see, `Forbidden`."""
    access.require(occasion.caller, "c", KIND)
    answer = await read(parts, occasion, ResourceKey(KIND, record))
    patient = notes.subject(parts.reading.decoded(answer.content or b"{}"))
    author = form.author or next((each for each in occasion.caller.profiles if each.startswith("Practitioner/")), None)
    if author is None:
        raise InvalidFields("Say who writes", expression="authorId")
    said = msgspec.structs.replace(form, record=record, patient_id=patient or "", author=author)
    return await made(parts, notes, occasion, said)


async def change(
    parts: Parts,
    notes: RecordNotes,
    occasion: Occasion,
    record: str,
    logical_id: str,
    form: NoteForm,
    *,
    if_match: frozenset[str] | None = None,
) -> Kept[NoteCard]:
    """Say something else in a note; the older text stays in its history."""
    access.require(occasion.caller, "u", KIND)
    await shown(parts, notes, occasion, record, logical_id)
    return await altered(parts, notes, occasion, logical_id, form, if_match=if_match)


async def take_back(
    parts: Parts,
    notes: RecordNotes,
    occasion: Occasion,
    record: str,
    logical_id: str,
    *,
    if_match: frozenset[str] | None = None,
) -> Answer:
    """Delete a note, as who may change it."""
    access.require(occasion.caller, "u", KIND)
    await shown(parts, notes, occasion, record, logical_id)
    return await remove(parts, occasion, logical_id, if_match=if_match)


async def shown(parts: Parts, notes: RecordNotes, occasion: Occasion, record: str, logical_id: str) -> NoteCard:
    """One note of a record. Raises `NotFound` for one of another."""
    key = ResourceKey(KIND, logical_id)
    card = card_of(parts, notes, await read(parts, occasion, key))
    if card.record != record:
        raise NotFound(f"There is no {key}")
    return card


async def of_records(
    parts: Parts, notes: RecordNotes, occasion: Occasion, records: Sequence[str]
) -> dict[str, list[NoteCard]]:
    """The notes on each of these records that the caller may see, the oldest first."""
    found: dict[str, list[NoteCard]] = {}
    if records:
        cards, _ = await listed(parts, notes, occasion, notes.query(records), after=None, count=MOST)
        for card in cards:
            found.setdefault(card.record or "", []).append(card)
    return found
