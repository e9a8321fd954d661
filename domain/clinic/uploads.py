"""Uploads in parts, which go on after a break: the state behind tus 1.0 (https://tus.io/protocols/resumable-upload).

Each part is a pending blob of the patient, sealed like any other; the state is a voucher, which only who read it last can
change, so that of two parts for one place one is kept. When the last byte is there, the parts are read back as one stream and
published as one document. Whatever is given up goes: the voucher when it expires, the parts with the sweeper.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import cast

import msgspec

from domain import access
from domain.blobs import Blob
from domain.clinic.document_cards import DocumentForm, DocumentRecords
from domain.clinic.documents import KIND, Put, publish
from domain.errors import Conflict, DomainError, InvalidFields, NotFound, TooLarge
from domain.identity import ResourceKey
from domain.interactions.parts import Occasion, Parts
from domain.interactions.read import read
from domain.interactions.receiving import receive
from domain.vouchers import Voucher, Vouchers

LIFETIME = timedelta(hours=12)
MOST_PARTS = 2_000
JOINING = timedelta(minutes=15)
"""How long one process may take to join the parts before another one tries."""
PART = "application/octet-stream"


class Upload(msgspec.Struct, frozen=True):
    """An upload under way: `offset` of `length` bytes have arrived, in `parts`. `document` is what became of it."""

    id: str
    subject: str
    patient: str
    length: int
    expires: datetime
    form: DocumentForm
    declared: str | None = None
    offset: int = 0
    parts: tuple[str, ...] = ()
    joining: datetime | None = None
    document: str | None = None

    def __repr__(self) -> str:
        return f"Upload({self.offset} of {self.length} bytes)"


class _Read(msgspec.Struct):
    upload: Upload
    turn: int


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

    Raises `Conflict` when the upload is elsewhere, `TooLarge` for more than was announced.
    """
    known = await _mine(vouchers, occasion, upload_id)
    upload = known.upload
    if offset != upload.offset:
        raise Conflict(f"The upload is at {upload.offset}", reason="wrong_offset")
    if upload.document is not None:
        return upload, None
    if upload.offset < upload.length:
        known = await _kept(parts, vouchers, known, stream)
    if known.upload.offset < known.upload.length:
        return known.upload, None
    return await _joined(parts, records, vouchers, occasion, known)


async def end(parts: Parts, vouchers: Vouchers, occasion: Occasion, upload_id: str) -> None:
    """Give an upload up; its parts go. What was published stays."""
    known = await _mine(vouchers, occasion, upload_id)
    await vouchers.take("upload", upload_id)
    await parts.blobs.discard(await _blobs(parts, known.upload))


async def _kept(parts: Parts, vouchers: Vouchers, known: _Read, stream: AsyncIterable[bytes]) -> _Read:
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
    if not await _changed(vouchers, known, grown):
        await parts.blobs.discard([blob])
        raise Conflict("Somebody else has gone on with this upload", reason="wrong_offset")
    await parts.blobs.keep(await _blobs(parts, grown))
    return _Read(grown, known.turn + 1)


async def _joined(
    parts: Parts, records: DocumentRecords, vouchers: Vouchers, occasion: Occasion, known: _Read
) -> tuple[Upload, Put | None]:
    """Publish the whole, by one process at a time; another one tries when this one has died over it."""
    now = parts.clock()
    if known.upload.joining is not None and known.upload.joining > now:
        raise Conflict("The parts are being put together", reason="joining")
    claimed = msgspec.structs.replace(known.upload, joining=now + JOINING)
    if not await _changed(vouchers, known, claimed):
        raise Conflict("Somebody else has gone on with this upload", reason="wrong_offset")
    held = _Read(claimed, known.turn + 1)
    blobs = await _blobs(parts, claimed)
    try:
        received = await receive(
            parts,
            _pieces(parts, blobs),
            patient=claimed.patient,
            declared=claimed.declared,
            title=claimed.form.title,
        )
        made = await publish(parts, records, occasion, claimed.form, received)
    except DomainError:
        await _changed(vouchers, held, msgspec.structs.replace(claimed, joining=None))
        raise
    done = msgspec.structs.replace(claimed, parts=(), document=made.card.id)
    await _changed(vouchers, held, done)
    await parts.blobs.discard(blobs)
    return done, made


async def _pieces(parts: Parts, blobs: Sequence[Blob]) -> AsyncIterator[bytes]:
    for blob in blobs:
        async with aclosing(cast("AsyncGenerator[bytes, None]", await parts.blobs.open(blob))) as pieces:
            async for piece in pieces:
                yield piece


async def _blobs(parts: Parts, upload: Upload) -> list[Blob]:
    return [await parts.blobs.stat(each, patient=upload.patient) for each in upload.parts]


async def _mine(vouchers: Vouchers, occasion: Occasion, upload_id: str) -> _Read:
    voucher = await vouchers.read("upload", upload_id)
    upload = None if voucher is None else msgspec.json.decode(voucher.content, type=Upload)
    if voucher is None or upload is None or upload.subject != occasion.caller.subject:
        raise NotFound("There is no such upload")
    return _Read(upload, voucher.turn)


async def _changed(vouchers: Vouchers, known: _Read, upload: Upload) -> bool:
    return await vouchers.change("upload", upload.id, Voucher(msgspec.json.encode(upload), known.turn))
