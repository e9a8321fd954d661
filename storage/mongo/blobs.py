"""`domain.blobs.Blobs` on MongoDB and a blob store: records, keys and sealed bytes put together.

    receive   record `pending` -> sealed bytes durable in the store -> record `whole`, with wrapped key and sealed details
    publish   in the transaction of the version that names it (`statements.py`): `pending` -> `ready`

At every step a crash leaves a pending record that is too old some day, and perhaps an object of its name: the sweeper
(`blob_sweep.py`) dooms the record and removes both. The key of an object is stored only when the object is whole.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterable, AsyncIterator, Coroutine, Sequence
from contextlib import suppress
from typing import Any

from domain.blobs import Blob, BlobStore, Expected, Sniff, Span
from domain.errors import DomainError, IntegrityFailure, NotFound, TooLarge, Unavailable
from storage.blobs.naming import is_name, new_name
from storage.crypto.blob_envelope import BlobKey, object_size, unwrapped
from storage.crypto.keys import Keyring, patient_owner
from storage.crypto.sealing import SealingKey
from storage.mongo.blob_documents import BLOBS, DOOMED, PENDING, READY, Details, Handle, blob_of, sealed_details
from storage.mongo.blob_intake import Intake
from storage.mongo.blob_pending import PendingRecords, now
from storage.mongo.blob_reading import BlobReading
from storage.mongo.client import READ_MS, Database
from storage.mongo.failures import translated

ALIVE_SECONDS = 60.0
"""How often an upload under way says so, far more often than a pending record may be silent."""
MOST_DUPLICATES = 10
CLOSING_SECONDS = 5.0
GIVE_UP_PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Seconds before the record of a failed upload is looked for again, when the database is away: it often is what failed."""


