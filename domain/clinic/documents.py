"""Documents of a patient, as people and front ends know them: put in, found, changed, withdrawn.

One document is a DocumentReference with one Binary. The bytes come first (`receiving`), then both resources and the blob are
published in one write. A new file is a new document that replaces the old one; a withdrawn one stays as entered in error.
Who may do what is decided by the interactions, as for every other way in. https://hl7.org/fhir/R4/documentreference.html
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Sequence

import msgspec

from domain import access
from domain.blobs import Blob
from domain.clinic.acting import acting
from domain.clinic.document_cards import DocumentCard, DocumentForm, DocumentRecords, Wanted
from domain.errors import DomainError, Forbidden, Gone, InvalidFields
from domain.identity import ResourceKey
from domain.interactions.binaries import Document, document
from domain.interactions.bringing import replaced
from domain.interactions.brought import Brought, NewBinary
from domain.interactions.carrying import planned_of
from domain.interactions.guarding import may_see
from domain.interactions.parts import Answer, Occasion, Parts
from domain.interactions.read import read
from domain.interactions.receiving import Received, receive
from domain.interactions.search import search
from domain.interactions.update import require_match, update
from domain.interactions.writing import Planned, write_one
from domain.revision import Stored
from domain.search import PageKey

KIND = "DocumentReference"


class Put(msgspec.Struct, frozen=True):
    """What came of an upload: the card, and whether the patient's record had that very document already."""

    card: DocumentCard
    duplicate: bool = False
    recorded: bool = False


async def put(
    parts: Parts,
    records: DocumentRecords,
    occasion: Occasion,
    patient: ResourceKey,
    form: DocumentForm,
    stream: AsyncIterable[bytes],
    declared: str | None,
) -> Put:
    """Receive a document and publish it in the patient's record, once per content.

    Raises what `receiving.receive` raises, `NotFound` for a patient the caller does not see.
    """
    access.require(occasion.caller, "c", KIND)
    records.to_fhir(
        form, patient=patient.id, now=parts.clock()
    )  # what is wrong with the form is said before the upload
    await read(parts, occasion, patient)
    received = await receive(parts, stream, patient=patient.id, declared=declared, title=form.title)
    return await publish(parts, records, occasion, form, received)


async def publish(
    parts: Parts, records: DocumentRecords, occasion: Occasion, form: DocumentForm, received: Received
) -> Put:
    """Publish a document that has arrived (its blob belongs to a patient), unless the record has it already."""
    existing = await _duplicate(parts, records, occasion, received.blob)
    if existing is not None:
        await parts.blobs.discard([received.blob])
        return Put(existing, duplicate=True)
    answer = await _written(parts, records, occasion, form, received, None)
    return Put(card_of(parts, records, answer), recorded=answer.recorded)


async def replace(
    parts: Parts,
    records: DocumentRecords,
    occasion: Occasion,
    key: ResourceKey,
    form: DocumentForm,
    stream: AsyncIterable[bytes],
    declared: str | None,
    *,
    if_match: frozenset[str] | None = None,
) -> Put:
    """Publish a new file in place of a document, which becomes superseded in the same write."""
    access.require(occasion.caller, "u", KIND)
    old = await card(parts, records, occasion, key, if_match=if_match)
    if old.patient_id is None:
        raise InvalidFields("This document belongs to no patient")
    received = await receive(parts, stream, patient=old.patient_id, declared=declared, title=form.title)
    answer = await _written(parts, records, occasion, form, received, key)
    return Put(card_of(parts, records, answer), recorded=answer.recorded)


async def _written(
    parts: Parts,
    records: DocumentRecords,
    occasion: Occasion,
    form: DocumentForm,
    received: Received,
    replaces: ResourceKey | None,
) -> Answer:
    blob, extract, scan = received
    key, target = ResourceKey(KIND, parts.new_id()), ResourceKey("Binary", parts.new_id())
    content = records.to_fhir(
        form, patient=blob.patient or "", now=parts.clock(), replaces=None if replaces is None else str(replaces)
    )
    content = records.attached(content, blob, target, extract.pages)
    parts.validate.check(content)
    made = parts.documents.links.binary(
        {}, media_type=blob.content_type, blob=blob.id, context=str(key), patient=blob.patient, scan=scan
    )
    binary = NewBinary(target, made, extract.words, (blob.claim(target.at(1)),))

    async def plan() -> Planned:
        superseded, warnings = await replaced(parts, occasion, content)
        brought = Brought(content, extract.words, (binary,), superseded, warnings=warnings)
        return await planned_of(parts, occasion, key, brought, method="POST", base=None)

    return await write_one(parts, occasion, plan)


