"""Uploads in parts, which go on after a break: the state behind tus 1.0 (https://tus.io/protocols/resumable-upload).

Each part is a pending blob of the patient, sealed like any other; the state is a voucher, which only who read it last can
change, so that of two parts for one place one is kept. When the last byte is there, the parts are joined (`joining_parts`) and
published as one document. Until that is done the last byte counts as missing: a client takes an upload for finished when
every byte has arrived, and would not come back. Whatever is given up goes: the voucher when it expires, the parts with the
sweeper.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterable
from datetime import timedelta

import msgspec

from domain import access
from domain.clinic.document_cards import DocumentForm, DocumentRecords
from domain.clinic.documents import KIND, Put
from domain.clinic.joining_parts import Known, Upload, blobs_of, change, joined
from domain.errors import Conflict, InvalidFields, NotFound, TooLarge
from domain.identity import ResourceKey
from domain.interactions.parts import Occasion, Parts
from domain.interactions.read import read
from domain.vouchers import Vouchers

LIFETIME = timedelta(hours=12)
MOST_PARTS = 2_000
PART = "application/octet-stream"


async def begin(
    parts: Parts,
    records: DocumentRecords,
    vouchers: Vouchers,
    occasion: Occasion,
    patient: ResourceKey,
    length: int,
    form: DocumentForm,
    declared: str | None,
) -> Upload:
    """A new upload of `length` bytes. Raises `TooLarge`, and what `documents.put` raises before it receives anything."""
    access.require(occasion.caller, "c", KIND)
    records.to_fhir(form, patient=patient.id, now=parts.clock())
    if length > parts.documents.rules.largest:
        raise TooLarge(f"A document is at most {parts.documents.rules.largest:,} bytes")
    if length < 1:
        raise InvalidFields("A document has at least one byte", expression="Upload-Length")
    await read(parts, occasion, patient)
    expires = parts.clock() + LIFETIME
    upload = Upload(secrets.token_urlsafe(24), occasion.caller.subject, patient.id, length, expires, form, declared)
    await vouchers.put("upload", upload.id, msgspec.json.encode(upload), expires=expires)
    return upload


async def state(vouchers: Vouchers, occasion: Occasion, upload_id: str) -> Upload:
    """How far an upload of the caller has come. Raises `NotFound`."""
    return (await _mine(vouchers, occasion, upload_id)).upload


async def add(
    parts: Parts,
    records: DocumentRecords,
    vouchers: Vouchers,
    occasion: Occasion,
    upload_id: str,
    offset: int,
    stream: AsyncIterable[bytes],
) -> tuple[Upload, Put | None]:
    """Keep the bytes that follow the first `offset`, as far as they come; with the last one, publish the document.

    A last byte that comes again, because it was published by nobody yet, is not looked at.
    Raises `Conflict` when the upload is elsewhere, `TooLarge` for more than was announced.
    """
    known = await _mine(vouchers, occasion, upload_id)
    upload = known.upload
    if offset not in (upload.told, upload.offset):
        raise Conflict(f"The upload is at {upload.told}", reason="wrong_offset")
    if upload.document is not None:
        return upload, None
    if upload.offset < upload.length:
        known = await _kept(parts, vouchers, known, stream)
    if known.upload.offset < known.upload.length:
        return known.upload, None
    return await joined(parts, records, vouchers, occasion, known)


async def end(parts: Parts, vouchers: Vouchers, occasion: Occasion, upload_id: str) -> None:
    """Give an upload up; its parts go. What was published stays."""
    known = await _mine(vouchers, occasion, upload_id)
    await vouchers.take("upload", upload_id)
    await parts.blobs.discard(await blobs_of(parts, known.upload))


async def _kept(parts: Parts, vouchers: Vouchers, known: Known, stream: AsyncIterable[bytes]) -> Known:
    upload = known.upload
    if len(upload.parts) >= MOST_PARTS:
        raise Conflict(f"An upload has at most {MOST_PARTS} parts", reason="too_many_parts")
    blob = await parts.blobs.receive(
        stream, patient=upload.patient, content_type=PART, limit=upload.length - upload.offset
    )
    if not blob.size:
        await parts.blobs.discard([blob])
        return known
    grown = msgspec.structs.replace(upload, offset=upload.offset + blob.size, parts=(*upload.parts, blob.id))
    if not await change(vouchers, known, grown):
        await parts.blobs.discard([blob])
        raise Conflict("Somebody else has gone on with this upload", reason="wrong_offset")
    await parts.blobs.keep(await blobs_of(parts, grown))
    return Known(grown, known.turn + 1)


async def _mine(vouchers: Vouchers, occasion: Occasion, upload_id: str) -> Known:
    voucher = await vouchers.read("upload", upload_id)
    upload = None if voucher is None else msgspec.json.decode(voucher.content, type=Upload)
    if voucher is None or upload is None or upload.subject != occasion.caller.subject:
        raise NotFound("There is no such upload")
    return Known(upload, voucher.turn)