class MongoBlobs:
    """The blobs of one database and one store. `close` it before keyring and client; that closes the store too."""

    def __init__(self, database: Database, keyring: Keyring, store: BlobStore) -> None:
        self.records = database[BLOBS]
        self._keyring = keyring
        self.store = store
        self._pending = PendingRecords(self.records)
        self._background: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Let the removal of failed uploads end, for a few seconds; the sweeper does the rest."""
        if self._background:
            await asyncio.wait(self._background, timeout=CLOSING_SECONDS)
        await self.store.close()

    async def receive(
        self,
        stream: AsyncIterable[bytes],
        *,
        patient: str | None,
        content_type: str,
        limit: int,
        title: str | None = None,
        expected: Expected | None = None,
        sniff: Sniff | None = None,
    ) -> Blob:
        """See `domain.blobs.Blobs.receive`."""
        if expected is not None and (expected.size or 0) > limit:
            raise TooLarge(f"The document is larger than {limit:,} bytes")
        blob_id = new_name()
        intake = Intake(stream, limit=limit, alive=self._signs_of_life(blob_id))
        if sniff is not None:
            content_type = sniff(await intake.head())
        await self._keyring.for_writing([patient_owner(patient)])  # an erased patient is refused before the upload
        try:
            created = await self._pending.announce(blob_id, patient)
            key = BlobKey(blob_id)
            stored = await self.store.put(blob_id, intake.sealed(key))
            if stored != object_size(intake.size):
                raise Unavailable("The blob store has not stored all it was sent", code="incomplete")
            intake.require(expected or Expected())
            details = Details(intake.size, content_type, title, intake.sha1, intake.sha256)
            handle = await self._complete(blob_id, patient, key, details)
        except BaseException:
            self._later(self._give_up(blob_id))
            raise
        size, content_type, title, sha1, sha256 = (getattr(details, name) for name in details.__struct_fields__)
        return Blob(blob_id, patient, size, content_type, title, sha1, sha256, created, None, handle)

    async def _complete(self, blob_id: str, patient: str | None, key: BlobKey, details: Details) -> Handle:
        """Store what is needed to open the object, unless the record was doomed meanwhile."""
        owner = patient_owner(patient)
        sealing = (await self._keyring.for_writing([owner]))[owner]
        handle = Handle(sealing.id, key.wrapped(sealing))
        fields = {
            "at": now(),
            "whole": True,
            "size": details.size,
            "key": handle.key,
            "wrapped": handle.wrapped,
            "details": sealed_details(blob_id, details, sealing),
            "same": self._same(patient, details.sha256),
        }
        await self._pending.change(blob_id, fields)
        return handle

    def _signs_of_life(self, blob_id: str) -> Any:
        said = time.monotonic()

        async def alive() -> None:
            nonlocal said
            if time.monotonic() - said >= ALIVE_SECONDS:
                await self._pending.change(blob_id, {"at": now()})
                said = time.monotonic()

        return alive

    async def _give_up(self, blob_id: str) -> None:
        """After a failed upload: doom the record and remove the bytes as soon as both answer; never raises."""
        for pause in (*GIVE_UP_PAUSES, None):
            with suppress(DomainError):
                with translated("The record cannot be doomed"):
                    await self.records.update_one(
                        {"_id": blob_id, "state": PENDING}, {"$set": {"state": DOOMED, "at": now()}}
                    )
                await self.store.delete(blob_id)
                return
            if pause is not None:
                await asyncio.sleep(pause)

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def stat(self, blob_id: str, *, patient: str | None) -> Blob:
        """See `domain.blobs.Blobs.stat`."""
        found = await self._record({"_id": blob_id, "patient": patient}) if is_name(blob_id) else None
        if patient is None and (found is None or found["state"] == DOOMED):
            found = await self._record({"was": blob_id}) or found
        if found is None:
            raise NotFound("There is no such document")
        if found["state"] == DOOMED or not found.get("whole"):
            # Of an erased patient this raises `Gone`.
            await self._keyring.for_writing([patient_owner(found["patient"])])
            raise NotFound("There is no such document")
        return await self._opened(found)

    async def _record(self, selected: dict[str, Any]) -> dict[str, Any] | None:
        with translated("The document cannot be looked up"):
            return await self.records.find_one(selected, max_time_ms=READ_MS)

    async def _opened(self, record: dict[str, Any]) -> Blob:
        return blob_of(record, await self._key(record["key"], record["patient"]))

    async def _key(self, key_id: str, patient: str | None) -> SealingKey:
        """The key of a record. Bound to the patient: a record moved to another compartment does not open."""
        if key_id.rpartition("#")[0] != patient_owner(patient):
            raise IntegrityFailure("The record of a document belongs to another patient")
        key = (await self._keyring.for_reading([key_id])).get(key_id)
        if key is None:
            raise self._keyring.why_absent(key_id)
        return key

    async def open(self, blob: Blob, span: Span | None = None) -> AsyncIterator[bytes]:
        """See `domain.blobs.Blobs.open`."""
        span = Span(0, blob.size) if span is None else span
        if not 0 <= span.start <= span.end <= blob.size:
            raise ValueError("the span is not inside of the content")
        handle: Handle = blob.handle

        async def allowed() -> SealingKey:
            return await self._key(handle.key, blob.patient)

        key = unwrapped(blob.id, handle.wrapped, await allowed())
        return await BlobReading(self.store, blob, span, key, allowed).start()

    async def duplicates(self, sha256: bytes, *, patient: str | None) -> Sequence[Blob]:
        """See `domain.blobs.Blobs.duplicates`."""
        selected = {"same": self._same(patient, sha256), "state": READY, "patient": patient}
        with translated("The documents cannot be looked up"):
            found = await self.records.find(selected, sort=["created", "_id"], limit=MOST_DUPLICATES).to_list()
        return [await self._opened(record) for record in found]

    def _same(self, patient: str | None, sha256: bytes) -> bytes:
        return self._keyring.service.name_hash("blob", f"{patient_owner(patient)}|{sha256.hex()}")

    async def keep(self, blobs: Sequence[Blob]) -> None:
        """See `domain.blobs.Blobs.keep`."""
        with translated("The uploads cannot be kept"):
            await self.records.update_many(_pending(blobs), {"$set": {"at": now()}})

    async def discard(self, blobs: Sequence[Blob]) -> None:
        """See `domain.blobs.Blobs.discard`."""
        with translated("The uploads cannot be discarded"):
            await self.records.update_many(_pending(blobs), {"$set": {"state": DOOMED, "at": now()}})


def _pending(blobs: Sequence[Blob]) -> dict[str, Any]:
    return {"_id": {"$in": [blob.id for blob in blobs]}, "state": PENDING}