async def _duplicate(parts: Parts, records: DocumentRecords, occasion: Occasion, blob: Blob) -> DocumentCard | None:
    """The patient's current document with this content, if there is one that the caller may read."""
    for each in await parts.blobs.duplicates(blob.sha256, patient=blob.patient):
        key = parse_version_name(each.resource)
        if key is None or key.type != "Binary":
            continue
        try:
            found = await document(parts, occasion, key)
            context = parts.documents.links.context(found.content)
            if context is not None and context.type == KIND:
                known = await card(parts, records, occasion, context)
                if known.status == "current":
                    return known
        except DomainError:  # withdrawn, or not the caller's to see
            continue
    return None


def parse_version_name(name: str | None) -> ResourceKey | None:
    """The resource of `Type/id/version`."""
    kind, _, rest = (name or "").partition("/")
    logical_id, _, version = rest.partition("/")
    return ResourceKey(kind, logical_id) if kind and logical_id and version else None


async def card(
    parts: Parts,
    records: DocumentRecords,
    occasion: Occasion,
    key: ResourceKey,
    *,
    if_match: frozenset[str] | None = None,
) -> DocumentCard:
    """The card of a document. Raises `NotFound`, `Gone`, and `VersionConflict` when `if_match` does not hold."""
    answer = await read(parts, occasion, key)
    found = card_of(parts, records, answer)
    require_match(key, None if answer.head is None else Stored(answer.head), if_match)
    return found


def card_of(parts: Parts, records: DocumentRecords, answer: Answer) -> DocumentCard:
    """The card of a version that was read or written."""
    if answer.head is None or answer.content is None:
        raise Gone("There is no content")
    return records.from_fhir(
        parts.reading.decoded(answer.content), version=answer.head.version, updated=answer.head.recorded
    )


async def bytes_behind(parts: Parts, records: DocumentRecords, occasion: Occasion, key: ResourceKey) -> Document:
    """The document behind a card, not yet opened. Raises `Gone` for one that was withdrawn."""
    found = await card(parts, records, occasion, key)
    if found.status == "entered-in-error":
        raise Gone("This document was withdrawn")
    if found.binary is None:
        raise Gone("The content of this document is not kept here")
    return await document(parts, occasion, found.binary)


async def amend(
    parts: Parts,
    records: DocumentRecords,
    occasion: Occasion,
    key: ResourceKey,
    form: DocumentForm,
    *,
    if_match: frozenset[str] | None = None,
) -> Put:
    """Say something else of a document; its bytes stay."""
    answer = await read(parts, occasion, key)
    content = records.amended(parts.reading.decoded(answer.content or b"{}"), form)
    parts.validate.check(content)
    written = await update(parts, occasion, key, content, if_match=if_match)
    return Put(card_of(parts, records, written), recorded=written.recorded)


async def withdraw(
    parts: Parts,
    records: DocumentRecords,
    occasion: Occasion,
    key: ResourceKey,
    *,
    if_match: frozenset[str] | None = None,
) -> Answer:
    """Mark a document as entered in error: its content is 410 from now on, its history stays."""
    access.require(occasion.caller, "d", KIND)
    answer = await read(parts, occasion, key)
    stored = await parts.store.newest(key)
    if stored is None or not await may_see(parts, occasion.caller, "d", stored):
        raise Forbidden("Only the source of a document may withdraw it", reason="not_source")
    content = records.withdrawn(parts.reading.decoded(answer.content or b"{}"))
    return await update(parts, acting(occasion, "u", KIND), key, content, if_match=if_match)


async def listed(
    parts: Parts, records: DocumentRecords, occasion: Occasion, wanted: Wanted, *, after: PageKey | None, count: int
) -> tuple[Sequence[DocumentCard], PageKey | None]:
    """A page of the documents of a patient, the newest first. Raises `NotFound` for a patient the caller does not see."""
    await read(parts, occasion, ResourceKey("Patient", wanted.patient))
    query = parts.search.parse(KIND, [*records.query(wanted), ("_total", "none")], strict=True).query
    found = await search(parts, occasion, msgspec.structs.replace(query, after=after, count=count))
    cards = [
        records.from_fhir(parts.reading.decoded(entry.content), version=entry.head.version, updated=entry.head.recorded)
        for entry in found.matches
        if isinstance(entry.content, bytes)
    ]
    return cards, found.next
