"""The sweeper: removes the bytes of uploads that were never published, and of erased patients.

    pending for too long  -> doomed
    doomed                -> the object is removed, then the record

It starts from records only. An object nobody has a record of may belong to a database that was restored from an older
backup, or to another installation with the same bucket: `chartvault blobs check` names such objects, nothing removes them.
Since the record comes before the first byte and goes after the last, no crash leaves an object without one. While an upload
may still be writing, in a process that hangs, the record of a removed object stays for `SETTLED`, and the object is removed
once more. Every step may be repeated; one process sweeps at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from domain.blobs import BlobStore
from storage.crypto.progress import Progress, unseen
from storage.mongo.abandoned import AbandonedTransactions
from storage.mongo.blob_documents import BLOBS, DOOMED, PENDING
from storage.mongo.client import Database, Document
from storage.mongo.failures import translated
from storage.mongo.lease import Lease

SETTLED = timedelta(hours=1)
BATCH = 100
_AT_ONCE = 8


class Swept(NamedTuple):
    """What one sweep did: uploads that had waited too long, objects removed, records removed."""

    expired: int
    objects: int
    records: int


async def sweep(
    database: Database,
    store: BlobStore,
    lease: Lease,
    *,
    pending_for: timedelta,
    settled_for: timedelta = SETTLED,
    progress: Progress = unseen,
) -> Swept:
    """Doom what has waited for longer than `pending_for`, and remove everything doomed.

    Raises `Contention` while another process sweeps, `Unavailable` when store or database do not answer; the next sweep goes
    on from there.
    """
    await lease.take()
    try:
        # Else a process killed in the middle of publishing would hold its record, and this sweep, for a minute.
        await AbandonedTransactions(database.client).end()
        expired = await _expire(database, pending_for)
        objects = records = 0
        after = ""
        while batch := await _doomed(database, after):
            await lease.renew()
            await _remove_objects(store, batch)
            records += await _remove_records(database, batch, settled_for)
            objects += len(batch)
            after = batch[-1]["_id"]
            progress("objects", objects)
        return Swept(expired, objects, records)
    finally:
        await lease.release()


async def _expire(database: Database, pending_for: timedelta) -> int:
    now = datetime.now(UTC)
    silent = {"state": PENDING, "at": {"$lt": now - pending_for}}
    with translated("The uploads cannot be looked through"):
        done = await database[BLOBS].update_many(silent, {"$set": {"state": DOOMED, "at": now}})
    return done.modified_count


async def _doomed(database: Database, after: str) -> list[Document]:
    selected = {"state": DOOMED, "_id": {"$gt": after}}
    with translated("The doomed documents cannot be listed"):
        return await database[BLOBS].find(selected, {"at": 1, "whole": 1}).sort("_id").limit(BATCH).to_list()


async def _remove_objects(store: BlobStore, batch: Sequence[Document]) -> None:
    for start in range(0, len(batch), _AT_ONCE):
        await asyncio.gather(*(store.delete(record["_id"]) for record in batch[start : start + _AT_ONCE]))


async def _remove_records(database: Database, batch: Sequence[Document], settled_for: timedelta) -> int:
    """Remove the records of objects that nobody can be writing to any more."""
    settled = datetime.now(UTC) - settled_for
    names = [record["_id"] for record in batch if record["whole"] or record["at"] < settled]
    with translated("The doomed documents cannot be removed"):
        done = await database[BLOBS].delete_many({"_id": {"$in": names}, "state": DOOMED})
    return done.deleted_count
